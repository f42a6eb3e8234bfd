package objectstore_test

import (
	"strings"
	"testing"

	"vecmill/sinks/objectstore"
	"vecmill/sinks/sinktest"
)

// TestAnObjectIsReadAsItIsAtOneMoment replaces it by a longer one whenever a request for it comes.
func TestAnObjectIsReadAsItIsAtOneMoment(t *testing.T) {
	const name, before, after = "state.json", "[1]", "[1,2,3]"
	for most, want := range map[int64]string{100: after, int64(len(after)): after, int64(len(after)) - 1: ""} {
		st := sinktest.NewMemStore()
		put := func(body string) {
			if err := st.Put(t.Context(), name, []byte(body), ""); err != nil {
				t.Fatal(err)
			}
		}
		put(before)
		st.Faults = func(op sinktest.Op) sinktest.Fault {
			if op.Kind == sinktest.OpRead {
				put(after)
			}
			return sinktest.Fault{}
		}
		got, err := objectstore.Whole(t.Context(), st, name, most)
		if string(got) != want || (err == nil) != (want != "") || err != nil && !strings.Contains(err.Error(), "reading state.json: it has more than 6 bytes") {
			t.Errorf("of %d bytes: %q, %v", most, got, err)
		}
	}
}
