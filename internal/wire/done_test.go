package wire

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"
)

// TestPipelinesAreAskedForWhatTheyTakeAlone has two pipelines of one modality, each of which takes some of the texts, or all; what one of them alone lacks is computed by it alone.
func TestPipelinesAreAskedForWhatTheyTakeAlone(t *testing.T) {
	l := newLake(t, 30)
	other := l.beside("other")
	of := func(first, second string) { l.conf.Pipelines[0].Where, other.Where = first, second }
	computed := func(name string, want ...int64) {
		t.Helper()
		for i, s := range l.runAt(t, filepath.Join(l.out, name), name) {
			if s.Stream.Computed != want[i] || len(s.Stream.Dead) != 0 {
				t.Errorf("%s: %d computed by %s, want %d; dead: %v", name, s.Stream.Computed, s.Pipeline, want[i], s.Stream.Dead)
			}
		}
	}
	of(`ref.uri.contains("/00")`, `!ref.uri.contains("/00")`)
	p := l.plan(t, "first", PlanOptions{Estimate: EstimateOptions{For: time.Millisecond}})
	if p.Items != 30 || len(p.Expected) != 2 || p.Expected[0].Items != 10 || p.Expected[1].Items != 20 {
		t.Fatalf("%+v, expected %+v", p.Counts, p.Expected)
	}
	computed("first", 10, 20)
	if p := l.plan(t, "second", PlanOptions{}); p.Items != 0 || p.Known != 30 {
		t.Errorf("all is computed by who takes it: %+v", p.Counts)
	}
	of("", "")
	if p := l.plan(t, "third", PlanOptions{}); p.Items != 30 || p.Known != 0 {
		t.Errorf("each is lacking in one: %+v", p.Counts)
	}
	computed("third", 20, 10)
	of("", `topic == "live"`)
	if p := l.plan(t, "fourth", PlanOptions{}); p.Items != 0 || p.Known != 30 {
		t.Errorf("a pipeline that may take all has all: %+v", p.Counts)
	}
}

// TestAReferenceIsNoPipelinesAloneThatMayNotTakeIt has one that takes what comes in a topic, or what has no route.
func TestAReferenceIsNoPipelinesAloneThatMayNotTakeIt(t *testing.T) {
	for _, where := range []string{`topic == "live"`, `ref.route == ""`} {
		l := newLake(t, 5)
		l.plan(t, "first", PlanOptions{})
		l.run(t, "first")
		l.beside("other").Where = where
		if p := l.plan(t, "second", PlanOptions{}); p.Items != 5 || p.Known != 0 {
			t.Errorf("%s: %+v", where, p.Counts)
		}
		list, err := OpenPlan(t.Context(), l.conf, filepath.Join(l.out, "second"))
		if err != nil {
			t.Fatal(err)
		}
		next, err := list.From(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			ref, err := next()
			if err != nil || !json.Valid(ref) || bytes.Contains(ref, []byte(`"route"`)) {
				t.Errorf("%s: %s, %v", where, ref, err)
			}
		}
	}
}
