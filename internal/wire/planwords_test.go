package wire

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/schemas"
)

// cutOff makes a plan the one that it was before it was finished, with words that its builder kept.
func cutOff(t *testing.T, at string, words func(old string) string) {
	t.Helper()
	progress := filepath.Join(at, "progress.json")
	body, err := os.ReadFile(progress)
	if err == nil {
		err = os.WriteFile(progress, []byte(words(string(body))), 0o600)
	}
	if err == nil {
		err = os.Remove(filepath.Join(at, "plan.json"))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// without takes the words of a field out of a plan's progress.
func without(field, next string) func(string) string {
	return func(body string) string {
		from := strings.Index(body, `,\"`+field+`\":`)
		return body[:from] + body[from+strings.Index(body[from:], next):]
	}
}

func asItWas(body string) string { return body }

// TestAPlanIsFinishedByWhatItWasBegunFor has a plan that was cut off, which leaves out what its models had; with others, what those lack of it would never be computed.
func TestAPlanIsFinishedByWhatItWasBegunFor(t *testing.T) {
	l := newLake(t, 4)
	at := filepath.Join(l.out, "cut")
	list := filepath.Join(l.out, "list.jsonl")
	line := func(key string) {
		t.Helper()
		if err := os.WriteFile(list, []byte(`{"v":1,"id":"a","uri":"s3://box/texts/`+key+`","etag":"x"}`+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	line("1")
	o := PlanOptions{Source: list, Out: at, Listers: 4, Log: quiet}
	plan := func(o PlanOptions) error {
		_, err := Plan(t.Context(), l.conf, o)
		return err
	}
	once := func(o PlanOptions) error {
		p, err := PlanOnce(t.Context(), l.conf, o)
		if err == nil && !p.Resumed {
			t.Error("the plan is not gone on with")
		}
		return err
	}
	step := func(what, want string, ask func(PlanOptions) error) {
		t.Helper()
		err := ask(o)
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
	}
	step("begun", "", plan)
	cutOff(t, at, asItWas)
	top := l.conf.Pipelines[0].Heads[1].TopK
	l.conf.Pipelines[0].Heads[1].TopK = 1
	step("with another head", "it was made for other pipelines, or for another model, preprocessing or heads than they have now", plan)
	step("with another head", "it was made for other pipelines", once)
	l.conf.Pipelines[0].Heads[1].TopK = top
	l.beside("other")
	step("with a pipeline more", "it was made for other pipelines", plan)
	l.conf.Pipelines = l.conf.Pipelines[:1]
	line("2")
	step("of an edited list", list+" was changed since; plan at another place", plan)
	line("1")
	o.Tar = true
	step("with other words", "finish it with the same words", plan)
	o.Tar = false
	step("as it was begun", "", once)

	cutOff(t, at, without("Sum", `}"`))
	line("2")
	step("of a build that did not look at the list", "", plan)
	cutOff(t, at, without("ComputedBy", `}"`))
	step("of a build that did not say what it was for", "it is of an earlier build, which did not say for which models", plan)
	step("of a build that did not say what it was for", "plan at another place", once)

	o.Again, o.Out = true, filepath.Join(l.out, "again")
	at = o.Out
	step("begun, of all", "", plan)
	cutOff(t, at, without("ComputedBy", `,\"Sum`))
	step("of all, by a build that did not say what it was for", "", plan)
	runsBySome(t, l, o)
}

// runsBySome finds a plan of two pipelines by one of them.
func runsBySome(t *testing.T, l *lake, o PlanOptions) {
	t.Helper()
	l.beside("other")
	o.Out = filepath.Join(l.out, "both")
	for _, of := range [][]config.Pipeline{l.conf.Pipelines, l.conf.Pipelines[1:]} {
		l.conf.Pipelines = of
		p, err := PlanOnce(t.Context(), l.conf, o)
		if err != nil || p.Found != (len(of) == 1) {
			t.Errorf("%d of the pipelines: %+v, %v", len(of), p, err)
		}
	}
}

// TestAPlanIsComputedByEachOfItsPipelinesAlone has a plan of two, which a condition tells apart, run by one after the other, as on two machines. What is the other's is passed over; what is nobody's by its route, and what is no reference, is a dead letter.
func TestAPlanIsComputedByEachOfItsPipelinesAlone(t *testing.T) {
	l := newLake(t, 0)
	l.beside("other")
	for i, first := range []string{"a", "b"} {
		l.conf.Pipelines[i].Where = `ref.id.startsWith("` + first + `")`
	}
	list := filepath.Join(l.out, "refs.jsonl")
	var lines strings.Builder
	for _, ref := range []string{`"id":"a1"`, `"id":"b1"`, `"id":"b2","modality":"text"`, `"id":"b3","route":"other"`, `"id":"a2","route":"nobody"`} {
		lines.WriteString(`{"v":1,"inline_text":"Will it rain?",` + ref + "}\n")
	}
	if err := os.WriteFile(list, []byte(lines.String()+"no reference\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.plan(t, "both", PlanOptions{Source: list})
	of := l.conf.Pipelines
	for i, want := range []struct{ computed, skipped int64 }{{1, 3}, {3, 1}, {0, 0}} {
		l.conf.Pipelines = of
		if i < 2 {
			l.conf.Pipelines = of[i : i+1]
		}
		for _, s := range l.runAt(t, filepath.Join(l.out, "both"), "both") {
			dead := int64(0)
			if i < 2 {
				dead = 2
			}
			if s.Stream.Computed != want.computed || s.Stream.Skipped != want.skipped || s.Stream.Dead[schemas.ReasonSchema] != dead {
				t.Errorf("run %d, %s: %+v, want %+v and %d dead letters", i, s.Pipeline, s.Stream, want, dead)
			}
		}
	}
}

func TestAPlanSaysForWhomItIsThatIsNotThere(t *testing.T) {
	c := &config.Config{Pipelines: []config.Pipeline{{Name: "a"}, {Name: "b"}}}
	for _, k := range []struct {
		plan  *plan.Plan
		names []string
		alone int64
	}{
		{nil, nil, 0},
		{&plan.Plan{Source: "s3://box/", Items: 3}, nil, 0}, // of an earlier build
		{&plan.Plan{Source: `{"ComputedBy":["a m p h","c m p h"]}`, Items: 3}, []string{"c"}, 0},
		{&plan.Plan{Source: `{"ComputedBy":["a m p h","c m p h"]}`, Items: 3, For: map[string]int64{"a": 3}}, nil, 0},
		{&plan.Plan{Items: 9, For: map[string]int64{"a,d": 1, "c,d": 2, "d": 3, "b": 1}}, []string{"c", "d"}, 5},
	} {
		if names, alone := Absent(c, k.plan); !slices.Equal(names, k.names) || alone != k.alone {
			t.Errorf("%+v: %v, %d, want %v, %d", k.plan, names, alone, k.names, k.alone)
		}
	}
}
