package embed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"vecmill/schemas"
)

// picky is sumHead, and refuses sums of an item.
type picky struct {
	sumHead
	refused []float32
}

func (p picky) Apply(out *Output, batch []Sample) ([]schemas.Payload, error) {
	ps, err := p.sumHead.Apply(out, batch)
	for i := range ps {
		if slices.Contains(p.refused, ps[i].Vector[0]) {
			return nil, fmt.Errorf("item %d: a sum of %g", i, ps[i].Vector[0])
		}
	}
	return ps, err
}

// pickyFlat is flat, and refuses texts of a sum.
type pickyFlat struct {
	flat
	refused float32
}

func (p pickyFlat) Apply(out *Output, batch []Sample) ([]schemas.Payload, error) {
	if sum, _ := out.Tensor("pooler_output"); sum.F32[0] == p.refused {
		return nil, errors.New("it is refused")
	}
	return p.flat.Apply(out, batch)
}

// TestWhatAHeadRefusesCostsNoRunOfTheSession has heads that refuse one item of a batch, in padded batches, in those of a few shapes, and in packed ones.
func TestWhatAHeadRefusesCostsNoRunOfTheSession(t *testing.T) {
	for _, c := range []struct {
		name   string
		shapes Shapes
	}{{"padded", Shapes{}}, {"of a few shapes", Shapes{Lengths: []int{16}, Items: []int{32}}}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg, s := testConfig(), &adder{}
				cfg.Shapes = c.shapes
				heads := []Head{sumHead{1}, picky{sumHead{1}, []float32{25}}, picky{sumHead{2}, []float32{50}}}
				e, err := NewEngine(cfg, words{}, []Session{s}, heads)
				if err != nil {
					t.Fatal(err)
				}
				blobs := strings.Fields(strings.Repeat("3 4 ", 8) + "5 " + strings.Repeat("9 6 ", 6))
				rows, errs, stats := drive(t, e, blobs)
				for i, b := range blobs {
					n := float32(atoi(t, b))
					switch reason, rejected := schemas.Rejected(errs[i]); {
					case n == 5:
						if !rejected || reason != schemas.ReasonModel || !strings.Contains(errs[i].Error(), fmt.Sprintf("head x1: item 0: a sum of %g", n*n)) {
							t.Errorf("item %d, which is refused: %v", i, errs[i])
						}
					case errs[i] != nil || len(rows[i]) != 3 || rows[i][1].Vector[0] != n*n || rows[i][2].Vector[0] != 2*n*n:
						t.Errorf("item %d: %+v, %v", i, rows[i], errs[i])
					}
				}
				if runs := s.runs.Load(); runs != stats.Batches || stats.Bisections == 0 {
					t.Errorf("%d runs for %d batches, of which %d were taken apart", runs, stats.Batches, stats.Bisections)
				}
			})
		})
	}
	t.Run("packed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cfg, s := testConfig(), &packedFake{poison: -1, nan: -1}
			cfg.Packing = &Packing{Row: 16, Rows: 4, Items: 8}
			e, err := NewEngine(cfg, ids{}, []Session{s}, []Head{flat{}, pickyFlat{refused: 23}})
			if err != nil {
				t.Fatal(err)
			}
			var blobs []string
			for i := range 20 {
				blobs = append(blobs, fmt.Sprintf("%d %d", i+1, i+2))
			}
			rows, errs, stats := drive(t, e, blobs)
			for i := range blobs {
				if reason, _ := schemas.Rejected(errs[i]); i == 10 && reason != schemas.ReasonModel || i != 10 && (errs[i] != nil || rows[i][1].Vector[2] != float32(2*i+3)) {
					t.Errorf("item %d: %+v, %v", i, rows[i], errs[i])
				}
			}
			if int64(s.runs) != stats.Batches {
				t.Errorf("%d runs for %d batches", s.runs, stats.Batches)
			}
		})
	})
}

// whole gives one number for all items, which cannot be taken apart.
type whole struct{ *adder }

func (w whole) Run(ctx context.Context, in []Tensor) (*Output, error) {
	out, err := w.adder.Run(ctx, in)
	if err == nil {
		out.Tensors = append(out.Tensors, Tensor{Name: "mean", Shape: []int64{}, F32: []float32{1}})
	}
	return out, err
}

// An output of other rows is computed anew for each half, as after a run that fails.
func TestABatchWhoseOutputsHaveNoPartsIsComputedInHalves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &adder{}
		e, err := NewEngine(testConfig(), words{}, []Session{whole{s}}, []Head{picky{sumHead{1}, []float32{25}}})
		if err != nil {
			t.Fatal(err)
		}
		rows, errs, stats := drive(t, e, []string{"3", "4", "5", "6"})
		for i := range errs {
			if _, rejected := schemas.Rejected(errs[i]); rejected != (i == 2) || i != 2 && rows[i][0].Vector[0] != float32((i+3)*(i+3)) {
				t.Errorf("item %d: %+v, %v", i, rows[i], errs[i])
			}
		}
		if runs := s.runs.Load(); runs <= stats.Batches {
			t.Errorf("%d runs for %d batches", runs, stats.Batches)
		}
	})
}
