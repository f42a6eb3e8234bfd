package jpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

var (
	// ErrFormat marks data that is no JPEG, or a damaged one.
	ErrFormat = errors.New("invalid JPEG")
	// ErrUnsupported marks a JPEG of a kind that is not read.
	ErrUnsupported = errors.New("unsupported JPEG")
	// ErrShort says that the data ends before the frame header; more of it may help.
	ErrShort = errors.New("JPEG ends before its frame header")
)

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsupported, fmt.Sprintf(format, args...))
}

// The markers that matter, second byte.
const (
	markerSOF0  = 0xC0 // baseline
	markerSOF1  = 0xC1 // extended sequential
	markerSOF2  = 0xC2 // progressive
	markerDHT   = 0xC4
	markerRST0  = 0xD0
	markerRST7  = 0xD7
	markerSOI   = 0xD8
	markerEOI   = 0xD9
	markerSOS   = 0xDA
	markerDQT   = 0xDB
	markerDRI   = 0xDD
	markerAPP0  = 0xE0
	markerAPP1  = 0xE1
	markerAPP14 = 0xEE
	markerTEM   = 0x01
)

// What the metadata in markerAPP1 begin with.
const (
	exifMark = "Exif\x00\x00"
	xmpMark  = "http://ns.adobe.com/xap/1.0/\x00"
)

// Header is a frame header.
type Header struct {
	Width, Height int         // pixels, as they lie in the file: not turned upright
	Progressive   bool        // in several scans
	Components    []Component // 1, 3 or 4

	// Exif and XMP are the metadata before the frame header, as they lie in the file; ReadHeader alone gives them.
	Exif, XMP []byte
}

// Component is one plane of a frame.
type Component struct {
	ID         byte // by which scans name it
	H, V       int  // sampling factors, 1 to 4
	quantTable byte
}

// maxSampling gives the largest sampling factors.
func (h *Header) maxSampling() (hmax, vmax int) {
	hmax, vmax = 1, 1
	for _, c := range h.Components {
		hmax, vmax = max(hmax, c.H), max(vmax, c.V)
	}
	return hmax, vmax
}

// blockSize is how many samples a block of component c becomes in each direction at 1/scale. Planes that are coarser than the picture are reduced less, as
// far as that makes them its size, which spares the upsampling: libjpeg's rule.
func (h *Header) blockSize(c Component, scale int) int {
	smallest := 8 / scale
	hmax, vmax := h.maxSampling()
	size := smallest
	for size < 8 && hmax*smallest%(c.H*size*2) == 0 && vmax*smallest%(c.V*size*2) == 0 {
		size *= 2
	}
	return size
}

// Memory is an upper bound of the bytes that a Decoder allocates for the picture: its planes, and for progressive files their
// coefficients. (Baseline files in several scans need no more: their blocks are transformed as they come.)
func (h *Header) Memory() int64 {
	perSample := int64(1)
	if h.Progressive {
		perSample += 2
	}
	hmax, vmax := h.maxSampling()
	across := int64(ceilDiv(h.Width, 8*hmax)) * 8
	down := int64(ceilDiv(h.Height, 8*vmax)) * 8
	var n int64
	for _, c := range h.Components {
		n += across * int64(c.H) * down * int64(c.V) * perSample
	}
	return n + int64(len(h.Components)*(h.Width+64)*4) + 8*int64(h.Width+64)
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// ReadHeader finds the frame header in data, which may be only the beginning of a file. It fails with ErrShort if data ends
// too soon.
func ReadHeader(data []byte) (Header, error) {
	if len(data) < 2 || data[0] != 0xFF || data[1] != markerSOI {
		return Header{}, damaged("no start marker")
	}
	s := segments{data: data, pos: 2}
	var exif, xmp []byte
	for {
		marker, body, err := s.next()
		switch {
		case errors.Is(err, errEnd):
			return Header{}, ErrShort
		case err != nil:
			return Header{}, err
		case marker == markerAPP1 && bytes.HasPrefix(body, []byte(exifMark)):
			if exif != nil { // in parts
				body = slices.Concat(exif, body[len(exifMark):])
			}
			exif = body
		case marker == markerAPP1 && bytes.HasPrefix(body, []byte(xmpMark)):
			xmp = body[len(xmpMark):]
		case isFrame(marker):
			h, err := parseFrame(marker, body)
			h.Exif, h.XMP = exif, xmp
			return h, err
		case marker == markerSOS || marker == markerEOI:
			return Header{}, damaged("no frame header before the first scan")
		}
	}
}

// isFrame says whether the marker begins a frame header of any process.
func isFrame(m byte) bool {
	return m >= markerSOF0 && m <= 0xCF && m != markerDHT && m != 0xC8 && m != 0xCC
}

func parseFrame(marker byte, b []byte) (Header, error) {
	switch marker {
	case markerSOF0, markerSOF1, markerSOF2:
	case 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF:
		return Header{}, unsupported("arithmetic coding")
	default:
		return Header{}, unsupported("lossless or hierarchical process (marker %#x)", marker)
	}
	if len(b) < 6 {
		return Header{}, damaged("frame header of %d bytes", len(b))
	}
	if b[0] != 8 {
		return Header{}, unsupported("%d bits per sample", b[0])
	}
	h := Header{
		Height:      int(binary.BigEndian.Uint16(b[1:])),
		Width:       int(binary.BigEndian.Uint16(b[3:])),
		Progressive: marker == markerSOF2,
	}
	n := int(b[5])
	switch {
	case h.Width == 0 || h.Height == 0:
		return Header{}, damaged("empty picture of %d x %d", h.Width, h.Height)
	case n != 1 && n != 3 && n != 4:
		return Header{}, unsupported("%d components", n)
	case len(b) != 6+3*n:
		return Header{}, damaged("frame header of %d bytes for %d components", len(b), n)
	}
	for i := range n {
		f := b[6+3*i:]
		c := Component{ID: f[0], H: int(f[1] >> 4), V: int(f[1] & 15), quantTable: f[2]}
		if c.H < 1 || c.H > 4 || c.V < 1 || c.V > 4 {
			return Header{}, damaged("sampling factors %d x %d", c.H, c.V)
		}
		if c.quantTable > 3 {
			return Header{}, damaged("quantisation table %d", c.quantTable)
		}
		h.Components = append(h.Components, c)
	}
	return h, h.checkSampling()
}

// checkSampling refuses fractional ratios, which libjpeg does not implement either.
func (h *Header) checkSampling() error {
	hmax, vmax := h.maxSampling()
	for _, c := range h.Components {
		if hmax%c.H != 0 || vmax%c.V != 0 {
			return unsupported("fractional sampling: %d x %d of %d x %d", c.H, c.V, hmax, vmax)
		}
	}
	return nil
}

var errEnd = errors.New("end of data")

// segments walks the marker segments of a file.
type segments struct {
	data []byte
	pos  int
}

// next gives the next marker and its parameters, if it has any. Bytes between segments are skipped, as libjpeg does.
func (s *segments) next() (marker byte, body []byte, err error) {
	for {
		for s.pos < len(s.data) && s.data[s.pos] != 0xFF {
			s.pos++
		}
		for s.pos < len(s.data) && s.data[s.pos] == 0xFF {
			s.pos++
		}
		if s.pos >= len(s.data) {
			return 0, nil, errEnd
		}
		marker = s.data[s.pos]
		s.pos++
		if marker != 0 {
			break
		}
	}
	if marker == markerTEM || marker >= markerRST0 && marker <= markerEOI {
		return marker, nil, nil
	}
	if s.pos+2 > len(s.data) {
		return 0, nil, errEnd
	}
	n := int(binary.BigEndian.Uint16(s.data[s.pos:]))
	if n < 2 {
		return 0, nil, damaged("segment %#x of %d bytes", marker, n)
	}
	if s.pos+n > len(s.data) {
		return 0, nil, errEnd
	}
	body = s.data[s.pos+2 : s.pos+n]
	s.pos += n
	return marker, body, nil
}
