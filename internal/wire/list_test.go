package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"github.com/johannesboyne/gofakes3"

	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/stream/manifestsource"
)

// columnar is a Parquet file with columns of text, named in the order of names.
func columnar(t *testing.T, names []string, rows [][]string) string {
	t.Helper()
	var fields []arrow.Field
	for _, name := range names {
		fields = append(fields, arrow.Field{Name: name, Type: arrow.BinaryTypes.String})
	}
	s := arrow.NewSchema(fields, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for _, row := range rows {
		for i, cell := range row {
			b.Field(i).(*array.StringBuilder).Append(cell)
		}
	}
	rec := b.NewRecord()
	defer rec.Release()
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(s, &out, nil, pqarrow.DefaultWriterProps())
	if err == nil {
		err = errors.Join(w.Write(rec), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// listOf is a list in the format of its name, of URIs.
func listOf(t *testing.T, name string, uris []string) string {
	t.Helper()
	var text strings.Builder
	switch path.Ext(name) {
	case ".parquet":
		var rows [][]string
		for _, uri := range uris {
			rows = append(rows, []string{uri})
		}
		return columnar(t, []string{"uri"}, rows)
	case ".csv":
		text.WriteString("uri\n" + strings.Join(uris, "\n") + "\n")
	default:
		for _, uri := range uris {
			fmt.Fprintf(&text, "{\"v\":1,\"id\":%q,\"uri\":%[1]q}\n", uri)
		}
	}
	return text.String()
}

// lettersText is all that the dead letters of a lake say.
func (l *lake) lettersText(t *testing.T) (all string) {
	t.Helper()
	if err := filepath.WalkDir(filepath.Join(l.out, "dead"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all += string(b)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestAListInABucketIsComputedAsAFileIs runs lists of each format, beneath a prefix that would be another as part of a URL, with a row that is none, as they are and by way of plans, and counts them.
func TestAListInABucketIsComputedAsAFileIs(t *testing.T) {
	for name, place := range map[string]string{"refs.jsonl": "line 4 of ", "refs.csv": "line 5 of ", "refs.parquet": "row 3 of "} {
		t.Run(name, func(t *testing.T) {
			l := newLake(t, 5)
			var uris []string
			for i := range 5 {
				uris = append(uris, fmt.Sprintf("s3://box/texts/%03d ü.txt", i))
			}
			uris[3] = "nowhere"
			at := "s3://box/lists/day 1 #50%20?/" + name
			l.put(t, "lists/day 1 #50%20?/"+name, listOf(t, name, uris))

			sum, err := SumManifest(t.Context(), l.conf, at, ReadOptions{})
			if err != nil || len(sum) != 8 {
				t.Fatal(sum, err)
			}
			o := ReadOptions{Sum: sum}
			if n, err := CountManifest(t.Context(), l.conf, at, o); err != nil || n != 5 {
				t.Errorf("%d references: %v", n, err)
			}
			for range 2 { // and again, when all is done
				l.conf.Pipelines[0].Topics = []string{"manifest:direct"}
				w, err := Open(t.Context(), l.conf, Options{Log: quiet, Source: ManifestSource(l.conf, at, "direct", o)})
				if err != nil {
					t.Fatal(err)
				}
				if err := w.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			all, _, err := HowFar(t.Context(), l.conf, "direct")
			if err != nil || len(all) != 1 || all[0].Next != 5 || all[0].Computed != 4 || all[0].Dead != 1 {
				t.Errorf("%+v, %v", all, err)
			}
			if text := l.lettersText(t); strings.Count(text, `"reference: `+place+at) != 1 {
				t.Errorf("no %q in %s", place+at, text)
			}

			if p := l.plan(t, "plan", PlanOptions{Source: at, Again: true}); p.Items != 5 || p.Seen != 5 {
				t.Fatalf("%+v", p.Counts)
			}
			if s := l.run(t, "plan").Stream; s.Computed != 4 || s.Dead[schemas.ReasonSchema] != 1 {
				t.Errorf("%+v", s)
			}
			if text := l.lettersText(t); strings.Count(text, `"reference: `+place+at) != 2 {
				t.Errorf("by way of a plan: no %q in %s", place+at, text)
			}
			if p := l.plan(t, "keys", PlanOptions{Source: "s3://box/", Again: true}); p.Items != 5 || p.Lists != 1 {
				t.Errorf("of the keys: %+v", p.Counts)
			}
			l.put(t, "lists/day 1 #50%20?/"+name, listOf(t, name, uris[:2]))
			if _, err := CountManifest(t.Context(), l.conf, at, o); !errors.Is(err, manifestsource.ErrChanged) {
				t.Errorf("of another list: %v", err)
			}
		})
	}
}

// between puts a server before the lake's store, that asks before each request for a key.
func (l *lake) between(t *testing.T, before func(r *http.Request) (code string)) {
	t.Helper()
	fake := gofakes3.New(l.backend).Server()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if code := before(r); code != "" {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, "<Error><Code>%s</Code><Message>m</Message></Error>", code)
			return
		}
		fake.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	l.conf.S3.Endpoint = srv.URL
}

// TestAListThatIsPutOverWhileItIsReadIsNeverMixed puts another list in the place of one before each of the requests for it in turn: what is read is one of them, or says that it has changed.
func TestAListThatIsPutOverWhileItIsReadIsNeverMixed(t *testing.T) {
	padding := strings.Repeat(" ", 1<<20)
	for name, n := range map[string]int{"refs.jsonl": 12, "refs.csv": 12, "refs.parquet": 5000} { // more than is asked for at once
		t.Run(name, func(t *testing.T) {
			lists, bodies := map[bool][]string{}, map[bool]string{}
			for _, behind := range []bool{false, true} {
				for i := range n {
					lists[behind] = append(lists[behind], fmt.Sprintf("s3://box/%v/%d", behind, i))
				}
				bodies[behind] = listOf(t, name, lists[behind])
				switch path.Ext(name) {
				case ".jsonl":
					bodies[behind] = strings.ReplaceAll(bodies[behind], "{", "{"+padding)
				case ".csv":
					bodies[behind] = strings.ReplaceAll(bodies[behind], "\n", ","+padding+"\n")
				}
			}
			l := newLake(t, 0)
			asked, at := 0, 0
			l.between(t, func(*http.Request) string {
				if asked++; asked == at {
					l.put(t, name, bodies[true])
				}
				return ""
			})
			changed := 0
			for at = 1; ; at++ {
				l.put(t, name, bodies[false])
				asked = 0
				all, err := urisOf(t, l.conf, "s3://box/"+name)
				switch {
				case errors.Is(err, manifestsource.ErrChanged):
					changed++
					continue
				case err != nil:
					t.Fatal(err)
				}
				if want := lists[at == 1]; !slices.Equal(all, want) {
					t.Fatalf("put over before request %d: %d references", at, len(all))
				}
				if asked < at { // all was read before
					break
				}
			}
			if changed < 3 {
				t.Errorf("it was told %d times to have changed", changed)
			}
		})
	}
}

// urisOf reads the URIs of a list.
func urisOf(t *testing.T, c *config.Config, at string) (all []string, err error) {
	t.Helper()
	s := &stores{cfg: c}
	place, err := s.list(at)
	if err != nil {
		return nil, err
	}
	list, err := manifestsource.Open(t.Context(), place, nil)
	if err != nil {
		return nil, err
	}
	next, err := list.From(t.Context(), 0)
	for err == nil {
		var value []byte
		if value, err = next(); err == nil {
			ref, err := schemas.ParseRef(value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, ref.URI)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return all, errors.Join(err, list.Close())
}

// TestAListThatIsNotGivenSaysWhy asks for lists that are not there, not to be read, or changed, and of a store that refuses a session for a while.
func TestAListThatIsNotGivenSaysWhy(t *testing.T) {
	l := newLake(t, 2)
	l.put(t, "refs.jsonl", listOf(t, "refs.jsonl", []string{"s3://box/texts/000 ü.txt"}))
	var code atomic.Value
	var refusals atomic.Int64
	code.Store("")
	l.between(t, func(r *http.Request) string {
		if strings.Contains(r.URL.Path, "refs") && refusals.Add(-1) >= 0 {
			return code.Load().(string)
		}
		return ""
	})
	o := PlanOptions{Out: filepath.Join(l.out, "plan"), Listers: 1, Log: quiet}
	for _, c := range []struct{ source, code, want string }{
		{"s3://box/nowhere.csv", "", "s3://box/nowhere.csv: no such object"},
		{"s3://nowhere/refs.jsonl", "", `there is no bucket`},
		{"s3://box/refs.jsonl", "AccessDenied", "check the credentials, and that they may get it (s3:GetObject)"},
	} {
		o.Source = c.source
		code.Store(c.code)
		refusals.Store(2) // a HEAD, and a GET for its reason
		if c.code == "" {
			refusals.Store(0)
		}
		if _, err := Plan(t.Context(), l.conf, o); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", c.source, err, c.want)
		}
	}
	o.Source = "s3://box/refs.jsonl"
	code.Store("ExpiredToken")
	refusals.Store(3)
	if p, err := Plan(t.Context(), l.conf, o); err != nil || p.Items != 1 {
		t.Errorf("of a session that was renewed: %+v, %v", p, err)
	}
	if got := fmt.Sprint(storeFault(errors.New("no route"))); !strings.Contains(got, "check s3.endpoint, the credentials and the machine's clock") {
		t.Errorf("of a store that is not reached: %s", got)
	}

	cutOff(t, o.Out, asItWas)
	l.put(t, "refs.jsonl", listOf(t, "refs.jsonl", []string{"s3://box/texts/001 ü.txt"}))
	if _, err := Plan(t.Context(), l.conf, o); err == nil || !strings.Contains(err.Error(), "s3://box/refs.jsonl was changed since; plan at another place") {
		t.Errorf("a plan of a list that has changed since is gone on with: %v", err)
	}
}

// TestALineThatWasHalfWrittenIsComputedWhenItIsWhole runs lists under a name while somebody writes them: of lines a dead letter would take the number of half a reference for good, and of CSV a row would have half a text.
func TestALineThatWasHalfWrittenIsComputedWhenItIsWhole(t *testing.T) {
	for name, c := range map[string]struct{ first, half, rest string }{
		"m.jsonl": {`{"v":1,"id":"a","inline_text":"a b"}` + "\n", `{"v":1,"id":"b","inli`, `ne_text":"b a"}` + "\n"},
		"m.csv":   {"id,inline_text\na,a b\n", "b,b", " a\n"},
	} {
		l := newLake(t, 0)
		l.conf.Pipelines[0].Topics = []string{"manifest:weekly"}
		file := filepath.Join(t.TempDir(), name)
		var said strings.Builder
		run := func(o ReadOptions, parts ...string) (computed, dead int64) {
			t.Helper()
			if err := os.WriteFile(file, []byte(strings.Join(parts, "")), 0o600); err != nil {
				t.Fatal(err)
			}
			said.Reset()
			w, err := Open(t.Context(), l.conf, Options{Log: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn})), Source: ManifestSource(l.conf, file, "weekly", o)})
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Run(t.Context()); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			s := w.Stats()[0].Stream
			return s.Computed, s.Dead[schemas.ReasonSchema]
		}
		for _, step := range []struct {
			parts []string
			warns bool
		}{{[]string{c.first, c.half}, true}, {[]string{c.first, c.half, c.rest}, false}} {
			if computed, dead := run(ReadOptions{}, step.parts...); computed != 1 || dead != 0 {
				t.Errorf("%s: %d computed and %d dead letters of %q", name, computed, dead, step.parts)
			}
			if strings.Contains(said.String(), "may be half written") != step.warns || step.warns && !strings.Contains(said.String(), "references=1") {
				t.Errorf("%s: of %q it says %s", name, step.parts, &said)
			}
		}
	}
}

// TestAListWhoseHalfWrittenLineHasItsNumberGoesOn has the output of a build before this one.
func TestAListWhoseHalfWrittenLineHasItsNumberGoesOn(t *testing.T) {
	l := newLake(t, 0)
	l.conf.Pipelines[0].Topics = []string{"manifest:weekly"}
	file := filepath.Join(t.TempDir(), "m.jsonl")
	if err := os.WriteFile(file, []byte(`{"v":1,"id":"a","inline_text":"a b"}`+"\n"+`{"v":1,"id":"b","inli`), 0o600); err != nil {
		t.Fatal(err)
	}
	sum, err := SumManifest(t.Context(), l.conf, file, ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []ReadOptions{{Sum: sum}, {}} { // the first run counts every line
		w, err := Open(t.Context(), l.conf, Options{Log: quiet, Source: ManifestSource(l.conf, file, "weekly", o)})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	all, _, err := HowFar(t.Context(), l.conf, "weekly")
	if err != nil || len(all) != 1 || all[0].Next != 2 || all[0].Computed != 1 || all[0].Dead != 1 {
		t.Errorf("%+v, %v", all, err)
	}
}
