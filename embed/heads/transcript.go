package heads

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"vecmill/embed"
	"vecmill/embed/beam"
	"vecmill/model"
	"vecmill/model/config"
	"vecmill/schemas"
)

// transcript decodes logits [B, T, V] of the item's own frames: greedily (best token per frame, CTC collapse) or with beams.
type transcript struct {
	head
	steps     steps
	tokenizer *CTCTokenizer // greedy
	decoder   *beam.Decoder // nil: greedy
	options   beam.Options
	hop       int // samples per frame
	rate      int // samples per second
}

// joinedTranscript is a transcript of whole objects whose windows overlap.
type joinedTranscript struct{ transcript }

func newTranscript(h head, cfg Config, spec *model.Spec, graph *model.Graph) (embed.Head, error) {
	if spec.Audio == nil {
		return nil, errors.New("the checkpoint has no audio configuration")
	}
	rate, _, err := samplingRate(spec.Dir)
	if err != nil {
		return nil, err
	}
	t := transcript{head: h, steps: stepsOf(spec), hop: spec.Audio.OutputHopSamples(), rate: rate, options: cfg.Decoding.Options}
	if cfg.Decoding.Beam {
		if t.decoder, err = cfg.Decoding.OpenDecoder(spec.Dir, spec.Audio.VocabSize); err != nil {
			return nil, err
		}
		port, _ := graph.Output(h.output)
		if n := int64(t.decoder.Columns()); len(port.Shape) == h.rank && port.Shape[2] >= 0 && port.Shape[2] != n {
			return nil, fmt.Errorf("the graph gives %d logits a frame, the beam decoder's alphabet has %d labels", port.Shape[2], n)
		}
	} else if t.tokenizer, err = LoadCTCTokenizer(spec.Dir, spec.Audio.VocabSize); err != nil {
		return nil, err
	}
	if cfg.Joined {
		return &joinedTranscript{t}, nil
	}
	return &t, nil
}

// defaultRate is the class's own.
const defaultRate = 16000

// samplingRate is that of the checkpoint's feature extractor, and where the file that says so is processor_config.json alone, it is nested.
func samplingRate(dir string) (rate int, nested bool, err error) {
	cfg := struct {
		SamplingRate int `json:"sampling_rate"`
	}{defaultRate}
	p, err := config.ReadProcessor(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && p.Extractor == nil {
		return defaultRate, p.Nested, nil
	}
	if err != nil {
		return 0, false, err
	}
	if err := json.Unmarshal(p.Extractor, &cfg); err != nil {
		return 0, false, fmt.Errorf("reading %s: %w", p.Path, err)
	}
	if cfg.SamplingRate < 1 {
		return 0, false, fmt.Errorf("reading %s: sampling_rate is %d", p.Path, cfg.SamplingRate)
	}
	return cfg.SamplingRate, p.Nested, nil
}

// Apply gives each sample its Text, its Words and Chars with seconds from the start of the object, and its Score. A word's score is the mean
// probability of the frames that emit one of its tokens: its best way through its frames. That of the whole is the mean
// over all frames that emit a token, with beams those of words; 0 if none does.
func (c *transcript) Apply(out *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	parts, err := c.parts(out, batch)
	if err != nil {
		return nil, err
	}
	payloads := make([]schemas.Payload, len(parts))
	for i := range parts {
		if payloads[i], err = c.decode(parts[i], batch[i].Start); err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return payloads, nil
}

// Apply is Join of each sample alone.
func (c *joinedTranscript) Apply(out *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	return embed.ApplyJoined(c, out, batch)
}

// Parts keeps of each sample the frames that count.
func (c *joinedTranscript) Parts(out *embed.Output, batch []embed.Sample) ([]any, error) {
	parts, err := c.parts(out, batch)
	if err != nil {
		return nil, err
	}
	all := make([]any, len(parts))
	for i := range parts {
		all[i] = parts[i]
	}
	return all, nil
}

// wordBytes is the memory of a word or a character beside its text, offsetBytes of what it is made of.
const (
	wordBytes   = 40
	offsetBytes = 32
)

// Keeps counts a character for each frame, and a word for every second one, or each, which is a phone, with the text, and the text once more where it is changed in the end. Characters share the vocabulary's memory.
func (c *transcript) Keeps() (row, step int64) {
	if c.decoder != nil {
		return 0, wordBytes
	}
	words := int64(wordBytes / 2)
	if c.tokenizer.phones {
		words = wordBytes
	}
	return 0, wordBytes + words + 2*c.tokenizer.longest()
}

// Keeps counts, besides, a frame's logits, in the parts and while Join puts them together; or its best token and probability, twice as well, its token's name, and what the words and characters are made of.
func (c *joinedTranscript) Keeps() (row, step int64) {
	_, step = c.transcript.Keeps()
	if c.decoder != nil {
		return 0, step + 3*4*int64(c.decoder.Columns())
	}
	return 0, step + 2*(8+4) + 16 + offsetBytes + offsetBytes/2
}

// Join decodes all frames of an object as one sequence. Time begins with the first part, as in the reference.
func (c *joinedTranscript) Join(parts []any) (schemas.Payload, error) {
	pieces := make([]heard, len(parts))
	var ids, logits int
	for i, p := range parts {
		part, ok := p.(heard)
		if !ok {
			return schemas.Payload{}, fmt.Errorf("a part of a transcript is a %T", p)
		}
		pieces[i] = part
		ids, logits = ids+len(part.ids), logits+len(part.logits)
	}
	all := heard{ids: make([]int, 0, ids), probs: make([]float32, 0, ids), logits: make([]float32, 0, logits)} // at once: growing would take twice as much
	for _, part := range pieces {
		all.ids, all.probs, all.logits = append(all.ids, part.ids...), append(all.probs, part.probs...), append(all.logits, part.logits...)
	}
	return c.decode(all, 0)
}

// heard are the frames of a sample that count: greedy, the best token of each and its probability; with beams, the logits.
type heard struct {
	ids    []int
	probs  []float32
	logits []float32
}

func (c *transcript) parts(out *embed.Output, batch []embed.Sample) ([]heard, error) {
	t, err := c.tensor(out, batch)
	if err != nil {
		return nil, err
	}
	padded, vocab := int(t.Shape[1]), int(t.Shape[2])
	if c.decoder != nil && vocab != c.decoder.Columns() {
		return nil, fmt.Errorf("output %s has %d logits a frame, the beam decoder's alphabet %d labels", c.output, vocab, c.decoder.Columns())
	}
	parts := make([]heard, len(batch))
	for i := range batch {
		from, to, err := c.steps.counting(&batch[i], padded, c.hop)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
		frames := t.F32[(i*padded+from)*vocab : (i*padded+to)*vocab]
		if c.decoder != nil {
			if !finiteLogits(frames) {
				return nil, fmt.Errorf("item %d: %w", i, ErrNotFinite)
			}
			parts[i].logits = slices.Clone(frames)
		} else if parts[i].ids, parts[i].probs, err = bests(frames, vocab); err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return parts, nil
}

// bests gives the best token of each frame and its probability.
func bests(frames []float32, vocab int) (ids []int, probs []float32, err error) {
	n := len(frames) / vocab
	ids, probs = make([]int, n), make([]float32, n)
	for f := range n {
		id, p, err := best(frames[f*vocab : (f+1)*vocab])
		if err != nil {
			return nil, nil, err
		}
		ids[f], probs[f] = id, float32(p)
	}
	return ids, probs, nil
}

func (c *transcript) decode(h heard, start float64) (schemas.Payload, error) {
	if c.decoder != nil {
		return c.search(h.logits, start)
	}
	d := c.tokenizer.Decode(h.ids, DecodeOptions{})
	p := schemas.Payload{Text: d.Text, Score: c.score(h.ids, h.probs), Words: slices.Grow([]schemas.Word(nil), len(d.Words)), Chars: slices.Grow([]schemas.Word(nil), len(d.Chars))}
	for _, w := range d.Words {
		p.Words = append(p.Words, c.word(w, start, c.score(h.ids[w.Start:w.End], h.probs[w.Start:w.End])))
	}
	for _, w := range d.Chars {
		p.Chars = append(p.Chars, c.word(w, start, c.score(h.ids[w.Start:w.End], h.probs[w.Start:w.End])))
	}
	return p, nil
}

// search decodes with beams, whose paths know the times of words only.
func (c *transcript) search(logits []float32, start float64) (schemas.Payload, error) {
	found, err := c.decoder.Decode(context.Background(), logits, c.options) // bounded by the item's length
	if err != nil {
		return schemas.Payload{}, err
	}
	p := schemas.Payload{Text: found[0].Text}
	sum, frames := 0.0, 0
	for _, w := range found[0].Words {
		mean, n := c.decoder.Confidence(logits, w)
		sum, frames = sum+mean*float64(n), frames+n
		p.Words = append(p.Words, c.word(Offset{w.Text, w.Start, w.End}, start, float32(mean)))
	}
	if frames > 0 {
		p.Score = float32(sum / float64(frames))
	}
	return p, nil
}

// word is a word or a character with its times.
func (c *transcript) word(o Offset, start float64, score float32) schemas.Word {
	return schemas.Word{Word: o.Text, Start: start + seconds(o.Start, c.hop, c.rate), End: start + seconds(o.End, c.hop, c.rate), Score: score}
}

// score is the mean probability of the frames that are not blank.
func (c *transcript) score(ids []int, probs []float32) float32 {
	sum, n := 0.0, 0
	for f, id := range ids {
		if !c.tokenizer.Blank(id) {
			sum += float64(probs[f])
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return float32(sum / float64(n))
}

func finiteLogits(v []float32) bool {
	return !slices.ContainsFunc(v, func(x float32) bool { return x-x != 0 })
}
