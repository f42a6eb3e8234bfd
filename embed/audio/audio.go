package audio

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"sync"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// implementation changes whenever the same bytes and options give other values: it is part of the digest.
const implementation = "audio/2 wav/1 flac/1 mp3/2 vorbis/1 opus/pion-0.1.0 ogg/1 matroska/1 resample/kaiser-120.4-0.9136-1.0/2"

// Preprocessor makes samples of audio files. It is safe for concurrent use; what it keeps between calls are filter tables and
// scratch.
//
// A sample has the inputs input_values (float32 [n], padded with 0) and lengths (int64 scalar, n); its cost is the number of
// encoder frames, its start and end are seconds from the beginning of the object.
type Preprocessor struct {
	cfg       *model.AudioConfig
	opts      Options
	extractor extractor
	digest    string
	foreign   string // path of the system's decoder, "" for none
	libraries chosen

	maxSamples    int64 // of a sample, at the model's rate
	windowSamples int64
	limitSamples  int64 // of an object at most
	tail          int   // fewest samples that are enough
	chunking      embed.Chunking
	filters       filters
	scratch       sync.Pool    // *scratch
	floats        embed.Floats // of samples
	decoders      decoders
}

// scratch is the working memory of one call.
type scratch struct {
	block []float32
	r     resampler
}

// blockSamples is how much is decoded at a time: small enough for the processor's cache, and for the context to be looked at often.
const blockSamples = 8192

// New reads preprocessor_config.json of an audio checkpoint. An error names the file or the option at fault.
func New(spec *model.Spec, opts Options) (*Preprocessor, error) {
	if spec.Audio == nil {
		return nil, fmt.Errorf("audio preprocessing for %s: not an audio checkpoint", spec.Class)
	}
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("audio preprocessing: %w", err)
	}
	x, err := readExtractor(spec.Dir)
	if err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	p := &Preprocessor{cfg: spec.Audio, opts: opts, extractor: x, filters: filters{out: x.SamplingRate}}
	p.maxSamples = p.samples(opts.MaxSeconds)
	p.windowSamples = p.samples(opts.WindowSeconds)
	p.limitSamples = p.samples(opts.seconds())
	if !p.suffices(int(p.windowSamples)) {
		return nil, fmt.Errorf("audio preprocessing: window_seconds %v: %w", opts.WindowSeconds, p.enough(int(p.windowSamples)))
	}
	p.chunking = embed.Chunking{
		Length: opts.WindowSeconds, Left: opts.StrideSeconds, Right: opts.StrideSeconds, Rate: x.SamplingRate, Ratio: p.cfg.OutputHopSamples(),
	}
	if hop := int64(p.chunking.Ratio); p.adapted() { // an adapter's frames are long: up, the window would be longer than was asked for
		p.chunking.Length = float64(p.windowSamples/hop*hop) / float64(x.SamplingRate)
	}
	if opts.Long == Overlap && p.chunking.Growth() == 0 {
		return nil, fmt.Errorf("audio preprocessing: in frames of the model, stride_seconds %v leaves nothing of window_seconds %v", opts.StrideSeconds, opts.WindowSeconds)
	}
	if least := newVoice(x.SamplingRate).least(); opts.Long == Speech && p.windowSamples < int64(least) {
		return nil, fmt.Errorf("audio preprocessing: window_seconds %v is too short for stretches of speech, which are %.2f s with their margins at least", opts.WindowSeconds, float64(least)/float64(x.SamplingRate))
	}
	p.tail = 1 + sort.Search(int(p.windowSamples), func(n int) bool { return p.suffices(n + 1) })
	p.scratch.New = func() any { return &scratch{block: make([]float32, blockSamples)} }
	version := "none"
	if opts.Decoder == FFmpeg {
		if p.foreign, version, err = findForeign(opts.Program); err != nil {
			return nil, fmt.Errorf("audio preprocessing: %w", err)
		}
	}
	if p.libraries, err = choose(opts.Libraries); err != nil {
		return nil, fmt.Errorf("audio preprocessing: %w", err)
	}
	p.digest = p.digestOf(version)
	return p, nil
}

// digestOf is the digest with a version of the system's decoder. What an option without effect would add is left out, so that digests, and the ids
// of rows with them, outlive the option's arrival.
func (p *Preprocessor) digestOf(version string) string {
	o := p.opts
	opts := struct {
		MaxSeconds                                      float64
		Long                                            Long
		WindowSeconds, StrideSeconds, MaxDecodedSeconds float64
		Decoder                                         Decoder
		Program                                         string
	}{o.MaxSeconds, o.Long, o.WindowSeconds, o.StrideSeconds, o.MaxDecodedSeconds, o.Decoder, o.Program}
	b := fmt.Appendf(nil, "%s\n%s\n%+v\n%+v\n%v %v", implementation, version, opts, p.extractor, p.cfg.ConvKernel, p.cfg.ConvStride)
	if o.XVectors {
		b = fmt.Appendf(b, "\nx-vectors %v %v", p.cfg.TDNNKernel, p.cfg.TDNNDilation)
	}
	if o.Long == Overlap && p.adapted() {
		b = fmt.Appendf(b, "\nwindows of frames of %d", p.chunking.Ratio)
	}
	if s := p.libraries.String(); s != "" { // what was loaded counts, not what was asked for
		b = fmt.Appendf(b, "\n%s", s)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// adapted says whether the model's frames are an adapter's, further apart than the encoder's.
func (p *Preprocessor) adapted() bool { return p.cfg.OutputHopSamples() != p.cfg.HopSamples() }

// Recycle implements embed.Recycler.
func (p *Preprocessor) Recycle(s *embed.Sample) { p.floats.PutInputs(s) }

// samples is a time in samples of the model's rate, to the nearest.
func (p *Preprocessor) samples(seconds float64) int64 {
	return int64(math.Round(seconds * float64(p.extractor.SamplingRate)))
}

// Masks says whether the reference's extractor gives an attention mask with a clip: return_attention_mask of preprocessor_config.json.
func (p *Preprocessor) Masks() bool { return p.extractor.ReturnAttentionMask }

// StepSeconds is how much of a recording one step of the model is made of, in seconds, from one encoder frame to the next.
func (p *Preprocessor) StepSeconds() float64 {
	return float64(p.cfg.HopSamples()) / float64(p.extractor.SamplingRate)
}

// SampleRate is the model's rate, in samples a second.
func (p *Preprocessor) SampleRate() int { return p.extractor.SamplingRate }

// Digest is a SHA-256 over every option, the extractor's configuration and the version of this implementation, hex.
func (p *Preprocessor) Digest() string { return p.digest }

// Preprocess decodes blob and makes one sample of it, or one per window. Rejections: too-short for no bytes and for audio without
// one frame, too-large for audio over the limits, decode for everything that is wrong with the data.
func (p *Preprocessor) Preprocess(ctx context.Context, ref schemas.Ref, blob []byte) (all []embed.Sample, err error) {
	err = p.Stream(ctx, ref, blob, func(s embed.Sample) error {
		all = append(all, s)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// suffices says whether what is made of the samples can be made of n.
func (p *Preprocessor) suffices(n int) bool { return p.enough(n) == nil }

// enough refuses n samples that do not make a frame: of the encoder, or of the convolutions behind it, the adapter's and those of x-vectors, whose
// kernels may be longer than the frames.
func (p *Preprocessor) enough(n int) error {
	switch rate := p.extractor.SamplingRate; {
	case p.cfg.Frames(n) == 0:
		return schemas.Rejectf(schemas.ReasonTooShort, "%d samples at %d Hz are less than one frame of the model", n, rate)
	case p.cfg.OutputFrames(n) == 0:
		return schemas.Rejectf(schemas.ReasonTooShort, "%d samples at %d Hz are %d frames, too few for the model's adapter", n, rate, p.cfg.Frames(n))
	case p.opts.XVectors && p.cfg.XVectorFrames(n) == 0:
		return schemas.Rejectf(schemas.ReasonTooShort, "%d samples at %d Hz are %d frames, too few for an x-vector: the model's TDNN layers take more than %d",
			n, rate, p.cfg.Frames(n), p.cfg.TDNNLoss())
	}
	return nil
}

// read decodes blob, within the limits.
func (p *Preprocessor) read(ctx context.Context, blob []byte) (x []float32, truncated bool, err error) {
	d, done, err := p.open(ctx, blob)
	if err != nil {
		return nil, false, err
	}
	defer done()
	room := p.capacity(d.header())
	if d.header().frames < 0 {
		room = min(room, 1<<18) // a guess that costs little; append grows it
	}
	x = p.floats.Get(room)[:0]
	err = p.pump(ctx, d, func(b block) error {
		if x = b.onto(x); int64(len(x)) <= p.limitSamples {
			return nil
		}
		if p.opts.Long != Truncate {
			return p.tooLong(-1)
		}
		x, truncated = x[:p.limitSamples], true
		return errEnough
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, false, err
	}
	return x, truncated, nil
}

// errEnough ends a pump: the rest is not wanted.
var errEnough = errors.New("enough")

// open begins to decode blob by what its format and the options ask for, within the limits; done is to be called in the end.
func (p *Preprocessor) open(ctx context.Context, blob []byte) (d decoder, done func(), err error) {
	if len(blob) == 0 {
		return nil, nil, schemas.Rejectf(schemas.ReasonTooShort, "no bytes")
	}
	switch f := sniff(blob); {
	case p.libraries.sndfile.reads(f):
		r, err := p.libraries.sndfile.openObject(f, blob)
		if err != nil {
			return nil, nil, err
		}
		d, done = r, r.close
	case p.takes(f):
		// A second more than is held tells longer audio from audio of just that length.
		r, err := openForeign(ctx, p.foreign, f, blob, p.opts.seconds()+1)
		if err != nil {
			return nil, nil, err
		}
		d, done = r, r.close
	default:
		if d, err = p.decoders.open(blob); err != nil {
			return nil, nil, err
		}
		done = func() { p.decoders.put(d) }
	}
	if err := p.checkLength(d.header()); err != nil {
		done()
		return nil, nil, err
	}
	return d, done, nil
}

// takes says whether the system's decoder is there for a format.
func (p *Preprocessor) takes(format string) bool { return p.foreign != "" && demuxer(format) != "" }

// block is a part of what was decoded, on its way to the model's rate.
type block struct {
	change changer
	x      []float32
	last   bool // nothing follows: x is empty
}

// onto appends what the block has become, once for each.
func (b block) onto(out []float32) []float32 {
	if b.last {
		return b.change.finish(out)
	}
	return b.change.push(out, b.x)
}

// pump reads d to its end and gives take each block.
func (p *Preprocessor) pump(ctx context.Context, d decoder, take func(block) error) error {
	s := p.scratch.Get().(*scratch)
	defer p.scratch.Put(s)
	change, stop, err := p.changer(ctx, s, d.header().rate)
	if err != nil {
		return err
	}
	defer stop()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := d.read(s.block)
		if errors.Is(err, io.EOF) {
			return take(block{change: change, last: true})
		}
		if err != nil {
			return err
		}
		if err := take(block{change: change, x: s.block[:n]}); err != nil {
			return err
		}
	}
}

// changer is what takes a stream from one rate to another.
type changer interface {
	push(out, x []float32) []float32
	finish(out []float32) []float32
}

// same changes nothing.
type same struct{}

func (same) push(out, x []float32) []float32 { return append(out, x...) }
func (same) finish(out []float32) []float32  { return out }

// changer finds what changes a rate to the model's; stop is to be called in the end.
func (p *Preprocessor) changer(ctx context.Context, s *scratch, rate int) (c changer, stop func(), err error) {
	switch {
	case rate == p.extractor.SamplingRate:
		return same{}, func() {}, nil
	case p.libraries.soxr != nil:
		r, err := p.libraries.soxr.start(rate, p.extractor.SamplingRate)
		if err != nil {
			return nil, nil, err
		}
		return r, r.stop, nil
	}
	f, err := p.filters.get(ctx, rate)
	if err != nil {
		return nil, nil, err
	}
	s.r.reset(f)
	return &s.r, func() {}, nil
}

// sample normalises x in place and wraps it.
func (p *Preprocessor) sample(x []float32, number, at int, truncated bool) embed.Sample {
	if p.extractor.DoNormalize {
		normalise(x)
	}
	rate := float64(p.extractor.SamplingRate)
	return embed.Sample{
		Cost: p.cfg.Frames(len(x)),
		Inputs: []embed.Input{
			{Name: "input_values", Shape: []int{len(x)}, F32: x},
			{Name: "lengths", I64: []int64{int64(len(x))}},
		},
		Window:    number,
		Start:     float64(at) / rate,
		End:       float64(at+len(x)) / rate,
		Truncated: truncated,
	}
}
