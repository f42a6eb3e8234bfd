package audio

import (
	"errors"
	"io"

	"vecmill/embed/audio/flac"
	"vecmill/schemas"
)

// flacReader reads a FLAC stream frame by frame.
type flacReader struct {
	d     *flac.Decoder
	head  header
	scale float32
	ready [][]int32 // of the frame in hand, by channel
	at    int       // samples of it that have been read
}

func openFLAC(blob []byte, k *decoders) (*flacReader, error) {
	blob = blob[id3Size(blob):]
	h, err := parseStreamInfo(blob)
	if err != nil {
		return nil, err
	}
	d := k.flacDecoder()
	if err := d.Reset(blob); err != nil {
		return nil, flacFault(err)
	}
	return &flacReader{d: d, head: h, scale: flacScale(d.Info())}, nil
}

// flacDecoder is a decoder that was used before, or a new one.
func (k *decoders) flacDecoder() *flac.Decoder {
	if d, ok := k.flac.Get().(*flac.Decoder); ok {
		return d
	}
	return &flac.Decoder{}
}

// flacScale takes samples to [-1, 1): a power of two, so it is exact.
func flacScale(in flac.Info) float32 { return 1 / float32(int64(1)<<(in.Bits-1)) }

// parseStreamInfo reads the header of a stream from the first bytes of a file.
func parseStreamInfo(b []byte) (header, error) {
	in, err := flac.ParseInfo(b[id3Size(b):])
	if err != nil {
		return header{}, flacFault(err)
	}
	h := header{rate: in.Rate, channels: in.Channels, frames: in.Frames}
	return h, h.check("flac")
}

func (r *flacReader) header() header { return r.head }

func (r *flacReader) read(dst []float32) (int, error) {
	if r.ready == nil || r.at == len(r.ready[0]) {
		block, err := r.d.Block()
		if errors.Is(err, io.EOF) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, flacFault(err)
		}
		r.ready, r.at = block, 0
	}
	return r.mix(dst), nil
}

// mix gives samples of the frame in hand.
func (r *flacReader) mix(dst []float32) int {
	n := min(len(dst), len(r.ready[0])-r.at)
	mixIntegers(dst[:n], r.ready, r.at, r.scale)
	r.at += n
	return n
}

// mixIntegers writes the mean of the channels, from sample at on, in float32 as the reference adds it up. scale takes them to [-1, 1).
func mixIntegers(dst []float32, channels [][]int32, at int, scale float32) {
	first := channels[0][at:][:len(dst)]
	switch len(channels) {
	case 1:
		for i, v := range first {
			dst[i] = float32(v) * scale
		}
		return
	case 2:
		for i, v := range channels[1][at:][:len(dst)] {
			dst[i] = (float32(first[i])*scale + float32(v)*scale) / 2
		}
		return
	}
	for i, v := range first {
		dst[i] = float32(v) * scale
	}
	for _, c := range channels[1:] {
		for i, v := range c[at:][:len(dst)] {
			dst[i] += float32(v) * scale
		}
	}
	n := float32(len(channels))
	for i := range dst {
		dst[i] /= n
	}
}

func flacFault(err error) error { return schemas.Rejectf(schemas.ReasonDecode, "flac: %w", err) }
