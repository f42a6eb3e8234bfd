package icebergsink

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"vecmill/schemas"
)

// told commits a range by a build whose heads have some options.
func told(t *testing.T, m *memTable, nonce, heads string, r ...schemas.Range) {
	t.Helper()
	o := optionsOf(nonce)
	o.Heads = heads
	if _, err := Commit(t.Context(), m, ranges(r), o); err != nil {
		t.Fatal(err)
	}
}

func erasOf(t *testing.T, m *memTable) Eras {
	t.Helper()
	v, err := m.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e, err := v.Eras()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestASnapshotTellsTheHeadsOfAllOffsets changes the heads twice, for one source of two, behind an expiry of the snapshots and beside those of others.
func TestASnapshotTellsTheHeadsOfAllOffsets(t *testing.T) {
	m := &memTable{}
	told(t, m, "a", "h=1", rangeOf(0, 7, 9), rangeOf(1, 0, 4))
	told(t, m, "b", "h=1", rangeOf(0, 9, 12))
	told(t, m, "c", "h=2", rangeOf(0, 12, 20))
	m.snapshots = append(m.snapshots, memSnapshot{Snapshot: Snapshot{ID: 4}}) // of another engine
	told(t, m, "d", "", rangeOf(0, 20, 21), rangeOf(2, 0, 1))
	m.snapshots = m.snapshots[len(m.snapshots)-1:] // the others are expired
	e := erasOf(t, m)
	if want := (Eras{srcOf(0): {{7, "h=1"}, {12, "h=2"}, {20, ""}}, srcOf(1): {{0, "h=1"}}, srcOf(2): {{0, ""}}}); !reflect.DeepEqual(e, want) {
		t.Errorf("%+v, want %+v", e, want)
	}
	for offset, want := range map[int64]string{6: "", 7: "h=1", 11: "h=1", 12: "h=2", 19: "h=2", 20: ""} {
		if got := e.At(srcOf(0), offset); got != want {
			t.Errorf("offset %d has %q, want %q", offset, got, want)
		}
	}
	if first, known := e.Begin(srcOf(0)); first != 7 || !known {
		t.Errorf("it begins at %d, %v", first, known)
	}
	if _, known := e.Begin(srcOf(9)); known {
		t.Error("a source that is not there begins somewhere")
	}
}

// TestRowsThatAnOlderBuildWroteHaveNoHeads takes the key away, as a build has it that does not know it.
func TestRowsThatAnOlderBuildWroteHaveNoHeads(t *testing.T) {
	m := &memTable{}
	told(t, m, "a", "h=1", rangeOf(0, 0, 9))
	delete(m.snapshots[0].Summary, erasKey)
	if e := erasOf(t, m); len(e) > 0 {
		t.Errorf("%+v", e)
	}
	told(t, m, "b", "h=1", rangeOf(0, 9, 12))
	e := erasOf(t, m)
	if want := (Eras{srcOf(0): {{-1, ""}, {9, "h=1"}}}); !reflect.DeepEqual(e, want) {
		t.Errorf("%+v, want %+v", e, want)
	}
	if _, known := e.Begin(srcOf(0)); known || e.At(srcOf(0), 8) != "" {
		t.Error("it is known where that build began, or with what")
	}
}

func TestErasReadBackEqualAndStayShort(t *testing.T) {
	e := Eras{{Pipeline: "ü \"", Topic: "t"}: {{-1, ""}, {5, "a=1,b=2"}}}
	for n := range 1000 {
		e[srcOf(n)] = []Era{{int64(n), "embedding=0123456789ab,classification=ba9876543210"}, {int64(n) * 1_234_567, "embedding=0123456789ab"}}[:1+min(n, 1)]
	}
	text, err := e.encode()
	if err != nil || len(text) > 16_000 {
		t.Errorf("the eras of 1000 partitions are %d bytes, %v", len(text), err)
	}
	if got, err := parseEras(text); err != nil || !reflect.DeepEqual(got, e) {
		t.Errorf("they do not read back: %v", err)
	}
	for _, bad := range []string{"x", `{"topics":[{"eras":{"0":[[0,0]]}}]}`, `{"heads":["h"],"topics":[{"eras":{"0":[[5,0],[5,0]]}}]}`, `{"heads":["h"],"topics":[{"eras":{"0":[[-2,0]]}}]}`, `{"heads":["h"],"topics":[{"eras":{"0":[[1,0]]}},{"eras":{"0":[[2,0]]}}]}`, packed + "!"} {
		if got, err := parseEras(bad); !errors.Is(err, ErrBadSummary) {
			t.Errorf("%s: %+v, %v", bad, got, fmt.Sprint(err))
		}
	}
}
