package graph

import (
	"fmt"
	"slices"
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
	audioOut := []string{"extract_features", "hidden_states"}
	audioIn := []string{"mask_time_indices"}
	textIn := []string{"token_type_ids", "position_ids"}
	visionIn := []string{"bool_masked_pos"}
	return map[string]class{
		"Data2VecAudioModel":                     {config.TypeAudio, true, audioOut, audioIn, (*net).audioModel},
		"Data2VecAudioForCTC":                    {config.TypeAudio, false, audioOut, audioIn, (*net).audioCTC},
		"Data2VecAudioForSequenceClassification": {config.TypeAudio, false, audioOut, audioIn, (*net).audioClassifier},
		"Data2VecTextModel":                      {config.TypeText, true, []string{"pooler_output", "hidden_states"}, textIn, (*net).textModel},
		"Data2VecTextForSequenceClassification":  {config.TypeText, false, []string{"hidden_states"}, textIn, (*net).textClassifier},
		"Data2VecVisionModel":                    {config.TypeVision, true, []string{"pooler_output", "hidden_states"}, visionIn, (*net).visionModel},
		"Data2VecVisionForImageClassification":   {config.TypeVision, false, []string{"hidden_states"}, visionIn, (*net).visionClassifier},
	}
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
	prefix := strings.ReplaceAll(cfg.ModelType, "-", "_") + "."
	n := &net{Builder: onnx.NewBuilder(cfg.Class), w: ck.Bind(prefix, cl.base), cfg: cfg, o: o}
	n.batch = onnx.Dyn("batch")
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
		if !slices.Contains(have, a) {
			return fmt.Errorf("class %s has no optional %s %q; it has %s", class, what, a, strings.Join(have, ", "))
		}
	}
	return nil
}
