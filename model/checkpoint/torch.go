package checkpoint

import (
	"errors"
	"fmt"
	"slices"

	"vecmill/model/checkpoint/pickle"
)

// torchTypes are the element types of torch's storage classes. Any other class is refused.
var torchTypes = map[pickle.Global]DType{
	{Module: "torch", Name: "FloatStorage"}:    F32,
	{Module: "torch", Name: "HalfStorage"}:     F16,
	{Module: "torch", Name: "BFloat16Storage"}: BF16,
	{Module: "torch", Name: "DoubleStorage"}:   "F64",
	{Module: "torch", Name: "LongStorage"}:     "I64",
	{Module: "torch", Name: "IntStorage"}:      "I32",
	{Module: "torch", Name: "ShortStorage"}:    "I16",
	{Module: "torch", Name: "CharStorage"}:     "I8",
	{Module: "torch", Name: "ByteStorage"}:     "U8",
	{Module: "torch", Name: "BoolStorage"}:     "BOOL",
}

// The functions that a state dict is rebuilt with. They are understood here, not called.
var (
	orderedDict      = pickle.Global{Module: "collections", Name: "OrderedDict"}
	rebuildTensor    = pickle.Global{Module: "torch._utils", Name: "_rebuild_tensor_v2"}
	rebuildParameter = pickle.Global{Module: "torch._utils", Name: "_rebuild_parameter"}
)

// storage is one block of elements that tensors are views of. raw is filled once the file's layout is known.
type storage struct {
	key   string
	dtype DType
	numel int64
	raw   []byte
}

// view is a tensor of a pickle: a shape with strides, in elements, over a storage.
type view struct {
	*storage
	offset         int64
	shape, strides []int
}

// slice is a part of a storage, as the oldest files have it.
type slice struct {
	*storage
	offset, numel int64
}

// torchResolver understands the state dict of a torch file.
type torchResolver struct {
	storages map[string]*storage
	legacy   bool // persistent ids have a sixth item
}

// Global implements pickle.Resolver.
func (*torchResolver) Global(g pickle.Global) (any, error) {
	if t, ok := torchTypes[g]; ok {
		return t, nil
	}
	switch g {
	case orderedDict, rebuildTensor, rebuildParameter:
		return g, nil
	}
	return nil, fmt.Errorf("it needs %s, which weights do not: it is not imported and the file is refused", g)
}

// Call implements pickle.Resolver.
func (*torchResolver) Call(callee any, args pickle.Tuple) (any, error) {
	switch callee {
	case orderedDict:
		return newOrderedDict(args)
	case rebuildTensor:
		return newView(args)
	case rebuildParameter: // data, requires_grad, hooks
		if len(args) != 3 {
			return nil, fmt.Errorf("a parameter is rebuilt from %d values", len(args))
		}
		if _, ok := args[0].(*view); !ok {
			return nil, errors.New("a parameter is not rebuilt from a tensor")
		}
		return args[0], nil
	}
	return nil, fmt.Errorf("a %T is called", callee)
}

// Build implements pickle.Resolver. A state dict's own attributes (its _metadata) say nothing about the weights.
func (*torchResolver) Build(obj, _ any) error {
	if _, ok := obj.(*pickle.Dict); !ok {
		return fmt.Errorf("the state of a %T is restored", obj)
	}
	return nil
}

// Persistent implements pickle.Resolver: ("storage", class, key, location, elements[, view]).
func (r *torchResolver) Persistent(id any) (any, error) {
	t, ok := id.(pickle.Tuple)
	if !ok || (len(t) != 5 && (!r.legacy || len(t) != 6)) || t[0] != "storage" {
		return nil, errors.New("a persistent id is not that of a storage")
	}
	dtype, ok1 := t[1].(DType)
	key, ok2 := t[2].(string)
	numel, ok3 := t[4].(int64)
	if !ok1 || !ok2 || !ok3 || numel < 0 || numel > 1<<50 {
		return nil, errors.New("a storage is described by values of the wrong kind")
	}
	s := r.storages[key]
	if s == nil {
		s = &storage{key: key, dtype: dtype, numel: numel}
		r.storages[key] = s
	}
	if s.dtype != dtype || s.numel != numel {
		return nil, fmt.Errorf("storage %s is described in two ways", key)
	}
	if len(t) == 6 && t[5] != nil {
		return newSlice(s, t[5])
	}
	return slice{s, 0, numel}, nil
}

// newSlice is a storage that is part of another: (key of the part, offset, elements).
func newSlice(s *storage, v any) (any, error) {
	t, ok := v.(pickle.Tuple)
	if !ok || len(t) != 3 {
		return nil, fmt.Errorf("the view of storage %s is not described by three values", s.key)
	}
	offset, ok1 := t[1].(int64)
	numel, ok2 := t[2].(int64)
	if !ok1 || !ok2 || offset < 0 || numel < 0 || offset > s.numel || numel > s.numel-offset {
		return nil, fmt.Errorf("a view leaves storage %s", s.key)
	}
	return slice{s, offset, numel}, nil
}

func newOrderedDict(args pickle.Tuple) (any, error) {
	d := &pickle.Dict{}
	if len(args) == 0 {
		return d, nil
	}
	pairs, ok := args[0].(*pickle.List)
	if !ok || len(args) > 1 {
		return nil, errors.New("a dict is not built from a list of pairs")
	}
	for _, p := range pairs.Items {
		switch p := p.(type) {
		case pickle.Tuple:
			if len(p) == 2 {
				d.Entries = append(d.Entries, pickle.Entry{Key: p[0], Value: p[1]})
				continue
			}
		case *pickle.List:
			if len(p.Items) == 2 {
				d.Entries = append(d.Entries, pickle.Entry{Key: p.Items[0], Value: p.Items[1]})
				continue
			}
		}
		return nil, errors.New("a dict is not built from a list of pairs")
	}
	return d, nil
}

// newView is _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata]).
func newView(args pickle.Tuple) (any, error) {
	if len(args) != 6 && len(args) != 7 {
		return nil, fmt.Errorf("a tensor is rebuilt from %d values", len(args))
	}
	s, ok1 := args[0].(slice)
	offset, ok2 := args[1].(int64)
	shape, ok3 := ints(args[2])
	strides, ok4 := ints(args[3])
	if !ok1 || !ok2 || !ok3 || !ok4 || len(shape) != len(strides) {
		return nil, errors.New("a tensor is rebuilt from values of the wrong kind")
	}
	v := &view{storage: s.storage, offset: s.offset + offset, shape: shape, strides: strides}
	if offset < 0 || offset > s.numel {
		return nil, fmt.Errorf("a tensor begins at element %d of %d of storage %s", offset, s.numel, s.key)
	}
	if err := fits(shape, strides, s.numel-offset); err != nil {
		return nil, fmt.Errorf("a tensor in storage %s: %w", s.key, err)
	}
	return v, nil
}

// maxRepeat bounds the elements of a tensor whose strides repeat stored elements: without it a few bytes could claim any size.
const maxRepeat = 1 << 24

// fits checks that a shape with strides stays within n elements.
func fits(shape, strides []int, n int64) error {
	elements, last := int64(1), int64(0)
	for i, d := range shape {
		if d < 0 || strides[i] < 0 {
			return fmt.Errorf("shape %v with strides %v is impossible", shape, strides)
		}
		if d == 0 {
			return nil
		}
	}
	for i, d := range shape {
		if int64(d) > (1<<50)/elements || (d > 1 && int64(strides[i]) > (1<<50)/int64(d)) {
			return fmt.Errorf("shape %v with strides %v is impossible", shape, strides)
		}
		elements *= int64(d)
		if last += int64(d-1) * int64(strides[i]); last >= 1<<50 {
			return fmt.Errorf("shape %v with strides %v is impossible", shape, strides)
		}
	}
	if last >= n {
		return fmt.Errorf("shape %v with strides %v needs %d elements where %d are left", shape, strides, last+1, n)
	}
	if elements > n && elements > maxRepeat {
		return fmt.Errorf("shape %v with strides %v repeats %d elements to %d", shape, strides, n, elements)
	}
	return nil
}

func ints(v any) ([]int, bool) {
	t, ok := v.(pickle.Tuple)
	if !ok || len(t) > 16 {
		return nil, false
	}
	out := make([]int, len(t))
	for i, x := range t {
		n, ok := x.(int64)
		if !ok || int64(int(n)) != n {
			return nil, false
		}
		out[i] = int(n)
	}
	return out, true
}

// stateDict is the tensors of an unpickled state dict; their storages must be filled.
func stateDict(root any) ([]Tensor, error) {
	d, ok := root.(*pickle.Dict)
	if !ok {
		return nil, fmt.Errorf("it holds a %T, not the weights of a model by name", root)
	}
	seen := map[string]bool{}
	tensors := make([]Tensor, 0, len(d.Entries))
	for _, e := range d.Entries {
		name, ok := e.Key.(string)
		if !ok {
			return nil, fmt.Errorf("a weight is named by a %T", e.Key)
		}
		v, ok := e.Value.(*view)
		if !ok {
			return nil, fmt.Errorf("%s is a %T, not a tensor: the file is not the weights that save_pretrained writes", name, e.Value)
		}
		if seen[name] {
			return nil, fmt.Errorf("it names %s twice", name)
		}
		seen[name] = true
		tensors = append(tensors, v.tensor(name))
	}
	return tensors, nil
}

// tensor gives the view a name. A row-major view becomes a plain slice of the storage.
func (v *view) tensor(name string) Tensor {
	t := Tensor{Name: name, DType: v.dtype, Shape: v.shape, strides: slices.Clone(v.strides)}
	width := v.dtype.size()
	n := t.Elements()
	if n == 0 {
		t.strides = nil
		return t
	}
	t.raw = v.raw[v.offset*width:]
	if t.rowMajor() {
		t.strides, t.raw = nil, t.raw[:int64(n)*width:int64(n)*width]
	}
	return t
}
