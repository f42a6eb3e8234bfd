package predict

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"vecmill/embed"
	"vecmill/model"
)

// result is what a task makes of an input: something that encodes to JSON.
type result any

// task is one line of the table of tasks.
type task struct {
	name    string   // of the pipeline
	classes []string // that it fits, and is the usual task of if no line before it is; nil: every class
	keys    string   // of an input that it reads
	make    func(*model.Spec, Options) (worker, error)
}

// foreign refuses a line of JSON with keys that the task does not read, and one with two texts.
func (t *task) foreign(in *Input) error {
	if in.line == 0 {
		return nil
	}
	keys := strings.Fields(t.keys)
	for _, k := range in.keys() {
		if !slices.Contains(keys, k) {
			return faultf("task %s does not read the key %s; it reads %s", t.name, k, strings.Join(keys, ", "))
		}
	}
	if in.File != "" && (in.Text != nil || in.Prompt != nil) || in.Text != nil && in.Prompt != nil {
		return faultf("the input has more than one text: say file, text or prompt")
	}
	return nil
}

// worker computes one task on inputs, one after the other.
type worker interface {
	// prepare makes the model's inputs, one set for each run of the graph: several for chunks and windows.
	prepare(ctx context.Context, in *Input) (*prepared, error)
	// finish makes the result of the runs' outputs, in order; of those that went to took it has kept what it needs.
	finish(p *prepared, out [][]embed.Tensor) (result, error)
}

// prepared is one input, ready for the model.
type prepared struct {
	runs    [][]embed.Tensor                               // under Hugging Face's names
	stream  func(ctx context.Context, take takeFunc) error // nil, or gives the runs one after the other in place of runs, of which there are too many to hold
	took    takeFunc                                       // with stream: gets the outputs of each run, and finish none
	tag     any                                            // the worker's own
	padded  bool                                           // a run is a batch of different lengths, and the reference's numbers of it are asked for
	outputs []string                                       // optional outputs that finish wants
	cached  bool                                           // drive wants a graph that takes and gives keys and values
	drive   func(ctx context.Context, run runFunc) error   // nil, or runs the graph itself: finish gets no outputs then
}

// takeFunc takes the tensors of a run.
type takeFunc func(tensors []embed.Tensor) error

// each gives every run, in order.
func (p *prepared) each(ctx context.Context, take takeFunc) error {
	if p.stream != nil {
		return p.stream(ctx, take)
	}
	for _, run := range p.runs {
		if err := take(run); err != nil {
			return err
		}
	}
	return nil
}

// table is the table of tasks. To add one: a line here, and its file.
func table() []task {
	return []task{
		{"automatic-speech-recognition", []string{"Data2VecAudioForCTC"}, "file", newSpeech},
		{"audio-classification", []string{"Data2VecAudioForSequenceClassification"}, "file", newAudioLabels},
		{"text-classification", []string{"Data2VecTextForSequenceClassification"}, "file text text_pair", newTextLabels},
		{"token-classification", []string{"Data2VecTextForTokenClassification"}, "file text words", newTokens},
		{"question-answering", []string{"Data2VecTextForQuestionAnswering"}, "question context", newAnswers},
		{"fill-mask", []string{"Data2VecTextForMaskedLM"}, "file text text_pair", newFillMask},
		{"text-generation", []string{"Data2VecTextForCausalLM"}, "file text prompt", newGeneration},
		{"multiple-choice", []string{"Data2VecTextForMultipleChoice"}, "prompt choices", newChoices},
		{"image-classification", []string{"Data2VecVisionForImageClassification"}, "file", newImageLabels},
		{"image-segmentation", []string{"Data2VecVisionForSemanticSegmentation"}, "file", newSegments},
		{"audio-frame-classification", []string{"Data2VecAudioForAudioFrameClassification"}, "file", newFrames},
		{"audio-xvector", []string{"Data2VecAudioForXVector"}, "file", newXVectors},
		{"speaker-verification", []string{"Data2VecAudioForXVector"}, "file file_pair", newVerification},
		{"perplexity", []string{"Data2VecTextForCausalLM", "Data2VecTextForMaskedLM"}, "file text", newPerplexity},
		{"feature-extraction", nil, "file text text_pair", newFeatures},
	}
}

// Task is a task that Run knows, and the classes that it fits; none: all.
type Task struct {
	Name    string
	Classes []string
}

// Tasks lists all tasks.
func Tasks() []Task {
	var all []Task
	for _, t := range table() {
		all = append(all, Task{t.name, t.classes})
	}
	return all
}

// taskFor finds a task by name, or the usual one of a class.
func taskFor(spec *model.Spec, name string) (task, error) {
	switch name { // the reference's other names
	case "sentiment-analysis":
		name = "text-classification"
	case "ner":
		name = "token-classification"
	case "image-feature-extraction":
		name = "feature-extraction"
	}
	all := table()
	class := strings.TrimPrefix(spec.Class, "TF")
	for _, t := range all {
		if name == "" && (t.classes == nil || slices.Contains(t.classes, class)) {
			return t, nil
		}
		if name == t.name {
			if t.classes != nil && !slices.Contains(t.classes, class) {
				return task{}, faultf("task %s needs the class %s, and this is %s", name, strings.Join(t.classes, " or "), spec.Class)
			}
			return t, nil
		}
	}
	var names []string
	for _, t := range all {
		names = append(names, t.name)
	}
	return task{}, faultf("there is no task %q; there are %s", name, strings.Join(names, ", "))
}

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// output finds one of a run's outputs.
func output(out []embed.Tensor, name string) (*embed.Tensor, error) {
	for i := range out {
		if out[i].Name == name && out[i].F32 != nil {
			return &out[i], nil
		}
	}
	return nil, faultf("the model gives no output %s", name)
}

// width is the size of the last axis.
func width(t *embed.Tensor) int { return int(t.Shape[len(t.Shape)-1]) }
