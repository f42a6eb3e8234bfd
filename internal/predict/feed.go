package predict

import (
	"fmt"
	"slices"
	"strings"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/model/graph"
	"vecmill/schemas"
)

// mainInput is the input that a modality cannot do without; text may come as inputs_embeds in its place.
func mainInput(m schemas.Modality, in map[string]embed.Tensor) string {
	switch m {
	case schemas.Audio:
		return "input_values"
	case schemas.Text:
		if _, ids := in["input_ids"]; !ids && len(in["inputs_embeds"].F32) > 0 {
			return "inputs_embeds"
		}
		return "input_ids"
	}
	return "pixel_values"
}

// choiceClass takes inputs with an axis more than the other classes of text, for the choices.
const choiceClass = "Data2VecTextForMultipleChoice"

// rank says how many axes a class's main input has; 0 for token ids, whose axes the session checks.
func rank(name, class string) int {
	switch name {
	case "input_values":
		return 2
	case "inputs_embeds":
		if class == choiceClass {
			return 4
		}
		return 3
	case "pixel_values":
		return 4
	}
	return 0
}

// floating says whether an input has fractions; all others are numbers, flags or masks.
func floating(name string) bool {
	switch name {
	case "input_values", "pixel_values", "inputs_embeds", "encoder_hidden_states", "head_mask":
		return true
	}
	return strings.HasPrefix(name, graph.PastKeyValues+".")
}

// feed turns inputs under Hugging Face's names into the graph's, and says how to compile that graph.
func feed(spec *model.Spec, in map[string]embed.Tensor) ([]embed.Tensor, model.CompileOptions, error) {
	var o model.CompileOptions
	name := mainInput(spec.Modality, in)
	x, ok := in[name]
	if !ok {
		return nil, o, fmt.Errorf("the input %s of %s is missing; there is %s", name, spec.Class, strings.Join(sorted(in), ", "))
	}
	if n := rank(name, spec.Class); n > 0 && len(x.Shape) != n || len(x.Shape) < 2 {
		return nil, o, fmt.Errorf("the input %s has shape %v, want %d axes", name, x.Shape, max(n, 2))
	}
	if slices.Contains(x.Shape, 0) {
		return nil, o, fmt.Errorf("the input %s has shape %v: there is nothing in it", name, x.Shape)
	}
	typed := map[string]embed.Tensor{}
	for name, t := range in {
		pairs := name == "attention_mask" && len(t.Shape) == 3 && len(in["input_ids"].Shape) == 2
		t, err := retyped(t, pairs || floating(name))
		if err != nil {
			return nil, o, err
		}
		typed[name] = t
	}
	if err := inTables(spec, typed); err != nil {
		return nil, o, err
	}
	if mask, ok := typed["head_mask"]; ok {
		typed["head_mask"] = forLayers(spec, mask)
	}
	all := []embed.Tensor{typed[name]}
	mask, err := maskOf(spec, typed, name)
	if err != nil {
		return nil, o, err
	}
	if mask != nil {
		all = append(all, *mask)
		if mask.F32 != nil {
			o.Inputs = append(o.Inputs, graph.PairMask)
		}
	}
	if spec.Vision != nil {
		if size := (model.HW{H: int(x.Shape[2]), W: int(x.Shape[3])}); size != spec.Vision.ImageSize {
			o.ImageSize = size
		}
	}
	for _, other := range sorted(typed) {
		masked := other == "attention_mask" && mask != nil
		if other != name && !masked {
			all = append(all, typed[other])
		}
		if group, _, _ := strings.Cut(other, "."); !masked && !basic(other) && !slices.Contains(o.Inputs, group) {
			o.Inputs = append(o.Inputs, group)
		}
	}
	return all, o, nil
}

// inTables refuses numbers that have no row in the table of embeddings that they are looked up in: a graph counts negative ones from its end.
func inTables(spec *model.Spec, in map[string]embed.Tensor) error {
	if spec.Text == nil {
		return nil
	}
	for _, table := range []struct {
		name string
		rows int
		used bool
	}{
		{"input_ids", spec.Text.VocabSize, true},
		{"token_type_ids", spec.Text.TypeVocabSize, true},
		{"position_ids", spec.Text.MaxPositionEmbeddings, spec.Text.PositionEmbeddingType == "absolute"},
	} {
		for _, id := range in[table.name].I64 {
			if table.used && (id < 0 || id >= int64(table.rows)) {
				return fmt.Errorf("the input %s has the value %d, want 0 to %d", table.name, id, table.rows-1)
			}
		}
	}
	return nil
}

// forLayers repeats a head mask with one axis, which means every layer, as the reference does.
func forLayers(spec *model.Spec, mask embed.Tensor) embed.Tensor {
	layers := 0
	switch {
	case spec.Text != nil:
		layers = spec.Text.NumHiddenLayers
	case spec.Vision != nil:
		layers = spec.Vision.NumHiddenLayers
	}
	if len(mask.Shape) != 1 || layers == 0 {
		return mask
	}
	mask.Shape = []int64{int64(layers), mask.Shape[0]}
	mask.F32 = slices.Repeat(mask.F32, layers)
	return mask
}

// basic says whether every graph of the modality takes an input.
func basic(name string) bool {
	return name == "input_values" || name == "input_ids" || name == "pixel_values"
}

// maskOf is what says where padding is: lengths for audio, the mask for text, of tokens or of pairs of them; nothing for pictures.
func maskOf(spec *model.Spec, in map[string]embed.Tensor, main string) (*embed.Tensor, error) {
	if spec.Vision != nil {
		return nil, nil
	}
	shape := in[main].Shape
	if main == "inputs_embeds" {
		shape = shape[:len(shape)-1]
	}
	mask, given := in["attention_mask"]
	switch {
	case !given:
		n := int64(1)
		for _, d := range shape {
			n *= d
		}
		mask = embed.Tensor{Name: "attention_mask", Shape: shape, I64: slices.Repeat([]int64{1}, int(n))}
	case mask.F32 != nil: // of pairs: the session checks the shape
		return &mask, nil
	}
	if _, cached := in[graph.PastKeyValues+".0.key"]; cached && given {
		return &mask, nil // covers the tokens of the cache, too
	}
	if !slices.Equal(mask.Shape, shape) {
		return nil, fmt.Errorf("the input attention_mask has shape %v, want %v, that of %s", mask.Shape, shape, main)
	}
	if spec.Audio != nil {
		mask = lengths(mask)
	}
	return &mask, nil
}

// lengths counts the ones of each row: the reference looks at nothing else, so padding on the left counts as padding on the right.
func lengths(mask embed.Tensor) embed.Tensor {
	rows, width := mask.Shape[0], mask.Shape[1]
	out := embed.Tensor{Name: "lengths", Shape: []int64{rows}, I64: make([]int64, rows)}
	for i := range out.I64 {
		for _, m := range mask.I64[int64(i)*width:][:width] {
			out.I64[i] += m
		}
		out.I64[i] = min(max(out.I64[i], 0), width)
	}
	return out
}

// retyped gives a tensor the type that its input wants: whole float32 numbers become int64, and a mask of numbers float32.
func retyped(t embed.Tensor, float bool) (embed.Tensor, error) {
	out := embed.Tensor{Name: t.Name, Shape: t.Shape}
	switch {
	case float && t.F32 == nil && strings.HasSuffix(t.Name, "_mask"):
		out.F32 = make([]float32, len(t.I64))
		for i, v := range t.I64 {
			out.F32[i] = float32(v)
		}
		return out, nil
	case float && t.F32 == nil:
		return t, fmt.Errorf("the input %s holds whole numbers, want F32", t.Name)
	case float || t.F32 == nil:
		return t, nil
	}
	out.I64 = make([]int64, len(t.F32))
	for i, v := range t.F32 {
		if out.I64[i] = int64(v); float32(out.I64[i]) != v {
			return t, fmt.Errorf("the input %s has the value %v, want whole numbers", t.Name, v)
		}
	}
	return out, nil
}

// enough refuses audio in which not even the longest item makes a frame, of the encoder or of the convolutions behind it: the graph would fail, and not
// say why. Ours makes NaN of a clip that has no frames for an x-vector, unless it pads as the reference does.
func enough(spec *model.Spec, inputs []embed.Tensor, hfPadding bool) error {
	if spec.Audio == nil {
		return nil
	}
	name, n := inputs[0].Name, int(inputs[0].Shape[1])
	switch frames := spec.Audio.Frames(n); {
	case frames == 0:
		return fmt.Errorf("the input %s has %d samples, too few for a single frame of the model", name, n)
	case spec.Audio.OutputFrames(n) == 0:
		return fmt.Errorf("the input %s has %d samples, which are %d frames: too few for the adapter (adapter_kernel_size %d, num_adapter_layers %d)",
			name, n, frames, spec.Audio.AdapterKernelSize, spec.Audio.NumAdapterLayers)
	case spec.Class == "Data2VecAudioForXVector" && (hfPadding || spec.ONNX != "") && spec.Audio.XVectorFrames(n) == 0:
		return fmt.Errorf("the input %s has %d samples, which are %d frames: too few for the TDNN layers (tdnn_kernel %v, tdnn_dilation %v)",
			name, n, frames, spec.Audio.TDNNKernel, spec.Audio.TDNNDilation)
	}
	return nil
}
