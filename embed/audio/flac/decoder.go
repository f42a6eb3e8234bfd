package flac

import (
	"errors"
	"fmt"
	"io"
)

var errTruncated = errors.New("truncated inside a frame or a header")

// Decoder reads a stream's samples, a frame at a time.
type Decoder struct {
	info     Info
	bits     bitReader
	decoded  int64      // samples of each channel so far
	channels [8]channel // what has room for a frame
	blocks   [8][]int32 // of the frame in hand
}

// channel has room for the samples of a frame, behind margin zeros.
type channel []int32

// New reads the metadata of b, a whole stream, which must not change while it is read.
func New(b []byte) (*Decoder, error) {
	d := &Decoder{}
	if err := d.Reset(b); err != nil {
		return nil, err
	}
	return d, nil
}

// Release lets go of the stream and keeps the memory of frames, for Reset.
func (d *Decoder) Release() { *d = Decoder{channels: d.channels} }

// Reset begins with another stream, as New does.
func (d *Decoder) Reset(b []byte) error {
	d.Release()
	in, err := ParseInfo(b)
	if err != nil {
		return err
	}
	at, err := skipMetadata(b)
	if err != nil {
		return err
	}
	d.info, d.bits = in, bitReader{b: b[at:]}
	return nil
}

// Info is what STREAMINFO says.
func (d *Decoder) Info() Info { return d.info }

// Block decodes the next frame and returns its samples by channel, in [-2^(Bits-1), 2^(Bits-1)) unless the encoder was wrong, valid until the next call. io.EOF follows the last.
func (d *Decoder) Block() ([][]int32, error) {
	in, r := &d.info, &d.bits
	switch ended := r.at >= 8*len(r.b); {
	case d.decoded == in.Frames, ended && in.Frames < 0:
		return nil, io.EOF
	case ended:
		return nil, fmt.Errorf("truncated: %d samples declared, %d present", in.Frames, d.decoded)
	}
	return d.frame()
}

// ResetFrames begins with a stream whose frames come one by one, see [Decoder.Frame]: header is its signature and STREAMINFO.
func (d *Decoder) ResetFrames(header []byte) (err error) {
	d.Release()
	d.info, err = ParseInfo(header)
	return err
}

// Frame decodes b, which is one frame and nothing else, as Block does.
func (d *Decoder) Frame(b []byte) ([][]int32, error) {
	d.bits = bitReader{b: b}
	blocks, err := d.frame()
	if err == nil && d.bits.at < 8*len(b) {
		return nil, errSync
	}
	return blocks, err
}

// frame decodes the frame that begins here.
func (d *Decoder) frame() ([][]int32, error) {
	in, r := &d.info, &d.bits
	from := r.at / 8
	h, err := in.frameHeader(r)
	if err == nil {
		err = d.subframes(&h)
	}
	if r.over() {
		return nil, errTruncated
	}
	if err != nil {
		return nil, err
	}
	if !r.align() {
		return nil, errReserved
	}
	sum := crc16(r.b[from : r.at/8])
	switch want := r.read(16); {
	case r.over():
		return nil, errTruncated
	case want != int(sum):
		return nil, errChecksum
	}
	if d.decoded += int64(h.block); in.Frames >= 0 && d.decoded > in.Frames {
		return nil, fmt.Errorf("more samples than the %d declared", in.Frames)
	}
	if h.pair != apart {
		join(h.pair, d.blocks[0], d.blocks[1])
	}
	return d.blocks[:in.Channels], nil
}

// subframes decodes the channels of a frame as they are coded.
func (d *Decoder) subframes(h *frameHeader) error {
	for ch := range d.info.Channels {
		if n := margin + h.block; cap(d.channels[ch]) < n {
			d.channels[ch] = make(channel, n)
		}
		c := d.channels[ch][:margin+h.block]
		d.blocks[ch] = c[margin:]
		width := d.info.Bits
		if h.pair == sideRight && ch == 0 || (h.pair == leftSide || h.pair == midSide) && ch == 1 {
			width++ // a difference
		}
		if err := c.decode(&d.bits, width); err != nil {
			return err
		}
	}
	return nil
}

// join makes left and right of a pair that is coded with their difference.
func join(how pairing, a, b []int32) {
	b = b[:len(a)]
	switch how {
	case leftSide:
		for i, left := range a {
			b[i] = left - b[i]
		}
	case sideRight:
		for i, right := range b {
			a[i] += right
		}
	case midSide:
		for i, side := range b {
			mid := a[i]<<1 | side&1 // the bit that the mean has lost
			a[i], b[i] = (mid+side)>>1, (mid-side)>>1
		}
	}
}
