package audio

import (
	"errors"

	"vecmill/embed"
	"vecmill/schemas"
)

// unknownSize is the footprint of an object of unknown size: more than any budget.
const unknownSize = 1 << 50

// What objects take. fixedBytes covers the scratch of one call: a block, the resampler's history, a frame of FLAC of eight channels twice over. vorbisBytes are for code books at their bound.
const (
	fixedBytes  = 8 << 20
	vorbisBytes = 8 << 20
	sampleBytes = 5 // of a sample: four, and what embed.Floats takes more
)

// Footprint is the blob plus sampleBytes for every sample at the model's rate that is held: all of them, or, where recordings are taken apart, a window's and those of the windows under way; plus a fixed amount. The number of
// samples comes from head where it shows it; without head it is the most that the options or size allow. Audio that the
// header shows to be too long, damaged or of a format that is not supported is refused here.
func (p *Preprocessor) Footprint(_ schemas.Ref, head []byte, size int64) (int64, error) {
	if size < 0 {
		return unknownSize, nil
	}
	h := header{frames: -1}
	if len(head) > 0 {
		var err error
		if h, err = p.peek(head, size); err != nil {
			return 0, err
		}
		if err := p.checkLength(h); err != nil {
			return 0, err
		}
	}
	fixed := int64(fixedBytes)
	if len(head) == 0 || sniff(head) == vorbisFormat {
		fixed += vorbisBytes
	}
	if p.foreign != "" && (len(head) == 0 || p.takes(sniff(head)) && !p.libraries.sndfile.reads(sniff(head))) {
		fixed += foreignBytes
	}
	samples := int64(p.capacity(h))
	switch {
	case p.opts.cuts():
		// What is decoded and not cut off yet, and the windows under way, which are copies.
		all := float64(samples) * max(p.growth(), 1)
		samples = int64(p.held(h)) + int64(min(all, float64(embed.WindowsInFlight*p.longestWindow())))
	case h.frames < 0 && h.most == 0:
		samples *= 3 // the buffer grows as it goes: the old and the new one are held while one is copied
	}
	return size + sampleBytes*samples + fixed, nil
}

// Took is a footprint of what is known in the end: a header may not tell how long a recording is, and then the longest that is allowed is reserved; and what counts for a decoder that is a process of its
// own is not here.
func (p *Preprocessor) Took(size, made int64) int64 {
	n, samples := size+fixedBytes+vorbisBytes, made/4*sampleBytes
	if p.opts.cuts() {
		return n + samples + sampleBytes*int64(p.held(header{frames: -1}))
	}
	return n + 3*samples // as in Footprint
}

// Extent bounds the windows of an object, and the frames of the model that count in all of them: see [embed.Extender].
func (p *Preprocessor) Extent(_ schemas.Ref, head []byte, size int64) (windows, frames int64) {
	h := header{frames: -1}
	if len(head) > 0 && size >= 0 {
		if seen, err := p.peek(head, size); err == nil {
			h = seen
		}
	}
	samples := min(int64(p.capacity(h)), p.limitSamples)
	windows = 1
	switch {
	case p.opts.Long == Speech: // stretches begin a quarter of a window apart at least
		windows += 4 * samples / p.windowSamples
	case p.opts.cuts():
		windows += int64(float64(samples)*max(p.growth(), 1)) / p.windowSamples
	}
	return windows, samples/int64(p.cfg.HopSamples()) + windows
}

// growth is how many samples all windows have together for each of the recording's.
func (p *Preprocessor) growth() float64 {
	if p.opts.Long == Overlap {
		return p.chunking.Growth()
	}
	return 1
}

// longestWindow is in samples: a tail may be added to it; what is not cut at all may be longer.
func (p *Preprocessor) longestWindow() int {
	n := p.windowSamples
	if p.opts.Long != Overlap {
		n = max(n, p.maxSamples)
	}
	return int(n) + p.tail + p.cfg.HopSamples()
}

// held is how many samples of a recording that is taken apart are held before they are cut off: a window, what tells that it is not the last, and a block.
func (p *Preprocessor) held(h header) int {
	if p.opts.Long == Speech {
		return p.longestWindow() + 2*int(p.windowSamples) + int(p.samples(2)) + int(p.resampled(max(h.rate, minRate), 2*blockSamples)) // and the beginning
	}
	return min(p.capacity(h), p.longestWindow()+p.tail+int(p.resampled(max(h.rate, minRate), 2*blockSamples)))
}

// peek reads the header of an object of size bytes of which only head is there.
func (p *Preprocessor) peek(head []byte, size int64) (header, error) {
	part := int64(len(head)) < size
	format := sniff(head)
	if p.libraries.sndfile.reads(format) && format != opusFormat {
		return header{frames: -1}, nil
	}
	if p.takes(format) {
		return header{frames: -1}, nil
	}
	switch format {
	case wavFormat:
		w, err := parseWAV(head, size)
		switch {
		case errors.Is(err, errMore) && part:
			return w.estimate(size), nil
		case errors.Is(err, errMore):
			err = schemas.Rejectf(schemas.ReasonDecode, "wav: no data chunk")
		}
		return w.head, err
	case flacFormat:
		return parseStreamInfo(head)
	case opusFormat, mp3Format, vorbisFormat, oggFLACFormat, matroskaFormat:
		if part {
			return peekPart(format, head, size)
		}
		d, err := p.decoders.open(head)
		if err != nil {
			return header{}, err
		}
		defer p.decoders.put(d)
		return d.header(), nil
	}
	if part && (len(head) < 64 || id3Pending(head)) {
		return header{frames: -1}, nil // too little to tell
	}
	_, err := open(head)
	return header{}, err
}

// peekPart reads the header of an object of which only the beginning is there, where what follows it would have to be walked through for its length.
func peekPart(format string, head []byte, size int64) (header, error) {
	switch format {
	case opusFormat:
		h, err := (&oggOpus{pages: oggPages{rest: head}}).first()
		return opusBound(h, size), err
	case vorbisFormat:
		r := &vorbisReader{pages: oggPages{rest: head}}
		err := r.first()
		return vorbisBound(r.header(), size), err
	case oggFLACFormat:
		_, _, h, err := oggFLACHead(&oggPages{rest: head})
		return h, err
	case matroskaFormat:
		return matroskaBound(head, size)
	}
	if id3Pending(head) {
		return header{frames: -1}, nil // FLAC may follow
	}
	return peekMP3(head, size)
}

// id3Pending says that head ends inside a tag, behind which FLAC may follow.
func id3Pending(head []byte) bool {
	return len(head) >= 3 && string(head[:3]) == "ID3" && id3Length(head)+4 > len(head)
}

// estimate bounds the length of a file whose data chunk is not in sight.
func (w wavFile) estimate(size int64) header {
	h := w.head
	h.frames = -1
	if w.frame > 0 {
		h.most = size / int64(w.frame)
	}
	return h
}

// capacity is the number of samples at the model's rate that decoding may hold.
func (p *Preprocessor) capacity(h header) int {
	rate := max(h.rate, minRate)
	// One sample over the limit tells audio of just that length from longer, and the last block may end further on.
	most := p.limitSamples + 1 + p.resampled(rate, blockSamples)
	frames := h.frames
	if frames < 0 {
		frames = h.most
	}
	if frames <= 0 && h.frames < 0 {
		return int(most)
	}
	return int(min(p.resampled(rate, frames), most))
}

// resampled is the number of samples at the model's rate for a number of frames at a file's. FLAC counts to 2^36 frames, a WAV has
// no more than bytes: the product fits.
func (p *Preprocessor) resampled(rate int, frames int64) int64 {
	out, in := int64(p.extractor.SamplingRate), int64(rate)
	return (frames*out + in - 1) / in
}

// checkLength refuses what the header shows to be over the limit.
func (p *Preprocessor) checkLength(h header) error {
	if h.frames < 0 || p.opts.Long == Truncate || p.resampled(h.rate, h.frames) <= p.limitSamples {
		return nil
	}
	return p.tooLong(float64(h.frames) / float64(h.rate))
}

// tooLong refuses audio of a number of seconds, negative if that is not known.
func (p *Preprocessor) tooLong(seconds float64) error {
	limit, setting := p.opts.seconds(), "(audio.max_seconds): set audio.long to take longer ones"
	if p.opts.cuts() {
		setting = "(audio.max_decoded_seconds)"
	}
	if seconds >= 0 {
		return schemas.Rejectf(schemas.ReasonTooLarge, "%.2f s of audio, at most %v s are taken %s", seconds, limit, setting)
	}
	return schemas.Rejectf(schemas.ReasonTooLarge, "the audio is longer than %v s %s", limit, setting)
}
