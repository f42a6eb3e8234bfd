package heads

import (
	"fmt"
	"slices"
	"strings"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// Names of model outputs, as Hugging Face has them.
const (
	stateOutput  = "last_hidden_state"
	logitsOutput = "logits"
	vectorOutput = "embeddings"
	startOutput  = "start_logits"
	endOutput    = "end_logits"
)

// Config says which head to make and how. Fields of other tasks are ignored.
type Config struct {
	Task      schemas.Task // which head
	Name      string       // in the rows; empty means the task
	Pooling   Pooling      // embedding; empty means mean
	Raw       bool         // embedding and xvector: leave the vector's length as it is
	Precision Precision    // embedding and xvector: how the vector is stored; empty means fp32
	TopK      int          // classification, fill and answers: labels, proposals for each mask, or answers to keep; 0 means 5, of answers 1; more than there are means all, and of proposals more than 1,024 are refused
	Transform Function     // classification: softmax, sigmoid or none; empty means what the reference's pipeline chooses. frames: softmax or sigmoid; empty means softmax
	Threshold float64      // frames: score that a label must be above; 0 means 0.5 for the sigmoid

	Aggregation Strategy // tokens: how they become entities; empty means simple

	MaxAnswerTokens int      // answers: longest answer; 0 means 15
	NoAnswer        bool     // answers: one of them may be that the text does not tell
	Mask            MaskForm // masks: how the map of classes is stored; empty means runs

	Decoding Decoding // transcript: how it is searched for
	Joined   bool     // transcript and frames: windows overlap, and results are of whole objects
}

// task is one line of the table of heads.
type task struct {
	name    schemas.Task
	version int      // of its code: raised whenever the same outputs, options and files may give other payloads, which are then computed again. Part of [Identity]
	output  string   // of the model that it reads
	rank    int      // of that output
	classes []string // that it fits; nil means every class with the output
	make    func(head, Config, *model.Spec, *model.Graph) (embed.Head, error)
}

// tasks is the table of heads.
func tasks() []task {
	return []task{
		{schemas.TaskEmbedding, 0, stateOutput, 3, nil, newEmbedding},
		{schemas.TaskTranscript, 0, logitsOutput, 3, []string{"Data2VecAudioForCTC"}, newTranscript},
		{schemas.TaskLabels, 0, logitsOutput, 2, []string{
			"Data2VecTextForSequenceClassification", "Data2VecVisionForImageClassification", "Data2VecAudioForSequenceClassification",
		}, newClassification},
		{schemas.TaskFrames, 0, logitsOutput, 3, []string{"Data2VecAudioForAudioFrameClassification"}, newFrames},
		{schemas.TaskXVector, 0, vectorOutput, 2, []string{"Data2VecAudioForXVector"}, newXVector},
		{schemas.TaskTokens, 0, logitsOutput, 3, []string{"Data2VecTextForTokenClassification"}, newTokens},
		{schemas.TaskMasks, 0, logitsOutput, 4, []string{"Data2VecVisionForSemanticSegmentation"}, newMasks},
		{schemas.TaskFill, 0, logitsOutput, 3, []string{"Data2VecTextForMaskedLM"}, newFill},
		{schemas.TaskPerplexity, 0, logitsOutput, 3, []string{"Data2VecTextForCausalLM"}, newPerplexity},
		{schemas.TaskAnswers, 0, startOutput, 2, []string{"Data2VecTextForQuestionAnswering"}, newAnswers},
		{schemas.TaskChoice, 0, logitsOutput, 2, []string{"Data2VecTextForMultipleChoice"}, newChoice},
	}
}

// head is what all heads share.
type head struct {
	name   string
	task   schemas.Task
	output string
	rank   int
}

// Name is the head's name in the rows.
func (h *head) Name() string { return h.name }

// Task is what the head makes.
func (h *head) Task() schemas.Task { return h.task }

// New makes a head for a checkpoint and its graph. A head that does not fit the class or whose output the graph lacks is an error
// that says which heads and classes fit. A transcript head reads files in spec.Dir, see [Identity].
func New(cfg Config, spec *model.Spec, graph *model.Graph) (embed.Head, error) {
	all := tasks()
	at := slices.IndexFunc(all, func(t task) bool { return t.name == cfg.Task })
	if at < 0 {
		return nil, fmt.Errorf("head %q: unknown task; there are %s", cfg.Task, join(all, func(t task) string { return string(t.name) }))
	}
	t := all[at]
	if err := t.check(spec, graph); err != nil {
		return nil, fmt.Errorf("head %s: %w", t.name, err)
	}
	h := head{name: cfg.Name, task: t.name, output: t.output, rank: t.rank}
	if h.name == "" {
		h.name = string(t.name)
	}
	made, err := t.make(h, cfg, spec, graph)
	if err != nil {
		return nil, fmt.Errorf("head %s: %w", h.name, err)
	}
	return made, nil
}

// Fitting lists the tasks that fit a checkpoint and its graph, in the table's order.
func Fitting(spec *model.Spec, graph *model.Graph) []schemas.Task {
	var fit []schemas.Task
	for _, t := range tasks() {
		if t.check(spec, graph) == nil {
			fit = append(fit, t.name)
		}
	}
	return fit
}

// check says why a task does not fit, and what does.
func (t task) check(spec *model.Spec, graph *model.Graph) error {
	port, has := graph.Output(t.output)
	fault := ""
	switch {
	case !t.fits(spec.Class):
		fault = fmt.Sprintf("needs one of the classes %s, and this is %s", strings.Join(t.classes, ", "), spec.Class)
	case !has:
		fault = fmt.Sprintf("needs the output %s, and the graph of %s gives %s", t.output, spec.Class, join(graph.Outputs, func(p model.Port) string { return p.Name }))
	case len(port.Shape) != 0 && len(port.Shape) != t.rank:
		fault = fmt.Sprintf("needs the output %s with %d axes, and the graph of %s has it as %v", t.output, t.rank, spec.Class, port.Shape)
	default:
		return nil
	}
	var fit []string
	for _, other := range tasks() {
		if _, ok := graph.Output(other.output); ok && other.name != t.name && other.fits(spec.Class) {
			fit = append(fit, string(other.name))
		}
	}
	if len(fit) == 0 {
		return fmt.Errorf("%s; no head fits this model", fault)
	}
	return fmt.Errorf("%s; what fits this model: %s", fault, strings.Join(fit, ", "))
}

// fits says whether a class is one of the task's. TensorFlow's classes carry a prefix and compute the same.
func (t task) fits(class string) bool {
	return t.classes == nil || slices.Contains(t.classes, strings.TrimPrefix(class, "TF"))
}

func join[T any](all []T, name func(T) string) string {
	names := make([]string, len(all))
	for i, v := range all {
		names[i] = name(v)
	}
	return strings.Join(names, ", ")
}

// tensor finds the head's output and checks that it has the batch's rows.
func (h *head) tensor(out *embed.Output, batch []embed.Sample) (*embed.Tensor, error) {
	t, ok := out.Tensor(h.output)
	if !ok {
		return nil, fmt.Errorf("the session gave no output %s", h.output)
	}
	if len(t.Shape) != h.rank || t.Shape[0] != int64(len(batch)) {
		return nil, fmt.Errorf("output %s has shape %v, want %d axes and %d rows", h.output, t.Shape, h.rank, len(batch))
	}
	n := int64(1)
	for _, d := range t.Shape {
		n *= d
	}
	if t.F32 == nil || n != int64(len(t.F32)) {
		return nil, fmt.Errorf("output %s has %d float32 values for shape %v", h.output, len(t.F32), t.Shape)
	}
	return t, nil
}

// Reads are the graph's outputs that a head looks at; nil for an unknown task. A session need not give the others: each is copied for every batch.
func Reads(cfg Config) []string {
	for _, t := range tasks() {
		switch {
		case t.name != cfg.Task:
		case t.output == startOutput:
			return []string{startOutput, endOutput}
		default:
			return append([]string{t.output}, Outputs(cfg)...)
		}
	}
	return nil
}

// Outputs are the optional outputs that a head needs of the graph, for model.CompileOptions.
func Outputs(cfg Config) []string {
	if cfg.Task == schemas.TaskEmbedding && cfg.Pooling == FirstLast {
		return []string{firstLayer}
	}
	return nil
}
