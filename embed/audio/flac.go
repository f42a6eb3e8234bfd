package audio

import (
	"bytes"
	"errors"
	"io"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/frame"

	"vecmill/schemas"
)

// flacReader reads a FLAC stream frame by frame. The library verifies each frame's checksums; the count of samples is
// verified here against STREAMINFO, because a cut between two frames leaves every checksum right.
type flacReader struct {
	stream  *flac.Stream
	head    header
	bits    int
	current *frame.Frame
	at      int   // samples of current that have been read
	decoded int64 // samples of all frames so far
}

// openFLAC parses the stream's header. Frames are allocated as they are read, at most 65,535 samples a channel at a time.
func openFLAC(blob []byte) (*flacReader, error) {
	h, bits, err := parseStreamInfo(blob)
	if err != nil {
		return nil, err
	}
	r := &flacReader{head: h, bits: bits}
	err = guarded(func() (err error) {
		r.stream, err = flac.New(bytes.NewReader(blob[id3Size(blob):]))
		return err
	})
	if err != nil {
		return nil, flacFault(err)
	}
	return r, nil
}

// streamInfoEnd is where the part of STREAMINFO that is read here ends: signature, block header, 18 bytes.
const streamInfoEnd = 4 + 4 + 18

// parseStreamInfo reads rate, channels, bits per sample and length from the first bytes of a file.
func parseStreamInfo(b []byte) (h header, bits int, err error) {
	b = b[id3Size(b):]
	if len(b) < streamInfoEnd || b[4]&0x7f != 0 {
		return header{}, 0, schemas.Rejectf(schemas.ReasonDecode, "flac: no STREAMINFO block")
	}
	b = b[8:]
	h.rate = int(b[10])<<12 | int(b[11])<<4 | int(b[12])>>4
	h.channels = int(b[12]>>1&7) + 1
	bits = (int(b[12]&1)<<4 | int(b[13])>>4) + 1
	h.frames = int64(b[13]&0x0f)<<32 | int64(b[14])<<24 | int64(b[15])<<16 | int64(b[16])<<8 | int64(b[17])
	if h.frames == 0 {
		h.frames = -1 // FLAC's way to say unknown
	}
	if bits < 4 || bits > 24 {
		return header{}, 0, schemas.Rejectf(schemas.ReasonDecode, "flac: %d bits a sample are not supported in this build", bits)
	}
	return h, bits, h.check("flac")
}

func (r *flacReader) header() header { return r.head }

func (r *flacReader) read(dst []float32) (int, error) {
	for r.current == nil || r.at == int(r.current.BlockSize) {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := min(len(dst), int(r.current.BlockSize)-r.at)
	mixFrame(dst[:n], r.current.Subframes, r.at, r.bits)
	r.at += n
	return n, nil
}

// next decodes the next frame, or returns io.EOF at the end of a complete stream. What follows the declared number of samples
// (tags, as a rule) is not looked at.
func (r *flacReader) next() error {
	if r.decoded == r.head.frames {
		return io.EOF
	}
	var f *frame.Frame
	began := false
	err := guarded(func() (err error) {
		if f, err = r.stream.Next(); err != nil {
			return err
		}
		began = true
		if f.BitsPerSample == 0 { // the frame leaves it to STREAMINFO, which the library would take for zero bits
			f.BitsPerSample = uint8(r.bits)
		}
		return f.Parse()
	})
	switch {
	case errors.Is(err, io.EOF) && !began:
		if r.head.frames >= 0 {
			return schemas.Rejectf(schemas.ReasonDecode, "flac: truncated: %d samples declared, %d present", r.head.frames, r.decoded)
		}
		return io.EOF
	case err != nil:
		return flacFault(err)
	case len(f.Subframes) != r.head.channels || int(f.BitsPerSample) != r.bits || f.BlockSize == 0:
		return schemas.Rejectf(schemas.ReasonDecode, "flac: a frame disagrees with STREAMINFO")
	case f.SampleRate != 0 && int(f.SampleRate) != r.head.rate:
		return schemas.Rejectf(schemas.ReasonDecode, "flac: the sample rate changes inside the stream")
	}
	for _, s := range f.Subframes {
		if len(s.Samples) != int(f.BlockSize) {
			return schemas.Rejectf(schemas.ReasonDecode, "flac: a subframe of %d samples in a block of %d", len(s.Samples), f.BlockSize)
		}
	}
	r.current, r.at = f, 0
	r.decoded += int64(f.BlockSize)
	if r.head.frames >= 0 && r.decoded > r.head.frames {
		return schemas.Rejectf(schemas.ReasonDecode, "flac: more samples than the %d declared", r.head.frames)
	}
	return nil
}

// mixFrame writes the mean of the channels, scaled to [-1, 1), from sample at on.
func mixFrame(dst []float32, channels []*frame.Subframe, at, bits int) {
	scale := 1 / float32(int64(1)<<(bits-1)) // a power of two: exact
	first := channels[0].Samples[at : at+len(dst)]
	if len(channels) == 1 {
		for i := range dst {
			dst[i] = float32(first[i]) * scale
		}
		return
	}
	for i := range dst {
		dst[i] = float32(first[i]) * scale
	}
	for _, c := range channels[1:] {
		for i, v := range c.Samples[at : at+len(dst)] {
			dst[i] += float32(v) * scale
		}
	}
	n := float32(len(channels))
	for i := range dst {
		dst[i] /= n
	}
}

// errPanic marks a decoder that panicked; damaged data is the only cause that this package knows of.
var errPanic = errors.New("the decoder panicked on damaged data")

// guarded runs f and turns a panic of the library into an error.
func guarded(f func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errPanic
		}
	}()
	return f()
}

// flacFault refuses a damaged stream. An end of file where none belongs is a cut.
func flacFault(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return schemas.Rejectf(schemas.ReasonDecode, "flac: truncated inside a frame or a header")
	}
	return schemas.Rejectf(schemas.ReasonDecode, "flac: %w", err)
}
