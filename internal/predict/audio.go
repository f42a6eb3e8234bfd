package predict

import (
	"context"
	"encoding/json"
	"slices"

	"vecmill/embed"
	"vecmill/embed/audio"
	"vecmill/embed/heads"
	"vecmill/internal/predict/tasks"
	"vecmill/model"
	"vecmill/schemas"
)

// longest is the longest audio that is predicted, in seconds.
const longest = 6 * 3600

// audioRun makes the model's inputs of samples, padded to the longest.
func audioRun(samples ...embed.Sample) []embed.Tensor {
	longest := 0
	for _, s := range samples {
		longest = max(longest, len(s.Inputs[0].F32))
	}
	shape := []int64{int64(len(samples)), int64(longest)}
	x, mask := make([]float32, len(samples)*longest), make([]int64, len(samples)*longest)
	for i, s := range samples {
		n := copy(x[i*longest:], s.Inputs[0].F32)
		for k := range n {
			mask[i*longest+k] = 1
		}
	}
	return []embed.Tensor{{Name: "input_values", Shape: shape, F32: x}, {Name: "attention_mask", Shape: shape, I64: mask}}
}

// whole prepares all of an audio file as one run.
func whole(ctx context.Context, pre *audio.Preprocessor, in *Input) (*prepared, error) {
	blob, err := in.blob()
	if err != nil {
		return nil, err
	}
	all, err := pre.Preprocess(ctx, schemas.Ref{}, blob)
	if err != nil {
		return nil, err
	}
	return &prepared{runs: [][]embed.Tensor{audioRun(all...)}}, nil
}

// speech is automatic-speech-recognition.
type speech struct {
	pre        *audio.Preprocessor
	tok        *heads.CTCTokenizer
	ratio      int
	timestamps string
	chunking   *embed.Chunking // nil: all at once
	batch      int             // chunks in a padded batch
	beams      *beams          // nil: greedy
}

func newSpeech(spec *model.Spec, o Options) (worker, error) {
	s := &speech{ratio: spec.Audio.HopSamples(), batch: 1} // an adapter's stride is not counted, as in the reference
	var timestamps any
	var chunk float64
	var stride, kwargs json.RawMessage
	var decoder string
	var err error
	if s.pre, o, err = newAudio(spec, o); err != nil {
		return nil, err
	}
	if err := o.read("automatic-speech-recognition", map[string]any{
		"return_timestamps": &timestamps, "chunk_length_s": &chunk, "stride_length_s": &stride, "batch_size": &s.batch,
		"decoder": &decoder, "decoder_kwargs": &kwargs,
	}); err != nil {
		return nil, err
	}
	switch v := timestamps.(type) {
	case nil:
	case string:
		s.timestamps = v
	case bool:
		if v {
			return nil, faultf("option return_timestamps: CTC models take \"char\" or \"word\", not true")
		}
	default:
		return nil, faultf("option return_timestamps: it must be \"char\", \"word\" or false")
	}
	if s.timestamps != "" && s.timestamps != "char" && s.timestamps != "word" {
		return nil, faultf("option return_timestamps: %q is not \"char\" or \"word\"", s.timestamps)
	}
	if chunk < 0 {
		return nil, faultf("option chunk_length_s: %v is negative", chunk)
	}
	if s.batch < 1 {
		return nil, faultf("option batch_size: %d is not at least 1", s.batch)
	}
	if chunk > 0 {
		s.chunking = &embed.Chunking{Length: chunk, Left: chunk / 6, Right: chunk / 6, Rate: s.pre.SampleRate(), Ratio: s.ratio}
		if err := s.strides(stride); err != nil {
			return nil, err
		}
		if _, err := s.chunking.Chunks(0); err != nil {
			return nil, err
		}
	}
	if s.beams, err = newBeams(spec.Dir, spec.Audio.VocabSize, decoder, kwargs); err != nil {
		return nil, err
	}
	if s.beams != nil {
		if s.timestamps == "char" {
			return nil, faultf("option return_timestamps: with a beam decoder there are times of words only, set it to \"word\"")
		}
		return s, nil
	}
	if s.tok, err = heads.LoadCTCTokenizer(spec.Dir, spec.Audio.VocabSize); err != nil {
		return nil, err
	}
	if s.tok.Phones() && s.timestamps == "word" { // so does the reference
		return nil, faultf("option return_timestamps: the tokenizer is of phones and knows no words, set it to \"char\"")
	}
	return s, nil
}

// strides reads stride_length_s: a number for both sides, or two.
func (s *speech) strides(raw json.RawMessage) error {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	c := s.chunking
	var both float64
	if json.Unmarshal(raw, &both) == nil {
		c.Left, c.Right = both, both
		return nil
	}
	var two []float64
	if err := json.Unmarshal(raw, &two); err != nil || len(two) != 2 {
		return faultf("option stride_length_s: %s is neither a number nor two", raw)
	}
	c.Left, c.Right = two[0], two[1]
	return nil
}

// heard are the frames of a recording that count: greedy, the best token of each; with beams, the logits.
type heard struct {
	chunks     []embed.Chunk // whose outputs are still to come; none if the recording is not cut
	ids        []int
	logits     []float32
	vocabulary int
}

func (s *speech) prepare(ctx context.Context, in *Input) (*prepared, error) {
	if s.chunking == nil {
		return whole(ctx, s.pre, in)
	}
	blob, err := in.blob()
	if err != nil {
		return nil, err
	}
	h := &heard{}
	p := &prepared{tag: h, padded: s.batch > 1, took: func(out []embed.Tensor) error { return s.hear(h, out) }}
	p.stream = func(ctx context.Context, take takeFunc) error {
		var batch []embed.Sample
		run := func() error {
			err := take(audioRun(batch...))
			for i := range batch {
				s.pre.Recycle(&batch[i]) // the run has a copy
			}
			batch = batch[:0]
			return err
		}
		err := s.pre.Chunks(ctx, blob, *s.chunking, func(sample embed.Sample) error {
			h.chunks = append(h.chunks, sample.Tag.(embed.Chunk))
			if batch = append(batch, sample); len(batch) < s.batch {
				return nil
			}
			return run()
		})
		if err == nil && len(batch) > 0 {
			err = run()
		}
		return err
	}
	return p, nil
}

// hear takes what counts of a run's outputs.
func (s *speech) hear(h *heard, out []embed.Tensor) error {
	logits, err := output(out, "logits")
	if err != nil {
		return err
	}
	h.vocabulary = width(logits)
	for part := range slices.Chunk(logits.F32, len(logits.F32)/int(logits.Shape[0])) {
		if len(h.chunks) > 0 {
			from, to := h.chunks[0].Keep(s.ratio, len(part)/h.vocabulary)
			part, h.chunks = part[from*h.vocabulary:to*h.vocabulary], h.chunks[1:]
		}
		if s.beams == nil {
			h.ids = append(h.ids, tasks.Best(part, h.vocabulary)...)
		} else {
			h.logits = append(h.logits, part...)
		}
	}
	return nil
}

func (s *speech) finish(p *prepared, out [][]embed.Tensor) (result, error) {
	h, cut := p.tag.(*heard)
	if !cut {
		h = &heard{}
		for _, o := range out {
			if err := s.hear(h, o); err != nil {
				return nil, err
			}
		}
	}
	if s.beams == nil {
		return tasks.Transcribe(h.ids, s.tok, s.timestamps, s.pre.SampleRate(), s.ratio)
	}
	if h.vocabulary != s.beams.decoder.Columns() {
		return nil, faultf("the model gives %d logits a frame, the beam decoder's alphabet has %d labels", h.vocabulary, s.beams.decoder.Columns())
	}
	return s.beams.transcript(context.Background(), h.logits, s.timestamps, s.pre.SampleRate(), s.ratio)
}

// audioLabels is audio-classification.
type audioLabels struct {
	labelling
	pre *audio.Preprocessor
}

func newAudioLabels(spec *model.Spec, o Options) (worker, error) {
	a := &audioLabels{labelling: labelling{names: spec.Labels, function: tasks.Softmax, most: -1}}
	var err error
	if a.pre, o, err = newAudio(spec, o); err != nil {
		return nil, err
	}
	return a, a.read("audio-classification", o, nil)
}

func (a *audioLabels) prepare(ctx context.Context, in *Input) (*prepared, error) {
	return whole(ctx, a.pre, in)
}
