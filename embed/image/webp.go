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
	width, height int    // of the picture that lossy keeps, multiples of 16
	copied        int    // bytes of the frame that it keeps
	chroma        []byte // two rows
	lossless      vp8l.Decoder
}

// bytes is the size of the buffers: what lossy keeps besides its picture and its frame is a few bytes for each 256 of its pixels.
func (p *webpBuffers) bytes() int64 {
	return int64(p.width)*int64(p.height)*13/8 + int64(p.copied) + int64(cap(p.chroma)) + p.lossless.Bytes()
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
		p.chroma = sized(p.chroma, 2*(w+1))
		return &vp8Picture{m: m, width: w, height: h, u: p.chroma[:w+1], v: p.chroma[w+1:]}, nil
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
	u, v          []byte // a row of chroma at full width
}

// Size is the picture's width and height.
func (p *vp8Picture) Size() (width, height int) { return p.width, p.height }

// Row writes row y.
func (p *vp8Picture) Row(dst []byte, y int) {
	half := (p.height + 1) / 2
	near := y / 2
	far := min(max(near-1+2*(y&1), 0), half-1)
	p.chroma(p.u, p.m.Cb, near, far)
	p.chroma(p.v, p.m.Cr, near, far)
	for x, l := range p.m.Y[y*p.m.YStride:][:p.width] {
		yy, u, v := int32(l)*19077>>8, int32(p.u[x]), int32(p.v[x])
		o := dst[3*x : 3*x+3 : 3*x+3]
		o[0] = clip6(yy + v*26149>>8 - 14234)
		o[1] = clip6(yy - u*6419>>8 - v*13320>>8 + 8708)
		o[2] = clip6(yy + u*33050>>8 - 17685)
	}
}

// chroma fills dst with a row at full width from the nearer and the further row of samples. libwebp computes in pairs with two roundings,
// which is what makes it differ from the plain weighted sum.
func (p *vp8Picture) chroma(dst, plane []byte, near, far int) {
	n := (p.width + 1) / 2
	a, b := plane[near*p.m.CStride:][:n], plane[far*p.m.CStride:][:n]
	a0, b0 := uint32(a[0]), uint32(b[0])
	dst[0] = byte((3*a0 + b0 + 2) >> 2)
	for x := 1; x < n; x++ {
		a1, b1 := uint32(a[x]), uint32(b[x])
		sum := a0 + a1 + b0 + b1 + 8
		left, right := (sum+2*(a1+b0))>>3, (sum+2*(a0+b1))>>3
		dst[2*x-1], dst[2*x] = byte((left+a0)>>1), byte((right+a1)>>1)
		a0, b0 = a1, b1
	}
	dst[2*n-1] = byte((3*a0 + b0 + 2) >> 2)
}

// clip6 drops six fractional bits and clips to a byte.
func clip6(v int32) byte {
	v >>= 6
	if uint32(v) > 255 {
		return byte(^(v >> 31))
	}
	return byte(v)
}
