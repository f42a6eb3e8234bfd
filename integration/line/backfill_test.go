//go:build integration

package line

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"vecmill/integration/fixture"
	"vecmill/schemas"
)

// testBackfill sends the samples of one modality through a manifest, twice: the second run finds everything done.
func testBackfill(t *testing.T, site *fixture.Site) {
	var manifest bytes.Buffer
	lines := int64(0)
	for _, s := range fixture.Samples(t) {
		if s.Modality != schemas.Image {
			continue
		}
		uri, _ := site.Put(t, "backfill/"+s.File, s.Body)
		manifest.Write(append(fixture.JSON(t, schemas.Ref{ID: s.File, URI: uri}), '\n'))
		lines++
	}
	manifest.WriteString("no reference\n")
	path := filepath.Join(t.TempDir(), "pictures.jsonl")
	if err := os.WriteFile(path, manifest.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	c := site.Config(site.Pipeline(t, "backfill", schemas.Image, "unused"))
	for _, run := range []string{"backfill-first", "backfill-second"} {
		if code, out := site.Backfill(t, run, c, "run", "--manifest", path); code != 0 {
			t.Fatalf("%s ended with exit code %d:\n%s", run, code, out)
		}
		all, code := site.AuditCommand(t, run+"-audit", c)
		if code != 0 || len(all) != 1 { // the pipeline's topic does not exist, which matters to no output
			t.Fatalf("after %s the audit has exit code %d and %d sources", run, code, len(all))
		}
		if a := all[0]; a.Next != lines+1 || a.Computed != lines || a.Rows != 2*lines || a.Dead != 1 || !a.OK() {
			t.Errorf("after %s the audit says %+v, want %d lines with two rows each and one dead letter", run, a, lines)
		}
	}
}
