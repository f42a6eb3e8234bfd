package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	stdimage "image"
	"image/png"

	"golang.org/x/image/bmp"

	"vecmill/embed/image/jpeg"
)

// decode decodes a picture whose header is h, and turns it as its metadata say. What it gives may use d's buffers and is valid until d's next picture. A decoder that
// gives another size than the header's is refused: the limits were checked on the header.
func decode(ctx context.Context, d *jpeg.Decoder, h header, b []byte) (src source, err error) {
	switch h.format {
	case formatJPEG:
		var p *jpeg.Picture
		if p, err = d.Decode(ctx, b); err == nil {
			src = p
		}
	case formatPNG:
		src, err = decodePNG(b)
	case formatGIF:
		src, err = decodeGIF(b)
	case formatBMP:
		src, err = decodeBMP(b)
	case formatTIFF:
		src, err = decodeTIFF(b, h)
	case formatWebP:
		src, err = decodeWebP(b, h)
	default:
		err = errUnknownFormat
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.format, err)
	}
	w, down := src.Size()
	if int64(w)*int64(down) != h.pixels() {
		return nil, fmt.Errorf("%s: decoded as %d x %d, announced as %d x %d", h.format, w, down, h.width, h.height)
	}
	return turn(src, orientationOf(h, b)), nil
}

func decodePNG(b []byte) (source, error) {
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	depth, kind := b[24], b[25]
	if n, ok := m.(*stdimage.NRGBA64); ok && depth == 16 && kind == 0 { // grey with a transparent level
		return &deepGrey{width: n.Rect.Dx(), height: n.Rect.Dy(), pix: n.Pix, stride: n.Stride, step: 8}, nil
	}
	return fromImage(m)
}

func decodeBMP(b []byte) (source, error) {
	m, err := bmp.Decode(bytes.NewReader(b))
	if errors.Is(err, bmp.ErrUnsupported) {
		return nil, errors.New("only uncompressed pictures of 1, 2, 4, 8, 24 or 32 bits are read")
	}
	if err != nil {
		return nil, err
	}
	return fromImage(m)
}
