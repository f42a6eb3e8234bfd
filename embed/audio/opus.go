package audio

import (
	"encoding/binary"
	"errors"
	"io"
	"math"

	"github.com/pion/opus"

	"vecmill/schemas"
)

// opusRate is what Opus counts in and is decoded at, whatever the rate of the recording was.
const opusRate = 48000

// opusMost is the longest packet in samples: 120 ms.
const opusMost = opusRate / 1000 * 120

// opusHead is the identification header of RFC 7845, section 5.1.
type opusHead struct {
	channels int
	skip     int64   // samples in front that do not count
	gain     float32 // factor
}

// parseOpusHead reads an identification header.
func parseOpusHead(b []byte) (opusHead, error) {
	if len(b) < 19 || string(b[:8]) != "OpusHead" || b[8]>>4 != 0 {
		return opusHead{}, schemas.Rejectf(schemas.ReasonDecode, "opus: no identification header")
	}
	h := opusHead{channels: int(b[9]), skip: int64(binary.LittleEndian.Uint16(b[10:])), gain: 1}
	if family := b[18]; family != 0 || h.channels < 1 || h.channels > 2 {
		return opusHead{}, schemas.Rejectf(schemas.ReasonDecode, "opus: %d channels of mapping family %d are not supported in this build", h.channels, family)
	}
	if g := int16(binary.LittleEndian.Uint16(b[16:])); g != 0 {
		h.gain = float32(math.Pow(10, float64(g)/256/20))
	}
	return h, nil
}

// opusSamples is the length of a packet in samples, from its first bytes (RFC 6716, section 3.1); 0 if it is none.
func opusSamples(packet []byte) int64 {
	if len(packet) == 0 {
		return 0
	}
	kind, count := packet[0]>>3, int64(2)
	var size int64 // of a frame
	switch {
	case kind < 12:
		size = [4]int64{480, 960, 1920, 2880}[kind&3]
	case kind < 16:
		size = [2]int64{480, 960}[kind&1]
	default:
		size = 120 << (kind & 3)
	}
	switch packet[0] & 3 {
	case 0:
		count = 1
	case 3:
		if len(packet) < 2 {
			return 0
		}
		count = int64(packet[1] & 0x3f)
	}
	if size *= count; size > opusMost {
		return 0
	}
	return size
}

// opusPackets yields a stream's packets of sound; each is valid until the next call. io.EOF follows the last.
type opusPackets interface {
	next() ([]byte, error)
}

// opusDecoder is the library's decoder and the room for a packet. It is used for one stream after the other: Init has it begin anew, and it keeps its tables.
type opusDecoder struct {
	opus.Decoder
	out []float32
}

// opusReader decodes a stream of packets, of which samples [skip, skip+frames) count.
type opusReader struct {
	head     opusHead
	frames   int64
	packets  opusPackets
	decoders *decoders
	decoder  *opusDecoder // nil before the first packet
	failed   bool         // a packet was damaged: the decoder is used no more
	ready    []float32    // of the decoder's room, what was not read
	skip     int64        // left to throw away
	left     int64        // left to read
}

func newOpusReader(h opusHead, frames int64, packets opusPackets, k *decoders) *opusReader {
	return &opusReader{head: h, frames: frames, packets: packets, decoders: k, skip: h.skip, left: frames}
}

// begin takes a decoder in hand, for the first packet: who asks for the length alone needs none.
func (r *opusReader) begin() error {
	d, kept := r.decoders.opus.Get().(*opusDecoder)
	if !kept {
		d = new(opusDecoder)
	}
	err := guarded(func() (err error) {
		if kept {
			return d.Init(opusRate, r.head.channels)
		}
		d.Decoder, err = opus.NewDecoderWithOutput(opusRate, r.head.channels)
		return err
	})
	if err != nil {
		return schemas.Rejectf(schemas.ReasonDecode, "opus: %w", err)
	}
	if n := opusMost * r.head.channels; cap(d.out) < n {
		d.out = make([]float32, n)
	}
	r.decoder = d
	return nil
}

func (r *opusReader) header() header {
	return header{rate: opusRate, channels: r.head.channels, frames: r.frames}
}

func (r *opusReader) read(dst []float32) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	for len(r.ready) == 0 {
		if err := r.decode(); err != nil {
			return 0, err
		}
	}
	ch := r.head.channels
	n := min(len(dst), len(r.ready)/ch, int(min(r.left, opusMost)))
	if ch == 1 {
		copy(dst[:n], r.ready)
	} else {
		for i := range dst[:n] {
			dst[i] = (r.ready[2*i] + r.ready[2*i+1]) / 2
		}
	}
	if r.head.gain != 1 {
		for i := range dst[:n] {
			dst[i] *= r.head.gain
		}
	}
	r.ready = r.ready[n*ch:]
	r.left -= int64(n)
	if !finite(dst[:n]) {
		return 0, schemas.Rejectf(schemas.ReasonDecode, "opus: a sample is not a finite number")
	}
	return n, nil
}

// decode makes the next packet's samples ready, less those to skip.
func (r *opusReader) decode() error {
	if r.decoder == nil {
		if err := r.begin(); err != nil {
			return err
		}
	}
	packet, err := r.packets.next()
	if errors.Is(err, io.EOF) {
		return schemas.Rejectf(schemas.ReasonDecode, "opus: truncated: %d samples are missing", r.left)
	}
	if err != nil {
		return err
	}
	var n int
	err = guarded(func() (err error) {
		n, err = r.decoder.DecodeToFloat32(packet, r.decoder.out[:opusMost*r.head.channels])
		return err
	})
	if err != nil {
		r.failed = true
		return schemas.Rejectf(schemas.ReasonDecode, "opus: %w", err)
	}
	if int64(n) != opusSamples(packet) {
		return schemas.Rejectf(schemas.ReasonDecode, "opus: %d samples of a packet that declares %d", n, opusSamples(packet))
	}
	drop := min(int64(n), r.skip)
	r.skip -= drop
	r.ready = r.decoder.out[int(drop)*r.head.channels : n*r.head.channels]
	return nil
}

// oggOpus are the packets of sound of an Ogg stream.
type oggOpus struct{ pages oggPages }

func (o *oggOpus) next() ([]byte, error) {
	p, _, err := o.pages.next()
	return p, err
}

// first reads the identification header, which has a page to itself.
func (o *oggOpus) first() (opusHead, error) {
	b, _, err := o.pages.next()
	if err != nil {
		return opusHead{}, opusCut(err)
	}
	return parseOpusHead(b)
}

// headers reads the two header packets.
func (o *oggOpus) headers() (opusHead, error) {
	h, err := o.first()
	if err != nil {
		return opusHead{}, err
	}
	o.pages.comments = true
	_, _, err = o.pages.next()
	o.pages.comments = false
	return h, opusCut(err)
}

// opusCut makes a rejection of an end before the headers' end.
func opusCut(err error) error {
	if errors.Is(err, io.EOF) {
		return schemas.Rejectf(schemas.ReasonDecode, "opus: truncated inside the headers")
	}
	return err
}

// opusBound bounds the samples of a file of size bytes of which only the head is there: a packet is two bytes at least.
func opusBound(h opusHead, size int64) header {
	return header{rate: opusRate, channels: h.channels, frames: -1, most: min(size, 1<<30)/2*opusMost + opusMost}
}

// openOggOpus walks through the pages for the length, then starts over to decode.
func openOggOpus(blob []byte, k *decoders) (*opusReader, error) {
	o := &oggOpus{pages: oggPages{rest: blob}}
	h, err := o.headers()
	if err != nil {
		return nil, err
	}
	body := o.pages
	frames, err := body.opusLength()
	if err != nil {
		return nil, err
	}
	o.pages.packet = nil
	return newOpusReader(h, max(frames-h.skip, 0), o, k), nil
}

// opusLength is the number of samples from the stream's start on, those to skip included: as the last granule position has it, which may cut
// the last packets short. A stream may begin late (RFC 7845, section 4.3): its first page's position tells.
func (o *oggPages) opusLength() (int64, error) {
	var total, start, end int64
	begun := false
	for {
		p, last, err := o.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		n := opusSamples(p)
		if n == 0 {
			return 0, schemas.Rejectf(schemas.ReasonDecode, "opus: a packet that is none")
		}
		total += n
		if !last {
			continue
		}
		if o.granule < 0 {
			return 0, schemas.Rejectf(schemas.ReasonDecode, "opus: a page without a granule position")
		}
		if !begun {
			begun = true
			start = max(o.granule-total, 0)
		}
		end = o.granule - start
		if end > total {
			return 0, schemas.Rejectf(schemas.ReasonDecode, "opus: truncated: %d samples declared, %d present", end, total)
		}
	}
	return max(end, 0), nil
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
