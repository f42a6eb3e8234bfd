package graph

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"vecmill/model/checkpoint"
	"vecmill/model/config"
	"vecmill/model/onnx"
)

// Options choose among the graphs of one checkpoint. The zero value is the default.
type Options struct {
	HFPadding bool      // let padding show in the numbers as it does in the reference
	ImageSize config.HW // images: input size; zero is the checkpoint's own
	Inputs    []string  // optional inputs to add, by their names in the reference
	Outputs   []string  // optional outputs to add
	Precision Precision // of the encoder
	HeadOnly  bool      // leave out last_hidden_state where less is computed without it; see [Narrows]
	Packed    bool      // rows hold items one behind the other; see [Packs]
	Whole     bool      // convolutions over samples and attention take a recording at once, as a device wants it
	Without   Pass      // for benchmarks: all are taken but this one
}

// Narrows says whether [Options.HeadOnly] makes another graph: of a class whose head reads the first token's state alone, which then is all that the
// last layer computes. What shows the other tokens, or lets them see something else than the mask says, forbids it.
func Narrows(c *config.Config, o Options) bool {
	switch c.Class {
	case "Data2VecTextForSequenceClassification", "Data2VecTextForMultipleChoice":
	default:
		return false
	}
	plain := c.Text.PositionEmbeddingType == "absolute" && !c.Text.IsDecoder && !c.Text.AddCrossAttention && c.Text.NumHiddenLayers > 0
	return plain && o.HeadOnly && !o.Packed && len(o.Outputs) == 0 && !slices.Contains(o.Inputs, PairMask)
}

// class says how one Hugging Face class is built.
type class struct {
	modelType string
	base      bool     // the backbone itself: weights have no prefix
	outputs   []string // optional outputs
	inputs    []string // optional inputs
	build     func(*net) error
}

// classes is the table of supported classes. To add one: a line here, and its head's file.
func classes() map[string]class {
	audioOut := []string{"extract_features", "hidden_states", "attentions"}
	audioIn := []string{"mask_time_indices"}
	textOut := []string{"hidden_states", "attentions"}
	choiceIn := []string{"token_type_ids", "position_ids", "head_mask", "inputs_embeds"}
	textIn := slices.Concat(choiceIn, []string{PairMask})
	decoderOut := slices.Concat(textOut, []string{"cross_attentions", PastKeyValues})
	decoderIn := slices.Concat(textIn, []string{"encoder_hidden_states", "encoder_attention_mask", PastKeyValues})
	visionIn := []string{"bool_masked_pos", "head_mask"}
	visionOut := []string{"hidden_states", "attentions"}
	t := map[string]class{
		"Data2VecAudioModel":                       {config.TypeAudio, true, audioOut, audioIn, (*net).audioModel},
		"Data2VecAudioForAudioFrameClassification": {config.TypeAudio, false, audioOut, audioIn, (*net).audioFrames},
		"Data2VecAudioForCTC":                      {config.TypeAudio, false, audioOut, audioIn, (*net).audioCTC},
		"Data2VecAudioForSequenceClassification":   {config.TypeAudio, false, audioOut, audioIn, (*net).audioClassifier},
		"Data2VecAudioForXVector":                  {config.TypeAudio, false, audioOut, audioIn, (*net).audioXVector},
		"Data2VecTextModel":                        {config.TypeText, true, append([]string{"pooler_output"}, decoderOut...), decoderIn, (*net).textModel},
		"Data2VecTextForCausalLM":                  {config.TypeText, false, decoderOut, decoderIn, (*net).textLM},
		"Data2VecTextForMaskedLM":                  {config.TypeText, false, decoderOut, decoderIn, (*net).textLM},
		"Data2VecTextForMultipleChoice":            {config.TypeText, false, textOut, choiceIn, (*net).textChoice},
		"Data2VecTextForQuestionAnswering":         {config.TypeText, false, textOut, textIn, (*net).textSpans},
		"Data2VecTextForSequenceClassification":    {config.TypeText, false, textOut, textIn, (*net).textClassifier},
		"Data2VecTextForTokenClassification":       {config.TypeText, false, textOut, textIn, (*net).textTokens},
		"Data2VecVisionModel":                      {config.TypeVision, true, append([]string{"pooler_output"}, visionOut...), visionIn, (*net).visionModel},
		"Data2VecVisionForImageClassification":     {config.TypeVision, false, visionOut, visionIn, (*net).visionClassifier},
		"Data2VecVisionForSemanticSegmentation":    {config.TypeVision, false, visionOut, []string{"head_mask"}, (*net).visionSegments},
	}
	for _, name := range []string{"Model", "ForImageClassification", "ForSemanticSegmentation"} {
		t["TFData2VecVision"+name] = t["Data2VecVision"+name] // see [net.tensorFlow] for what differs
	}
	return t
}

// Classes are the names of the supported classes, sorted.
func Classes() []string {
	var names []string
	for n := range classes() {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Inputs are the names of a class's optional inputs, Outputs those of its optional outputs; nil for classes that are not supported.
// [PastKeyValues] and [PairMask] among them say what they stand for; hidden_states.1 is one of the hidden_states.
func Inputs(class string) []string { return classes()[class].inputs }

// Outputs are the names of a class's optional outputs, as Inputs are of its inputs.
func Outputs(class string) []string { return classes()[class].outputs }

// Supported fails, naming what is supported, unless the class can be built.
func Supported(name string) error {
	if _, ok := classes()[name]; ok {
		return nil
	}
	return fmt.Errorf("class %s is not supported; this build compiles %s", name, strings.Join(Classes(), ", "))
}

// Build makes the graph of a checkpoint. The builder returned refers to the checkpoint's memory: write it before closing that.
// Errors name unsupported classes, switches and options, and all weights that do not fit ([checkpoint.MismatchError]).
func Build(cfg *config.Config, ck *checkpoint.Checkpoint, o Options) (*onnx.Builder, error) {
	if err := Supported(cfg.Class); err != nil {
		return nil, err
	}
	cl := classes()[cfg.Class]
	if cfg.ModelType != cl.modelType {
		return nil, fmt.Errorf("class %s belongs to model_type %s, config.json says %s", cfg.Class, cl.modelType, cfg.ModelType)
	}
	if err := known("output", o.Outputs, cl.outputs, cfg.Class); err != nil {
		return nil, err
	}
	if err := known("input", o.Inputs, cl.inputs, cfg.Class); err != nil {
		return nil, err
	}
	if err := errors.Join(o.Precision.known(), o.Without.known()); err != nil {
		return nil, err
	}
	if o.Packed {
		if err := Packs(cfg, o); err != nil {
			return nil, err
		}
	}
	prefix := strings.ReplaceAll(cfg.ModelType, "-", "_") + "."
	n := &net{Builder: onnx.NewBuilder(cfg.Class), w: ck.Bind(prefix, cl.base), cfg: cfg, o: o, whole: map[onnx.Value]onnx.Quantised{}, other: map[onnx.Value]onnx.Value{}}
	n.batch, n.single = onnx.Dyn("batch"), onnx.Dyn("batch")
	if o.Packed {
		n.batch, n.single = onnx.Dyn("rows"), onnx.Dyn("items")
	}
	if err := cl.build(n); err != nil {
		return nil, fmt.Errorf("building %s: %w", cfg.Class, err)
	}
	if n.err != nil {
		return nil, fmt.Errorf("building %s: %w", cfg.Class, n.err)
	}
	if err := n.w.Verify(); err != nil {
		return nil, err
	}
	return n.Builder, nil
}

func known(what string, asked, have []string, class string) error {
	for _, a := range asked {
		name := a
		if number, one := strings.CutPrefix(a, "hidden_states."); one {
			if _, err := strconv.Atoi(number); err == nil {
				name = "hidden_states"
			}
		}
		if !slices.Contains(have, name) {
			return fmt.Errorf("class %s has no optional %s %q; it has %s", class, what, a, strings.Join(have, ", "))
		}
	}
	return nil
}
