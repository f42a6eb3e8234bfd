package audio

import (
	"errors"
	"io"

	"vecmill/embed/audio/vorbis"
	"vecmill/schemas"
)

// vorbisReader decodes an Ogg stream of Vorbis, of whose samples [skip, skip+frames) count.
type vorbisReader struct {
	pages  oggPages
	head   vorbis.Head
	d      *vorbis.Decoder
	frames int64
	ready  []float32 // of the packet in hand, what was not read
	skip   int64     // left to throw away
	left   int64     // left to read
}

// openVorbis walks through the pages for the length, then starts over to decode.
func openVorbis(blob []byte, k *decoders) (*vorbisReader, error) {
	r := &vorbisReader{pages: oggPages{rest: blob}}
	if err := r.first(); err != nil {
		return nil, err
	}
	r.pages.comments = true
	if _, _, err := r.pages.next(); err != nil {
		return nil, vorbisCut(err)
	}
	r.pages.comments = false
	b, _, err := r.pages.next()
	if err != nil {
		return nil, vorbisCut(err)
	}
	d, ok := k.vorbis.Get().(*vorbis.Decoder)
	if !ok || !d.Reset(r.head, b, true) {
		if d, err = vorbis.New(r.head, b, true); err != nil {
			return nil, vorbisFault(err)
		}
	}
	r.d = d
	walk := r.pages
	if r.skip, r.frames, err = walk.vorbisLength(r.d.Lengths()); err != nil {
		return nil, err
	}
	r.pages.packet = nil
	r.left = r.frames
	return r, nil
}

// first reads the identification header, which has a page to itself.
func (r *vorbisReader) first() error {
	b, _, err := r.pages.next()
	if err != nil {
		return vorbisCut(err)
	}
	if r.head, err = vorbis.ParseHead(b); err != nil {
		return vorbisFault(err)
	}
	return r.header().check("vorbis")
}

// vorbisLength is how many samples count, and how many in front of them do not. The position of the first page may be less than its packets have: the stream begins
// within them; or more: the stream was cut out of a longer one. The position of the last page may cut its packets short.
func (o *oggPages) vorbisLength(lengths vorbis.Lengths) (skip, frames int64, err error) {
	var total, start, end int64
	begun := false
	for {
		p, last, err := o.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, 0, err
		}
		n, ok := lengths.Next(p)
		if !ok {
			continue // no packet of sound: it is skipped
		}
		total += int64(n)
		if !last {
			continue
		}
		if o.granule < 0 {
			return 0, 0, schemas.Rejectf(schemas.ReasonDecode, "vorbis: a page without a granule position")
		}
		if !begun && total > 0 {
			begun = true
			if start = o.granule - total; start < 0 && o.ended {
				start = 0
			}
		}
		end = o.granule
	}
	skip, frames = max(-start, 0), max(end-max(start, 0), 0)
	if skip+frames > total {
		return 0, 0, schemas.Rejectf(schemas.ReasonDecode, "vorbis: truncated: %d samples declared, %d present", skip+frames, total)
	}
	return skip, frames, nil
}

func (r *vorbisReader) header() header {
	return header{rate: r.head.Rate, channels: r.head.Channels, frames: r.frames}
}

func (r *vorbisReader) read(dst []float32) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	for len(r.ready) == 0 {
		p, _, err := r.pages.next()
		if errors.Is(err, io.EOF) {
			return 0, schemas.Rejectf(schemas.ReasonDecode, "vorbis: truncated: %d samples are missing", r.left)
		}
		if err != nil {
			return 0, err
		}
		out, err := r.d.Decode(p)
		if err != nil {
			continue // no packet of sound
		}
		r.ready = out[0]
		drop := min(int64(len(r.ready)), r.skip)
		r.skip -= drop
		r.ready = r.ready[drop:]
	}
	n := copy(dst[:min(int64(len(dst)), r.left)], r.ready)
	r.ready = r.ready[n:]
	r.left -= int64(n)
	if !finite(dst[:n]) {
		return 0, schemas.Rejectf(schemas.ReasonDecode, "vorbis: a sample is not a finite number")
	}
	return n, nil
}

func vorbisFault(err error) error { return schemas.Rejectf(schemas.ReasonDecode, "vorbis: %w", err) }

// vorbisCut makes a rejection of an end before the headers' end.
func vorbisCut(err error) error {
	if errors.Is(err, io.EOF) {
		return schemas.Rejectf(schemas.ReasonDecode, "vorbis: truncated inside the headers")
	}
	return err
}

// vorbisBound bounds the samples of a file of size bytes of which only the head is there: a packet is one byte at least, and half of the longest block.
func vorbisBound(h header, size int64) header {
	h.frames, h.most = -1, min(size, 1<<30)*4096
	return h
}
