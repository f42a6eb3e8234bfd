package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vecmill/embed"
	"vecmill/embed/golden"
	"vecmill/embed/ortsession"
	"vecmill/internal/config"
	"vecmill/internal/wire"
	"vecmill/model"
	"vecmill/schemas"
)

// deviceCheck says what tools/gpu-check.sh looks at.
type deviceCheck struct {
	options ortsession.Options
	devices int                 // that reference cases run on, from 0; the first is timed
	goldens string              // directory of reference cases
	layers  int                 // of the models that are timed
	share   int                 // of the usual number of items, as a divisor
	batches int                 // how many times the usual budget a batch is
	peaks   *peaks              // nil: measured
	machine machine             // as the report says it
	pause   time.Duration       // before items are published that are timed, which no rate may have in it
	tell    func(*deviceReport) // given the report whenever there is more in it, so that nothing is lost of a check that does not come to its end
}

// BenchmarkDevice runs every reference case on every device in fp32 and fp16, padded and in packed rows, looks where operators run, and times bare sessions of base width and the worker around them. Use
// tools/gpu-check.sh, which sets the environment: VECMILL_DEVICE (cpu, cuda, tensorrt), VECMILL_DEVICE_REPORT (file to write), VECMILL_DEVICE_NAME, VECMILL_DEVICE_COUNT,
// VECMILL_DEVICE_DRIVER, VECMILL_DEVICE_COMMIT, VECMILL_DEVICE_BATCH, and corpora of many batches of that size. It fails where a case is missed, or an operator strays to the CPU.
func BenchmarkDevice(b *testing.B) {
	c := deviceCheck{
		options: ortsession.Options{Threads: threads()}, devices: number(b, "VECMILL_DEVICE_COUNT", 1), goldens: filepath.Join("..", "..", "model", "golden"),
		layers: number(b, "VECMILL_BENCH_LAYERS", 12), share: 1, batches: number(b, "VECMILL_DEVICE_BATCH", 1),
		machine: machine{cmp.Or(os.Getenv("VECMILL_DEVICE_NAME"), "CPU"), os.Getenv("VECMILL_DEVICE_DRIVER"), os.Getenv("VECMILL_DEVICE_COMMIT")},
		tell: func(r *deviceReport) {
			if file := os.Getenv("VECMILL_DEVICE_REPORT"); file != "" {
				if err := os.WriteFile(file, []byte(r.String()), 0o600); err != nil {
					b.Fatal(err)
				}
			}
		},
	}
	if isShort(b) { // three cases, of which every build has the files
		c.goldens = b.TempDir()
		if _, err := golden.Bundled(c.goldens); err != nil {
			b.Fatal(err)
		}
	}
	if p := ortsession.Provider(os.Getenv("VECMILL_DEVICE")); p.OnGPU() {
		c.options.Provider, c.options.Threads, c.peaks = p, 1, peaksOf(c.machine.device)
	}
	for b.Loop() {
		r := c.run(b)
		b.Log("\n" + r.String())
		for _, f := range r.faults {
			b.Error(f)
		}
	}
}

func (c *deviceCheck) run(tb testing.TB) *deviceReport {
	tb.Helper()
	_, version, err := ortsession.Library()
	if err != nil {
		tb.Fatal(err)
	}
	r := &deviceReport{machine: c.machine, provider: cmp.Or(string(c.options.Provider), "cpu"), version: version, layers: c.layers}
	for d := range c.devices {
		for _, w := range []way{{precision: model.Single}, {precision: model.Half}, {packed: true}, {precision: model.Half, packed: true}} {
			w.options = c.options
			w.options.GPU.Device = d
			c.prove(tb, r, w)
		}
	}
	if c.peaks == nil && !c.options.Provider.OnGPU() {
		flops, err := ortsession.Peak(tb.Context(), c.options)
		if err != nil {
			tb.Fatal(err)
		}
		c.peaks = &peaks{single: flops, half: flops} // of fp32: a CPU computes fp16 so
	}
	servers := startServers(tb)
	for _, s := range []setup{textSetup(texts(tb, 300) / c.share), audioSetup(clips(tb, 30) / c.share), imageSetup(pictures(tb, 80) / c.share)} {
		s.batch.MaxCost, s.batch.MaxItems = s.batch.MaxCost*c.batches, s.batch.MaxItems*c.batches
		s.batch.Window = embed.UsualBatch(s.modality, 0).Window * c.batches
		items, dir := corpus(tb, s.modality, 1, s.items), checkpoint(tb, demoModels(tb), s.modality, c.layers)
		servers.upload(tb, items)
		for _, p := range []model.Precision{model.Single, model.Half} {
			padded, packed := way{precision: p, options: c.options, fixed: c.options.Provider.OnGPU()}, way{precision: p, packed: true, options: c.options}
			bare := c.time(tb, r, s, padded, dir, items)
			c.work(tb, r, s, padded, dir, items, servers, bare)
			if p == model.Half {
				c.work(tb, r, s, padded, dir, items, servers, bare, c.every()...)
			}
			if s.modality != schemas.Image { // whose shape is constant without
				c.work(tb, r, s, packed, dir, items, servers, c.time(tb, r, s, packed, dir, items))
			}
		}
	}
	r.ended = true
	c.tell(r)
	return r
}

// prove runs the reference cases in a way.
func (c *deviceCheck) prove(tb testing.TB, r *deviceReport, w way) {
	tb.Helper()
	cases, err := golden.Load(c.goldens)
	if err != nil || len(cases) == 0 {
		tb.Fatalf("%d reference cases in %s, %v", len(cases), c.goldens, err)
	}
	row := proved{device: w.options.GPU.Device, way: w.String(), cases: len(cases)}
	w.options.Threads = 1
	open := func(ctx context.Context, g model.Graph) (embed.Session, error) {
		return ortsession.Open(ctx, g, w.options)
	}
	for i := range cases {
		var n int
		if w.packed {
			n, err = cases[i].VerifyPacked(tb.Context(), tb.TempDir(), w.precision, open)
		} else {
			n, err = cases[i].Verify(tb.Context(), tb.TempDir(), model.CompileOptions{Precision: w.precision, Whole: w.options.Provider.OnGPU()}, open)
		}
		row.runs += n
		if err != nil {
			row.missed++
			r.faults = append(r.faults, fmt.Sprintf("device %d, %v: %v", w.options.GPU.Device, w, err))
		}
	}
	r.proved = append(r.proved, row)
	c.tell(r)
}

// time runs the bare session of a modality, after a first run in which kernels are chosen, and gives items a second.
func (c *deviceCheck) time(tb testing.TB, r *deviceReport, s setup, w way, dir string, items []item) float64 {
	tb.Helper()
	x := openBareOn(tb, dir, tb.TempDir(), w, s, items)
	defer func() { // a device has no room for all of them
		if err := x.session.Close(); err != nil {
			tb.Error(err)
		}
	}()
	x.run(tb)
	var walls []time.Duration
	for range rounds {
		began := time.Now()
		x.run(tb)
		walls = append(walls, time.Since(began))
	}
	slices.Sort(walls)
	wall := walls[len(walls)/2].Seconds()
	row := timed{modality: s.modality, way: w.String(), batches: len(x.batches), items: float64(s.items) / wall, padding: x.padding, flops: x.flops / wall}
	if s.modality == schemas.Audio {
		row.realtime = x.seconds() / wall
	}
	if c.peaks != nil {
		row.mfu = row.flops / c.peaks.of(w.precision)
	}
	if c.options.Provider.OnGPU() {
		seen, err := ortsession.Observe(tb.Context(), *x.graph, c.options, func(on embed.Session) error {
			_, err := on.Run(tb.Context(), x.batches[0])
			return err
		})
		if err != nil {
			tb.Fatal(err)
		}
		for _, n := range seen.Strays() {
			r.faults = append(r.faults, fmt.Sprintf("%s, %v: %s (%s) runs on the CPU", s.modality, w, n.Name, n.Op))
		}
		for _, line := range seen.Slow() {
			r.faults = append(r.faults, fmt.Sprintf("%s, %v: %s", s.modality, w, line))
		}
	}
	r.timed = append(r.timed, row)
	c.tell(r)
	return row.items
}

// every is all devices, by their numbers.
func (c *deviceCheck) every() (all []int) {
	for d := range c.devices {
		all = append(all, d)
	}
	return all
}

// work runs the worker on the same items, from a broker and a store on this machine to files in that store; bare is what the session alone does in a second. With devices it runs on all of these, and measures
// how convolutions are searched best on each kind of them.
func (c *deviceCheck) work(tb testing.TB, r *deviceReport, s setup, w way, dir string, items []item, on *servers, bare float64, devices ...int) {
	tb.Helper()
	row := worked{modality: s.modality, way: w.String()}
	if len(devices) > 0 {
		row.way = fmt.Sprintf("%v, %d devices, search: auto", w, len(devices))
	}
	topic := fmt.Sprintf("%s-%s-%d", s.modality, strings.ReplaceAll(w.String(), " ", "-"), len(devices))
	cfg := configure(on, s, dir, tb.TempDir(), topic)
	c.provide(&cfg.Pipelines[0], w.precision, devices)
	cfg.Pipelines[0].Batch.Packing = w.packed
	cfg.Pipelines[0].MemoryBudget *= config.Bytes(c.batches)                              // as batches are larger
	cfg.Pipelines[0].Outputs[0].Parquet.RollAge = config.Duration(100 * time.Millisecond) // what the last file waits
	began := time.Now()
	c.timeWorker(tb, &row, cfg, items, on)
	row.whole = time.Since(began)
	row.items = float64(s.items) / row.wall.Seconds()
	row.share = row.items / bare / float64(max(len(devices), 1))
	r.worked = append(r.worked, row)
	c.tell(r)
}

// provide has a pipeline compute on the device that is timed, or on these.
func (c *deviceCheck) provide(p *config.Pipeline, precision model.Precision, devices []int) {
	m := &p.Model
	m.Provider, m.Precision, m.Threads = string(c.options.Provider), name(precision), c.options.Threads
	m.GPU = config.GPU{Arena: "as_requested", Search: "heuristic", Shapes: "fixed"} // the defaults, which a file's are given when it is read
	if len(devices) == 0 {
		return
	}
	m.GPU.Search = "auto"
	if m.OnGPU() {
		m.Devices = devices
	}
}

// timeWorker runs a worker on the items twice. In the first pass kernels are chosen, arenas grow and costs are learnt; the second is timed, from the first record that is taken in to the last file that is closed.
func (c *deviceCheck) timeWorker(tb testing.TB, row *worked, cfg *config.Config, items []item, on *servers) {
	tb.Helper()
	ctx, stop := context.WithCancel(tb.Context())
	defer stop()
	topic, rows := cfg.Pipelines[0].Topics[0], &rowCounter{}
	on.publish(tb, topic, items)
	w, err := wire.Open(ctx, cfg, wire.Options{Log: slog.New(slog.DiscardHandler), Files: rows})
	if err != nil {
		tb.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	until := func(what string, ok func() bool) {
		tb.Helper()
		for !ok() {
			select {
			case err := <-ended:
				tb.Fatalf("the pipeline ended before %s, with %d rows: %v", what, rows.rows.Load(), err)
			case <-time.After(time.Millisecond):
			}
		}
	}
	n := int64(len(items))
	until("all rows of the first pass", func() bool { return rows.rows.Load() >= n })
	time.Sleep(c.pause)
	before := w.Stats()[0]
	sent := make(chan error, 1) // by the goroutine below alone
	go func() { sent <- on.send(ctx, topic, items) }()
	until("the first record of the second pass", func() bool { return w.Stats()[0].Stream.Records > before.Stream.Records })
	began := time.Now()
	until("all rows of the second pass", func() bool { return rows.rows.Load() >= 2*n })
	row.wall = time.Since(began)
	after := w.Stats()[0]
	stop()
	if err := errors.Join(<-sent, <-ended); err != nil {
		tb.Fatal(err)
	}
	e, was := after.Embed, before.Embed
	row.batches, row.samples = int(e.Batches-was.Batches), int(e.Samples-was.Samples)
	if cost := e.Cost - was.Cost; cost > 0 {
		row.padding = float64(e.Padded-was.Padded) / float64(cost)
	}
}

// seconds is how much audio the batches hold.
func (x *bare) seconds() (total float64) {
	for _, batch := range x.samples {
		for i := range batch {
			total += float64(len(batch[i].Inputs[0].F32)) / 16000
		}
	}
	return total
}

// The check runs on the CPU as on a GPU: the same report, from bundled cases and models of one layer.
func TestADeviceIsCheckedAndReported(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cases")
	if _, err := golden.Bundled(dir); err != nil {
		t.Fatal(err)
	}
	var told []string
	c := deviceCheck{
		options: ortsession.Options{Threads: 1}, devices: 1, goldens: dir, layers: 1, share: 30, batches: 1, machine: machine{"a CPU", "", "abc"}, pause: 200 * time.Millisecond,
		tell: func(r *deviceReport) { told = append(told, r.String()) },
	}
	r := c.run(t)
	text := r.String()
	if len(r.faults) > 0 || len(r.proved) != 4 || len(r.timed) != 10 || len(r.worked) != 13 {
		t.Fatalf("%d faults, %d ways, %d timed, %d worked:\n%s", len(r.faults), len(r.proved), len(r.timed), len(r.worked), text)
	}
	const unfinished = "has not come to its end"
	if rows := 4 + 10 + 13; len(told) != rows+1 || told[rows] != text || strings.Contains(text, unfinished) {
		t.Errorf("told %d times, want of each of %d rows, and at the end", len(told), rows)
	}
	for i, early := range told[:len(told)-1] {
		if !strings.Contains(early, unfinished) || strings.Count(early, "\n|") != i+1+3*2 { // rows, and three heads of two lines
			t.Errorf("after row %d:\n%s", i+1, early)
		}
	}
	for _, p := range r.proved {
		if p.cases != 3 || p.runs < 2 || p.missed != 0 {
			t.Errorf("%+v", p)
		}
	}
	for _, x := range r.timed {
		if x.items <= 0 || x.flops <= 0 || x.batches < 1 || x.padding < 1 || x.mfu <= 0 || (x.realtime > 0) != (x.modality == schemas.Audio) {
			t.Errorf("%+v", x)
		}
	}
	for _, x := range r.worked {
		if x.items <= 0 || x.share <= 0 || x.padding < 1 || x.batches < 1 || x.batches > x.samples {
			t.Errorf("%+v", x)
		}
		if want := map[schemas.Modality]int{schemas.Text: texts(t, 300) / 30, schemas.Audio: clips(t, 30) / 30, schemas.Image: pictures(t, 80) / 30}[x.modality]; x.samples != want {
			t.Errorf("%+v: %d samples are timed, want the %d of the second pass", x, x.samples, want)
		}
		if x.wall <= 0 || x.wall > x.whole-c.pause {
			t.Errorf("%+v: what is before the first record of the second pass is timed", x)
		}
	}
	for _, want := range []string{"# Device check: cpu on a CPU", "commit abc", "| 0 | fp16 | 3 |", "| audio | fp32 packed |", "| text | fp16 packed |", "| 0 | fp16 packed | 3 |", "| items/s | RTFx |", "| text | fp16, 1 devices, search: auto |", "fewer than 10 batches", "| image | fp16 |"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report has no %q:\n%s", want, text)
		}
	}
	var p config.Pipeline
	onTwo := deviceCheck{options: ortsession.Options{Provider: ortsession.CUDA, Threads: 1}, devices: 2}
	if onTwo.provide(&p, model.Half, nil); len(p.Model.Devices) > 0 || p.Model.GPU != (config.GPU{Arena: "as_requested", Search: "heuristic", Shapes: "fixed"}) {
		t.Errorf("on the first alone: %+v, want the defaults", p.Model)
	}
	if onTwo.provide(&p, model.Half, onTwo.every()); !slices.Equal(p.Model.Devices, []int{0, 1}) || p.Model.GPU.Search != "auto" || p.Model.Provider != "cuda" || p.Model.Precision != "fp16" {
		t.Errorf("on two devices: %+v", p.Model)
	}
	missed := &deviceReport{}
	c.prove(t, missed, way{precision: model.Half, options: ortsession.Options{Provider: ortsession.CUDA, GPU: ortsession.GPU{Device: 1000}}})
	if len(missed.faults) != 3 || !strings.Contains(missed.String(), "* FAIL device 1000, fp16: ") {
		t.Errorf("on a device that no machine has: %q", missed.faults)
	}
}
