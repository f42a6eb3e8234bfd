package ortsession

import (
	"fmt"
	"slices"

	"vecmill/embed"
	"vecmill/model"
)

const (
	valuesInput  = "input_values"
	lengthsInput = "lengths"
	maskInput    = "attention_mask"
)

// needsLengths says whether a batch carries lengths that the graph does not take: a ready-made audio graph.
func needsLengths(ports []model.Port, inputs []embed.Tensor) bool {
	_, takes := findPort(ports, lengthsInput)
	return !takes && tensorNamed(inputs, lengthsInput) != nil && tensorNamed(inputs, valuesInput) != nil
}

func tensorNamed(all []embed.Tensor, name string) *embed.Tensor {
	i := slices.IndexFunc(all, func(t embed.Tensor) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// byLength runs the rows of each length together, cut to that length, so that no padding exists that could leak, and joins the outputs.
func byLength(inputs []embed.Tensor, ports []model.Port, run func([]embed.Tensor) (*embed.Output, error)) (*embed.Output, error) {
	values, lengths := tensorNamed(inputs, valuesInput), tensorNamed(inputs, lengthsInput)
	for i := range inputs {
		if name := inputs[i].Name; name != valuesInput && name != lengthsInput {
			return nil, fmt.Errorf("input %s is unknown beside %s and %s of a ready-made audio model", name, valuesInput, lengthsInput)
		}
	}
	if len(values.Shape) != 2 || values.F32 == nil || int64(len(values.F32)) != values.Shape[0]*values.Shape[1] {
		return nil, fmt.Errorf("input %s: %d values for shape %v, want float32 [batch, samples]", valuesInput, len(values.F32), values.Shape)
	}
	if int64(len(lengths.I64)) != values.Shape[0] {
		return nil, fmt.Errorf("input %s: %d values for %d rows", lengthsInput, len(lengths.I64), values.Shape[0])
	}
	groups, err := groupRows(lengths.I64, values.Shape[1])
	if err != nil {
		return nil, err
	}
	_, masked := findPort(ports, maskInput)
	outs := make([]*embed.Output, len(groups))
	for i, rows := range groups {
		if outs[i], err = run(cut(values, rows, lengths.I64[rows[0]], masked)); err != nil {
			return nil, err
		}
	}
	return join(outs, groups, int(values.Shape[0]))
}

// groupRows lists the rows of each length, shortest first.
func groupRows(lengths []int64, longest int64) ([][]int, error) {
	order := make([]int, len(lengths))
	for i, n := range lengths {
		if n < 1 || n > longest {
			return nil, fmt.Errorf("input %s: row %d has %d samples of %d", lengthsInput, i, n, longest)
		}
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(lengths[a] - lengths[b]) })
	var groups [][]int
	for i, row := range order {
		if i == 0 || lengths[row] != lengths[order[i-1]] {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], row)
	}
	return groups, nil
}

// cut makes the inputs of some rows of n samples each, with a mask of ones if the graph asks for a mask.
func cut(values *embed.Tensor, rows []int, n int64, masked bool) []embed.Tensor {
	shape := []int64{int64(len(rows)), n}
	part := embed.Tensor{Name: valuesInput, Shape: shape, F32: make([]float32, 0, int64(len(rows))*n)}
	for _, row := range rows {
		at := int64(row) * values.Shape[1]
		part.F32 = append(part.F32, values.F32[at:at+n]...)
	}
	if !masked {
		return []embed.Tensor{part}
	}
	ones := make([]int64, len(part.F32))
	for i := range ones {
		ones[i] = 1
	}
	return []embed.Tensor{part, {Name: maskInput, Shape: shape, I64: ones}}
}

// join puts the groups' outputs back into the order of the rows, padded with zeros on the right of the second axis to the longest.
func join(outs []*embed.Output, groups [][]int, batch int) (*embed.Output, error) {
	joined := &embed.Output{Tensors: make([]embed.Tensor, len(outs[0].Tensors))}
	for k := range joined.Tensors {
		parts := make([]*embed.Tensor, len(outs))
		for g, out := range outs {
			parts[g] = &out.Tensors[k]
		}
		t, err := joinTensor(parts, groups, batch)
		if err != nil {
			return nil, fmt.Errorf("joining output %s: %w", parts[0].Name, err)
		}
		joined.Tensors[k] = t
	}
	return joined, nil
}

func joinTensor(parts []*embed.Tensor, groups [][]int, batch int) (embed.Tensor, error) {
	shape := slices.Clone(parts[0].Shape)
	for g, p := range parts {
		if len(p.Shape) != len(shape) || len(shape) == 0 || p.Shape[0] != int64(len(groups[g])) ||
			len(shape) > 2 && !slices.Equal(p.Shape[2:], shape[2:]) {
			return embed.Tensor{}, fmt.Errorf("shape %v does not fit %d rows beside %v", p.Shape, len(groups[g]), shape)
		}
		if len(shape) > 1 {
			shape[1] = max(shape[1], p.Shape[1])
		}
	}
	shape[0] = int64(batch)
	stride := 1
	for _, d := range shape[1:] {
		stride *= int(d)
	}
	t := embed.Tensor{Name: parts[0].Name, Shape: shape}
	if parts[0].F32 != nil {
		t.F32 = make([]float32, batch*stride)
	} else {
		t.I64 = make([]int64, batch*stride)
	}
	for g, p := range parts {
		for i, row := range groups[g] {
			place := row * stride
			if p.F32 != nil {
				n := len(p.F32) / len(groups[g])
				copy(t.F32[place:place+stride], p.F32[i*n:(i+1)*n])
			} else {
				n := len(p.I64) / len(groups[g])
				copy(t.I64[place:place+stride], p.I64[i*n:(i+1)*n])
			}
		}
	}
	return t, nil
}
