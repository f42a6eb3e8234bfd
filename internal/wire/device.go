package wire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"vecmill/embed"
	"vecmill/embed/golden"
	"vecmill/embed/ortsession"
	"vecmill/internal/config"
	"vecmill/model"
)

// sessionOptions are those of a model's sessions on each of its devices: one entry a device, with sessions beside each other on it.
func sessionOptions(c *config.Config, p *config.Pipeline) ([]ortsession.Options, error) {
	o := ortsession.Options{Threads: p.Model.Threads, Library: c.Runtime.Library}
	if !p.Model.OnGPU() {
		return []ortsession.Options{o}, nil
	}
	if o.Threads == 0 {
		o.Threads = 1 // the CPU has shapes to compute, no more
	}
	g := &p.Model.GPU
	o.Provider = ortsession.Provider(p.Model.Provider)
	o.GPU = ortsession.GPU{MemoryLimit: int64(g.MemoryLimit), Doubling: g.Arena == "doubling", TF32: g.TF32, Engines: g.EngineCache}
	if g.Search != "auto" { // which is measured when there is a session
		o.GPU.Search = ortsession.Search(g.Search)
	}
	if o.Provider == ortsession.TensorRT && o.GPU.Engines == "" {
		dir, err := cacheDir(c)
		if err != nil {
			return nil, err
		}
		o.GPU.Engines = filepath.Join(dir, "engines")
	}
	devices := p.Model.OnDevices()
	all := make([]ortsession.Options, len(devices))
	for i, d := range devices {
		all[i] = o
		all[i].GPU.Device = d
	}
	return all, nil
}

// usedGPUs are the numbers of the GPUs that pipelines compute on, in order.
func usedGPUs(c *config.Config) []int {
	var used []int
	for i := range c.Pipelines {
		if m := &c.Pipelines[i].Model; m.OnGPU() {
			used = append(used, m.OnDevices()...)
		}
	}
	slices.Sort(used)
	return slices.Compact(used)
}

// precisionOf is the precision that a pipeline's graph is compiled in, with the reason where the configuration leaves it open. prove says whether half
// precision gives the reference vectors on a device; what keeps it from finding out is an error, and decides nothing: another precision is another digest.
func precisionOf(p *config.Pipeline, spec *model.Spec, devices []ortsession.Options, prove func(ortsession.Options) error) (_ model.Precision, why string, err error) {
	switch p.Model.Precision {
	case "", "fp32":
		return model.Single, "", nil
	case "auto":
	default:
		return model.Precision(p.Model.Precision), "", nil
	}
	if spec.ONNX != "" {
		return model.Single, "the graph is ready-made: it computes as it was exported", nil
	}
	if !p.Model.OnGPU() {
		return model.Single, "on a CPU fp16 is slower, and int8 is never chosen by itself", nil
	}
	for _, o := range devices {
		switch err := prove(o); {
		case errors.Is(err, golden.ErrDiffers):
			return model.Single, fmt.Sprintf("fp16 does not give the reference vectors on device %d: %v", o.GPU.Device, err), nil
		case err != nil:
			return model.Single, "", fmt.Errorf("trying fp16 on device %d: %w; set model.precision if it cannot be tried", o.GPU.Device, err)
		}
	}
	return model.Half, "fp16 gives the reference vectors", nil
}

// precisionName is the configuration's word for a precision.
func precisionName(p model.Precision) string {
	if p == model.Single {
		return "fp32"
	}
	return string(p)
}

// opener gives a session for a compiled graph.
type opener func(context.Context, model.Graph, ortsession.Options) (embed.Session, error)

func openSession(ctx context.Context, g model.Graph, o ortsession.Options) (embed.Session, error) {
	return ortsession.Open(ctx, g, o)
}

// proof runs the reference cases that go with the binary on sessions with these options, in a precision. It gives how many small models and runs there were.
func proof(ctx context.Context, sessions opener, o ortsession.Options, p model.Precision, packed bool) (models, runs int, err error) {
	dir, err := os.MkdirTemp("", "vecmill-reference-")
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary directory; the system clears what is left
	cases, err := golden.Bundled(filepath.Join(dir, "cases"))
	if err != nil {
		return 0, 0, err
	}
	o.Threads = 1
	open := func(ctx context.Context, g model.Graph) (embed.Session, error) { return sessions(ctx, g, o) }
	for i := range cases {
		var n int
		if packed {
			n, err = cases[i].VerifyPacked(ctx, filepath.Join(dir, "graphs"), p, open)
		} else {
			n, err = cases[i].Verify(ctx, filepath.Join(dir, "graphs"), model.CompileOptions{Precision: p, Whole: o.Provider.OnGPU()}, open)
		}
		if err != nil {
			return len(cases), runs, err
		}
		runs += n
	}
	return len(cases), runs, nil
}

// convolves says whether cuDNN's search has anything to choose: text has no convolutions.
func convolves(spec *model.Spec) bool { return spec.Text == nil }

// fastestSearch is the search with which measure takes least. One is as fast as another within a twentieth: then the earlier of the list stays.
func fastestSearch(measure func(ortsession.Search) (time.Duration, error)) (ortsession.Search, error) {
	var best ortsession.Search
	var least time.Duration
	for i, s := range ortsession.Searches() {
		took, err := measure(s)
		if err != nil {
			return best, fmt.Errorf("measuring cuDNN's search %s: %w", s, err)
		}
		if i == 0 || took < least-least/20 {
			best, least = s, took
		}
	}
	return best, nil
}

// chooseSearches sets the fastest search of each device. Of devices that are alike the first is measured for all.
func chooseSearches(devices []ortsession.Options, alike bool, measure func(ortsession.Options) (time.Duration, error)) error {
	for i := range devices {
		if i > 0 && alike {
			devices[i].GPU.Search = devices[0].GPU.Search
			continue
		}
		search, err := fastestSearch(func(s ortsession.Search) (time.Duration, error) {
			o := devices[i]
			o.GPU.Search = s
			return measure(o)
		})
		if err != nil {
			return fmt.Errorf("device %d: %w", devices[i].GPU.Device, err)
		}
		devices[i].GPU.Search = search
	}
	return nil
}

// searchesOf are the searches of devices: one if all have the same.
func searchesOf(devices []ortsession.Options) string {
	var all []string
	for _, o := range devices {
		all = append(all, string(cmp.Or(o.GPU.Search, "heuristic")))
	}
	if slices.Max(all) == slices.Min(all) {
		return all[0]
	}
	return strings.Join(all, "+")
}

// searchRounds is how often a batch is measured, after a first round in which algorithms are chosen.
const searchRounds = 3

// measureSearch is how long a full batch takes in a session of these options, at best. Nothing but the session is measured.
func measureSearch(ctx context.Context, p *config.Pipeline, m *loadedModel, o ortsession.Options) (best time.Duration, err error) {
	inputs, _, err := usualBatch(ctx, p, m, 0)
	if err != nil {
		return 0, err
	}
	s, err := ortsession.Open(ctx, m.narrow, o)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	run, err := padded(p, m, s)
	if err != nil {
		return 0, err
	}
	for round := range searchRounds + 1 {
		began := time.Now()
		if _, err := run.Run(ctx, inputs); err != nil {
			return 0, err
		}
		if took := time.Since(began); round > 0 && (best == 0 || took < best) {
			best = took
		}
	}
	return best, nil
}

// openSessions opens the model's sessions on every device, after measuring how convolutions are best searched for where that is asked for.
func (m *loadedModel) openSessions(ctx context.Context, p *config.Pipeline, d split, log *slog.Logger) error {
	devices := m.devices
	if p.Model.OnGPU() && p.Model.GPU.Search == "auto" && convolves(m.spec) {
		alike := len(gpuNames(os.DirFS("/"))) == 1 // of several kinds, or where the driver does not tell, any number may be of any
		if err := chooseSearches(devices, alike, func(o ortsession.Options) (time.Duration, error) {
			took, err := measureSearch(ctx, p, m, o)
			log.Info("cuDNN search measured", "pipeline", p.Name, "device", o.GPU.Device, "search", o.GPU.Search, "batch", took)
			return took, err
		}); err != nil {
			return err
		}
	}
	for i := range devices {
		if devices[i].Threads == 0 {
			devices[i].Threads = d.Threads
		}
	}
	m.division = d
	for _, o := range devices {
		for range d.Sessions {
			s, err := m.opener(ctx, m.narrow, o)
			if err != nil {
				return err
			}
			m.sessions, m.on = append(m.sessions, s), append(m.on, deviceOf(o))
		}
	}
	return nil
}

// callers are the sessions, each as often as it computes batches at once, and the device of each, where devices are told apart.
func (m *loadedModel) callers() (sessions []embed.Session, on []string) {
	n := max(m.division.Callers, 1)
	for i, s := range m.sessions {
		sessions = append(sessions, slices.Repeat([]embed.Session{s}, n)...)
		if len(m.on) > 0 {
			on = append(on, slices.Repeat(m.on[i:i+1], n)...)
		}
	}
	return sessions, on
}

// deviceOf is what a session's device is called in metrics: its number, or cpu.
func deviceOf(o ortsession.Options) string {
	if !o.Provider.OnGPU() {
		return "cpu"
	}
	return strconv.Itoa(o.GPU.Device)
}

// sampleRate is that of checkpoints of this family.
const sampleRate = 16000

// oneLength says whether sessions of a model run one length at a time: its graph sees padding, as ready-made ones of audio do.
func oneLength(spec *model.Spec) bool {
	return spec.ONNX != "" && spec.Audio != nil && !spec.Takes("lengths")
}

const saysOneLength = "the ready-made graph takes no lengths: recordings are computed one length at a time, hardly ever two at once; give the checkpoint's weights in its place, which run in batches"

// shapesOf are the shapes that batches are padded to: a few on GPUs, unless the configuration frees them. Graphs that see padding are given none.
func shapesOf(p *config.Pipeline, spec *model.Spec) embed.Shapes {
	if !p.Model.OnGPU() || p.Model.GPU.Shapes == "free" || oneLength(spec) {
		return embed.Shapes{}
	}
	longest := 0
	switch {
	case spec.Audio != nil:
		longest = int(p.Audio.MaxSeconds * sampleRate)
	case spec.Text != nil:
		longest = spec.Text.MaxTokens()
		if p.Text.MaxTokens > 0 {
			longest = min(longest, p.Text.MaxTokens)
		}
	}
	return embed.UsualShapes(spec, longest, batchConfig(p, spec.Modality, 0).MaxItems)
}
