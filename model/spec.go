package model

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"vecmill/model/graph"
	"vecmill/schemas"
)

// Spec is what a checkpoint directory says: its class, its configuration, its labels and its identity.
type Spec struct {
	Dir      string           // of the checkpoint
	ONNX     string           // path of a ready-made graph; empty: the graph is compiled from the weights in Dir
	Class    string           // Hugging Face class, e.g. Data2VecAudioForCTC; of weights that TensorFlow saved its own, e.g. TFData2VecVisionModel
	Modality schemas.Modality // of what it takes
	Labels   []string         // id2label in order of id; nil if the class has none

	Audio  *AudioConfig  // exactly one of the three is set
	Text   *TextConfig   //
	Vision *VisionConfig //

	inputs  []string // of a ready-made graph
	weights *weights // nil in a Spec that Open did not make
}

// Takes says whether a graph of the checkpoint can have an optional input, by its name in the reference: of a ready-made one, whether it has it.
func (s *Spec) Takes(input string) bool {
	if s.ONNX != "" {
		return slices.Contains(s.inputs, input)
	}
	return slices.Contains(graph.Inputs(s.Class), input)
}

// Port is one input or output of a compiled graph.
type Port struct {
	Name  string  // as sessions call it
	Type  string  // float32 or int64
	Shape []int64 // -1 where dynamic; the first axis is the batch
}

// Graph is a compiled model: a file that ONNX Runtime loads, and what goes in and comes out.
//
// Inputs by modality: audio input_values [B,N] float32 (normalised samples, zero padded) and lengths [B] int64 (real samples
// of each row); text input_ids and attention_mask [B,L] int64; images pixel_values [B,C,H,W] float32.
// Outputs carry Hugging Face's names: last_hidden_state [B,T,H] (T frames, tokens, or 1 + patches), and logits for head classes
// ([B,T,V] CTC and language models, [B,labels] classification, [B,T,labels] of frames and tokens, [B,choices], [B,labels,4*H/patch,4*W/patch]
// segmentation), embeddings [B,E] beside them for x-vectors, start_logits and end_logits [B,L] in their place for question
// answering. Base classes give no logits. Multiple choice takes [B,choices,L] and has no last_hidden_state.
//
// A ready-made graph has the inputs and outputs it was exported with: for audio perhaps attention_mask [B,N] in place of lengths
// (feed 1 on real samples), or neither (feed one item, or items of one length, at a time: such a graph cannot tell padding).
type Graph struct {
	Path    string // .onnx file in the cache; weights may lie beside it
	Weights int64  // bytes of them, about as many as a session holds: what was written for the graph, and in float32 the checkpoint's that it uses as they lie
	Inputs  []Port // all of them, by which a session finds tensors
	Outputs []Port // in the order of the graph

	digest func(context.Context) (string, error)
}

// Digest says which graph this is, wherever it lies: sha256 in hex over [Spec.Digest], the compiler's version and the compile options. It reads the weights
// the first time, so call it while a session loads. It fails if the weights have changed since Open, or are not those that the cached graph
// was built from, which is then forgotten: open and compile again.
func (g *Graph) Digest(ctx context.Context) (string, error) {
	if g.digest == nil {
		return "", fmt.Errorf("identifying the graph %s: no compiler made it", g.Path)
	}
	return g.digest(ctx)
}

// Input finds an input by name.
func (g *Graph) Input(name string) (Port, bool) { return find(g.Inputs, name) }

// Output finds an output by name.
func (g *Graph) Output(name string) (Port, bool) { return find(g.Outputs, name) }

// Narrow is g with those of its outputs that are read, for a session that gives no others: the states of a class with a head are many times its logits.
func (g *Graph) Narrow(read []string) Graph {
	own := *g
	own.Outputs = slices.DeleteFunc(slices.Clone(g.Outputs), func(p Port) bool { return !slices.Contains(read, p.Name) })
	return own
}

func find(ports []Port, name string) (Port, bool) {
	for _, p := range ports {
		if p.Name == name {
			return p, true
		}
	}
	return Port{}, false
}

// CompileOptions choose among graphs of the same checkpoint. The zero value is the default.
type CompileOptions struct {
	HFPadding bool     // let padding change the numbers where the reference does: audio; decoders with relative positions (golden tests)
	ImageSize HW       // size of the pictures fed, in pixels; zero: the checkpoint's own. Positions are resized as the reference does
	Inputs    []string // optional inputs under Hugging Face's names: token_type_ids, position_ids, mask_time_indices, ...; see [graph.Inputs]
	Outputs   []string // optional outputs: pooler_output, extract_features, hidden_states (as hidden_states.0, .1, ...), ...; see [graph.Outputs]

	// HeadOnly says that last_hidden_state is not wanted of a class with a head. Where that saves work ([graph.Narrows]) the graph is another one,
	// without that output; elsewhere it changes nothing.
	HeadOnly bool `json:",omitzero"`

	// Packed makes a graph of rows that hold items one behind the other, for the classes that [Spec.Packs] allows; [graph.Packs] has its inputs and outputs.
	Packed bool `json:",omitzero"`

	// Whole makes convolutions over samples and attention take a recording at once, not in pieces, which is faster on a device that is no CPU and takes far more memory. Numbers and digest are the same.
	Whole bool `json:"-"`

	Precision Precision `json:",omitzero"` // of the encoder's products; other numbers, therefore another digest

	Without Pass `json:",omitzero"` // for benchmarks, and no setting of anybody's: the graph is made without this pass
}

// FLOPs is the work of one item alone of so many steps (frames, tokens, or 1 + patches: a sample's cost in package embed) in floating-point operations, each multiplication
// with its addition counted as two: the encoder's, and that of heads that compute something for every step. Multiple choice counts as one text.
//
// A layer of n steps, width d and d' in between is 8nd² + 4n²d + 4ndd', which for d' = 4d is the 24nd² + 4n²d of Narayanan et al., Efficient Large-Scale Language Model Training on GPU Clusters (arXiv 2104.04473). model/config counts it, and is held against the published totals of BERT-base and ViT-base, and for pictures against their graphs (embed/golden).
func (s *Spec) FLOPs(steps int) float64 {
	dense := func(in, out int) float64 { return 2 * float64(steps) * float64(in) * float64(out) }
	total := 0.0
	switch {
	case s.Audio != nil:
		total = s.Audio.FLOPs(steps)
	case s.Text != nil:
		total = s.Text.FLOPs(steps)
	default:
		total = s.Vision.FLOPs(max(steps-1, 0))
	}
	switch strings.TrimPrefix(s.Class, "TF") {
	case "Data2VecAudioForAudioFrameClassification":
		total += dense(s.Audio.HiddenSize, len(s.Labels))
	case "Data2VecAudioForCTC":
		total += s.Audio.CTCFLOPs(steps)
	case "Data2VecAudioForSequenceClassification":
		total += dense(s.Audio.HiddenSize, s.Audio.ClassifierProjSize)
	case "Data2VecAudioForXVector":
		total += s.Audio.XVectorFLOPs(steps)
	case "Data2VecTextForMaskedLM", "Data2VecTextForCausalLM":
		total += dense(s.Text.HiddenSize, s.Text.VocabSize+s.Text.HiddenSize) // after a dense layer
	case "Data2VecTextForQuestionAnswering":
		total += dense(s.Text.HiddenSize, 2)
	case "Data2VecTextForTokenClassification":
		total += dense(s.Text.HiddenSize, len(s.Labels))
	case "Data2VecVisionForSemanticSegmentation":
		total += s.Vision.SegmentationFLOPs(len(s.Labels))
	}
	return total
}
