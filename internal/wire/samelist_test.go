package wire

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/internal/config"
	"vecmill/schemas"
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
				l.writes(kind)
				run := l.weekly(t)
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

// writes has files of a kind as the first pipeline's output.
func (l *lake) writes(kind string) {
	if out := &l.conf.Pipelines[0].Outputs[0]; kind == "arrow" {
		files := config.Arrow(*out.Parquet)
		*out = config.Output{Arrow: &files}
	}
}

// weekly computes lists under one name, and gives how many references were computed.
func (l *lake) weekly(t *testing.T) func(list []string) (int64, error) {
	manifest := filepath.Join(t.TempDir(), "refs.jsonl")
	l.conf.Pipelines[0].Topics = []string{"manifest:weekly"}
	return func(list []string) (int64, error) {
		t.Helper()
		if err := os.WriteFile(manifest, []byte(strings.Join(list, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		w, err := Open(t.Context(), l.conf, Options{Log: quiet, Source: ManifestSource(l.conf, manifest, "weekly", ReadOptions{})})
		if err != nil {
			t.Fatal(err)
		}
		err = w.Run(t.Context())
		return w.Stats()[0].Stream.Computed, err
	}
}

// TestAListIsOneMakersAlone gives a list that is computed and one that has grown to a pipeline that has changed: what the one before has made would pass for its own. It asks for files, as the test above.
func TestAListIsOneMakersAlone(t *testing.T) {
	var list []string
	for i := range 4 {
		list = append(list, fmt.Sprintf(`{"v":1,"id":"%d","inline_text":"Will it rain in city %[1]d?"}`, i))
	}
	for name, c := range map[string]struct {
		change func(p *config.Pipeline)
		same   bool
	}{
		"another model":              {func(p *config.Pipeline) { p.Model.Precision = "int8" }, false},
		"another preprocessing":      {func(p *config.Pipeline) { p.Text.InvalidUTF8 = "replace" }, false},
		"another option of a head":   {func(p *config.Pipeline) { p.Heads[1].TopK = 1 }, false},
		"a head less":                {func(p *config.Pipeline) { p.Heads = p.Heads[:1] }, false},
		"its heads in another order": {func(p *config.Pipeline) { slices.Reverse(p.Heads) }, true},
	} {
		for _, kind := range []string{"parquet", "arrow"} {
			t.Run(name+", "+kind, func(t *testing.T) {
				l := newLake(t, 1)
				l.writes(kind)
				run := l.weekly(t)
				if n, err := run(append(slices.Clone(list[:3]), "no reference")); n != 3 || err != nil {
					t.Fatal(n, err)
				}
				c.change(&l.conf.Pipelines[0])
				for more, list := range [][]string{append(slices.Clone(list[:3]), "no reference"), append(slices.Clone(list[:3]), "no reference", list[3])} {
					n, err := run(list)
					if c.same && (n != int64(more) || err != nil) {
						t.Errorf("%d were computed, want %d: %v", n, more, err)
					}
					if !c.same && (n != 0 || err == nil || !strings.Contains(err.Error(), `rows of "weekly" are of another model, preprocessing or heads than pipeline p has now`)) {
						t.Errorf("%d were computed, %v; want it refused", n, err)
					}
				}
			})
		}
	}
}

func TestWhatARowSaysOfItsReference(t *testing.T) {
	for _, c := range []struct {
		name string
		row  schemas.Lineage
		line string
		want bool
	}{
		{"the object", schemas.Lineage{RefID: "a", URI: "s3://box/a", ETag: "x"}, `{"v":1,"id":"a","uri":"s3://box/a","etag":"\"x\""}`, true},
		{"another id", schemas.Lineage{RefID: "b", URI: "s3://box/a", ETag: "x"}, `{"v":1,"id":"a","uri":"s3://box/a","etag":"x"}`, false},
		{"another key", schemas.Lineage{RefID: "a", URI: "s3://box/a?1"}, `{"v":1,"id":"a","uri":"s3://box/a?2"}`, false},
		{"another tag", schemas.Lineage{RefID: "a", URI: "s3://box/a", ETag: "y"}, `{"v":1,"id":"a","uri":"s3://box/a","etag":"x"}`, false},
		{"signed anew", schemas.Lineage{RefID: "a", URI: "https://host/a?sig=old"}, `{"v":1,"id":"a","uri":"https://host/a?sig=new"}`, true},
		{"another page", schemas.Lineage{RefID: "a", URI: "https://host/b?sig=old"}, `{"v":1,"id":"a","uri":"https://host/a?sig=old"}`, false},
		{"a pair of an earlier build", schemas.Lineage{RefID: "a", URI: "s3://box/a"}, `{"v":1,"id":"a","uri":"s3://box/a","text_pair":"and this"}`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := schemas.ParseRef([]byte(c.line))
			if err != nil {
				t.Fatal(err)
			}
			if got := cameFrom(&c.row, &listed{r.ID, objectOf(&r)}); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}
