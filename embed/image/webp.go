package image

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	stdimage "image"

	"golang.org/x/image/vp8"

	"vecmill/embed/image/vp8l"
)

// decodeWebP reads a still picture, or the first frame of an animation. The chunks are walked here and not by x/image/webp: that
// knows no animation, and decodes an alpha plane that would be dropped.
func (r *reader) decodeWebP(ctx context.Context, b []byte, h header) (source, error) {
	end := 8 + int64(binary.LittleEndian.Uint32(b[4:]))
	if end > int64(len(b)) || end < 12 {
		return nil, errors.New("ends early")
	}
	kind, body, err := pictureChunk(b[12:end])
	if err != nil {
		return nil, err
	}
	var x, y, fw, fh int
	frame := kind == "ANMF"
	if frame {
		if len(body) < 16 {
			return nil, errHeaderShort
		}
		x, y = 2*int(uint24(body)), 2*int(uint24(body[3:]))
		fw, fh = int(uint24(body[6:]))+1, int(uint24(body[9:]))+1
		if x+fw > h.width || y+fh > h.height {
			return nil, errors.New("frame outside of the canvas")
		}
		if kind, body, err = pictureChunk(body[16:]); err != nil {
			return nil, err
		}
	} else {
		fw, fh = h.width, h.height
	}
	src, err := r.webp.decode(ctx, kind, body, fw, fh)
	if err != nil || !frame || fw == h.width && fh == h.height {
		return src, err
	}
	out := &raster{width: h.width, height: h.height, pix: r.room(3 * h.width * h.height)}
	clear(out.pix)
	for row := range fh {
		src.Row(out.pix[3*((y+row)*h.width+x):][:3*fw], row)
	}
	return out, nil
}

// pictureChunk finds the first chunk that holds a picture: VP8, VP8L or, for animations, ANMF.
func pictureChunk(b []byte) (kind string, body []byte, err error) {
	for len(b) >= 8 {
		kind, n := string(b[:4]), int64(binary.LittleEndian.Uint32(b[4:]))
		if n > int64(len(b)-8) {
			return "", nil, errors.New("ends early")
		}
		switch body = b[8 : 8+n]; kind {
		case "VP8 ", "VP8L", "ANMF":
			return kind, body, nil
		}
		b = b[min(8+n+n&1, int64(len(b))):]
	}
	return "", nil, errors.New("no picture in it")
}

// webpBuffers are what a reader keeps for WebP.
type webpBuffers struct {
	lossy         vp8.Decoder
	width, height int      // of the picture that lossy keeps, multiples of 16
	copied        int      // bytes of the frame that it keeps
	chroma        []uint32 // a row
	lossless      vp8l.Decoder
}

// bytes is the size of the buffers: what lossy keeps besides its picture and its frame is a few bytes for each 256 of its pixels.
func (p *webpBuffers) bytes() int64 {
	return int64(p.width)*int64(p.height)*13/8 + int64(p.copied) + 4*int64(cap(p.chroma)) + p.lossless.Bytes()
}

// decode decodes a lossy or lossless frame, which must have the given size.
func (p *webpBuffers) decode(ctx context.Context, kind string, body []byte, w, h int) (source, error) {
	switch kind {
	case "VP8 ":
		p.begin(w, h)
		p.copied = len(body)
		p.lossy.Init(bytes.NewReader(body), len(body))
		defer p.lossy.Init(nil, 0) // the bytes are the caller's
		fh, err := p.lossy.DecodeFrameHeader()
		if err != nil {
			return nil, err
		}
		if fh.Width != w || fh.Height != h {
			return nil, fmt.Errorf("frame of %d x %d, announced as %d x %d", fh.Width, fh.Height, w, h)
		}
		m, err := p.lossy.DecodeFrame()
		if err != nil {
			return nil, err
		}
		if cap(p.chroma) < w+1 {
			p.chroma = make([]uint32, w+1)
		}
		return &vp8Picture{m: m, width: w, height: h, chroma: p.chroma[:w+1]}, nil
	case "VP8L":
		m, err := p.lossless.Decode(ctx, body, w, h)
		if err != nil {
			return nil, err // not a nil *vp8l.Picture
		}
		return m, nil
	}
	return nil, errors.New("no frame in the animation's first chunk")
}

// vp8Blank is a key frame without pixels that sets what the decoder keeps from one frame to the next, the loop filter's differences, to zero. Its size, at places 6 and 8, is filled in.
var vp8Blank = [...]byte{0x90, 0, 0, 0x9D, 1, 0x2A, 16, 0, 16, 0, 0, 6, 0, 0}

// begin makes the lossy decoder ready for a picture that has nothing to do with the one before. The decoder uses its picture again if the one before had whole macroblocks that are enough, and it takes differences of the loop
// filter over from the frame before, as a video's are: so it is given a blank frame first, as large as the picture to come if that is the largest so far, which fails once its header is read.
func (p *webpBuffers) begin(w, h int) {
	blank := vp8Blank
	if w, h = (w+15)&^15, (h+15)&^15; w > p.width || h > p.height {
		p.width, p.height = w, h
		binary.LittleEndian.PutUint16(blank[6:], uint16(min(w, 0x3FFF)))
		binary.LittleEndian.PutUint16(blank[8:], uint16(min(h, 0x3FFF)))
	}
	p.lossy.Init(bytes.NewReader(blank[:]), len(blank))
	if _, err := p.lossy.DecodeFrameHeader(); err == nil {
		_, _ = p.lossy.DecodeFrame() // it fails behind the header
	}
}

// vp8Picture is a lossy WebP picture, converted as libwebp does: chroma weighted 9:3:3:1 (its "fancy" upsampling), and video's
// limited range, which Go's own conversion of such a picture ignores.
type vp8Picture struct {
	m             *stdimage.YCbCr
	width, height int
	chroma        []uint32 // a row at full width: blue's, and red's in the upper half
}

// Size is the picture's width and height.
func (p *vp8Picture) Size() (width, height int) { return p.width, p.height }

// Row writes row y.
func (p *vp8Picture) Row(dst []byte, y int) {
	half := (p.height + 1) / 2
	near := y / 2
	far := min(max(near-1+2*(y&1), 0), half-1)
	p.widen(near, far)
	chroma := p.chroma[:p.width]
	for x, l := range p.m.Y[y*p.m.YStride:][:p.width] {
		if len(dst) < 3 {
			return // never: dst has the row's length
		}
		c := chroma[x]
		yy, u, v := int32(l)*19077>>8, &ofU[uint8(c)], &ofV[uint8(c>>16)]
		r, g, b := yy+v[0], yy+u[0]+v[1], yy+u[1]
		if uint32(r|g|b) >= 256<<6 { // some are without the range
			r, g, b = within6(r), within6(g), within6(b)
		}
		dst[0], dst[1], dst[2] = byte(r>>6), byte(g>>6), byte(b>>6)
		dst = dst[3:]
	}
}

// What chroma adds to green and to blue, and to red and to green.
var ofU, ofV = func() (u, v [256][2]int32) {
	for i := range int32(256) {
		u[i] = [2]int32{8708 - i*6419>>8, i*33050>>8 - 17685}
		v[i] = [2]int32{i*26149>>8 - 14234, -(i * 13320 >> 8)}
	}
	return
}()

// widen makes a row of chroma at full width from the nearer and the further row of samples. libwebp computes in pairs with two roundings, which is what makes it differ from the plain weighted sum.
func (p *vp8Picture) widen(near, far int) {
	const twice = 1<<16 | 1 // in both halves
	n := (p.width + 1) / 2
	stride := p.m.CStride
	nearU, nearV, farU, farV := p.m.Cb[near*stride:][:n], p.m.Cr[near*stride:][:n], p.m.Cb[far*stride:][:n], p.m.Cr[far*stride:][:n]
	out := p.chroma
	a0, b0 := uint32(nearU[0])|uint32(nearV[0])<<16, uint32(farU[0])|uint32(farV[0])<<16
	out[0] = (3*a0 + b0 + 2*twice) >> 2 & (255 * twice)
	for x := 1; x < n; x++ {
		a1, b1 := uint32(nearU[x])|uint32(nearV[x])<<16, uint32(farU[x])|uint32(farV[x])<<16
		sum := a0 + a1 + b0 + b1 + 8*twice
		left, right := (sum+2*(a1+b0))>>3&(511*twice), (sum+2*(a0+b1))>>3&(511*twice)
		out[2*x-1], out[2*x] = (left+a0)>>1&(255*twice), (right+a1)>>1&(255*twice)
		a0, b0 = a1, b1
	}
	out[2*n-1] = (3*a0 + b0 + 2*twice) >> 2 & (255 * twice)
}

// within6 holds a number with six fractional bits within a byte.
func within6(v int32) int32 { return min(max(v, 0), 256<<6-1) }
