package image

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"io"
	"regexp"
	"strings"
)

// upright is the orientation of a picture that is stored as it is to be seen. Orientations are TIFF's, 1 to 8.
const upright = 1

// maxMetadata bounds what is inflated of a picture's metadata.
const maxMetadata = 1 << 20

// metadata is what a picture says about itself; empty where it is silent.
type metadata struct {
	exif, xmp []byte
}

// orientation is how the picture is to be turned, as Pillow's exif_transpose finds it: by Exif's tag or, where Exif has none, by XMP's.
func (m *metadata) orientation() int64 {
	if v, ok := exifOrientation(m.exif); ok {
		return v
	}
	if found := xmpOrientation.FindSubmatch(m.xmp); found != nil {
		return int64(found[1][0] - '0')
	}
	return upright
}

var xmpOrientation = regexp.MustCompile(`tiff:Orientation(?:="|>)([0-9])`)

// exifOrientation reads the tag in a TIFF directory behind Exif's own six bytes, which may be missing. Of equal tags the last counts. ok is
// false if there is none, or nothing that can be read.
func exifOrientation(b []byte) (value int64, ok bool) {
	for range 2 {
		b = bytes.TrimPrefix(b, []byte("Exif\x00\x00"))
	}
	if len(b) < 8 {
		return 0, false
	}
	var order binary.ByteOrder
	switch string(b[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0, false
	}
	at := int64(order.Uint32(b[4:]))
	if at+2 > int64(len(b)) {
		return 0, false
	}
	n := int(order.Uint16(b[at:]))
	for b = b[at+2:]; n > 0 && len(b) >= 12; b, n = b[12:], n-1 {
		kind, count := order.Uint16(b[2:]), order.Uint32(b[4:])
		if order.Uint16(b) != tagOrientation || count < 1 {
			continue
		}
		switch {
		case (kind == 3 || kind == 8) && count <= 2:
			value, ok = int64(order.Uint16(b[8:])), true
		case (kind == 4 || kind == 9) && count == 1:
			value, ok = int64(order.Uint32(b[8:])), true
		default: // something else, or somewhere else: it is there, and turns nothing
			value, ok = 0, true
		}
	}
	return value, ok
}

// orientationOf is the orientation of a picture of which all bytes are there. decodeTIFF sees to TIFF's own.
func orientationOf(h header, b []byte) int64 {
	switch h.format {
	case formatJPEG:
		return h.orientation
	case formatPNG:
		return metadataOfPNG(b).orientation()
	case formatWebP:
		return metadataOfWebP(b).orientation()
	}
	return upright
}

// metadataOfPNG walks the chunks; the last of a kind counts.
func metadataOfPNG(b []byte) *metadata {
	m := &metadata{}
	var profile []byte // Exif as ImageMagick has written it, if there is no chunk of its own
	for b = b[min(8, len(b)):]; len(b) >= 12; {
		n, kind := int64(binary.BigEndian.Uint32(b)), string(b[4:8])
		if n > int64(len(b)-12) {
			break
		}
		body := b[8 : 8+n]
		switch kind {
		case "eXIf":
			m.exif = body
		case "tEXt", "zTXt", "iTXt":
			switch key, text := textChunk(kind, body); key {
			case "XML:com.adobe.xmp":
				m.xmp = text
			case "Raw profile type exif":
				profile = text
			}
		}
		b = b[12+n:]
	}
	if m.exif == nil && profile != nil {
		m.exif = rawProfile(profile)
	}
	return m
}

// textChunk takes a textual chunk apart. Text that cannot be read is nil.
func textChunk(kind string, body []byte) (key string, text []byte) {
	head, rest, ok := bytes.Cut(body, []byte{0})
	if !ok {
		return "", nil
	}
	packed := kind == "zTXt"
	switch {
	case packed && len(rest) >= 1:
		rest = rest[1:] // method
	case kind == "iTXt" && len(rest) >= 2:
		packed = rest[0] != 0
		_, rest, _ = bytes.Cut(rest[2:], []byte{0}) // language
		_, rest, _ = bytes.Cut(rest, []byte{0})     // translated key
	case kind != "tEXt":
		return "", nil
	}
	if !packed {
		return string(head), rest
	}
	z, err := zlib.NewReader(bytes.NewReader(rest))
	if err != nil {
		return string(head), nil
	}
	text, err = io.ReadAll(io.LimitReader(z, maxMetadata))
	if err != nil {
		return string(head), nil
	}
	return string(head), text
}

// rawProfile is the bytes of a profile in hexadecimal lines behind its name and length.
func rawProfile(text []byte) []byte {
	lines := strings.Split(string(text), "\n")
	if len(lines) < 4 {
		return nil
	}
	b, err := hex.DecodeString(strings.Join(lines[3:], ""))
	if err != nil {
		return nil
	}
	return b
}

// The flags of a WebP file that say which metadata count.
const (
	webpXMP  = 1 << 2
	webpExif = 1 << 3
)

// metadataOfWebP walks the chunks; the first of a kind counts, if the header announces it.
func metadataOfWebP(b []byte) *metadata {
	m := &metadata{}
	if len(b) < 30 || string(b[12:16]) != "VP8X" {
		return m
	}
	flags := b[20]
	for b = b[12:]; len(b) >= 8; {
		kind, n := string(b[:4]), int64(binary.LittleEndian.Uint32(b[4:]))
		if n > int64(len(b)-8) {
			break
		}
		switch body := b[8 : 8+n]; {
		case kind == "EXIF" && flags&webpExif != 0 && m.exif == nil:
			m.exif = body
		case kind == "XMP " && flags&webpXMP != 0 && m.xmp == nil:
			m.xmp = body
		}
		b = b[min(8+n+n&1, int64(len(b))):]
	}
	return m
}
