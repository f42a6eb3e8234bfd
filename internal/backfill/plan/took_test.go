package plan

import (
	"strings"
	"testing"
)

// TestWhatRunsHaveTakenIsFoundAgain has runs of a plan as a whole or of shares, of which one writes its account twice and another plan had one at the place.
func TestWhatRunsHaveTakenIsFoundAgain(t *testing.T) {
	at, p := place(t), &Plan{Name: "x"}
	save := func(plan string, partition int, seconds ...float64) {
		t.Helper()
		name := TookName(at, partition)
		for _, s := range seconds {
			took := Took{Plan: plan, Partition: partition, Seconds: s, Pipelines: map[string]Stretch{"calls": {First: 3, Next: 7, Machine: "2 of A"}}}
			if err := took.Save(t.Context(), at, name); err != nil {
				t.Fatal(err)
			}
		}
	}
	save("x", 1, 5, 10)
	save("x", 1, 1)
	save("x", 11, 100)
	save("y", 1, 1000)
	for partition, want := range map[int]float64{0: 0, 1: 11, 11: 100, -1: 111} {
		all, err := TookPart(t.Context(), at, p, partition)
		if partition < 0 {
			all, err = TookAll(t.Context(), at, p)
		}
		sum := 0.0
		for _, a := range all {
			sum += a.Seconds
			if a.Pipelines["calls"] != (Stretch{3, 7, "2 of A"}) {
				t.Errorf("%+v", a)
			}
		}
		if err != nil || sum != want {
			t.Errorf("partition %d: %v seconds in %d runs, want %v: %v", partition, sum, len(all), want, err)
		}
	}
	if err := at.Store.Put(t.Context(), at.name("took-2-damaged.json"), []byte("{"), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := TookPart(t.Context(), at, p, 2); err == nil || !strings.Contains(err.Error(), "took-2-damaged.json") {
		t.Errorf("got %v", err)
	}
	if _, err := TookPart(t.Context(), at, p, 1); err != nil {
		t.Errorf("another share's is damaged: %v", err)
	}
}
