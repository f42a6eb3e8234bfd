package bench

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"vecmill/embed"
	"vecmill/embed/audio"
	taskheads "vecmill/embed/heads"
	"vecmill/embed/image"
	"vecmill/embed/ortsession"
	"vecmill/embed/text"
	"vecmill/internal/config"
	"vecmill/internal/wire"
	"vecmill/model"
	"vecmill/schemas"
	"vecmill/sinks/parquetsink"
)

const (
	partitions = 2
	rounds     = 5 // session, pipeline, session, so often: what else the machine does falls on both
)

// setup is what differs between modalities. The batch settings are the worker's defaults, written down so that the bare session has the
// same.
type setup struct {
	modality schemas.Modality
	items    int
	head     config.Head
	batch    config.Batch
}

// headConfig is the head in the words of embed/heads.
func (s *setup) headConfig() taskheads.Config {
	return taskheads.Config{Name: s.head.Task, Task: schemas.Task(s.head.Task), Pooling: taskheads.Mean}
}

func BenchmarkText(b *testing.B)   { run(b, textSetup(texts(b, 300))) }
func BenchmarkAudio(b *testing.B)  { run(b, audioSetup(clips(b, 30))) }
func BenchmarkImages(b *testing.B) { run(b, imageSetup(pictures(b, 80))) }

// texts, clips and pictures are how many a corpus has, unless the environment says otherwise.
func texts(b testing.TB, n int) int    { b.Helper(); return number(b, "VECMILL_BENCH_TEXTS", n) }
func clips(b testing.TB, n int) int    { b.Helper(); return number(b, "VECMILL_BENCH_CLIPS", n) }
func pictures(b testing.TB, n int) int { b.Helper(); return number(b, "VECMILL_BENCH_PICTURES", n) }

func textSetup(items int) setup {
	return setup{schemas.Text, items, config.Head{Task: string(schemas.TaskEmbedding)}, config.Batch{MaxCost: 512, MaxItems: 64}}
}

func audioSetup(items int) setup {
	return setup{schemas.Audio, items, config.Head{Task: string(schemas.TaskTranscript)}, config.Batch{MaxCost: 400, MaxItems: 8}}
}

func imageSetup(items int) setup {
	return setup{schemas.Image, items, config.Head{Task: string(schemas.TaskEmbedding)}, config.Batch{MaxCost: 1600, MaxItems: 8}}
}

func run(b *testing.B, s setup) {
	l := open(b, s, number(b, "VECMILL_BENCH_LAYERS", 4))
	for b.Loop() {
		var seen shares
		for round := range roundsOf(b) {
			l.whole(b, fmt.Sprintf("%s-%d-%d", s.modality, b.N, round), &seen)
		}
		seen.report(b)
	}
}

// roundsOf is how many rounds a benchmark takes.
func roundsOf(b *testing.B) int { b.Helper(); return number(b, "VECMILL_BENCH_ROUNDS", rounds) }

// laid is a corpus in the store, and the bare session on it.
type laid struct {
	setup
	servers    *servers
	items      []item
	dir, cache string
	bare       *bare
}

func open(b testing.TB, s setup, layers int) *laid {
	l := &laid{setup: s, items: corpus(b, s.modality, 1, s.items), dir: checkpoint(b, demoModels(b), s.modality, layers), servers: startServers(b), cache: b.TempDir()}
	l.servers.upload(b, l.items)
	l.bare = openBare(b, l.dir, l.cache, model.Single, s, l.items)
	return l
}

func demoModels(b testing.TB) string {
	root, err := filepath.Abs("../..")
	if err != nil {
		b.Fatal(err)
	}
	return filepath.Join(root, "internal", "demo", "models")
}

// round is session, pipeline, session: the CPU time of a session, and what the pipeline took.
func (l *laid) round(b testing.TB, topic string) (session time.Duration, p outcome) {
	b.Helper()
	l.servers.publish(b, topic, l.items)
	before := l.bare.run(b)
	p = runPipeline(b, configure(l.servers, l.setup, l.dir, l.cache, topic), l.setup.items)
	return (before + l.bare.run(b)) / 2, p
}

// ratio is the CPU time of a session over that of the pipeline.
func (l *laid) ratio(b testing.TB, topic string) float64 {
	b.Helper()
	session, p := l.round(b, topic)
	return session.Seconds() / p.cpu.Seconds()
}

// outcome is what one run of the pipeline took.
type outcome struct {
	effort
	wall  time.Duration
	stats wire.Stats
}

func report(b testing.TB, s setup, round string, p outcome, bare *bare, cpu time.Duration) {
	n := float64(s.items)
	e, f := p.stats.Embed, p.stats.Stream
	b.Logf("%s: ratio %.3f | pipeline %.1f ms CPU an item, %.1f items/s wall | bare session %.1f ms CPU an item, %d batches"+
		"\n  padding %.3f (bare %.3f), %d batches | busy of %.2f s wall: fetch %.2f, preprocess %.2f, collate %.3f, infer %.2f, heads %.3f s",
		round, cpu.Seconds()/p.cpu.Seconds(), 1e3*p.cpu.Seconds()/n, n/p.wall.Seconds(), 1e3*cpu.Seconds()/n, len(bare.batches),
		e.PaddingRatio(), bare.padding, e.Batches, p.wall.Seconds(), f.Fetch.Seconds(), e.Preprocess.Seconds(), e.Collate.Seconds(), e.Infer.Seconds(), e.HeadsOn.Seconds())
}

func configure(srv *servers, s setup, model, cache, topic string) *config.Config {
	c := config.NewDefaultConfig()
	c.Telemetry.Listen, c.Telemetry.TraceRatio = "", 0
	c.Runtime.CacheDir = cache
	c.Kafka.Brokers = srv.Brokers
	c.Kafka.FetchMaxWait = config.Duration(100 * time.Millisecond)
	c.S3 = config.S3{Endpoint: "https://" + srv.S3, Region: "us-east-1", AccessKey: "bench", SecretKey: "bench-secret", CAFile: srv.caFile, PathStyle: true}
	p := config.NewDefaultPipeline()
	p.Name, p.Group, p.Topics = topic, topic, []string{topic}
	p.Model = config.Model{Path: model, Name: "random", Threads: threads(), Sessions: 1}
	yes := true
	s.head.Name, s.head.Pooling, s.head.Normalize = s.head.Task, "mean", &yes
	p.Heads = []config.Head{s.head}
	p.Batch = s.batch
	p.CommitInterval = config.Duration(time.Second)
	p.Outputs = []config.Output{{Parquet: &config.Parquet{
		URL: "s3://" + bucket + "/out", RollBytes: 64 << 20, RollRows: s.items, RollAge: config.Duration(500 * time.Millisecond), Compression: "zstd", MaxBuffered: 256 << 20,
	}}}
	c.Pipelines = []config.Pipeline{p}
	return c
}

func threads() int { return runtime.GOMAXPROCS(0) }

// rowCounter counts durable rows.
type rowCounter struct{ rows atomic.Int64 }

func (r *rowCounter) FileWritten(f parquetsink.FileWritten) { r.rows.Add(f.Rows) }
func (r *rowCounter) NameLost(parquetsink.NameLost)         {}

// runPipeline runs the worker until every item has a durable row.
func runPipeline(b testing.TB, c *config.Config, items int) outcome {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	counter := &rowCounter{}
	w, err := wire.Open(ctx, c, wire.Options{Log: slog.New(slog.DiscardHandler), Files: counter})
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	began, before := time.Now(), spent(b)
	go func() { ended <- w.Run(ctx) }()
	for counter.rows.Load() < int64(items) {
		select {
		case err := <-ended:
			b.Fatalf("the pipeline ended with %d of %d rows: %v", counter.rows.Load(), items, err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	o := outcome{effort: before.since(b), wall: time.Since(began), stats: w.Stats()[0]}
	stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	return o
}

// bare is a session and its batches.
type bare struct {
	session embed.Session
	spec    *model.Spec
	graph   *model.Graph
	pre     embed.Preprocessor
	options ortsession.Options
	read    []string         // outputs that are given; nil: all
	samples [][]embed.Sample // of each batch
	batches [][]embed.Tensor
	shapes  embed.Shapes
	padding float64
	flops   float64 // of useful work
}

func openBare(b testing.TB, dir, cache string, p model.Precision, s setup, items []item) *bare {
	b.Helper()
	return openBareOn(b, dir, cache, way{precision: p, options: ortsession.Options{Threads: threads()}}, s, items)
}

// way is how a bare session computes.
type way struct {
	precision model.Precision
	packed    bool // in rows
	without   model.Pass
	options   ortsession.Options
	fixed     bool // batches are padded to a GPU's few shapes
}

func name(p model.Precision) string { return cmp.Or(string(p), "fp32") }

// String is what a report calls it.
func (w way) String() string {
	if w.packed {
		return name(w.precision) + " packed"
	}
	return name(w.precision)
}

// openBareOn is openBare in another way.
func openBareOn(b testing.TB, dir, cache string, w way, s setup, items []item) *bare {
	b.Helper()
	spec, err := model.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	graph, err := spec.Compile(b.Context(), cache, model.CompileOptions{Precision: w.precision, Packed: w.packed, Whole: w.options.Provider.OnGPU(), Without: w.without})
	if err != nil {
		b.Fatal(err)
	}
	pre, err := preprocessor(spec)
	if err != nil {
		b.Fatal(err)
	}
	var samples []embed.Sample
	for _, it := range items {
		got, err := pre.Preprocess(b.Context(), schemas.Ref{}, it.body)
		if err != nil {
			b.Fatalf("%s: %v", it.name, err)
		}
		samples = append(samples, got...)
	}
	x := &bare{spec: spec, graph: graph, pre: pre, options: w.options, read: taskheads.Reads(s.headConfig())}
	if w.fixed {
		longest := 512
		if spec.Audio != nil {
			longest = 30 * 16000
		}
		x.shapes = embed.UsualShapes(spec, longest, s.batch.MaxItems)
	}
	x.session = x.open(b)
	for i := range samples {
		x.flops += spec.FLOPs(samples[i].Cost)
	}
	if w.packed {
		x.pack(b, samples, s.batch)
	} else {
		x.batch(b, samples, s.batch)
	}
	return x
}

// open is a session of x's graph, which gives what the pipeline's gives; it ends with the benchmark.
func (x *bare) open(b testing.TB) embed.Session {
	b.Helper()
	graph := *x.graph
	if x.read != nil {
		graph = x.graph.Narrow(x.read)
	}
	session, err := ortsession.Open(b.Context(), graph, x.options)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := session.Close(); err != nil {
			b.Error(err)
		}
	})
	return session
}

func preprocessor(spec *model.Spec) (embed.Preprocessor, error) {
	switch spec.Modality {
	case schemas.Audio:
		return audio.New(spec, audio.Options{})
	case schemas.Text:
		return text.New(spec, text.Options{})
	}
	return image.New(spec, image.Options{})
}

// batch sorts the samples by length and cuts them where it is cheapest under the budget.
func (x *bare) batch(b testing.TB, samples []embed.Sample, limit config.Batch) {
	b.Helper()
	slices.SortStableFunc(samples, func(p, q embed.Sample) int { return cmp.Compare(p.Cost, q.Cost) })
	costs := make([]int, len(samples))
	useful, padded := 0, 0
	for i := range samples {
		costs[i] = samples[i].Cost
		useful += samples[i].Cost
	}
	at := 0
	for _, end := range cuts(costs, x.shapes, limit.MaxCost, limit.MaxItems) {
		tensors, err := x.shapes.Collate(samples[at:end])
		if err != nil {
			b.Fatal(err)
		}
		x.samples, x.batches = append(x.samples, samples[at:end]), append(x.batches, tensors)
		rows, length := x.shapes.Round(end-at, costs[end-1])
		padded += rows * length
		at = end
	}
	x.padding = float64(padded) / float64(useful)
}

// pack fills rows as the worker does.
func (x *bare) pack(b testing.TB, samples []embed.Sample, limit config.Batch) {
	b.Helper()
	packing, err := embed.NewPacking(x.spec, min(embed.UsualRow(x.spec), limit.MaxCost), limit.MaxCost, limit.MaxItems)
	if err != nil {
		b.Fatal(err)
	}
	packer := embed.NewPacker[embed.Sample](embed.BatcherConfig{MaxCost: limit.MaxCost, MaxItems: limit.MaxItems, Window: max(limit.Window, limit.MaxItems)}, packing)
	var now time.Time
	useful, padded := 0, 0
	for len(samples) > 0 || packer.Len() > 0 {
		for len(samples) > 0 && !packer.Full(embed.Backfill) {
			packer.Add(now, embed.Backfill, samples[0].Rows(), samples[0].Length(), samples[0])
			samples = samples[1:]
		}
		batch, _ := packer.Next(now)
		tensors, err := packing.Collate(batch.Items, batch.Layout)
		if err != nil {
			b.Fatal(err)
		}
		x.samples, x.batches = append(x.samples, batch.Items), append(x.batches, tensors)
		useful, padded = useful+batch.Cost, padded+batch.Padded
	}
	x.padding = float64(padded) / float64(useful)
}

// cuts are the ends of the batches of sorted costs that together cost least as these shapes: padded cost, and for each batch an eighth of the budget,
// as the worker's batcher reckons.
func cuts(costs []int, shapes embed.Shapes, maxCost, maxItems int) []int {
	least, from := make([]int, len(costs)+1), make([]int, len(costs)+1)
	for end := 1; end <= len(costs); end++ {
		least[end] = -1
		for at := end - 1; at >= 0 && end-at <= maxItems; at-- {
			rows, length := shapes.Round(end-at, costs[end-1])
			if end-at > 1 && rows*length > maxCost {
				break
			}
			if c := least[at] + rows*length + maxCost/8; least[end] < 0 || c < least[end] {
				least[end], from[end] = c, at
			}
		}
	}
	var ends []int
	for end := len(costs); end > 0; end = from[end] {
		ends = append(ends, end)
	}
	slices.Reverse(ends)
	return ends
}

func TestCutsAreTheCheapest(t *testing.T) {
	for _, c := range []struct {
		name              string
		costs             []int
		maxCost, maxItems int
		shapes            embed.Shapes
		want              []int
	}{
		{"equal costs fill the budget", []int{4, 4, 4, 4}, 16, 8, embed.Shapes{}, []int{4}},
		{"the number of items is bounded", []int{1, 1, 1, 1, 1}, 80, 2, embed.Shapes{}, []int{2, 4, 5}},
		{"a jump in cost is worth a cut", []int{1, 1, 50, 50}, 160, 8, embed.Shapes{}, []int{2, 4}},
		{"an item over the budget goes alone", []int{5, 200}, 100, 8, embed.Shapes{}, []int{1, 2}},
		{"nothing has no cuts", nil, 100, 8, embed.Shapes{}, nil},
		{"a shape fills the budget", []int{3, 3, 3, 3, 3}, 16, 8, embed.Shapes{Lengths: []int{4}, Items: []int{1, 2, 4, 8}}, []int{4, 5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := cuts(c.costs, c.shapes, c.maxCost, c.maxItems); !slices.Equal(got, c.want) {
				t.Errorf("cuts = %v, want %v", got, c.want)
			}
		})
	}
}

// run computes every batch and returns the CPU time.
func (x *bare) run(b testing.TB) time.Duration {
	b.Helper()
	before := cpuTime(b)
	if err := x.compute(b.Context(), func(int, *embed.Output) error { return nil }); err != nil {
		b.Fatal(err)
	}
	return cpuTime(b) - before
}

// compute computes every batch, by number.
func (x *bare) compute(ctx context.Context, with func(batch int, out *embed.Output) error) error {
	for i, tensors := range x.batches {
		out, err := x.session.Run(ctx, tensors)
		if err == nil {
			err = with(i, out)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cpuTime is the processor time of this process, user and system, all threads.
func cpuTime(b testing.TB) time.Duration {
	b.Helper()
	return spent(b).cpu
}

// least are settings with -short: a benchmark shows that it runs then, and nothing of how fast.
var least = map[string]int{
	"VECMILL_BENCH_LAYERS": 1, "VECMILL_BENCH_ROUNDS": 1, "VECMILL_BENCH_TURNS": 1, "VECMILL_BENCH_ROW": 512,
	"VECMILL_BENCH_TEXTS": 8, "VECMILL_BENCH_CLIPS": 2, "VECMILL_BENCH_PICTURES": 2, "VECMILL_BENCH_LIVE": 4,
}

// isShort says whether this is a benchmark with -short. A test measures what it measures.
func isShort(b testing.TB) bool {
	_, benchmark := b.(*testing.B)
	return benchmark && testing.Short()
}

// number is a setting from the environment.
func number(b testing.TB, name string, otherwise int) int {
	b.Helper()
	s := os.Getenv(name)
	if s == "" {
		if n, ok := least[name]; ok && isShort(b) {
			return min(otherwise, n)
		}
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		b.Fatalf("%s is %q, want a positive number", name, s)
	}
	return n
}
