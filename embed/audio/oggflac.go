package audio

import (
	"encoding/binary"
	"errors"
	"io"

	"vecmill/schemas"
)

// maxFLACFrame bounds a packet of FLAC: eight channels of 65,535 samples as they are, and what is round them.
const maxFLACFrame = 2 << 20

// oggFLACReader reads FLAC in an Ogg stream (RFC 9639, section 10.1): a frame in each packet, as many samples as its header declares, or else as its last page counts.
type oggFLACReader struct {
	flacReader
	pages oggPages
	left  int64
}

// oggFLACHead reads the first packet: how many of the packets behind it are headers, 0 if it does not say, and what a FLAC file begins with.
func oggFLACHead(o *oggPages) (headers int, stream []byte, h header, err error) {
	p, _, err := o.next()
	if err != nil {
		return 0, nil, header{}, oggFLACCut(err)
	}
	if len(p) < 13 || string(p[:5]) != "\x7fFLAC" || p[5] != 1 {
		return 0, nil, header{}, schemas.Rejectf(schemas.ReasonDecode, "ogg flac: no header of version 1")
	}
	h, err = parseStreamInfo(p[9:])
	return int(binary.BigEndian.Uint16(p[7:])), p[9:], h, err
}

// openOggFLAC walks through the pages for the length if the header does not have it, then starts over to decode.
func openOggFLAC(blob []byte, k *decoders) (*oggFLACReader, error) {
	r := &oggFLACReader{pages: oggPages{rest: blob, most: maxFLACFrame}}
	headers, stream, h, err := oggFLACHead(&r.pages)
	if err != nil {
		return nil, err
	}
	if err := r.pages.skipFLACHeaders(headers, stream[4]&0x80 != 0); err != nil {
		return nil, err
	}
	if h.frames < 0 {
		walk := r.pages
		if h.frames, err = walk.flacLength(); err != nil {
			return nil, err
		}
	}
	r.pages.packet = nil
	r.d = k.flacDecoder()
	if err := r.d.ResetFrames(stream); err != nil {
		return nil, flacFault(err)
	}
	r.head, r.left, r.scale = h, h.frames, flacScale(r.d.Info())
	return r, nil
}

// skipFLACHeaders passes over metadata: a number of packets, or, if that is not known, all to the one that says it is the last.
func (o *oggPages) skipFLACHeaders(n int, last bool) error {
	o.comments = n > 0 // they may hold pictures, and are not looked at
	for n > 0 || !o.comments && !last {
		p, _, err := o.next()
		if err != nil {
			return oggFLACCut(err)
		}
		n, last = n-1, len(p) > 0 && p[0]&0x80 != 0
	}
	o.comments = false
	return nil
}

// flacLength is the position of the last page, which must be marked as that: of a stream whose header does not count, nothing else tells that it was cut off.
func (o *oggPages) flacLength() (frames int64, err error) {
	o.comments = true // packets are not looked at
	for {
		_, last, err := o.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		if last {
			frames = o.granule
		}
	}
	if !o.ended || frames < 0 {
		return 0, schemas.Rejectf(schemas.ReasonDecode, "ogg flac: truncated: no page that says where it ends")
	}
	return frames, nil
}

func (r *oggFLACReader) read(dst []float32) (int, error) {
	for r.left > 0 && (len(r.ready) == 0 || r.at == len(r.ready[0])) {
		p, _, err := r.pages.next()
		if errors.Is(err, io.EOF) {
			return 0, schemas.Rejectf(schemas.ReasonDecode, "ogg flac: truncated: %d samples are missing", r.left)
		}
		if err != nil {
			return 0, err
		}
		if len(p) == 0 {
			continue // FFmpeg ends with one
		}
		if r.ready, err = r.d.Frame(p); err != nil {
			return 0, flacFault(err)
		}
		r.at = 0
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	n := r.mix(dst[:min(int64(len(dst)), r.left)])
	r.left -= int64(n)
	return n, nil
}

// oggFLACCut makes a rejection of an end before the headers' end.
func oggFLACCut(err error) error {
	if errors.Is(err, io.EOF) {
		return schemas.Rejectf(schemas.ReasonDecode, "ogg flac: truncated inside the headers")
	}
	return err
}
