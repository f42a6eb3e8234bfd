package golden

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"

	"vecmill/embed"
	"vecmill/model"
	reference "vecmill/model/golden"
)

// Bundled writes the cases that go with the binary below dir, which must be empty, and reads them: one of each family.
func Bundled(dir string) ([]Case, error) {
	if err := os.CopyFS(dir, reference.Bundled()); err != nil {
		return nil, fmt.Errorf("writing the bundled reference cases: %w", err)
	}
	return Load(dir)
}

// Opener gives a session for a compiled graph.
type Opener func(context.Context, model.Graph) (embed.Session, error)

// Verify compiles the case for each of its runs into dir, in the precision and for the device of some options, computes it and compares every output with the reference's: in single precision
// within its own noise, in others within a hundredth of the largest value.
// It gives the number of runs that were compared; those that our graphs do not take are not.
func (c *Case) Verify(ctx context.Context, dir string, way model.CompileOptions, open Opener) (runs int, err error) {
	spec, err := model.Open(c.Dir)
	if err != nil {
		return 0, err
	}
	for i := range c.Runs {
		r := &c.Runs[i]
		feed, o, err := r.Compatible(spec.Modality)
		if err != nil {
			continue // beyond our graphs
		}
		o.Precision, o.Whole = way.Precision, way.Whole
		if err := r.verify(ctx, spec, dir, o, feed, open); err != nil {
			return runs, fmt.Errorf("%s, case %s, run %s: %w", c.Class, c.Name, r.Name, err)
		}
		runs++
	}
	return runs, nil
}

func (r *Run) verify(ctx context.Context, spec *model.Spec, dir string, o model.CompileOptions, feed []embed.Tensor, open Opener) (err error) {
	g, err := spec.Compile(ctx, dir, o)
	if err != nil {
		return err
	}
	s, err := open(ctx, *g)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	out, err := s.Run(ctx, feed)
	if err != nil {
		return err
	}
	if o.Precision != model.Single {
		r = r.loosely()
	}
	_, err = r.Compare(out)
	return err
}

// rounding is what a precision below single may move a value by, as a part of the output's largest. Wrong kernels, and what leaves half precision, do more.
const rounding = 0.01

// loosely is the run with tolerances for rounding.
func (r *Run) loosely() *Run {
	own := *r
	own.Outputs = make(map[string]Want, len(r.Outputs))
	for name, w := range r.Outputs {
		largest := 0.0
		for _, x := range w.F32 {
			if v := math.Abs(float64(x)); v > largest && !math.IsInf(v, 0) {
				largest = v
			}
		}
		w.Atol = max(w.Atol, rounding*largest)
		own.Outputs[name] = w
	}
	return &own
}

// Compare holds what a graph gave against every output of the run: the largest difference of each, and all that is outside its tolerance, or missing.
func (r *Run) Compare(out *embed.Output) (worst map[string]float64, err error) {
	if len(r.Outputs) == 0 {
		return nil, errors.New("there is nothing to compare")
	}
	worst = map[string]float64{}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(r.Outputs)) {
		got, ok := out.Tensor(name)
		if !ok {
			faults = append(faults, fmt.Errorf("the graph has no output %s", name))
			continue
		}
		want := r.Outputs[name]
		if worst[name], err = want.Compare(got); err != nil {
			faults = append(faults, fmt.Errorf("%s %w, by %.2g at most: %w", name, ErrDiffers, worst[name], err))
		}
	}
	return worst, errors.Join(faults...)
}
