package audio

import (
	"errors"
	"io"

	"vecmill/embed/audio/mp3"
	"vecmill/schemas"
)

// mp3Reader reads MPEG audio layer III, already mixed.
type mp3Reader struct {
	d     *mp3.Decoder
	ready []float32 // of the frame in hand, what was not read
}

func openMP3(blob []byte, k *decoders) (*mp3Reader, error) {
	d, ok := k.mp3.Get().(*mp3.Decoder)
	err := error(nil)
	if ok {
		err = d.Reset(blob, true)
	} else {
		d, err = mp3.New(blob, true)
	}
	if err != nil {
		return nil, mp3Fault(err)
	}
	return &mp3Reader{d: d}, nil
}

func (r *mp3Reader) header() header {
	return header{rate: r.d.Rate(), channels: r.d.Channels(), frames: r.d.Frames()}
}

func (r *mp3Reader) read(dst []float32) (int, error) {
	if len(r.ready) == 0 {
		block, err := r.d.Block()
		if errors.Is(err, io.EOF) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, mp3Fault(err)
		}
		r.ready = block[0]
	}
	n := copy(dst, r.ready)
	r.ready = r.ready[n:]
	if !finite(dst[:n]) {
		return 0, schemas.Rejectf(schemas.ReasonDecode, "mp3: a sample is not a finite number")
	}
	return n, nil
}

func mp3Fault(err error) error { return schemas.Rejectf(schemas.ReasonDecode, "mp3: %w", err) }

// peekMP3 reads the head of a file of size bytes.
func peekMP3(head []byte, size int64) (header, error) {
	h, err := mp3.Peek(head, size)
	if err != nil {
		return header{}, mp3Fault(err)
	}
	return header{rate: h.Rate, channels: h.Channels, frames: h.Frames, most: h.Most}, nil
}
