package checkpoint

import (
	"fmt"
	"strconv"

	"vecmill/model/checkpoint/hdf5"
)

// parseTensorFlow reads a whole tf_model.h5 and returns its tensors under torch's names and in torch's layouts; they alias data.
func parseTensorFlow(data []byte) ([]Tensor, error) {
	var tensors []Tensor
	seen := map[string]bool{}
	err := eachKerasWeight(data, func(stored string, d *hdf5.Dataset) error {
		t, err := fromKeras(stored, d)
		if err != nil {
			return err
		}
		if seen[t.Name] {
			return fmt.Errorf("two weights have the name %s", t.Name)
		}
		seen[t.Name] = true
		tensors = append(tensors, t)
		return nil
	})
	return tensors, err
}

// eachKerasWeight calls do for every weight in a Keras file. Keras lists its layers in the attribute layer_names of the root, and the
// weights of each in weight_names of the layer's group.
func eachKerasWeight(data []byte, do func(stored string, d *hdf5.Dataset) error) error {
	f, err := hdf5.Open(data)
	if err != nil {
		return err
	}
	root, err := f.Root()
	if err != nil {
		return err
	}
	layers, err := nameList(root, "layer_names")
	if err != nil {
		return err
	}
	for _, layer := range layers {
		group, err := root.Group(layer)
		if err != nil {
			return err
		}
		names, err := nameList(group, "weight_names")
		if err != nil {
			return fmt.Errorf("layer %s: %w", layer, err)
		}
		for _, stored := range names {
			d, err := group.Dataset(stored)
			if err != nil {
				return fmt.Errorf("layer %s: %w", layer, err)
			}
			if err := do(stored, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// nameList reads a list of names, which Keras splits into attributes name0, name1 ... if it does not fit an object header.
func nameList(g *hdf5.Group, name string) ([]string, error) {
	names, ok, err := g.Strings(name)
	if ok || err != nil {
		return names, err
	}
	for i := 0; ; i++ {
		part, ok, err := g.Strings(name + strconv.Itoa(i))
		if err != nil {
			return nil, err
		}
		if !ok && i == 0 {
			return nil, fmt.Errorf("it has no attribute %s: not weights that Keras saved", name)
		}
		if !ok {
			return names, nil
		}
		names = append(names, part...)
	}
}

// kerasTypes are the element types of datasets.
var kerasTypes = map[hdf5.Kind]DType{hdf5.Float32: F32, hdf5.Float16: F16, hdf5.Float64: "F64", hdf5.Int64: "I64", hdf5.Int32: "I32"}

// fromKeras is a dataset as torch would have stored it.
func fromKeras(stored string, d *hdf5.Dataset) (Tensor, error) {
	dtype, ok := kerasTypes[d.Kind]
	if !ok {
		return Tensor{}, fmt.Errorf("weight %s has an element type that is not read", stored)
	}
	t := Tensor{Name: stored, DType: dtype, Shape: d.Shape, raw: d.Raw}
	name, order := kerasName(scoped(stored), len(d.Shape))
	if order != nil {
		t = t.transposed(order...)
	}
	t.Name = name
	return t, nil
}
