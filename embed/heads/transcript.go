package heads

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// transcript decodes logits [B, T, V] greedily: best token per frame of the item's own, CTC collapse.
type transcript struct {
	head
	steps     steps
	tokenizer *CTCTokenizer
	hop       int // samples per frame
	rate      int // samples per second
}

func newTranscript(h head, _ Config, spec *model.Spec, _ *model.Graph) (embed.Head, error) {
	if spec.Audio == nil {
		return nil, errors.New("the checkpoint has no audio configuration")
	}
	tok, err := LoadCTCTokenizer(spec.Dir)
	if err != nil {
		return nil, err
	}
	rate, err := samplingRate(spec.Dir)
	if err != nil {
		return nil, err
	}
	// As in the reference, an adapter's stride is not counted (inputs_to_logits_ratio is the product of conv_stride).
	return &transcript{head: h, steps: stepsOf(spec), tokenizer: tok, hop: spec.Audio.HopSamples(), rate: rate}, nil
}

// samplingRate reads preprocessor_config.json; the class default is 16 kHz.
func samplingRate(dir string) (int, error) {
	const file = "preprocessor_config.json"
	cfg := struct {
		SamplingRate int `json:"sampling_rate"`
	}{16000}
	data, err := os.ReadFile(filepath.Join(dir, file))
	if errors.Is(err, fs.ErrNotExist) {
		return cfg.SamplingRate, nil
	}
	if err != nil {
		return 0, err
	}
	if err := json.Unmarshal(data, &cfg); err != nil {
		return 0, fmt.Errorf("reading %s: %w", file, err)
	}
	if cfg.SamplingRate < 1 {
		return 0, fmt.Errorf("reading %s: sampling_rate is %d", file, cfg.SamplingRate)
	}
	return cfg.SamplingRate, nil
}

// Apply gives each sample its Text, its Words with seconds from the start of the object, and its Score: the mean
// probability of the frames that emit a token, 0 if none does.
func (c *transcript) Apply(out *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	t, err := c.tensor(out, batch)
	if err != nil {
		return nil, err
	}
	padded, vocab := int(t.Shape[1]), int(t.Shape[2])
	payloads := make([]schemas.Payload, len(batch))
	for i := range batch {
		n, err := c.steps(&batch[i], padded)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
		frames := t.F32[i*padded*vocab : (i*padded+n)*vocab]
		if payloads[i], err = c.decode(frames, vocab, batch[i].Start); err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return payloads, nil
}

func (c *transcript) decode(frames []float32, vocab int, start float64) (schemas.Payload, error) {
	n := len(frames) / vocab
	ids, probs := make([]int, n), make([]float64, n)
	for f := range n {
		id, p, err := best(frames[f*vocab : (f+1)*vocab])
		if err != nil {
			return schemas.Payload{}, err
		}
		ids[f], probs[f] = id, p
	}
	d := c.tokenizer.Decode(ids, DecodeOptions{})
	payload := schemas.Payload{Text: d.Text, Score: c.score(ids, probs)}
	for _, w := range d.Words {
		payload.Words = append(payload.Words, schemas.Word{
			Word: w.Text, Start: start + c.seconds(w.Start), End: start + c.seconds(w.End),
			Score: c.score(ids[w.Start:w.End], probs[w.Start:w.End]),
		})
	}
	return payload, nil
}

// seconds is the time of a frame.
func (c *transcript) seconds(frame int) float64 { return seconds(frame, c.hop, c.rate) }

// score is the mean probability of the frames that are not blank.
func (c *transcript) score(ids []int, probs []float64) float32 {
	sum, n := 0.0, 0
	for f, id := range ids {
		if !c.tokenizer.Blank(id) {
			sum += probs[f]
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return float32(sum / float64(n))
}
