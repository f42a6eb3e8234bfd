package ortsession

import (
	"fmt"
	"slices"
	"strings"

	"vecmill/embed"
	"vecmill/model"
)

const (
	float32Type = "float32"
	int64Type   = "int64"
)

// portNames lists names for an error message.
func portNames(ports []model.Port) string {
	names := make([]string, len(ports))
	for i, p := range ports {
		names[i] = p.Name
	}
	return strings.Join(names, ", ")
}

func findPort(ports []model.Port, name string) (model.Port, bool) {
	i := slices.IndexFunc(ports, func(p model.Port) bool { return p.Name == name })
	if i < 0 {
		return model.Port{}, false
	}
	return ports[i], true
}

// agree checks what the compiler of the graph says of its ports (declared; may be empty) against what the file has.
func agree(kind string, declared, actual []model.Port) error {
	for _, d := range declared {
		a, ok := findPort(actual, d.Name)
		switch {
		case !ok:
			return fmt.Errorf("%s %s is not in the file, which has %s", kind, d.Name, portNames(actual))
		case d.Type != a.Type:
			return fmt.Errorf("%s %s is %s in the file, not %s", kind, d.Name, a.Type, d.Type)
		}
	}
	return nil
}

// usable refuses ports that an embed.Tensor cannot carry.
func usable(kind string, ports []model.Port) error {
	if len(ports) == 0 {
		return fmt.Errorf("the graph has no %s", kind)
	}
	for _, p := range ports {
		if p.Type != float32Type && p.Type != int64Type {
			return fmt.Errorf("%s %s is %s; only float32 and int64 are supported", kind, p.Name, p.Type)
		}
	}
	return nil
}

// arrange puts the tensors into the order of the graph's inputs and checks each against its port. Every tensor must be wanted
// and every input given.
func arrange(ports []model.Port, inputs []embed.Tensor) ([]*embed.Tensor, error) {
	ordered := make([]*embed.Tensor, len(ports))
	for i := range inputs {
		in := &inputs[i]
		at := slices.IndexFunc(ports, func(p model.Port) bool { return p.Name == in.Name })
		switch {
		case at < 0:
			return nil, fmt.Errorf("input %s is unknown to the model, which takes %s", in.Name, portNames(ports))
		case ordered[at] != nil:
			return nil, fmt.Errorf("input %s is given twice", in.Name)
		}
		if err := fits(ports[at], in); err != nil {
			return nil, fmt.Errorf("input %s: %w", in.Name, err)
		}
		ordered[at] = in
	}
	for i, t := range ordered {
		if t == nil {
			return nil, fmt.Errorf("input %s is missing; the model takes %s", ports[i].Name, portNames(ports))
		}
	}
	return ordered, nil
}

// fits checks one tensor's type, rank, dimensions and number of values.
func fits(p model.Port, t *embed.Tensor) error {
	have, n := float32Type, len(t.F32)
	if t.F32 == nil {
		have, n = int64Type, len(t.I64)
	}
	switch {
	case t.F32 != nil && t.I64 != nil:
		return fmt.Errorf("has values of both types")
	case have != p.Type:
		return fmt.Errorf("is %s, the model takes %s", have, p.Type)
	case len(t.Shape) == 0:
		return fmt.Errorf("is a scalar; the first axis must be the batch")
	case len(p.Shape) > 0 && len(p.Shape) != len(t.Shape):
		return fmt.Errorf("shape %v, the model takes %v", t.Shape, p.Shape)
	}
	want := int64(1)
	for d, size := range t.Shape {
		if size < 1 || len(p.Shape) > 0 && p.Shape[d] >= 0 && p.Shape[d] != size {
			return fmt.Errorf("shape %v, the model takes %v", t.Shape, p.Shape)
		}
		want *= size
	}
	if want != int64(n) {
		return fmt.Errorf("%d values for shape %v", n, t.Shape)
	}
	return nil
}
