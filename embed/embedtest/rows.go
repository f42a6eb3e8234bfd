package embedtest

import (
	"fmt"
	"slices"

	"vecmill/embed"
)

// rows are a batch's values, and how many of each row are its own.
type rows struct {
	values  [][]float64
	valid   []int
	longest int
}

// find gives the first row that has v among its own values, or -1.
func (b *rows) find(v float64) int {
	for i, row := range b.values {
		if slices.Contains(row[:b.valid[i]], v) {
			return i
		}
	}
	return -1
}

// companions names, for each input that carries values, the one that tells how many are an item's own; "" if all are.
func companions() map[string]string {
	return map[string]string{"input_values": "lengths", "input_ids": "attention_mask", "pixel_values": ""}
}

// parse reads a batch: one input of values and its companion, nothing else.
func parse(inputs []embed.Tensor) (*rows, error) {
	known := companions()
	for i := range inputs {
		name := inputs[i].Name
		companion, ok := known[name]
		if !ok {
			continue
		}
		b, err := split(&inputs[i])
		if err != nil {
			return nil, err
		}
		return b, b.measure(inputs, i, companion)
	}
	return nil, fmt.Errorf("input input_values (or input_ids, pixel_values) is missing")
}

func split(t *embed.Tensor) (*rows, error) {
	if len(t.Shape) < 2 || t.Shape[0] < 1 {
		return nil, fmt.Errorf("input %s: shape %v has no batch", t.Name, t.Shape)
	}
	n, size := int(t.Shape[0]), 1
	for _, d := range t.Shape[1:] {
		size *= int(d)
	}
	if len(t.F32)+len(t.I64) != n*size {
		return nil, fmt.Errorf("input %s: %d values for shape %v", t.Name, len(t.F32)+len(t.I64), t.Shape)
	}
	b := &rows{longest: size, values: make([][]float64, n), valid: make([]int, n)}
	for i := range n {
		b.values[i], b.valid[i] = make([]float64, size), size
		for k := range size {
			if t.F32 != nil {
				b.values[i][k] = float64(t.F32[i*size+k])
			} else {
				b.values[i][k] = float64(t.I64[i*size+k])
			}
		}
	}
	return b, nil
}

// measure finds out how many values of each row are its own.
func (b *rows) measure(inputs []embed.Tensor, values int, companion string) error {
	found := companion == ""
	for i := range inputs {
		switch t := &inputs[i]; {
		case i == values:
		case t.Name != companion:
			return fmt.Errorf("input %s is unknown beside %s", t.Name, inputs[values].Name)
		default:
			found = true
			if err := b.own(t); err != nil {
				return fmt.Errorf("input %s: %w", t.Name, err)
			}
		}
	}
	if !found {
		return fmt.Errorf("input %s is missing", companion)
	}
	return nil
}

// own takes the rows' own lengths from lengths [B] or from a mask [B, N].
func (b *rows) own(t *embed.Tensor) error {
	n := len(b.valid)
	if len(t.I64) != n && len(t.I64) != n*b.longest || len(t.I64) == 0 {
		return fmt.Errorf("%d values for %d rows", len(t.I64), n)
	}
	per := len(t.I64) / n
	for i := range b.valid {
		sum := int64(0)
		for _, v := range t.I64[i*per : (i+1)*per] {
			sum += v
		}
		if sum < 0 || sum > int64(b.longest) {
			return fmt.Errorf("row %d has %d of %d values", i, sum, b.longest)
		}
		b.valid[i] = int(sum)
	}
	return nil
}
