package mp3

import (
	"errors"
	"fmt"
	"io"
)

// decoderDelay is by how many samples the sound of a file comes out late: an encoder's delay is counted from there.
const decoderDelay = 529

// maxReservoir is how many bytes before a frame's own its main data may begin.
const maxReservoir = 511

// maxDamaged is the share of frames, one in this many, that may be damaged before a file is refused.
const maxDamaged = 10

// Decoder reads a file's samples, a frame at a time.
type Decoder struct {
	stream  stream
	first   frameHeader
	mix     bool
	frames  int64 // samples of each channel in all
	skip    int64 // left to throw away
	left    int64 // left to give
	damaged int64
	read    int64 // frames

	side     sideInfo
	scales   [2]scales // of the granule in hand, by channel
	spectra  [2]spectrum
	overlaps [2]overlap
	times    times
	synths   [2]synthesis
	head     [32 + tailBytes]byte
	bits     bitReader
	main     []byte // main data: what is left of the frames before, and of this one
	out      [2][2 * granuleLines]float32
	blocks   [2][]float32
}

// New finds the first frame of b, a whole file, which must not change while it is read, and walks along all headers for the length. mix makes one channel of two, their mean.
func New(b []byte, mix bool) (*Decoder, error) {
	d := &Decoder{main: make([]byte, 0, maxReservoir+maxFrame+tailBytes)}
	if err := d.Reset(b, mix); err != nil {
		return nil, err
	}
	return d, nil
}

// Release lets go of the file and keeps the decoder's memory, for Reset.
func (d *Decoder) Release() { *d = Decoder{main: d.main[:0]} }

// Reset begins with another file, as New does.
func (d *Decoder) Reset(b []byte, mix bool) error {
	d.Release()
	s, first, in, err := open(b)
	if err != nil {
		return err
	}
	d.stream, d.first, d.mix = s, first, mix
	count := int64(0)
	for scan := s; ; count++ {
		if _, _, _, ok := scan.next(); !ok {
			break
		}
	}
	if count == 0 {
		return errors.New("no frame of sound")
	}
	if in.frames >= 0 && in.frames <= count {
		count = in.frames // what follows is not of this recording
	} else if in.frames > count {
		return fmt.Errorf("truncated: %d frames declared, %d present", in.frames, count)
	}
	d.skip, d.frames = length(first, in, count)
	d.left = d.frames
	return nil
}

// open finds where the frames of sound begin, what they are like, and what the tag in front of them says.
func open(b []byte) (stream, frameHeader, info, error) {
	rest, _ := trim(b)
	s, first, err := findFirst(rest)
	if err != nil {
		return stream{}, frameHeader{}, info{}, err
	}
	tag := s
	if h, frame, _, ok := tag.next(); ok {
		if in, ok := parseInfo(&h, frame); ok {
			return tag, first, in, nil
		}
	}
	return s, first, info{frames: -1}, nil
}

// length is what a number of frames of a kind give: the samples to skip, and those that count.
func length(h frameHeader, in info, count int64) (skip, frames int64) {
	total := count * int64(h.samples())
	if !in.gapless {
		return 0, total
	}
	skip = in.delay + decoderDelay
	return min(skip, total), max(total-skip-max(in.padding-decoderDelay, 0), 0)
}

// Head is what the first bytes of a file say about it.
type Head struct {
	Rate, Channels int   // samples a second, 1 or 2 channels
	Frames         int64 // samples of each channel; -1 if the bytes do not say
	Most           int64 // a bound on them
	Short          bool  // the bytes end before they tell anything: only Most is set
}

// Peek reads the head of a file of size bytes.
func Peek(head []byte, size int64) (Head, error) {
	h := Head{Frames: -1, Most: size * densest}
	if whole := int64(len(head)) == size; !whole {
		if _, from := trim(head); from+searched > len(head) {
			h.Short = true
			return h, nil
		}
	}
	_, first, in, err := open(head)
	if err != nil {
		return Head{}, err
	}
	h.Rate, h.Channels = first.rate, first.channels()
	if in.frames >= 0 {
		_, h.Frames = length(first, in, in.frames)
		h.Most = h.Frames
	}
	return h, nil
}

// densest is the most samples that a byte can give: 576 in the 24 bytes of a frame of 8 kbit/s at 24 kHz.
const densest = 24

// Rate is the number of samples a second.
func (d *Decoder) Rate() int { return d.first.rate }

// Channels of the file: 1 or 2.
func (d *Decoder) Channels() int { return d.first.channels() }

// Frames is the number of samples of each channel that Block will give in all.
func (d *Decoder) Frames() int64 { return d.frames }

// Block decodes the next frame and returns its samples by channel, one if New was told to mix, which are valid until the next call. io.EOF follows the last.
func (d *Decoder) Block() ([][]float32, error) {
	for d.left > 0 {
		h, frame, lost, ok := d.stream.next()
		if !ok {
			return nil, errors.New("truncated") // New has counted
		}
		if lost {
			d.main = d.main[:0] // or the sound of other frames would be taken for this one's
		}
		d.read++
		if !d.decode(&h, frame) {
			d.damaged++
			if d.damaged*maxDamaged > max(d.read, maxDamaged) {
				return nil, fmt.Errorf("%d of the first %d frames are damaged", d.damaged, d.read)
			}
		}
		n := int64(h.samples())
		from := min(d.skip, n)
		d.skip -= from
		to := min(n, from+d.left)
		d.left -= to - from
		if from == to {
			continue
		}
		outs := d.outputs()
		for ch := range outs {
			d.blocks[ch] = d.out[ch][from:to]
		}
		return d.blocks[:outs], nil
	}
	return nil, io.EOF
}

// tail is what a bitReader needs behind its bits.
var tail [tailBytes]byte

// outputs is the number of channels that are given.
func (d *Decoder) outputs() int {
	if d.mix {
		return 1
	}
	return d.first.channels()
}

// decode makes a frame's samples. A frame that cannot be understood is silent, but for what the one before it has left, and false.
func (d *Decoder) decode(h *frameHeader, frame []byte) bool {
	body := headerBytes
	if h.protected {
		body += 2
	}
	ok := len(frame) >= body+h.side()
	if ok {
		clear(d.head[copy(d.head[:], frame[body:body+h.side()]):])
		d.bits = bitReader{b: d.head[:]}
		ok = parseSide(&d.bits, h, &d.side)
		body += h.side()
	}
	// The reservoir stays right even if this frame is not.
	held := len(d.main)
	if held > maxReservoir {
		copy(d.main, d.main[held-maxReservoir:])
		held = maxReservoir
	}
	d.main = append(d.main[:held], frame[min(body, len(frame)):]...)
	size := len(d.main)
	ok = ok && d.side.begin <= held
	d.bits = bitReader{b: append(d.main, tail[:]...), at: 8 * (held - d.side.begin)}
	for g := range h.granules() {
		ok = ok && d.granule(&d.bits, h, g, 8*size)
		d.play(h, g, ok)
	}
	return ok
}

// granule decodes the spectra of a granule.
func (d *Decoder) granule(r *bitReader, h *frameHeader, g, size int) bool {
	b := &bandTable[h.version][h.rateIndex]
	for ch := range h.channels() {
		gr := &d.side.granules[g][ch]
		end := r.at + gr.part23
		if end > size {
			return false
		}
		if h.version == mpeg1 {
			readScales1(r, gr, &d.scales[ch], g == 1, &d.side.share[ch])
		} else {
			readScales2(r, gr, &d.scales[ch], h.intensity && ch == 1)
		}
		if !d.spectra[ch].read(r, gr, b, &d.scales[ch], end) {
			return false
		}
	}
	if h.mode == jointStereo {
		joint(h, &d.side.granules[g], &d.scales, &d.spectra)
	}
	return true
}

// play turns the spectra of granule g, or silence, into samples.
func (d *Decoder) play(h *frameHeader, g int, ok bool) {
	channels := h.channels()
	for ch := range channels {
		if ch == 0 || !d.mix {
			d.times = times{}
		}
		if !ok {
			d.spectra[ch].used = 0
			d.side.granules[g][ch] = granule{}
		}
		d.overlaps[ch].transform(&d.spectra[ch], &d.side.granules[g][ch], &d.times)
		if d.mix && ch+1 < channels {
			continue
		}
		to := ch
		if d.mix {
			to = 0
		}
		out := d.out[to][g*granuleLines : (g+1)*granuleLines]
		d.synths[to].run(&d.times, out)
		if d.mix && channels == 2 {
			for i := range out {
				out[i] *= 0.5
			}
		}
	}
}
