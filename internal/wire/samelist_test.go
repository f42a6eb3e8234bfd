package wire

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/internal/config"
)

// TestAListGoesOnUnderItsNameAndAnotherDoesNot computes a list under a name, and then what may be that list. It asks for files; integration/postgres and sinks/icebergcatalog read tables.
func TestAListGoesOnUnderItsNameAndAnotherDoesNot(t *testing.T) {
	ref := func(id, text string) string {
		return fmt.Sprintf(`{"v":1,"id":%q,"inline_text":%q}`, id, text)
	}
	first := []string{ref("a", "Will it rain?"), "no reference", ref("b", "Will it snow?"), ref("c", "Will it hail?")}
	changed := func(i int, line string) []string {
		all := slices.Clone(first)
		all[i] = line
		return all
	}
	for _, c := range []struct {
		name    string
		list    []string
		records int64 // that the second run computes; -1: it is refused
	}{
		{"the same", first, 0},
		{"one that has grown", append(slices.Clone(first), ref("d", "Will it thaw?")), 1},
		{"one whose bad line was mended, of which there is no row to compare", changed(1, ref("d", "Will it thaw?")), 0},
		{"another id", changed(0, ref("z", "Will it rain?")), -1},
		{"another text of the same id", changed(2, ref("b", "Will it pour?")), -1},
		{"another object of the same id", changed(3, `{"v":1,"id":"c","uri":"s3://box/texts/000 ü.txt"}`), -1},
		{"a deletion in its place", changed(0, `{"v":1,"id":"a","deleted":true}`), -1},
		{"nothing in its place", changed(3, ""), -1},
		{"one that has grown at its beginning", append([]string{ref("d", "Will it thaw?")}, first...), -1},
	} {
		for _, kind := range []string{"parquet", "arrow"} {
			t.Run(c.name+", "+kind, func(t *testing.T) {
				l := newLake(t, 1)
				if out := &l.conf.Pipelines[0].Outputs[0]; kind == "arrow" {
					files := config.Arrow(*out.Parquet)
					*out = config.Output{Arrow: &files}
				}
				manifest := filepath.Join(t.TempDir(), "refs.jsonl")
				l.conf.Pipelines[0].Topics = []string{"manifest:weekly"}
				run := func(list []string) (int64, error) {
					t.Helper()
					if err := os.WriteFile(manifest, []byte(strings.Join(list, "\n")+"\n"), 0o600); err != nil {
						t.Fatal(err)
					}
					w, err := Open(t.Context(), l.conf, Options{Log: quiet, Source: ManifestSource(l.conf, manifest, "weekly", ReadOptions{})})
					if err != nil {
						t.Fatal(err)
					}
					err = w.Run(t.Context())
					return int64(w.Stats()[0].Stream.Computed), err
				}
				if n, err := run(first); n != 3 || err != nil {
					t.Fatal(n, err)
				}
				n, err := run(c.list)
				if c.records < 0 && (err == nil || !strings.Contains(err.Error(), `of "weekly" are of another reference than this list's`)) {
					t.Errorf("%d were computed, %v; want it refused", n, err)
				}
				if c.records >= 0 && (n != c.records || err != nil) {
					t.Errorf("%d were computed, want %d: %v", n, c.records, err)
				}
			})
		}
	}
}
