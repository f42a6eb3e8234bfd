package bench

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vecmill/embed"
	"vecmill/embed/golden"
	"vecmill/embed/ortsession"
	"vecmill/model"
	"vecmill/schemas"
)

// deviceCheck says what tools/gpu-check.sh looks at.
type deviceCheck struct {
	options ortsession.Options
	goldens string  // directory of reference cases
	layers  int     // of the models that are timed
	share   int     // of the usual number of items, as a divisor
	batches int     // how many times the usual budget a batch is
	peaks   *peaks  // nil: measured
	machine machine // as the report says it
}

// machine is what a report says of where it was made.
type machine struct{ device, driver, commit string }

// BenchmarkDevice runs every reference case on a device in fp32 and fp16, looks where operators run, and times bare sessions of base width. Use tools/gpu-check.sh,
// which sets the environment: VECMILL_DEVICE (cpu, cuda, tensorrt), VECMILL_DEVICE_REPORT (file to write), VECMILL_DEVICE_NAME, VECMILL_DEVICE_DRIVER,
// VECMILL_DEVICE_COMMIT, VECMILL_DEVICE_BATCH. It fails where a case is missed, or an operator strays to the CPU.
func BenchmarkDevice(b *testing.B) {
	c := deviceCheck{
		options: ortsession.Options{Threads: threads()}, goldens: filepath.Join("..", "..", "model", "golden"),
		layers: number(b, "VECMILL_BENCH_LAYERS", 12), share: 1, batches: number(b, "VECMILL_DEVICE_BATCH", 1),
		machine: machine{cmp.Or(os.Getenv("VECMILL_DEVICE_NAME"), "CPU"), os.Getenv("VECMILL_DEVICE_DRIVER"), os.Getenv("VECMILL_DEVICE_COMMIT")},
	}
	if p := ortsession.Provider(os.Getenv("VECMILL_DEVICE")); p.OnGPU() {
		c.options.Provider, c.options.Threads, c.peaks = p, 1, peaksOf(c.machine.device)
	}
	for b.Loop() {
		r := c.run(b)
		text := r.String()
		b.Log("\n" + text)
		if file := os.Getenv("VECMILL_DEVICE_REPORT"); file != "" {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				b.Fatal(err)
			}
		}
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
	for _, p := range []model.Precision{model.Single, model.Half} {
		c.prove(tb, r, p)
	}
	if c.peaks == nil && !c.options.Provider.OnGPU() {
		flops, err := ortsession.Peak(tb.Context(), c.options)
		if err != nil {
			tb.Fatal(err)
		}
		c.peaks = &peaks{single: flops, half: flops} // of fp32: a CPU computes fp16 so
	}
	for _, s := range []setup{textSetup(300 / c.share), audioSetup(30 / c.share), imageSetup(80 / c.share)} {
		s.batch.MaxCost, s.batch.MaxItems = s.batch.MaxCost*c.batches, s.batch.MaxItems*c.batches
		items, dir := corpus(tb, s.modality, 1, s.items), checkpoint(tb, demoModels(tb), s.modality, c.layers)
		for _, p := range []model.Precision{model.Single, model.Half} {
			c.time(tb, r, s, p, dir, items)
		}
	}
	return r
}

// prove runs the reference cases in a precision.
func (c *deviceCheck) prove(tb testing.TB, r *deviceReport, p model.Precision) {
	tb.Helper()
	cases, err := golden.Load(c.goldens)
	if err != nil || len(cases) == 0 {
		tb.Fatalf("%d reference cases in %s, %v", len(cases), c.goldens, err)
	}
	row := proved{precision: name(p), cases: len(cases)}
	for i := range cases {
		n, err := cases[i].Verify(tb.Context(), tb.TempDir(), p, func(ctx context.Context, g model.Graph) (embed.Session, error) {
			o := c.options
			o.Threads = 1
			return ortsession.Open(ctx, g, o)
		})
		row.runs += n
		if err != nil {
			row.missed++
			r.faults = append(r.faults, fmt.Sprintf("%s: %v", name(p), err))
		}
	}
	r.proved = append(r.proved, row)
}

// time runs the bare session of a modality, after a first run in which kernels are chosen.
func (c *deviceCheck) time(tb testing.TB, r *deviceReport, s setup, p model.Precision, dir string, items []item) {
	tb.Helper()
	x := openBareOn(tb, dir, tb.TempDir(), p, s, items, c.options, shapesFor(s, c.options.Provider.OnGPU()))
	x.run(tb)
	var walls []time.Duration
	for range rounds {
		began := time.Now()
		x.run(tb)
		walls = append(walls, time.Since(began))
	}
	slices.Sort(walls)
	wall := walls[len(walls)/2].Seconds()
	row := timed{modality: s.modality, precision: name(p), items: float64(s.items) / wall, padding: x.padding, flops: x.flops / wall}
	if s.modality == schemas.Audio {
		row.realtime = x.seconds() / wall
	}
	if c.peaks != nil {
		row.mfu = row.flops / c.peaks.of(p)
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
			r.faults = append(r.faults, fmt.Sprintf("%s, %s: %s (%s) runs on the CPU", s.modality, name(p), n.Name, n.Op))
		}
		for _, line := range seen.Slow() {
			r.faults = append(r.faults, fmt.Sprintf("%s, %s: %s", s.modality, name(p), line))
		}
	}
	r.timed = append(r.timed, row)
}

// shapesFor are a GPU's few shapes; a CPU pads to the longest item.
func shapesFor(s setup, gpu bool) embed.Shapes {
	switch {
	case !gpu:
		return embed.Shapes{}
	case s.modality == schemas.Audio:
		return embed.NewShapes(16000, 30*16000, 1600, s.batch.MaxItems)
	case s.modality == schemas.Text:
		return embed.NewShapes(16, 512, 8, s.batch.MaxItems)
	}
	return embed.Shapes{Items: embed.NewShapes(1, 1, 1, s.batch.MaxItems).Items}
}

// seconds is how much audio the batches hold.
func (x *bare) seconds() (total float64) {
	for _, tensors := range x.batches {
		for _, t := range tensors {
			if t.Name == "lengths" {
				for _, n := range t.I64 {
					total += float64(n) / 16000
				}
			}
		}
	}
	return total
}

func name(p model.Precision) string { return cmp.Or(string(p), "fp32") }

// deviceReport is what tools/gpu-check.sh writes.
type deviceReport struct {
	machine
	provider, version string
	layers            int
	proved            []proved
	timed             []timed
	faults            []string
}

type proved struct {
	precision           string
	cases, runs, missed int
}

type timed struct {
	modality  schemas.Modality
	precision string
	items     float64 // a second
	realtime  float64 // seconds of audio a second
	padding   float64
	flops     float64 // of useful work, a second
	mfu       float64 // of the device's peak; 0: that is not known
}

// String is the report in Markdown.
func (r *deviceReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Device check: %s on %s\n\n", r.provider, r.device)
	fmt.Fprintf(&b, "ONNX Runtime %s, driver %s, commit %s. Models of base width, %d layers, random weights; the median of %d runs of a bare session, one device.\n\n",
		r.version, cmp.Or(r.driver, "none"), cmp.Or(r.commit, "unknown"), r.layers, rounds)
	b.WriteString("| precision | reference cases | runs | missed |\n| --- | --- | --- | --- |\n")
	for _, p := range r.proved {
		fmt.Fprintf(&b, "| %s | %d | %d | %d |\n", p.precision, p.cases, p.runs, p.missed)
	}
	b.WriteString("\n| | precision | items/s | RTFx | padding | useful TFLOP/s | MFU |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, t := range r.timed {
		fmt.Fprintf(&b, "| %s | %s | %.1f | %s | %.2f | %.3f | %s |\n", t.modality, t.precision, t.items, some("%.0f", t.realtime), t.padding, t.flops/1e12, some("%.3f", t.mfu))
	}
	for _, f := range r.faults {
		fmt.Fprintf(&b, "\n* FAIL %s", f)
	}
	if len(r.faults) > 0 {
		b.WriteString("\n")
	}
	return b.String()
}

// some is a number, or a dash for none.
func some(format string, v float64) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf(format, v)
}

// peaks are a device's floating-point operations a second in matrix products, as its maker gives them, without sparsity.
type peaks struct{ single, half float64 }

func (p *peaks) of(precision model.Precision) float64 {
	if precision == model.Half {
		return p.half
	}
	return p.single
}

// peaksOf finds a device by its name in nvidia-smi; nil if it is none of these. fp32 is without TF32, which sessions do not use; fp16 is with tensor cores.
func peaksOf(device string) *peaks {
	for _, d := range []struct {
		name         string
		single, half float64
	}{
		{"H200", 67, 989},
		{"H100 NVL", 60, 835},
		{"H100 PCIe", 51, 756},
		{"H100", 67, 989},
		{"A100", 19.5, 312},
		{"L40S", 91.6, 362},
		{"L4", 30.3, 121},
		{"A10G", 31.5, 70},
		{"A10", 31.2, 125},
		{"V100", 15.7, 125},
		{"T4", 8.1, 65},
	} {
		if strings.Contains(device, d.name) {
			return &peaks{d.single * 1e12, d.half * 1e12}
		}
	}
	return nil
}

// The check runs on the CPU as on a GPU: the same report, from bundled cases and models of one layer.
func TestADeviceIsCheckedAndReported(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cases")
	if _, err := golden.Bundled(dir); err != nil {
		t.Fatal(err)
	}
	c := deviceCheck{options: ortsession.Options{Threads: 1}, goldens: dir, layers: 1, share: 30, batches: 1, machine: machine{"a CPU", "", "abc"}}
	r := c.run(t)
	text := r.String()
	if len(r.faults) > 0 || len(r.proved) != 2 || len(r.timed) != 6 {
		t.Fatalf("%d faults, %d precisions, %d timed:\n%s", len(r.faults), len(r.proved), len(r.timed), text)
	}
	for _, p := range r.proved {
		if p.cases != 3 || p.runs < 3 || p.missed != 0 {
			t.Errorf("%+v", p)
		}
	}
	for _, x := range r.timed {
		if x.items <= 0 || x.flops <= 0 || x.padding < 1 || x.mfu <= 0 || (x.realtime > 0) != (x.modality == schemas.Audio) {
			t.Errorf("%+v", x)
		}
	}
	for _, want := range []string{"# Device check: cpu on a CPU", "commit abc", "| fp16 | 3 |", "| audio | fp16 |", "| items/s | RTFx |"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report has no %q:\n%s", want, text)
		}
	}
	c.options.Provider = ortsession.CUDA
	missed := &deviceReport{}
	c.prove(t, missed, model.Half)
	if len(missed.faults) != 3 || !strings.Contains(missed.String(), "* FAIL fp16: ") || !strings.Contains(missed.faults[0], "does not give provider cuda") {
		t.Errorf("without a GPU: %q", missed.faults)
	}
}

func TestPeaksAreOfTheDeviceNamed(t *testing.T) {
	for device, half := range map[string]float64{"NVIDIA H100 80GB HBM3": 989e12, "NVIDIA H100 PCIe": 756e12, "NVIDIA L40S": 362e12, "NVIDIA L4": 121e12, "NVIDIA A100-SXM4-80GB": 312e12, "Tesla T4": 65e12} {
		if p := peaksOf(device); p == nil || p.of(model.Half) != half {
			t.Errorf("%s: %+v, want %g", device, p, half)
		}
	}
	if p := peaksOf("GeForce 1"); p != nil {
		t.Errorf("%+v", p)
	}
}
