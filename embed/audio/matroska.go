package audio

import (
	"errors"
	"io"
	"math/bits"

	"vecmill/schemas"
)

// The elements of Matroska (RFC 9559) that are read, by their IDs.
const (
	mkSegment   = 0x18538067
	mkCluster   = 0x1f43b675
	mkTracks    = 0x1654ae6b
	mkTrack     = 0xae
	mkNumber    = 0xd7
	mkKind      = 0x83
	mkCodec     = 0x86
	mkPrivate   = 0x63a2
	mkEncodings = 0x6d80
	mkSimple    = 0xa3
	mkGroup     = 0xa0
	mkBlock     = 0xa1
	mkDiscard   = 0x75a2
)

// mkTrackInfo is the track that is decoded.
type mkTrackInfo struct {
	number uint64
	codec  string
	head   []byte // CodecPrivate
	kind   uint64
	packed bool // compressed or encrypted by the container
}

// matroska walks through a file. Segments and clusters are entered, not skipped, so that those of unknown length (live recordings) need no
// rule of their own; everything else is taken whole.
type matroska struct {
	rest    []byte
	track   mkTrackInfo
	queue   [][]byte // packets of the block in hand
	part    bool     // rest is only the head of a file, which errMore tells where it ends
	discard int64    // nanoseconds that the block in hand throws away at its end
}

// vint reads a variable-length number; keep leaves the length marker in, as IDs have it. n is 0 if b does not hold one; all says that every bit of
// the value is one, which means unknown.
func vint(b []byte, keep bool) (v uint64, n int, all bool) {
	if len(b) == 0 || b[0] == 0 {
		return 0, 0, false
	}
	n = bits.LeadingZeros8(b[0]) + 1
	if len(b) < n {
		return 0, 0, false
	}
	for _, c := range b[:n] {
		v = v<<8 | uint64(c)
	}
	value := v &^ (1 << (7 * n))
	if !keep {
		v = value
	}
	return v, n, value == 1<<(7*n)-1
}

// element takes the next element off b. The bodies of segments and clusters are not taken; part says that they may
// end behind b.
func element(b []byte, part bool) (id uint64, body, rest []byte, err error) {
	id, n, _ := vint(b, true)
	if n == 0 || n > 4 {
		return 0, nil, nil, schemas.Rejectf(schemas.ReasonDecode, "matroska: truncated or damaged at an element's name")
	}
	b = b[n:]
	size, n, unknown := vint(b, false)
	if n == 0 {
		return 0, nil, nil, schemas.Rejectf(schemas.ReasonDecode, "matroska: truncated or damaged at an element's length")
	}
	b = b[n:]
	switch {
	case unknown || id == mkSegment || id == mkCluster:
		if id != mkSegment && id != mkCluster {
			return 0, nil, nil, schemas.Rejectf(schemas.ReasonDecode, "matroska: element %x has no length", id)
		}
		if !unknown && !part && size > uint64(len(b)) {
			break
		}
		return id, nil, b, nil
	case size <= uint64(len(b)):
		return id, b[:size], b[size:], nil
	}
	return 0, nil, nil, schemas.Rejectf(schemas.ReasonDecode, "matroska: truncated: %d bytes declared, %d present", size, len(b))
}

// number is an unsigned element's value.
func number(b []byte) uint64 {
	var v uint64
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}

// children calls visit for each element of body.
func children(body []byte, visit func(id uint64, body []byte) error) error {
	for len(body) > 0 {
		id, b, rest, err := element(body, false)
		if err != nil {
			return err
		}
		if err := visit(id, b); err != nil {
			return err
		}
		body = rest
	}
	return nil
}

// next returns the next packet of the track.
func (m *matroska) next() ([]byte, error) {
	for len(m.queue) == 0 {
		if err := m.step(); err != nil {
			return nil, err
		}
	}
	p := m.queue[0]
	m.queue = m.queue[1:]
	return p, nil
}

// step reads one element: a block's packets come into the queue, the tracks into track.
func (m *matroska) step() error {
	if len(m.rest) == 0 {
		return io.EOF
	}
	id, body, rest, err := element(m.rest, m.part)
	if err != nil {
		return err
	}
	m.rest = rest
	switch id {
	case mkTracks:
		return children(body, m.entry)
	case mkSimple:
		return m.take(0, m.block(body))
	case mkGroup:
		discard := int64(0)
		err := children(body, func(id uint64, b []byte) error {
			switch id {
			case mkBlock:
				return m.block(b)
			case mkDiscard:
				if len(b) > 0 && len(b) <= 8 {
					discard = int64(number(b)) << (64 - 8*len(b)) >> (64 - 8*len(b)) // signed
				}
			}
			return nil
		})
		return m.take(discard, err)
	}
	return nil
}

// take notes what the block just read throws away, if it was one of the track.
func (m *matroska) take(discard int64, err error) error {
	if len(m.queue) > 0 {
		m.discard = discard
	}
	return err
}

// entry reads a track's description and keeps the first of sound.
func (m *matroska) entry(id uint64, body []byte) error {
	if id != mkTrack {
		return nil
	}
	var t mkTrackInfo
	err := children(body, func(id uint64, b []byte) error {
		switch id {
		case mkNumber:
			t.number = number(b)
		case mkKind:
			t.kind = number(b)
		case mkCodec:
			t.codec = string(b[:min(len(b), 32)])
		case mkPrivate:
			t.head = b
		case mkEncodings:
			t.packed = true
		}
		return nil
	})
	const sound = 2
	if err == nil && t.kind == sound && m.track.number == 0 {
		m.track = t
	}
	return err
}

// block takes a block's packets into the queue, if it is of the track.
func (m *matroska) block(b []byte) error {
	track, n, _ := vint(b, false)
	if n == 0 || len(b) < n+3 {
		return schemas.Rejectf(schemas.ReasonDecode, "matroska: a block of %d bytes", len(b))
	}
	if m.track.number == 0 || track != m.track.number {
		return nil
	}
	flags := b[n+2]
	b = b[n+3:]
	m.queue = m.queue[:0]
	if flags&0x06 == 0 {
		m.queue = append(m.queue, b)
		return nil
	}
	sizes, rest, ok := laces(b, flags>>1&3)
	if !ok {
		return schemas.Rejectf(schemas.ReasonDecode, "matroska: a block's lacing is damaged")
	}
	for _, size := range sizes {
		m.queue = append(m.queue, rest[:size])
		rest = rest[size:]
	}
	return nil
}

// laces reads the lengths of a block's packets: kind 1 is Xiph's way, 2 equal lengths, 3 EBML's. They add up to len(rest).
func laces(b []byte, kind byte) (sizes []int, rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, nil, false
	}
	count := int(b[0]) + 1
	b = b[1:]
	if kind == 2 {
		if len(b)%count != 0 {
			return nil, nil, false
		}
		for range count {
			sizes = append(sizes, len(b)/count)
		}
		return sizes, b, true
	}
	sum, size := 0, 0
	for i := range count - 1 {
		if kind == 1 {
			size = 0
			for more := true; more; b = b[1:] {
				if len(b) == 0 {
					return nil, nil, false
				}
				size += int(b[0])
				more = b[0] == 255
			}
		} else {
			v, n, _ := vint(b, false)
			if n == 0 {
				return nil, nil, false
			}
			b = b[n:]
			if i > 0 { // a difference, stored with a bias
				size += int(int64(v) - (1<<(7*n-1) - 1))
			} else {
				size = int(min(v, 1<<40))
			}
		}
		if size < 0 || size > len(b) || sum+size > len(b) {
			return nil, nil, false
		}
		sizes = append(sizes, size)
		sum += size
	}
	if sum > len(b) {
		return nil, nil, false
	}
	return append(sizes, len(b)-sum), b, true
}

// tracks reads up to the description of the tracks and checks that the sound is Opus.
func (m *matroska) tracks() (opusHead, error) {
	for m.track.number == 0 {
		if err := m.step(); err != nil {
			if m.part {
				return opusHead{}, errMore
			}
			if errors.Is(err, io.EOF) {
				err = schemas.Rejectf(schemas.ReasonDecode, "matroska: no track of sound")
			}
			return opusHead{}, err
		}
	}
	if m.track.codec != "A_OPUS" || m.track.packed {
		return opusHead{}, schemas.Rejectf(schemas.ReasonDecode, "matroska: a track of %q (packed by the container: %v) is not supported in this build", m.track.codec, m.track.packed)
	}
	return parseOpusHead(m.track.head)
}

// matroskaBound is what the head of a file of size bytes tells: the tracks may lie behind it.
func matroskaBound(head []byte, size int64) (header, error) {
	m := &matroska{rest: head, part: true}
	h, err := m.tracks()
	switch {
	case errors.Is(err, errMore):
		h = opusHead{channels: 2}
	case err != nil:
		return header{}, err
	}
	return opusBound(h, size), nil
}

// openMatroska walks through the blocks for the length, then starts over to decode. The length is that of the packets, less what the head says to
// skip in front and the last block at its end.
func openMatroska(blob []byte, k *decoders) (*opusReader, error) {
	m := &matroska{rest: blob}
	h, err := m.tracks()
	if err != nil {
		return nil, err
	}
	body := &matroska{rest: m.rest, track: m.track}
	var total int64
	for {
		p, err := body.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		n := opusSamples(p)
		if n == 0 {
			return nil, schemas.Rejectf(schemas.ReasonDecode, "opus: a packet that is none")
		}
		total += n
	}
	if d := body.discard; d > 0 {
		total -= min(total, (min(d, 1e12)*opusRate+5e8)/1e9) // to the nearest sample; 1e12 ns are more than any packet
	}
	return newOpusReader(h, max(total-h.skip, 0), m, k), nil
}
