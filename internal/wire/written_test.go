package wire

import (
	"testing"

	"vecmill/internal/audit"
)

// TestReferencesAreTheirShareOfTheRecords has numbers whose product has more than 63 bits, too.
func TestReferencesAreTheirShareOfTheRecords(t *testing.T) {
	for _, c := range []struct{ next, published, records, want int64 }{
		{0, 10, 12, 0}, {29, 50, 100, 14}, {11, 10, 12, 9}, {12, 10, 12, 10}, {5e9, 1e10, 1e10, 5e9}, {3e9, 2e10, 6e10, 1e9},
	} {
		w := Written{Written: audit.Written{Next: c.next}, Through: &Through{Published: c.published, Records: c.records}}
		if got := w.references(); got != c.want {
			t.Errorf("%+v: got %d", c, got)
		}
	}
}
