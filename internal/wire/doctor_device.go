package wire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"vecmill/embed"
	"vecmill/embed/golden"
	"vecmill/embed/ortsession"
	"vecmill/internal/config"
	"vecmill/model"
)

// proving is a way that reference models are to be computed.
type proving struct {
	o         ortsession.Options
	precision model.Precision
	packed    bool
}

// String is how a finding names it.
func (p proving) String() string {
	where := "the CPU"
	if p.o.Provider.OnGPU() {
		where = fmt.Sprintf("%s device %d", p.o.Provider, p.o.GPU.Device)
	}
	if p.o.Provider.OnGPU() || p.precision != model.Single {
		where += " in " + precisionName(p.precision)
	}
	if p.packed {
		where += ", in packed rows"
	}
	return where
}

// provings are all ways that the configuration has pipelines computed; the CPU if there is no pipeline. Whole numbers are not proved by them: their
// rounding is shown by worker predict --compare-precision.
func provings(c *config.Config) ([]proving, error) {
	var all []proving
	add := func(o ortsession.Options, p model.Precision, packed bool) {
		o.Threads = 1
		if way := (proving{o, p, packed}); !slices.Contains(all, way) {
			all = append(all, way)
		}
	}
	for i := range c.Pipelines {
		p := &c.Pipelines[i]
		devices, err := sessionOptions(c, p)
		if err != nil {
			return nil, err
		}
		for _, o := range devices {
			add(o, model.Single, false)
			if p.Batch.Packing {
				add(o, model.Single, true)
			}
			if p.Model.Precision == string(model.Half) { // auto proves itself, and falls back
				add(o, model.Half, p.Batch.Packing)
			}
		}
	}
	if len(all) == 0 {
		add(ortsession.Options{Library: c.Runtime.Library}, model.Single, false)
	}
	return all, nil
}

// dependencies tells which CUDA, cuDNN and TensorRT the GPU providers that pipelines ask for find, and which driver.
func (d *doctor) dependencies() {
	var told []string
	for i := range d.c.Pipelines {
		p := d.c.Pipelines[i].Model.Provider
		if !ortsession.Provider(p).OnGPU() || slices.Contains(told, p) {
			continue
		}
		told = append(told, p)
		all, err := ortsession.Dependencies(ortsession.Provider(p))
		if err != nil {
			d.fault("provider "+p, err)
			continue
		}
		grade, text := judgeVersions(all)
		d.say("provider "+p, grade, "%s", text)
	}
}

// judgeVersions says what a GPU provider's libraries are, and first what is wrong with them.
func judgeVersions(all []ortsession.Dependency) (Grade, string) {
	var wrong, missing, found []string
	cuda, takes := "", "" // the runtime's version, and the newest that the driver takes
	for _, dep := range all {
		switch {
		case errors.Is(dep.Fault, ortsession.ErrNoDriver):
			wrong = append(wrong, fmt.Sprintf("there is no driver of NVIDIA's: install one for CUDA %d or newer, and give a container its GPU (nvidia.com/gpu in Kubernetes, --gpus in Docker)", major(cuda)))
		case dep.Fault != nil && dep.Name == ortsession.Driver: // the runtime's fault, which tells of it
		case dep.Fault != nil:
			missing = append(missing, fmt.Sprintf("%s is needed, and cannot be used: %v", dep.File, dep.Fault))
		case dep.Name == ortsession.Driver:
			takes = dep.Version
			found = append(found, "a driver for CUDA "+takes)
		default:
			if dep.Name == ortsession.CUDARuntime {
				cuda = dep.Version
			}
			found = append(found, dep.Name+" "+dep.Version+" ("+dep.File+")")
		}
	}
	if len(missing) > 0 {
		wrong = append(wrong, strings.Join(missing, "; ")+"; fetch NVIDIA's libraries with tools/fetch-ort-gpu.sh (install TensorRT yourself), and set LD_LIBRARY_PATH to their directories")
	}
	if takes != "" && major(takes) < major(cuda) {
		wrong = append(wrong, fmt.Sprintf("the driver takes CUDA up to %s, and this is CUDA %s: install a driver for CUDA %d", takes, cuda, major(cuda)))
	}
	if len(wrong) == 0 {
		return Sound, strings.Join(found, ", ")
	}
	return Trouble, strings.Join(append(wrong, "found: "+cmp.Or(strings.Join(found, ", "), "none")), "; ")
}

// major is the first number of a version. A driver takes every runtime of its own major version: https://docs.nvidia.com/deploy/cuda-compatibility.
func major(version string) int {
	first, _, _ := strings.Cut(version, ".")
	n, _ := strconv.Atoi(first) // 0: there is none
	return n
}

// references computes small models of each family, which go with the binary, on every device, and compares what comes out with what transformers gave.
func (d *doctor) references(ctx context.Context) {
	const check = "reference"
	ways, err := provings(d.c)
	if err != nil {
		d.fault(check, err)
		return
	}
	for _, way := range ways {
		d.reference(ctx, check, way)
	}
}

func (d *doctor) reference(ctx context.Context, check string, way proving) {
	ctx, cancel := context.WithTimeout(ctx, timeOn(way.o.Provider))
	defer cancel()
	models, runs, err := proof(ctx, d.open, way.o, way.precision, way.packed)
	within := "within the noise of float32"
	if way.precision != model.Single {
		within = "within a hundredth of the largest value"
	}
	switch {
	case errors.Is(err, golden.ErrDiffers):
		d.say(check, Trouble, "%v; on %v something else is computed than by the reference: use ONNX Runtime %s, without gpu.tf32, and report it", err, way, ortsession.PinnedVersion)
		return
	case err != nil:
		d.fault(check, fmt.Errorf("computing reference models on %v: %w", way, overtime(ctx, way.o.Provider, err)))
		return
	}
	d.say(check, Sound, "%d small models, audio, image and text, give what transformers gives on %v (%d runs, %s)", models, way, runs, within)
}

// placement looks at where each operator of a model is computed.
func (d *doctor) placement(ctx context.Context, p *config.Pipeline, m *loadedModel) {
	check := "placement " + p.Name
	for _, o := range m.devices {
		seen, err := observe(ctx, p, m, o)
		if err != nil {
			d.fault(check, err)
			return
		}
		grade, text := judge(seen)
		d.say(check, grade, "device %d: %s", o.GPU.Device, text)
	}
}

// observe computes the trial on a device, with the profile on.
func observe(ctx context.Context, p *config.Pipeline, m *loadedModel, o ortsession.Options) (*ortsession.Observed, error) {
	items, err := trialItems(m)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeOn(o.Provider))
	defer cancel()
	seen, err := ortsession.Observe(ctx, m.narrow, o, func(s embed.Session) error {
		own := *m
		own.sessions, own.on = []embed.Session{s}, nil
		_, err := computeAll(ctx, p, &own, items)
		return err
	})
	return seen, overtime(ctx, o.Provider, err)
}

// strayNames bounds how many are named.
const strayNames = 5

// judge says whether a GPU computes what it is meant to.
func judge(seen *ortsession.Observed) (Grade, string) {
	strays, slow := seen.Strays(), seen.Slow()
	switch {
	case len(strays) > 0:
		var names []string
		for _, n := range strays[:min(strayNames, len(strays))] {
			names = append(names, n.Name+" ("+n.Op+")")
		}
		return Trouble, fmt.Sprintf("%d of %d operators, that compute numbers or large masks, run on the CPU: %s; every one of them moves its tensors there and back: report it with the model's class",
			len(strays), len(seen.Nodes), strings.Join(names, ", "))
	case len(slow) > 0:
		return Trouble, fmt.Sprintf("cuDNN runs a convolution without the algorithm that it should: %s; try another gpu.search, or a driver for CUDA 12", slow[0])
	}
	count, most := 0, 0
	for _, n := range seen.Nodes {
		if n.Provider == "CPUExecutionProvider" {
			count, most = count+1, max(most, n.Values)
		}
	}
	return Sound, fmt.Sprintf("all that computes numbers runs on the device; %d of %d operators, of shapes and masks, of %d values at most, on the CPU", count, len(seen.Nodes), most)
}
