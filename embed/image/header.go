package image

import (
	"encoding/binary"
	"errors"
	"fmt"

	"vecmill/embed/image/jpeg"
	"vecmill/embed/image/vp8l"
)

// format is a container that is told by its first bytes.
type format string

const (
	formatJPEG format = "JPEG"
	formatPNG  format = "PNG"
	formatGIF  format = "GIF"
	formatBMP  format = "BMP"
	formatTIFF format = "TIFF"
	formatWebP format = "WebP"
)

// header is what a file's first bytes say.
type header struct {
	format        format
	width, height int
	joined        int64 // of PNG: the most that its chunks of pixels may hold together, if they are several; 0: not known
	decoded       int64 // upper bound of the bytes that decoding, and turning, allocates
	orientation   int64 // of JPEG, where it comes before the size; see orientationOf
}

var (
	errUnknownFormat = errors.New("not a picture of a known kind: want JPEG, PNG, GIF, BMP, TIFF or WebP")
	errHeaderShort   = errors.New("the picture ends within its header")
)

// sniff reads the header of a picture from its first bytes. It fails with errHeaderShort if there are too few of them; the
// format is then set all the same if it is known.
func sniff(b []byte) (header, error) {
	f, err := sniffFormat(b)
	if err != nil {
		return header{}, err
	}
	h := header{format: f}
	switch f {
	case formatJPEG:
		err = h.readJPEG(b)
	case formatPNG:
		err = h.readPNG(b)
	case formatGIF:
		err = h.readGIF(b)
	case formatBMP:
		err = h.readBMP(b)
	case formatTIFF:
		err = h.readTIFF(b)
	case formatWebP:
		err = h.readWebP(b)
	}
	if err == nil && (h.width < 1 || h.height < 1) {
		err = fmt.Errorf("empty picture of %d x %d", h.width, h.height)
	}
	if err != nil {
		return header{format: f}, fmt.Errorf("%s: %w", f, err)
	}
	return h, nil
}

// isobmff are the brands of pictures in a container of the MP4 kind.
var isobmff = map[string]string{
	"avif": "AVIF", "avis": "AVIF", "heic": "HEIC", "heix": "HEIC", "heim": "HEIC", "heis": "HEIC", "hevc": "HEIC", "hevx": "HEIC", "mif1": "HEIF", "msf1": "HEIF",
}

func sniffFormat(b []byte) (format, error) {
	starts := func(s string) bool { return len(b) >= len(s) && string(b[:len(s)]) == s }
	switch {
	case starts("\xff\xd8\xff"):
		return formatJPEG, nil
	case starts("\x89PNG\r\n\x1a\n"):
		return formatPNG, nil
	case starts("GIF87a"), starts("GIF89a"):
		return formatGIF, nil
	case starts("II*\x00"), starts("MM\x00*"):
		return formatTIFF, nil
	case starts("RIFF") && len(b) >= 12 && string(b[8:12]) == "WEBP":
		return formatWebP, nil
	case starts("BM"):
		return formatBMP, nil
	case starts("II+\x00"), starts("MM\x00+"):
		return "", errors.New("BigTIFF is not read")
	case len(b) >= 12 && string(b[4:8]) == "ftyp" && isobmff[string(b[8:12])] != "":
		return "", fmt.Errorf("%s is not read: convert it to JPEG, PNG or WebP", isobmff[string(b[8:12])])
	case starts("\xff\x0a"), starts("\x00\x00\x00\x0cJXL "):
		return "", errors.New("JPEG XL is not read")
	case len(b) < 12:
		return "", fmt.Errorf("%w (%d bytes)", errUnknownFormat, len(b))
	}
	return "", errUnknownFormat
}

// turned is how many bytes a turned copy takes for each pixel.
const turned = 3

func (h *header) readJPEG(b []byte) error {
	j, err := jpeg.ReadHeader(b)
	if errors.Is(err, jpeg.ErrShort) {
		return errHeaderShort
	}
	if err != nil {
		return err
	}
	h.width, h.height, h.decoded = j.Width, j.Height, j.Memory()
	h.orientation = (&metadata{j.Exif, j.XMP}).orientation()
	if h.orientation != upright {
		h.decoded += turned * h.pixels()
	}
	return nil
}

func (h *header) readGIF(b []byte) error {
	if len(b) < 10 {
		return errHeaderShort
	}
	h.setSize(int64(binary.LittleEndian.Uint16(b[6:])), int64(binary.LittleEndian.Uint16(b[8:])))
	h.decoded = h.pixels() + 64<<10
	return nil
}

func (h *header) readWebP(b []byte) error {
	if len(b) < 25 || len(b) < 30 && string(b[12:16]) != "VP8L" {
		return errHeaderShort
	}
	switch kind := string(b[12:16]); kind {
	case "VP8 ":
		h.setSize(int64(binary.LittleEndian.Uint16(b[26:])&0x3FFF), int64(binary.LittleEndian.Uint16(b[28:])&0x3FFF))
	case "VP8L":
		v := binary.LittleEndian.Uint32(b[21:])
		h.setSize(int64(v&0x3FFF)+1, int64(v>>14&0x3FFF)+1)
	case "VP8X":
		h.setSize(int64(uint24(b[24:]))+1, int64(uint24(b[27:]))+1)
	default:
		return fmt.Errorf("first chunk %q is not a picture", kind)
	}
	h.decoded = vp8l.Memory(h.pixels()) // which is more than a lossy one's
	if string(b[12:16]) == "VP8X" {
		h.decoded += 3 * h.pixels() // a frame on its canvas
		if b[20]&(webpXMP|webpExif) != 0 {
			h.decoded += turned * h.pixels()
		}
	}
	return nil
}

func uint24(b []byte) uint32 { return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 }

// setSize takes sides that may not fit an int; impossible ones become 0, huge ones stay huge.
func (h *header) setSize(w, down int64) {
	h.width, h.height = int(min(max(w, 0), 1<<31-1)), int(min(max(down, 0), 1<<31-1))
}

// pixels is width x height, held low enough that bounds computed from it do not overflow.
func (h *header) pixels() int64 { return min(int64(h.width)*int64(h.height), 1<<50) }
