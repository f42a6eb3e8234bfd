package wire

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"vecmill/internal/config"
	"vecmill/schemas"
)

// lake is a bucket with short texts, and a pipeline of a small model that writes to a directory.
type lake struct {
	backend *s3mem.Backend
	conf    *config.Config
	out     string
}

func newLake(t *testing.T, texts int) *lake {
	t.Helper()
	l := &lake{backend: s3mem.New(), out: t.TempDir()}
	if err := l.backend.CreateBucket("box"); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(gofakes3.New(l.backend).Server())
	t.Cleanup(srv.Close)
	var p *config.Pipeline
	l.conf, p = pipelineFor(t, classCase{"Data2VecTextForSequenceClassification", "Data2VecTextForSequenceClassification/base"}.checkpoint(t),
		fmt.Sprintf(`    heads: [{task: embedding}, {task: classification}]
    dead_letters: {url: "file://%s/dead"}`, l.out))
	l.conf.S3 = config.S3{Endpoint: srv.URL, Region: "us-east-1", AccessKey: "key", SecretKey: "secret", PathStyle: true}
	p.Outputs[0].Parquet.URL = "file://" + l.out + "/rows"
	for i := range texts {
		l.put(t, fmt.Sprintf("texts/%03d ü.txt", i), strings.Repeat("a b ", 1+i%4))
	}
	return l
}

func (l *lake) put(t *testing.T, key, text string) {
	t.Helper()
	if _, err := l.backend.PutObject("box", key, map[string]string{"Last-Modified": time.Now().UTC().Format(http.TimeFormat)}, strings.NewReader(text), int64(len(text)), nil); err != nil {
		t.Fatal(err)
	}
}

func (l *lake) plan(t *testing.T, name string, o PlanOptions) *Planned {
	t.Helper()
	o.Out, o.Name, o.Listers, o.Sample, o.Log = filepath.Join(l.out, name), name, 4, 100, slog.New(slog.DiscardHandler)
	if o.Source == "" {
		o.Source = "s3://box/texts/"
	}
	p, err := Plan(t.Context(), l.conf, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run computes a plan and gives the records and rows.
func (l *lake) run(t *testing.T, name string) Stats {
	t.Helper()
	return l.runAt(t, filepath.Join(l.out, name), name)[0]
}

// runAt computes a plan by all pipelines.
func (l *lake) runAt(t *testing.T, at, name string) []Stats {
	t.Helper()
	w := l.openAt(t, at, name)
	if err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w.Stats()
}

// open makes a worker that computes a plan.
func (l *lake) open(t *testing.T, name string) *Worker {
	t.Helper()
	return l.openAt(t, filepath.Join(l.out, name), name)
}

func (l *lake) openAt(t *testing.T, at, name string) *Worker {
	t.Helper()
	list, err := OpenPlan(t.Context(), l.conf, at)
	if err != nil {
		t.Fatal(err)
	}
	for i := range l.conf.Pipelines {
		l.conf.Pipelines[i].Topics = []string{"manifest:" + name}
	}
	w, err := Open(t.Context(), l.conf, Options{Log: slog.New(slog.DiscardHandler), Source: PlanSource(list, ReadOptions{}), Plan: list.Plan()})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestNothingIsComputedTwice has a part of a bucket computed by a plan, and a part under ids of its own, as references of a stream have, and plans all of it: what is left is what is lacking or has changed. The ids
// come from a list; no Kafka is asked.
func TestNothingIsComputedTwice(t *testing.T) {
	l := newLake(t, 30)
	p := &l.conf.Pipelines[0]

	first := l.plan(t, "first", PlanOptions{Include: []string{"00*"}})
	if first.Items != 10 || first.Known != 0 {
		t.Fatalf("the first plan: %+v", first.Counts)
	}
	if s := l.run(t, "first"); s.Stream.Records != 10 || s.Stream.Rows != 20 || len(s.Stream.Dead) != 0 {
		t.Fatalf("the first run: %+v", s.Stream)
	}
	if s := l.ownIDs(t, 10, 15); s.Stream.Computed != 5 {
		t.Fatalf("the run of a list: %+v", s.Stream)
	}
	second := l.plan(t, "second", PlanOptions{})
	if second.Items != 15 || second.Known != 15 {
		t.Fatalf("the second plan: %+v", second.Counts)
	}
	if s := l.run(t, "second"); s.Stream.Records != 15 {
		t.Fatalf("the second run: %+v", s.Stream)
	}
	if s := l.run(t, "second"); s.Stream.Records != 0 {
		t.Errorf("the second run, again: %+v", s.Stream)
	}
	if all := l.plan(t, "third", PlanOptions{}); all.Items != 0 || all.Known != 30 || all.KnownSet != 60 {
		t.Errorf("when all is computed: %+v, %d works", all.Counts, all.KnownSet)
	}
	if s := l.run(t, "third"); s.Embed.Batches != 0 {
		t.Errorf("an empty plan runs %d batches", s.Embed.Batches)
	}
	if again := l.plan(t, "again", PlanOptions{Again: true}); again.Items != 30 {
		t.Errorf("told to plan again: %+v", again.Counts)
	}

	l.put(t, "texts/007 ü.txt", "changed")
	if c := l.plan(t, "changed", PlanOptions{}); c.Items != 1 || c.Known != 29 {
		t.Errorf("one object changed: %+v", c.Counts)
	}
	p.Heads[1].TopK = 1
	if c := l.plan(t, "head", PlanOptions{}); c.Items != 30 {
		t.Errorf("a head has other options: %+v", c.Counts)
	}
}

// ownIDs computes some texts under ids of their own.
func (l *lake) ownIDs(t *testing.T, from, to int) Stats {
	t.Helper()
	list := ""
	for i := from; i < to; i++ {
		key := fmt.Sprintf("texts/%03d ü.txt", i)
		object, err := l.backend.HeadObject("box", key)
		if err != nil {
			t.Fatal(err)
		}
		list += fmt.Sprintf(`{"v":1,"id":"own-%d","uri":"s3://box/%s","etag":"%x"}`+"\n", i, key, object.Hash)
	}
	at := filepath.Join(t.TempDir(), "own.jsonl")
	if err := os.WriteFile(at, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	l.plan(t, "own", PlanOptions{Source: at})
	return l.run(t, "own")
}

// TestAPlanIsRunByWhatItWasMadeFor changes a head behind a plan. What an earlier build planned does not say what it was for, and is run.
func TestAPlanIsRunByWhatItWasMadeFor(t *testing.T) {
	l := newLake(t, 4)
	l.plan(t, "first", PlanOptions{})
	at := filepath.Join(l.out, "first")
	list, err := OpenPlan(t.Context(), l.conf, at)
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	open := func() error {
		said.Reset()
		l.conf.Pipelines[0].Topics = []string{"manifest:first"}
		w, err := Open(t.Context(), l.conf, Options{Log: log, Source: PlanSource(list, ReadOptions{}), Plan: list.Plan()})
		if opened := bytes.Contains(said.Bytes(), []byte("sessions opened")); opened != (err == nil) {
			t.Errorf("sessions were opened: %v; %v", opened, err)
		}
		if err == nil {
			err = w.Close(t.Context())
		}
		return err
	}
	once := func() error {
		p, err := PlanOnce(t.Context(), l.conf, PlanOptions{Source: "s3://box/texts/", Out: at, Listers: 4, Log: quiet})
		if err == nil && !p.Found {
			t.Error("the plan is made anew")
		}
		return err
	}
	for _, ask := range []func() error{open, once} {
		if err := ask(); err != nil {
			t.Errorf("as it was planned: %v", err)
		}
	}
	l.conf.Pipelines[0].Heads[1].TopK = 1
	for _, ask := range []func() error{open, once} {
		if err := ask(); err == nil || !strings.Contains(err.Error(), "plan first was made for another model, preprocessing or heads than pipeline p has now") {
			t.Errorf("with another head: %v", err)
		}
	}
	list.Plan().Source = `{"Source":"s3://box/texts/","Include":null,"Again":false}`
	if err := open(); err != nil {
		t.Errorf("a plan of an earlier build: %v", err)
	}
	list.Plan().Source = `{"Source":"s3://box/texts/","Include":null,"Again":false,"ComputedBy":["p another"]}`
	if err := open(); err == nil {
		t.Error("a plan of an earlier build that says what it was for is run by another")
	}
}

// TestAnInventoryIsWorthTheListing plans a bucket by its inventory, and finds everything computed that a plan of the bucket had.
func TestAnInventoryIsWorthTheListing(t *testing.T) {
	l := newLake(t, 12)
	l.plan(t, "listed", PlanOptions{Include: []string{"00*"}})
	l.run(t, "listed")
	var csv bytes.Buffer
	w := gzip.NewWriter(&csv)
	for i := range 12 {
		key := fmt.Sprintf("texts/%03d ü.txt", i)
		o, err := l.backend.HeadObject("box", key)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(w, "\"box\",\"%s\",\"%d\",\"%x\"\n", url.QueryEscape(key), o.Size, o.Hash)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.backend.CreateBucket("lists"); err != nil {
		t.Fatal(err)
	}
	put := func(bucket, key, body string) {
		t.Helper()
		if _, err := l.backend.PutObject(bucket, key, map[string]string{"Last-Modified": time.Now().UTC().Format(http.TimeFormat)}, strings.NewReader(body), int64(len(body)), nil); err != nil {
			t.Fatal(err)
		}
	}
	about := func(size int) string {
		return fmt.Sprintf(`{"sourceBucket":"box","destinationBucket":"arn:aws:s3:::lists","fileFormat":"CSV","fileSchema":"Bucket, Key, Size, ETag","files":[{"key":"inv/data/1.csv.gz","size":%d}]}`, size)
	}
	put("lists", "inv/data/1.csv.gz", csv.String())
	put("box", "day #1/a?b%41+c é/manifest.json", about(csv.Len())) // not where its files are
	if p := l.plan(t, "rest", PlanOptions{Source: "s3://box/day #1/a?b%41+c é/manifest.json"}); p.Items != 2 || p.Known != 10 {
		t.Errorf("%+v", p.Counts)
	}
	if s := l.run(t, "rest"); s.Stream.Computed != 2 {
		t.Errorf("%+v", s.Stream)
	}
	for want, body := range map[string]string{"changed or damaged": about(csv.Len() + 1), "not an inventory's": "{}"} {
		put("box", "bad/manifest.json", body)
		if _, err := Plan(t.Context(), l.conf, PlanOptions{Source: "s3://box/bad/manifest.json", Out: t.TempDir(), Name: "bad", Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestMembersOfShardsAreComputedByTheirRange plans a shard of texts and numbers, runs it, and finds it computed, until it is replaced.
func TestMembersOfShardsAreComputedByTheirRange(t *testing.T) {
	l := newLake(t, 0)
	put := func(texts ...string) {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for i, text := range texts {
			for ending, body := range map[string]string{"txt": text, "cls": "7"} {
				if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("s/%03d.%s", i, ending), Size: int64(len(body)), Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
					t.Fatal(err)
				}
				fmt.Fprint(w, body)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		l.put(t, "shards/0 ü.tar", b.String())
	}
	put("a b", "b", "", "a a a")
	l.put(t, "shards/1.tar", "no tar file")
	o := PlanOptions{Source: "s3://box/shards/", Tar: true}
	if p := l.plan(t, "first", o); p.Items != 5 || p.Known != 0 {
		t.Fatalf("%+v", p.Counts)
	}
	if s := l.run(t, "first"); s.Stream.Computed != 3 || s.Stream.Rows != 6 || s.Stream.Dead[schemas.ReasonSchema] != 2 {
		t.Errorf("%+v", s.Stream)
	}
	if p := l.plan(t, "again", o); p.Items != 2 || p.Known != 3 { // those that are none
		t.Errorf("when it is computed: %+v", p.Counts)
	}
	o.Include = []string{"s/003.*"}
	put("a b", "b", "", "b b b")
	if p := l.plan(t, "replaced", o); p.Items != 3 || p.Known != 0 { // text, number and the file that is none
		t.Errorf("when the shard was replaced: %+v", p.Counts)
	}
}

// TestAReferenceOfAnotherIdIsTheSameWork has the ids of a stream, and ranges of objects, which are other work than the whole.
func TestAReferenceOfAnotherIdIsTheSameWork(t *testing.T) {
	l := newLake(t, 4)
	objects, err := l.backend.HeadObject("box", "texts/001 ü.txt")
	if err != nil {
		t.Fatal(err)
	}
	etag := fmt.Sprintf("%x", objects.Hash)
	manifest := filepath.Join(l.out, "stream.jsonl")
	line := fmt.Sprintf(`{"v":1,"id":"call-1","uri":"s3://box/texts/001 ü.txt","etag":%q}`, etag)
	part := `{"v":1,"id":"part","uri":"s3://box/texts/002 ü.txt","range":{"off":0,"n":4}}`
	if err := os.WriteFile(manifest, []byte(line+"\n"+part+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.conf.Pipelines[0].Topics = []string{"manifest:stream"}
	w, err := Open(t.Context(), l.conf, Options{Log: slog.New(slog.DiscardHandler), Source: ManifestSource(l.conf, manifest, "stream", ReadOptions{})})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := w.Stats()[0].Stream; s.Computed != 2 {
		t.Fatalf("%+v", s)
	}
	if p := l.plan(t, "rest", PlanOptions{}); p.Items != 3 || p.Known != 1 {
		t.Errorf("%+v", p.Counts)
	}
}

// TestWhatWasDeletedIsComputedAgainWhenItIsBack has objects that a stream names, deletes and names again, and some that another source deletes behind their rows: a reader of the files takes these for gone.
func TestWhatWasDeletedIsComputedAgainWhenItIsBack(t *testing.T) {
	l := newLake(t, 5)
	stream := func(name string, refs ...string) {
		t.Helper()
		manifest := filepath.Join(l.out, name+".jsonl")
		if err := os.WriteFile(manifest, []byte(strings.Join(refs, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		l.conf.Pipelines[0].Topics = []string{"manifest:" + name}
		w, err := Open(t.Context(), l.conf, Options{Log: quiet, Source: ManifestSource(l.conf, manifest, name, ReadOptions{})})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	put := func(n int) string {
		object, err := l.backend.HeadObject("box", fmt.Sprintf("texts/%03d ü.txt", n))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf(`{"v":1,"id":"call-%d","uri":"s3://box/texts/%03d ü.txt","etag":"%x"}`, n, n, object.Hash)
	}
	gone := func(n int) string { return fmt.Sprintf(`{"v":1,"id":"call-%d","deleted":true}`, n) }
	planned := func(name string) (all []string) {
		p := l.plan(t, name, PlanOptions{})
		list, err := OpenPlan(t.Context(), l.conf, filepath.Join(l.out, name))
		if err != nil {
			t.Fatal(err)
		}
		next, err := list.From(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		for range p.Items {
			value, err := next()
			if err != nil {
				t.Fatal(err)
			}
			ref, err := schemas.ParseRef(value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, ref.URI[len("s3://box/texts/"):len("s3://box/texts/")+3])
		}
		return all
	}
	stream("stream", put(0), put(1), gone(1), put(2), gone(2), put(2), put(3))
	if got := planned("first"); !slices.Equal(got, []string{"001", "004"}) {
		t.Errorf("planned are %v", got)
	}
	stream("other", gone(3), gone(0), put(0))
	if got := planned("second"); !slices.Equal(got, []string{"001", "003", "004"}) {
		t.Errorf("when another source has deleted some: planned are %v", got)
	}
	l.run(t, "second")
	if got := planned("third"); len(got) != 0 {
		t.Errorf("when these are computed: planned are %v", got)
	}
}

func TestAPlanSaysWhatItWillTake(t *testing.T) {
	l := newLake(t, 200)
	l.put(t, "texts/empty.txt", "")
	l.conf.Pipelines[0].Outputs[0].Parquet.RollRows = 64
	l.conf.Pipelines[0].MaxInFlight = 8 // what a file has beyond its rows came with the last of them
	p := l.plan(t, "x", PlanOptions{Estimate: EstimateOptions{For: 50 * time.Millisecond, Machines: 2}})
	if len(p.Expected) != 1 {
		t.Fatalf("%+v", p)
	}
	e := p.Expected[0]
	if e.Files != 7 || p.Memory.Peak < p.Memory.Computing || p.Memory.Most < p.Memory.Peak || p.Memory.Computing == 0 && runtime.GOOS == "linux" {
		t.Errorf("%d files; %+v", e.Files, p.Memory)
	}
	if e.Items != 201 || e.Bytes != 200*10 || e.Wall.Value <= 0 || e.Wall.Low > e.Wall.Value || e.CPU.Value <= 0 || e.Rows < 200 || e.Rows > 600 || e.Steps <= 0 {
		t.Errorf("%+v", e)
	}
	list, err := OpenPlan(t.Context(), l.conf, filepath.Join(l.out, "x"))
	if err != nil || !bytes.Contains(list.Plan().About, []byte(`"wall_seconds"`)) {
		t.Errorf("the plan does not say: %s, %v", list.Plan().About, err)
	}
	if s := l.run(t, "x"); math.Abs(e.Rows/float64(s.Stream.Rows)-1) > 0.1 {
		t.Errorf("%d rows, and %v were expected", s.Stream.Rows, e.Rows)
	}
	files, bytes := 0, int64(0)
	if err := filepath.WalkDir(filepath.Join(l.out, "rows"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".parquet" {
			return err
		}
		about, err := d.Info()
		if err == nil {
			files, bytes = files+1, bytes+about.Size()
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if off := e.FileBytes / float64(bytes); int64(files) < e.Files-1 || int64(files) > e.Files || off < 0.8 || off > 1.25 {
		t.Errorf("%d bytes in %d files, and %.0f in %d were expected", bytes, files, e.FileBytes, e.Files)
	}
}

// TestWhatAPlanCouldNotTellIsToldWhereItIsMended has a limit that no object is within, and a bucket that the store does not have: neither says anything of the objects, nor is what was said for good.
func TestWhatAPlanCouldNotTellIsToldWhereItIsMended(t *testing.T) {
	for name, c := range map[string]struct {
		faulty func(*config.Config)
		says   string
	}{
		"a limit":  {func(c *config.Config) { c.Fetch.MaxObjectBytes = 1 }, "too-large"},
		"a bucket": {func(c *config.Config) { c.S3.Endpoint = newLake(t, 0).conf.S3.Endpoint + "/elsewhere" }, "fetch-missing"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLake(t, 20)
			l.conf.Pipelines[0].ReuseResults = 1 << 20
			at := filepath.Join(l.out, "list.jsonl")
			var lines strings.Builder
			for i := range 20 {
				fmt.Fprintf(&lines, `{"v":1,"id":"%d","uri":"s3://box/texts/%03d ü.txt"}`+"\n", i, i)
			}
			if err := os.WriteFile(at, []byte(lines.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			o := PlanOptions{Source: at, Estimate: EstimateOptions{For: time.Millisecond}}
			right := *l.conf
			c.faulty(l.conf)
			first := l.plan(t, "x", o)
			if e := first.Expected[0]; !strings.Contains(e.Refused, c.says) || e.Wall != nil {
				t.Fatalf("%+v", e)
			}
			if p := l.plan(t, "x", o); !p.Found || p.Expected[0].Refused != first.Expected[0].Refused {
				t.Errorf("before it is mended: %+v", p)
			}
			*l.conf = right
			o.Estimate.For = 0
			if p := l.plan(t, "x", o); !p.Found || p.Expected[0].Wall != nil {
				t.Errorf("nothing is to be tried, and was: %+v", p)
			}
			o.Estimate.For = time.Millisecond
			p := l.plan(t, "x", o)
			if e := p.Expected[0]; !p.Found || e.Refused != "" || e.Wall == nil || e.FailShare != 0 || e.Probed != 20 || p.Copied == nil || p.Copied.Untold != 20 {
				t.Errorf("%+v", p)
			}
			list, err := OpenPlan(t.Context(), l.conf, filepath.Join(l.out, "x"))
			if err != nil {
				t.Fatal(err)
			}
			now := list.Plan()
			if said := PromiseOf(now).Expected; len(said) != 1 || said[0].Wall == nil {
				t.Errorf("the plan says %+v", said)
			}
			if now.Name != first.Name || !slices.Equal(now.Parts, first.Parts) || !now.Created.Equal(first.Created) {
				t.Errorf("the references are not what they were: %+v, %+v", now, first.Plan)
			}
		})
	}
}

// TestAPlanIsEstimatedWhenThatIsAskedFor has plans that were made without an estimate, by a planning and by a run, and one for a pipeline that is not there any more.
func TestAPlanIsEstimatedWhenThatIsAskedFor(t *testing.T) {
	l := newLake(t, 20)
	o := PlanOptions{Source: "s3://box/texts/"}
	l.plan(t, "planned", o)
	o.Out, o.Listers, o.Log = filepath.Join(l.out, "run"), 4, quiet
	o.Name = "run"
	if p, err := PlanOnce(t.Context(), l.conf, o); err != nil || p.Found || p.Plan.Items != 20 {
		t.Fatalf("%+v, %v", p, err)
	}
	one := l.conf.Pipelines
	l.beside("other")
	l.plan(t, "both", o)
	l.conf.Pipelines = one
	o.Estimate.For = time.Millisecond
	for name, want := range map[string]int{"planned": 1, "run": 1, "both": 0} {
		p := l.plan(t, name, o)
		if !p.Found || len(p.Expected) != want || want > 0 && (p.Expected[0].Wall == nil || p.Expected[0].Items != 20) {
			t.Errorf("%s: %+v, expected %+v", name, p, p.Expected)
		}
		list, err := OpenPlan(t.Context(), l.conf, filepath.Join(l.out, name))
		if err != nil || len(PromiseOf(list.Plan()).Expected) != want {
			t.Errorf("%s says %+v, %v", name, list, err)
		}
	}
}

func TestHeadsInMetadataReadBack(t *testing.T) {
	all := []headOptions{{"embedding", "00"}, {"a=b,c %", "ff"}}
	got := parseHeads(formatHeads(all))
	if len(got) != 2 || got["embedding"] != "00" || got["a=b,c %"] != "ff" {
		t.Errorf("%v", got)
	}
	if text := formatHeads(make([]headOptions, 400)); text != "" {
		t.Errorf("%d bytes of metadata", len(text))
	}
	if got := parseHeads(""); len(got) != 0 {
		t.Errorf("nothing is read as %v", got)
	}
}
