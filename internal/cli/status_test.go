package cli

import (
	"bytes"
	"strings"
	"testing"

	"vecmill/internal/audit"
	"vecmill/internal/wire"
)

// TestAPlanIsFinishedIfNothingWasPassedOver has all of a plan written, with others' records between.
func TestAPlanIsFinishedIfNothingWasPassedOver(t *testing.T) {
	for _, c := range []struct {
		name     string
		is       audit.Written
		finished bool
		says     string
	}{
		{"all has rows", audit.Written{Next: 12, Computed: 12}, true, ""},
		{"some is for others", audit.Written{Next: 12, Computed: 8, Skipped: 4}, true, ""},
		{"some lies before the chain", audit.Written{Next: 12, Computed: 8, Skipped: 4, Passed: 3}, false, "  3 were published before the place where calls begins in its topic"},
		{"some is missing", audit.Written{Next: 12, Computed: 11, Missing: 1}, false, "  1 are missing"},
		{"some is to come", audit.Written{Next: 11, Computed: 11}, false, ""},
	} {
		w := wire.Written{Pipeline: "calls", Output: "s3://rows", Manifest: "all", Written: c.is, Through: &wire.Through{Topic: "refs", Published: 10, Records: 12}}
		var words, object bytes.Buffer
		if err := printWritten(&words, []wire.Written{w}, 10, false); err != nil {
			t.Fatal(err)
		}
		if err := printWritten(&object, []wire.Written{w}, 10, true); err != nil {
			t.Fatal(err)
		}
		want := `"finished":false`
		if c.finished {
			want = `"finished":true`
		}
		if !strings.Contains(object.String(), want) || !strings.Contains(words.String(), c.says) {
			t.Errorf("%s: want %s and %q\n%s%s", c.name, want, c.says, object.String(), words.String())
		}
	}
}
