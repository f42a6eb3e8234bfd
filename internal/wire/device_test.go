package wire

import (
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
	"vecmill/embed/embedtest"
	"vecmill/embed/golden"
	"vecmill/embed/ortsession"
	"vecmill/internal/config"
	"vecmill/model"
)

func TestEachDeviceHasSessionsOfItsOwn(t *testing.T) {
	c := &config.Config{Runtime: config.Runtime{CacheDir: t.TempDir(), Library: "/lib.so"}}
	for _, tc := range []struct {
		name string
		m    config.Model
		want []ortsession.Options
	}{
		{"the CPU", config.Model{Provider: "cpu", Threads: 3, Sessions: 2}, []ortsession.Options{{Threads: 3, Library: "/lib.so"}}},
		{"the first GPU", config.Model{Provider: "cuda", GPU: config.GPU{Arena: "as_requested", Search: "exhaustive", MemoryLimit: 1 << 30}}, []ortsession.Options{
			{Threads: 1, Library: "/lib.so", Provider: ortsession.CUDA, GPU: ortsession.GPU{MemoryLimit: 1 << 30, Search: ortsession.Exhaustive}},
		}},
		{"two GPUs, a search to be measured", config.Model{Provider: "cuda", Devices: []int{2, 0}, Threads: 4, GPU: config.GPU{Arena: "doubling", Search: "auto", TF32: true}}, []ortsession.Options{
			{Threads: 4, Library: "/lib.so", Provider: ortsession.CUDA, GPU: ortsession.GPU{Device: 2, Doubling: true, TF32: true}},
			{Threads: 4, Library: "/lib.so", Provider: ortsession.CUDA, GPU: ortsession.GPU{Doubling: true, TF32: true}},
		}},
		{"TensorRT, whose engines are kept", config.Model{Provider: "tensorrt", GPU: config.GPU{Search: "heuristic"}}, []ortsession.Options{
			{Threads: 1, Library: "/lib.so", Provider: ortsession.TensorRT, GPU: ortsession.GPU{Search: "heuristic", Engines: filepath.Join(c.Runtime.CacheDir, "engines")}},
		}},
	} {
		got, err := sessionOptions(c, &config.Pipeline{Model: tc.m})
		if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%s: %+v, %v, want %+v", tc.name, got, err, tc.want)
		}
		for _, o := range got {
			if err := o.Validate(); err != nil {
				t.Errorf("%s: %v", tc.name, err)
			}
		}
	}
}

// What is wrong with a result decides, on whichever device it is. What keeps the proof from being made does not: the start fails.
func TestAutoIsDecidedByAProof(t *testing.T) {
	full := errors.New("no space left on device")
	fails := func(o ortsession.Options) error {
		if o.GPU.Device == 1 {
			return fmt.Errorf("logits %w", golden.ErrDiffers)
		}
		return nil
	}
	two := []ortsession.Options{{Provider: ortsession.CUDA}, {Provider: ortsession.CUDA, GPU: ortsession.GPU{Device: 1}}}
	passes := func(ortsession.Options) error { return nil }
	cannot := func(ortsession.Options) error { return full }
	for _, c := range []struct {
		provider, precision string
		ready               bool
		prove               func(ortsession.Options) error
		want                model.Precision
		why                 string
	}{
		{"cpu", "fp32", false, nil, model.Single, ""},
		{"cpu", "", false, nil, model.Single, ""},
		{"cpu", "fp16", false, nil, model.Half, ""},
		{"cpu", "int8", false, nil, model.Int8, ""},
		{"cpu", "auto", false, nil, model.Single, "on a CPU"},
		{"cuda", "fp16", false, nil, model.Half, ""},
		{"cuda", "auto", false, passes, model.Half, "gives the reference vectors"},
		{"cuda", "auto", false, fails, model.Single, "on device 1: logits differ"},
		{"cuda", "auto", true, nil, model.Single, "ready-made"},
	} {
		spec := &model.Spec{}
		if c.ready {
			spec.ONNX = "model.onnx"
		}
		got, why, err := precisionOf(&config.Pipeline{Model: config.Model{Provider: c.provider, Precision: c.precision}}, spec, two, c.prove)
		if err != nil || got != c.want || (why == "") != (c.why == "") || !strings.Contains(why, c.why) {
			t.Errorf("%s on %s: %q, %q, %v, want %q, %q", c.precision, c.provider, got, why, err, c.want, c.why)
		}
	}
	p := &config.Pipeline{Model: config.Model{Provider: "cuda", Precision: "auto"}}
	if got, why, err := precisionOf(p, &model.Spec{}, two, cannot); !errors.Is(err, full) {
		t.Errorf("a proof that cannot be made gives %q, %q, %v", got, why, err)
	}
}

// The proof itself runs on the CPU here, where half precision gives the same rounding.
func TestHalfPrecisionIsProved(t *testing.T) {
	for _, packed := range []bool{false, true} {
		models, runs, err := proof(t.Context(), openSession, ortsession.Options{}, model.Half, packed)
		if err != nil || models != 3 || runs < models {
			t.Errorf("packed %t: %d models, %d runs, %v", packed, models, runs, err)
		}
		rounding := func(ctx context.Context, g model.Graph, o ortsession.Options) (embed.Session, error) {
			s, err := openSession(ctx, g, o)
			return coarse{s}, err
		}
		if _, _, err := proof(t.Context(), rounding, ortsession.Options{}, model.Half, packed); !errors.Is(err, golden.ErrDiffers) {
			t.Errorf("packed %t, with results that are a twentieth off: %v", packed, err)
		}
	}
	_, _, err := proof(t.Context(), openSession, ortsession.Options{Provider: ortsession.CUDA, GPU: ortsession.GPU{Device: absent}}, model.Half, false)
	if err == nil || errors.Is(err, golden.ErrDiffers) {
		t.Errorf("without a GPU: %v", err)
	}
}

// coarse is a session whose results are off.
type coarse struct{ embed.Session }

// Run implements embed.Session.
func (c coarse) Run(ctx context.Context, in []embed.Tensor) (*embed.Output, error) {
	out, err := c.Session.Run(ctx, in)
	if err == nil {
		for _, t := range out.Tensors {
			for i := range t.F32 {
				t.F32[i] *= 1.05
			}
		}
	}
	return out, err
}

func TestTheFastestSearchIsTaken(t *testing.T) {
	for _, c := range []struct {
		heuristic, exhaustive time.Duration
		want                  ortsession.Search
	}{
		{100, 100, ortsession.Heuristic},
		{100, 97, ortsession.Heuristic}, // no difference to speak of
		{100, 60, ortsession.Exhaustive},
		{60, 100, ortsession.Heuristic},
	} {
		took := map[ortsession.Search]time.Duration{ortsession.Heuristic: c.heuristic, ortsession.Exhaustive: c.exhaustive}
		if got, err := fastestSearch(func(s ortsession.Search) (time.Duration, error) { return took[s], nil }); err != nil || got != c.want {
			t.Errorf("%+v: %q, %v, want %q", c, got, err, c.want)
		}
	}
	fault := errors.New("out of memory")
	if _, err := fastestSearch(func(ortsession.Search) (time.Duration, error) { return 0, fault }); !errors.Is(err, fault) {
		t.Errorf("%v", err)
	}
}

// TestEachKindOfDeviceHasASearchOfItsOwn has a second device for which another search is the faster one.
func TestEachKindOfDeviceHasASearchOfItsOwn(t *testing.T) {
	took := map[int]map[ortsession.Search]time.Duration{
		0: {ortsession.Heuristic: 60, ortsession.Exhaustive: 100},
		3: {ortsession.Heuristic: 100, ortsession.Exhaustive: 60},
	}
	for _, c := range []struct {
		name     string
		alike    bool
		want     [2]ortsession.Search
		measured int
		key      string
	}{
		{"of one kind", true, [2]ortsession.Search{ortsession.Heuristic, ortsession.Heuristic}, 2, "heuristic"},
		{"of two kinds", false, [2]ortsession.Search{ortsession.Heuristic, ortsession.Exhaustive}, 4, "heuristic+exhaustive"},
	} {
		devices, measured := []ortsession.Options{{}, {GPU: ortsession.GPU{Device: 3}}}, 0
		err := chooseSearches(devices, c.alike, func(o ortsession.Options) (time.Duration, error) {
			measured++
			return took[o.GPU.Device][o.GPU.Search], nil
		})
		if got := [2]ortsession.Search{devices[0].GPU.Search, devices[1].GPU.Search}; err != nil || got != c.want || measured != c.measured {
			t.Errorf("%s: %q by %d measurements, %v, want %q by %d", c.name, got, measured, err, c.want, c.measured)
		}
		if key := searchesOf(devices); key != c.key {
			t.Errorf("%s: costs are kept for %q, want %q", c.name, key, c.key)
		}
	}
}

// A search is measured in a session of the model itself, here of the CPU, which has none to choose, with batches as full as the configuration has them and of
// the shapes that come.
func TestASearchIsMeasuredWithAFullBatch(t *testing.T) {
	for _, c := range []struct {
		model, settings string
		shape           []int64 // of the batch's first input
	}{
		{"vision-digits", "    batch: {max_items: 5, max_cost: 100000}", []int64{5, 3, 32, 32}},
		{"audio-ctc", "    batch: {max_items: 8, max_cost: 600}", []int64{2, 77519}}, // of 198 frames, padded to 240: three would run as four
		{"audio-ctc", "    batch: {max_items: 5, max_cost: 1024, packing: true, row: 512}", []int64{4, 64000}},
	} {
		cfg, p := pipelineFor(t, filepath.Join("..", "demo", "models", c.model), "    heads: [{task: embedding}]\n"+c.settings)
		m := load(t, cfg, p)
		p.Model.Provider, p.Model.GPU.Shapes = "cuda", "fixed"
		inputs, _, err := usualBatch(t.Context(), p, m, 0)
		if err != nil || !slices.Equal(inputs[0].Shape, c.shape) {
			t.Errorf("%s: a batch of %v, %v, want %v", c.model, inputs[0].Shape, err, c.shape)
		}
		if took, err := measureSearch(t.Context(), p, m, m.devices[0]); err != nil || took <= 0 {
			t.Errorf("%s: %v, %v", c.model, took, err)
		}
	}
}

// absent is a GPU that no machine has.
const absent = 1000

// gpuBuild says whether the library is one that has GPU providers, which have words of their own for a device that is not there.
func gpuBuild(t *testing.T) bool {
	t.Helper()
	path, _, err := ortsession.Library()
	if err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat(filepath.Join(filepath.Dir(path), "libonnxruntime_providers_cuda.so"))
	return err == nil
}

// A worker that is told to use a GPU does not start without it.
func TestAGPUThatIsNotThereStopsTheStart(t *testing.T) {
	for _, precision := range []string{"fp32", "auto"} {
		cfg, p := pipelineFor(t, filepath.Join("..", "demo", "models", "text-intent"), "    heads: [{task: embedding}]")
		p.Model.Provider, p.Model.Precision, p.Model.Devices = "cuda", precision, []int{absent}
		_, err := loadModel(t.Context(), cfg, p, &stores{cfg: cfg}, slog.New(slog.DiscardHandler))
		if err == nil || !gpuBuild(t) && (!errors.Is(err, ortsession.ErrNoProvider) || !strings.Contains(err.Error(), "tools/fetch-ort-gpu.sh")) {
			t.Errorf("%s: %v", precision, err)
		}
	}
}

func TestTheDoctorJudgesWhereOperatorsRun(t *testing.T) {
	gpu, shapes := ortsession.Node{Provider: "CUDAExecutionProvider", Op: "MatMul"}, ortsession.Node{Provider: "CPUExecutionProvider", Op: "Shape", Whole: true, Values: 4}
	stray := ortsession.Node{Provider: "CPUExecutionProvider", Op: "Gelu", Name: "layer.3/Gelu"}
	for _, c := range []struct {
		seen ortsession.Observed
		want Grade
		text string
	}{
		{ortsession.Observed{Nodes: []ortsession.Node{gpu, shapes}}, Sound, "1 of 2 operators, of shapes and masks, of 4 values at most, on the CPU"},
		{ortsession.Observed{Nodes: []ortsession.Node{gpu, stray, shapes}}, Trouble, "1 of 3 operators, that compute numbers or large masks, run on the CPU: layer.3/Gelu (Gelu)"},
		{ortsession.Observed{Nodes: slices.Repeat([]ortsession.Node{stray}, 9)}, Trouble, "9 of 9"},
		{ortsession.Observed{Nodes: []ortsession.Node{gpu}, Warnings: []string{"OP Conv(c) running in Fallback mode. May be extremely slow."}}, Trouble, "running in Fallback mode"},
	} {
		if grade, text := judge(&c.seen); grade != c.want || !strings.Contains(text, c.text) || strings.Count(text, "Gelu (") > strayNames {
			t.Errorf("%s %q, want %s %q", grade, text, c.want, c.text)
		}
	}
}

// What runs on the CPU is found to be there in a real model's profile, every operator of it.
func TestThePlacementOfARealModelIsRead(t *testing.T) {
	cfg, p := pipelineFor(t, filepath.Join("..", "demo", "models", "audio-ctc"), "    heads: [{task: embedding}]")
	m := load(t, cfg, p)
	m.devices, m.on = append(m.devices, m.devices[0]), append(m.on, "another") // which each have a session of their own for this
	var said []Finding
	d := &doctor{c: cfg, tell: func(f Finding) { said = append(said, f) }}
	d.placement(t.Context(), p, m)
	if len(said) != 2 || said[0].Grade != Trouble || !strings.Contains(said[0].Text, "operators, that compute numbers or large masks, run on the CPU") || said[1] != said[0] {
		t.Errorf("%+v", said)
	}
}

func TestReferencesAreComputedOnEveryDevice(t *testing.T) {
	gpu := func(precision string, devices ...int) config.Pipeline {
		return config.Pipeline{Model: config.Model{Provider: "cuda", Devices: devices, Precision: precision}}
	}
	cpu := config.Pipeline{Model: config.Model{Provider: "cpu", Precision: "int8", Threads: 2, Sessions: 1}}
	packs := func(p config.Pipeline) config.Pipeline {
		p.Batch.Packing = true
		return p
	}
	halves := cpu
	halves.Model.Precision = "fp16"
	for _, c := range []struct {
		pipelines []config.Pipeline
		want      string
	}{
		{nil, "[the CPU]"},
		{[]config.Pipeline{cpu, cpu}, "[the CPU]"},
		{[]config.Pipeline{gpu("fp16", 0, 1), gpu("auto", 1)}, "[cuda device 0 in fp32 cuda device 0 in fp16 cuda device 1 in fp32 cuda device 1 in fp16]"},
		{[]config.Pipeline{gpu("fp32"), cpu}, "[cuda device 0 in fp32 the CPU]"},
		{[]config.Pipeline{packs(gpu("fp16"))}, "[cuda device 0 in fp32 cuda device 0 in fp32, in packed rows cuda device 0 in fp16, in packed rows]"},
		{[]config.Pipeline{halves, packs(cpu)}, "[the CPU the CPU in fp16 the CPU, in packed rows]"},
	} {
		ways, err := provings(&config.Config{Pipelines: c.pipelines})
		if got := fmt.Sprint(ways); err != nil || got != c.want {
			t.Errorf("%v, %v, want %s", got, err, c.want)
		}
	}
	var said []Finding
	d := newDoctor(&config.Config{Pipelines: []config.Pipeline{gpu("fp32", absent)}}, func(f Finding) { said = append(said, f) })
	d.references(context.Background())
	if len(said) != 1 || said[0].Grade != Trouble || !gpuBuild(t) && !strings.Contains(said[0].Text, "does not give provider cuda") {
		t.Errorf("%+v", said)
	}
}

// The shapes of a GPU's batches change no row, of any class. What computes them is the CPU here.
func TestFixedShapesChangeNoRow(t *testing.T) {
	for _, c := range classCases() {
		t.Run(c.class, func(t *testing.T) {
			dir := c.checkpoint(t)
			cfg, p := withAllHeads(t, dir)
			m := load(t, cfg, p)
			items := itemsFor(c.class)
			const most = 8 // more than there are items: rows are added
			free, _ := rowsOf(t, p, m, items, most)
			p.Model.Provider, p.Model.GPU.Shapes = "cuda", "fixed"
			fixed, _ := rowsOf(t, p, m, items, most)
			if s := shapesOf(p, m.spec); len(s.Items) == 0 || (len(s.Lengths) == 0) != (m.spec.Vision != nil) || len(items) >= most {
				t.Fatalf("shapes %+v of %d items", s, len(items))
			}
			for i := range free {
				if d := different(t, fixed[i], free[i]); d != "" {
					t.Errorf("item %d: %s", i, d)
				}
			}
		})
	}
}

// What batches take is learnt by device, whose name is in metrics.
func TestSessionsAreKnownByTheirDevice(t *testing.T) {
	for name, c := range map[string]struct {
		provider string
		devices  []int
		want     string
	}{
		"GPUs":    {"cuda", []int{0, 3}, "[0 3]"},
		"the CPU": {"cpu", nil, "[cpu]"},
	} {
		cfg, p := pipelineFor(t, textModel(t), "    heads: [{task: embedding}]")
		p.Model.Provider, p.Model.Devices, p.Model.Precision = c.provider, c.devices, "fp32"
		fakes := make([]embedtest.Config, 2*max(len(c.devices), 1))
		m := described(t, cfg, p, fakes...)
		p.Model.Sessions = 2
		if err := m.open(t.Context(), cfg, p, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		e, err := newEngine(p, m, nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		var devices []string
		for _, d := range e.Stats().Devices {
			devices = append(devices, d.Device)
		}
		if got := fmt.Sprint(devices); got != c.want || len(m.sessions) != len(fakes) {
			t.Errorf("%s: devices %s of %d sessions, want %s of %d", name, got, len(m.sessions), c.want, len(fakes))
		}
		if err := m.close(); err != nil || len(m.on) > 0 {
			t.Errorf("%s: %v, devices %v of a closed model", name, err, m.on)
		}
	}
}
