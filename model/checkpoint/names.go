package checkpoint

import "strings"

// renaming is another spelling of a part of a weight's name.
type renaming struct{ ours, theirs string }

// layerNorms are the spellings from before LayerNorm's parameters were called weight and bias. The reference renames exactly
// these and no others.
var layerNorms = []renaming{{"LayerNorm.weight", "LayerNorm.gamma"}, {"LayerNorm.bias", "LayerNorm.beta"}}

// segmentation5 are the modules of the segmentation heads as transformers 5 calls them.
var segmentation5 = []renaming{{".bottleneck.", ".psp_bottleneck."}, {".conv.", ".convolution."}, {".bn.", ".normalization."}}

// spellings are the stored names that a weight may have: its own first, which is that of transformers 4.
func spellings(name string) []string {
	out := []string{name}
	for _, r := range layerNorms {
		if s, ok := strings.CutSuffix(name, r.ours); ok {
			out = append(out, s+r.theirs)
		}
	}
	if strings.HasPrefix(name, "decode_head.") || strings.HasPrefix(name, "auxiliary_head.") {
		if v5 := version5(name); v5 != name {
			out = append(out, v5)
		}
	}
	return out
}

// version5 is a segmentation head's weight in the spelling of transformers 5.
func version5(name string) string {
	for _, r := range segmentation5 {
		name = strings.Replace(name, r.ours, r.theirs, 1)
	}
	const psp = "decode_head.psp_modules."
	if rest, ok := strings.CutPrefix(name, psp); ok { // I.1.REST, where 1 is the convolution's place in a sequence
		i, rest, _ := strings.Cut(rest, ".1.")
		name = psp + "blocks." + i + ".conv." + rest
	}
	return name
}
