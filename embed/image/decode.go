package image

import (
	"context"
	"fmt"

	"vecmill/embed/image/jpeg"
	"vecmill/embed/image/turbojpeg"
)

// reader decodes one picture after the other and keeps its buffers.
type reader struct {
	jpeg    jpeg.Decoder
	library *turbojpeg.Decoder // nil: package jpeg decodes all
	rgb     []byte             // what the library wrote, or a TIFF's pixels
	blocks  unpacker           // of TIFF
	png     pngBuffers
	gif     gifBuffers
	webp    webpBuffers
	upright []byte // a picture that was turned
	stored  bool   // turn no picture by its metadata
	draft   Size   // JPEG: decode at a reduced size that is no smaller than this on either side; zero: at full size
}

// bytes is the size of the buffers that the reader keeps.
func (r *reader) bytes() int64 {
	return r.jpeg.Bytes() + int64(cap(r.rgb)) + r.blocks.bytes() + r.png.bytes() + r.webp.bytes() + int64(cap(r.upright))
}

// room is a buffer of n bytes, with whatever is in it.
func (r *reader) room(n int) []byte {
	r.rgb = sized(r.rgb, n)
	return r.rgb
}

// sized is b with a length of n, or new room, with whatever is in it.
func sized(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// decode decodes a picture whose header is h, and turns it as its metadata say, unless r.stored is set. What it gives may use r's buffers and is valid until r's next picture. A decoder that
// gives another size than the header's is refused: the limits were checked on the header. size is the upright picture's, of which src may be a reduced one.
func (r *reader) decode(ctx context.Context, h header, b []byte) (src source, size Size, err error) {
	w, down := h.width, h.height
	orientation := int64(upright)
	if !r.stored {
		orientation = orientationOf(h, b)
	}
	switch h.format {
	case formatJPEG:
		scale := r.scale(h, orientation)
		w, down = (w+scale-1)/scale, (down+scale-1)/scale
		src, err = r.decodeJPEG(ctx, h, b, scale)
	case formatPNG:
		src, err = r.png.decode(ctx, b, h)
	case formatGIF:
		src, err = r.decodeGIF(b)
	case formatBMP:
		src, err = r.decodeBMP(b, h)
	case formatTIFF:
		src, err = r.decodeTIFF(ctx, b, h)
	case formatWebP:
		src, err = r.decodeWebP(ctx, b, h)
	default:
		err = errUnknownFormat
	}
	if ctx.Err() != nil {
		return nil, Size{}, ctx.Err()
	}
	if err != nil {
		return nil, Size{}, fmt.Errorf("%s: %w", h.format, err)
	}
	if gw, gh := src.Size(); int64(gw)*int64(gh) != int64(w)*int64(down) {
		return nil, Size{}, fmt.Errorf("%s: decoded as %d x %d, announced as %d x %d", h.format, gw, gh, w, down)
	}
	src = r.turn(src, orientation)
	size.Width, size.Height = src.Size()
	if w != h.width || down != h.height {
		size = Size{Width: h.width, Height: h.height}
		if swaps(orientation) {
			size.Width, size.Height = size.Height, size.Width
		}
	}
	return src, size, nil
}

// scale is what a JPEG is reduced by: the most of 8, 4 and 2 that leaves at least the size that is wanted, Pillow's rule in draft mode. The size is
// that of the upright picture.
func (r *reader) scale(h header, orientation int64) int {
	want := r.draft
	if want.Width == 0 {
		return 1
	}
	if swaps(orientation) {
		want.Width, want.Height = want.Height, want.Width
	}
	most := min(h.width/want.Width, h.height/want.Height)
	for _, s := range [...]int{8, 4, 2} {
		if most >= s {
			return s
		}
	}
	return 1
}

// decodeJPEG lets the library decode if there is one. What it does not take, or has a complaint about, package jpeg decides on: so the same files are taken and
// refused with the library as without.
func (r *reader) decodeJPEG(ctx context.Context, h header, b []byte, scale int) (source, error) {
	if r.library != nil && turbojpeg.Scales(h.width, h.height, scale) {
		checked, err := r.jpeg.Check(b)
		if err != nil {
			return nil, err
		}
		if checked.Width != h.width || checked.Height != h.height {
			return nil, fmt.Errorf("a header of %d x %d behind one of %d x %d", checked.Width, checked.Height, h.width, h.height)
		}
		w, down := (h.width+scale-1)/scale, (h.height+scale-1)/scale
		out := &raster{width: w, height: down, pix: r.room(3 * w * down)}
		if len(checked.Components) < 4 && r.library.Decode(out.pix, b, w, down) == nil {
			return out, nil
		}
	}
	return r.jpeg.DecodeReduced(ctx, b, scale)
}
