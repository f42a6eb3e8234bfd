package predict

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"vecmill/embed/beam"
	"vecmill/embed/heads"
	"vecmill/internal/predict/tasks"
)

// beams is how speech is decoded with beams and a language model: the options of the reference's decoder_kwargs, those that its processor takes
// beside them, and files other than the checkpoint's.
type beams struct {
	decoder *beam.Decoder
	options beam.Options
}

// newBeams opens the beam decoder if the checkpoint's processor has one, as the reference's pipeline does, or if decoder says so; nil means greedy.
func newBeams(dir string, columns int, decoder string, kwargs json.RawMessage) (*beams, error) {
	switch decoder {
	case "", "greedy", "beam":
	default:
		return nil, faultf("option decoder: %q is not \"greedy\" or \"beam\"", decoder)
	}
	if decoder == "" {
		with, err := heads.NamesLanguageModel(dir)
		if err != nil {
			return nil, err
		}
		if with {
			decoder = "beam"
		}
	}
	given := len(kwargs) > 0 && string(kwargs) != "null" && string(kwargs) != "{}"
	if decoder != "beam" {
		if given {
			return nil, faultf("option decoder_kwargs: the checkpoint's processor has no beam decoder; say decoder=beam")
		}
		return nil, nil
	}
	o := heads.NewBeamDecoding()
	if given {
		if err := readDecoding(kwargs, &o); err != nil {
			return nil, err
		}
	}
	d, err := o.OpenDecoder(dir, columns)
	if errors.Is(err, heads.ErrNoLanguageModel) {
		return nil, faultf("option decoder_kwargs: %w", err)
	}
	if err != nil {
		return nil, err
	}
	return &beams{d, o.Options}, nil
}

// readDecoding reads decoder_kwargs.
func readDecoding(kwargs json.RawMessage, o *heads.Decoding) error {
	places := map[string]any{
		"beam_width": &o.Options.Width, "beam_prune_logp": &o.Options.PruneLogP, "token_min_logp": &o.Options.TokenMinLogP,
		"prune_history": &o.Options.PruneHistory, "hotwords": &o.Options.HotWords, "hotword_weight": &o.Options.HotWordWeight,
		"alpha": &o.Alpha, "beta": &o.Beta, "unk_score_offset": &o.UnknownOffset, "lm_score_boundary": &o.ScoreBoundary,
		"language_model": &o.LanguageModel, "unigrams": &o.Unigrams,
	}
	var given map[string]json.RawMessage
	if err := decode(kwargs, &given); err != nil {
		return faultf("option decoder_kwargs: %w", err)
	}
	for _, name := range sorted(given) {
		place, ok := places[name]
		if !ok {
			return faultf("option decoder_kwargs: there is no %q; there are %s", name, strings.Join(sorted(places), ", "))
		}
		if err := decode(given[name], place); err != nil {
			return faultf("option decoder_kwargs: %s: %w", name, err)
		}
	}
	return nil
}

// transcript decodes the logits of all frames that count.
func (b *beams) transcript(ctx context.Context, logits []float32, timestamps string, rate, ratio int) (tasks.Transcript, error) {
	found, err := b.decoder.Decode(ctx, logits, b.options)
	if err != nil {
		return tasks.Transcript{}, err
	}
	t := tasks.Transcript{Text: found[0].Text}
	if timestamps == "" {
		return t, nil
	}
	t.Chunks = []tasks.TimedChunk{}
	for _, w := range found[0].Words {
		at := func(frame int) float64 { return float64(frame*ratio) / float64(rate) }
		t.Chunks = append(t.Chunks, tasks.TimedChunk{Text: w.Text, Timestamp: [2]float64{at(w.Start), at(w.End)}})
	}
	return t, nil
}
