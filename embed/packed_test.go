package embed

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
)

// ids is a preprocessor for tests: the blob is a text of token ids.
type ids struct{ words }

func (ids) Preprocess(_ context.Context, _ schemas.Ref, blob []byte) ([]Sample, error) {
	var x, mask []int64
	for f := range strings.FieldsSeq(string(blob)) {
		id, err := strconv.Atoi(f)
		if err != nil {
			return nil, schemas.Reject(schemas.ReasonDecode, err)
		}
		x, mask = append(x, int64(id)), append(mask, 1)
	}
	return []Sample{{Cost: len(x), Inputs: []Input{{Name: idsInput, Shape: []int{len(x)}, I64: x}, {Name: maskInput, Shape: []int{len(x)}, I64: mask}}}}, nil
}

// packedFake is a session of packed rows: step t of a text gives its id times its position, and an item the sum of its ids. An id of poison fails the run; one of
// nan makes the whole row no number, as attention does.
type packedFake struct {
	poison, nan int64
	mu          sync.Mutex
	shapes      map[string]bool
	runs, steps int
}

func (s *packedFake) Close() error { return nil }
func (s *packedFake) Run(_ context.Context, in []Tensor) (*Output, error) {
	named := map[string]Tensor{}
	for _, t := range in {
		named[t.Name] = t
	}
	x, at, seg, firsts := named[idsInput], named[positionsInput], named[segmentsInput], named[firstsInput]
	s.mu.Lock()
	if s.shapes == nil {
		s.shapes = map[string]bool{}
	}
	s.shapes[fmt.Sprint(x.Shape, firsts.Shape)] = true
	s.runs++
	s.steps += len(x.I64)
	s.mu.Unlock()
	if slices.Contains(x.I64, s.poison) {
		return nil, errors.New("poison in the batch")
	}
	rows, length, items := int(x.Shape[0]), int(x.Shape[1]), len(firsts.I64)
	steps := Tensor{Name: "last_hidden_state", Shape: []int64{int64(rows), int64(length), 1}, F32: make([]float32, rows*length)}
	sums := Tensor{Name: "pooler_output", Shape: []int64{int64(items), 1}, F32: make([]float32, items)}
	for row := range rows {
		bad := slices.Contains(x.I64[row*length:(row+1)*length], s.nan)
		for i := row * length; i < (row+1)*length; i++ {
			steps.F32[i] = float32(x.I64[i] * at.I64[i])
			if bad {
				steps.F32[i] = float32(math.NaN())
			}
			if n := seg.I64[i]; n > 0 {
				sums.F32[n-1] += float32(x.I64[i])
				if first := firsts.I64[n-1]; seg.I64[first] != n || first > int64(i) {
					return nil, fmt.Errorf("step %d of item %d, which is said to begin at %d", i, n, first)
				}
			}
		}
	}
	return &Output{Tensors: []Tensor{steps, sums}}, nil
}

// flat gives all that the session made of a sample.
type flat struct{}

func (flat) Name() string       { return "flat" }
func (flat) Task() schemas.Task { return schemas.TaskEmbedding }
func (flat) Apply(out *Output, batch []Sample) ([]schemas.Payload, error) {
	if len(batch) != 1 {
		return nil, fmt.Errorf("%d samples of a packed batch at once", len(batch))
	}
	steps, _ := out.Tensor("last_hidden_state")
	sum, _ := out.Tensor("pooler_output")
	if want := []int64{1, int64(batch[0].Cost), 1}; !slices.Equal(steps.Shape, want) || !slices.Equal(sum.Shape, []int64{1, 1}) {
		return nil, fmt.Errorf("shapes %v and %v for %d steps", steps.Shape, sum.Shape, batch[0].Cost)
	}
	return []schemas.Payload{{Vector: slices.Concat(steps.F32, sum.F32)}}, nil
}

// runPacked submits texts to an engine that packs, with rows of 16 tokens from position 1 on, 0 being padding.
func runPacked(t *testing.T, s *packedFake, blobs []string) (rows [][]schemas.Row, errs []error, stats Stats) {
	t.Helper()
	cfg := testConfig()
	cfg.Packing = &Packing{Row: 16, Rows: 4, Items: 8}
	e, err := NewEngine(cfg, ids{}, []Session{s}, []Head{flat{}})
	if err != nil {
		t.Fatal(err)
	}
	return drive(t, e, blobs)
}

func TestAnEngineThatPacksGivesEachItemItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := []string{"5 6 7", "3", "9 8 7 6 5 4 3 2 1", "2 2", strings.Repeat("1 ", 40) + "7"} // the last longer than a row
		s := &packedFake{poison: -1, nan: -1}
		rows, errs, stats := runPacked(t, s, blobs)
		for i, b := range blobs {
			if errs[i] != nil {
				t.Fatalf("text %d: %v", i, errs[i])
			}
			var want []float32
			sum := 0
			for at, f := range strings.Fields(b) {
				id := atoi(t, f)
				want = append(want, float32(id*(at+1)))
				sum += id
			}
			if want = append(want, float32(sum)); !slices.Equal(rows[i][0].Vector, want) {
				t.Errorf("text %d: %v, want %v", i, rows[i][0].Vector, want)
			}
		}
		if !s.shapes["[1 48] [8]"] || stats.Cost != 56 || stats.Padded <= stats.Cost {
			t.Errorf("shapes %v, cost %d, padded %d", s.shapes, stats.Cost, stats.Padded)
		}
	})
}

// What goes wrong in a row goes wrong for the item that brought it alone: an error, and numbers that are none.
func TestAPackedItemThatSpoilsItsRowSpoilsOnlyItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var blobs []string
		for i := range 30 {
			blobs = append(blobs, fmt.Sprintf("%d %d", i+1, i+2))
		}
		blobs[11], blobs[22] = "1000 1", "2000 1"
		rows, errs, stats := runPacked(t, &packedFake{poison: 1000, nan: 2000}, blobs)
		for i := range blobs {
			switch {
			case i == 11:
				if reason, ok := schemas.Rejected(errs[i]); !ok || reason != schemas.ReasonModel {
					t.Errorf("the poison item: %v", errs[i])
				}
			case errs[i] != nil:
				t.Errorf("item %d: %v", i, errs[i])
			case i == 22:
				if v := rows[i][0].Vector; !math.IsNaN(float64(v[0])) {
					t.Errorf("the item that makes no numbers alone: %v", v)
				}
			default:
				if want := []float32{float32(i + 1), float32(2 * (i + 2)), float32(2*i + 3)}; !slices.Equal(rows[i][0].Vector, want) {
					t.Errorf("item %d: %v, want %v", i, rows[i][0].Vector, want)
				}
			}
		}
		if stats.Bisections == 0 {
			t.Error("no batch was taken apart")
		}
	})
}

// A poison costs about two batches more, wherever it lies, and no shape that the packing has not: each half is laid out anew.
func TestOnePoisonInPackedRowsCostsTwoBatches(t *testing.T) {
	const row, most, texts, long = 64, 8, 32, 16
	for at := range texts {
		synctest.Test(t, func(t *testing.T) {
			blobs := slices.Repeat([]string{strings.Repeat("5 ", long)}, texts)
			blobs[at] = "1000 " + blobs[at][2:]
			cfg, s := testConfig(), &packedFake{poison: 1000, nan: -1}
			cfg.Batch.MaxItems, cfg.Batch.Linger = texts, time.Second
			cfg.Packing = &Packing{Row: row, Rows: most, Items: texts}
			e, err := NewEngine(cfg, ids{}, []Session{s}, []Head{flat{}})
			if err != nil {
				t.Fatal(err)
			}
			_, errs, stats := drive(t, e, blobs)
			for i := range errs {
				if _, rejected := schemas.Rejected(errs[i]); rejected != (i == at) || !rejected && errs[i] != nil {
					t.Errorf("poison %d: item %d: %v", at, i, errs[i])
				}
			}
			if batch := row * most; stats.Batches != 1 || s.steps > 3*batch+batch/2 { // the batch, its halves, and a half that was computed before
				t.Errorf("poison %d: %d batches, %d steps in %d runs, want one of %d and at most two more", at, stats.Batches, s.steps, s.runs, batch)
			}
			for shape := range s.shapes {
				if !slices.Contains([]string{"[8 64] [32]", "[4 64] [32]", "[2 64] [32]", "[1 64] [32]", "[1 32] [32]", "[1 16] [32]"}, shape) {
					t.Errorf("poison %d: the shape %s is not one of the packing's", at, shape)
				}
			}
		})
	}
}

func TestPackingRefusesWhatItCannotLayOut(t *testing.T) {
	text := func(n int, name string, mask ...int64) Sample {
		return Sample{Cost: n, Inputs: []Input{
			{Name: idsInput, Shape: []int{n}, I64: slices.Repeat([]int64{5}, n)}, {Name: name, Shape: []int{len(mask)}, I64: mask},
		}}
	}
	for name, tc := range map[string]struct {
		s    Sample
		want string
	}{
		"a mask with a hole":     {text(3, maskInput, 1, 0, 1), "ones behind zeros"},
		"a mask of zeros":        {text(2, maskInput, 0, 0), "no ones"},
		"a mask of another size": {text(2, maskInput, 1), "not input_ids and attention_mask of one shape"},
		"another input":          {text(2, "token_type_ids", 1, 1), "take no input token_type_ids"},
		"more than the row has":  {text(9, maskInput, slices.Repeat([]int64{1}, 9)...), "do not fit a row of 8"},
		"nothing":                {Sample{Cost: 1}, "no inputs"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &Packing{Row: 8, Rows: 1, Items: 1}
			_, err := p.collate([]Sample{tc.s}, &Layout{Rows: 1, Length: 8, places: []origin{{}}}, &Floats{})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one that says %q", err, tc.want)
			}
		})
	}
}

// numbered is flat, and refuses what is no number.
type numbered struct{ flat }

func (h numbered) Apply(out *Output, batch []Sample) ([]schemas.Payload, error) {
	ps, err := h.flat.Apply(out, batch)
	if err == nil && !finite(ps[0].Vector) {
		return nil, errNoNumber
	}
	return ps, err
}

// A session of packed rows that gives no numbers, for the trial neither, is broken; one that computes the trial is not, and the item is to blame.
func TestAPackedSessionThatGivesNoNumbersIsBroken(t *testing.T) {
	for _, broken := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			trial, err := ids{}.Preprocess(t.Context(), schemas.Ref{}, []byte("5 6"))
			if err != nil {
				t.Fatal(err)
			}
			nan := int64(7) // of one text
			if broken {
				nan = 5 // of all, and the trial
			}
			cfg := testConfig()
			cfg.Packing, cfg.Trial = &Packing{Row: 16, Rows: 4, Items: 8}, trial
			e, err := NewEngine(cfg, ids{}, []Session{&packedFake{poison: -1, nan: nan}}, []Head{numbered{}})
			if err != nil {
				t.Fatal(err)
			}
			_, errs, _ := drive(t, e, []string{"5 1", "5 2", "5 7", "5 4"})
			for i := range errs {
				_, rejected := schemas.Rejected(errs[i])
				if errors.Is(errs[i], ErrBroken) != broken || rejected != (!broken && i == 2) || !broken && i != 2 && errs[i] != nil {
					t.Errorf("broken %t, text %d: %v", broken, i, errs[i])
				}
			}
		})
	}
}
