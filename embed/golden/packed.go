package golden

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"vecmill/embed"
	"vecmill/model"
)

// packedRow is the length of a row that holds several items of a case.
const packedRow = 512

// VerifyPacked compiles the case's graph of packed rows in a precision into dir, computes the items of its batch in such rows and compares each with what the reference gives
// for that item alone, with the tolerances of [Case.Verify]. It gives the number of items that were compared: none of cases that have no such runs, or cannot be packed.
func (c *Case) VerifyPacked(ctx context.Context, dir string, p model.Precision, open Opener) (items int, err error) {
	spec, err := model.Open(c.Dir)
	if err != nil {
		return 0, err
	}
	at := slices.IndexFunc(c.Runs, func(r Run) bool { return r.Name == "batch" })
	if at < 0 || spec.Packs() != nil {
		return 0, nil
	}
	feed, _, err := c.Runs[at].Feed(spec.Modality)
	if err != nil {
		return 0, nil // beyond our graphs
	}
	out, err := runPacked(ctx, spec, dir, p, feed, open)
	if err != nil {
		return 0, fmt.Errorf("%s, case %s, packed: %w", c.Class, c.Name, err)
	}
	for i := range c.Runs {
		r := &c.Runs[i]
		var row int
		if _, err := fmt.Sscanf(r.Name, "alone.%d", &row); err != nil || int64(row) >= feed[0].Shape[0] {
			continue
		}
		if p != model.Single {
			r = r.loosely()
		}
		if err := r.comparePacked(out, row); err != nil {
			return items, fmt.Errorf("%s, case %s, item %d of the batch, packed: %w", c.Class, c.Name, row, err)
		}
		items++
	}
	return items, nil
}

func runPacked(ctx context.Context, spec *model.Spec, dir string, precision model.Precision, feed []embed.Tensor, open Opener) (_ *embed.Output, err error) {
	g, err := spec.Compile(ctx, dir, model.CompileOptions{Packed: true, Precision: precision})
	if err != nil {
		return nil, err
	}
	p, err := embed.NewPacking(spec, packedRow, 16*packedRow, 4)
	if err != nil {
		return nil, err
	}
	s, err := open(ctx, *g)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return embed.Packed(s, spec, p).Run(ctx, feed)
}

// comparePacked holds what one item of a batch got against the run of that item alone, in what the class gives by itself.
func (r *Run) comparePacked(out *embed.Output, item int) error {
	compared := 0
	for _, name := range slices.Sorted(maps.Keys(r.Outputs)) {
		got, ok := out.Tensor(name)
		if !ok {
			continue // an optional output
		}
		want := r.Outputs[name]
		each := len(got.F32) / int(got.Shape[0])
		own := embed.Tensor{Name: name, Shape: want.Shape, F32: got.F32[item*each:][:len(want.F32)]} // padding is behind
		if worst, err := want.Compare(&own); err != nil {
			return fmt.Errorf("%s %w, by %.2g at most: %w", name, ErrDiffers, worst, err)
		}
		compared++
	}
	if compared == 0 {
		return errors.New("there is nothing to compare")
	}
	return nil
}
