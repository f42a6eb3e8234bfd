package checkpoint

import (
	"errors"
	"fmt"
	"strings"

	"vecmill/model/checkpoint/pickle"
)

// trainingResolver reads the checkpoints of the training code, which keep their weights beside settings of many classes. What is not a
// tensor stands in as an empty dict: still nothing is imported or called, and it is thrown away unread.
type trainingResolver struct{ torchResolver }

// opaque is a global that is not understood.
type opaque struct{}

// Global implements pickle.Resolver.
func (r *trainingResolver) Global(g pickle.Global) (any, error) {
	if v, err := r.torchResolver.Global(g); err == nil {
		return v, nil
	}
	return opaque{}, nil
}

// Call implements pickle.Resolver.
func (r *trainingResolver) Call(callee any, args pickle.Tuple) (any, error) {
	switch callee.(type) {
	case DType, pickle.Global:
		return r.torchResolver.Call(callee, args)
	}
	return &pickle.Dict{}, nil
}

// Build implements pickle.Resolver.
func (*trainingResolver) Build(any, any) error { return nil }

// parseFairseq reads a training checkpoint of fairseq, or of BEiT's code for images: {"model": weights by name, ...}, saved by torch. Its weights
// get Hugging Face's names.
func parseFairseq(data []byte) ([]Tensor, error) {
	r := &trainingResolver{torchResolver{storages: map[string]*storage{}}}
	root, err := unpickleTorch(data, r, &r.torchResolver)
	if err != nil {
		return nil, err
	}
	d, ok := root.(*pickle.Dict)
	if !ok {
		return nil, fmt.Errorf("it holds a %T, not a training checkpoint", root)
	}
	weights, ok := d.Lookup("model")
	if !ok {
		return nil, errors.New("it has no entry \"model\": not a training checkpoint of fairseq")
	}
	stored, err := stateDict(weights)
	if err != nil {
		return nil, err
	}
	return fromFairseq(stored)
}

// fromFairseq renames weights, splits the images' joint projections, and adds the token types that text has none of: zero.
func fromFairseq(stored []Tensor) ([]Tensor, error) {
	rules := compileRules()
	var out []Tensor
	seen := map[string]bool{}
	add := func(t Tensor) error {
		if seen[t.Name] {
			return fmt.Errorf("two weights have the name %s", t.Name)
		}
		seen[t.Name] = true
		out = append(out, t)
		return nil
	}
	for _, t := range stored {
		if trainingOnly(t.Name) {
			continue
		}
		parts := []Tensor{t}
		parts[0].Name = rules.rename(t.Name)
		if before, ok := strings.CutSuffix(parts[0].Name, ".qkv.weight"); ok {
			var err error
			if parts, err = split3(t, before); err != nil {
				return nil, err
			}
		}
		if len(t.Shape) == 2 && strings.HasSuffix(t.Name, "sentence_encoder.embed_tokens.weight") {
			parts = append(parts, Tensor{
				Name: "data2vec_text.embeddings.token_type_embeddings.weight", DType: F32,
				Shape: []int{1, t.Shape[1]}, raw: make([]byte, 4), strides: []int{0, 0},
			})
		}
		for _, p := range parts {
			if err := add(p); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// split3 cuts [3H, H] into query, key and value below a name. Nothing is copied.
func split3(t Tensor, before string) ([]Tensor, error) {
	if len(t.Shape) != 2 || t.Shape[0]%3 != 0 || t.strides != nil {
		return nil, fmt.Errorf("weight %s of shape %v is not query, key and value", t.Name, t.Shape)
	}
	n := len(t.raw) / 3
	var parts []Tensor
	for i, name := range []string{"query", "key", "value"} {
		parts = append(parts, Tensor{
			Name: before + "." + name + ".weight", DType: t.DType, Shape: []int{t.Shape[0] / 3, t.Shape[1]}, raw: t.raw[i*n : (i+1)*n : (i+1)*n],
		})
	}
	return parts, nil
}
