package audio

import (
	"encoding/binary"
	"errors"
	"io"

	"vecmill/schemas"
)

// The format tags that are decoded.
const (
	tagPCM        = 0x0001
	tagFloat      = 0x0003
	tagALaw       = 0x0006
	tagMuLaw      = 0x0007
	tagExtensible = 0xfffe
)

// wavFile is where a WAV file's samples lie and how to read them.
type wavFile struct {
	head   header
	frame  int // bytes of one sample of all channels
	conv   converter
	float  bool // samples may be NaN or infinite
	data   []byte
	dataAt int64 // offset of the data chunk's content
	size   int64 // its declared bytes, or what is left of the file if it does not say
}

// errMore says that the bytes at hand end before the data chunk begins; the format is known if frame is set.
var errMore = errors.New("the data chunk is not in these bytes")

// openWAV parses a whole file.
func openWAV(blob []byte, total int64) (*wavReader, error) {
	w, err := parseWAV(blob, total)
	switch {
	case errors.Is(err, errMore):
		return nil, schemas.Rejectf(schemas.ReasonDecode, "wav: no data chunk")
	case err != nil:
		return nil, err
	}
	w.data = blob[w.dataAt : w.dataAt+w.size]
	return &wavReader{wavFile: w}, nil
}

// parseWAV walks the chunks of b, the first bytes of a file of total bytes, up to the data chunk. It refuses a data chunk that
// declares more than the file holds: the file was cut.
func parseWAV(b []byte, total int64) (wavFile, error) {
	var w wavFile
	if len(b) < 12 {
		return w, schemas.Rejectf(schemas.ReasonDecode, "wav: %d bytes are not even a header", len(b))
	}
	wide := string(b[:4]) != "RIFF" // RF64, BW64: 64-bit sizes in a ds64 chunk
	var wideSize int64 = -1
	le := binary.LittleEndian
	for at := int64(12); ; {
		if at+8 > int64(len(b)) {
			return w, errMore
		}
		id, size := string(b[at:at+4]), int64(le.Uint32(b[at+4:]))
		at += 8
		if id == "data" {
			if whole := int64(le.Uint32(b[4:])); size == 0 && !wide && (whole <= at-8 || whole == 0xffffffff) {
				size = streamedSize // its recorder ended before it said how long it is
			}
			return w.withData(at, size, wideSize, total)
		}
		if at+size > int64(len(b)) {
			if id == "fmt " || id == "ds64" {
				return w, schemas.Rejectf(schemas.ReasonDecode, "wav: truncated inside its %q chunk", id)
			}
			return w, errMore
		}
		body := b[at : at+size]
		switch {
		case id == "fmt ":
			if err := w.parseFormat(body); err != nil {
				return w, err
			}
		case id == "ds64" && wide:
			if len(body) < 16 {
				return w, schemas.Rejectf(schemas.ReasonDecode, "wav: ds64 chunk of %d bytes", len(body))
			}
			wideSize = int64(le.Uint64(body[8:]))
		}
		at += size + size&1 // chunks are padded to even length
	}
}

// Sizes from here on are what programs write that cannot seek back to complete the header: the samples go on to the end of the file.
const streamedSize = 0x7fff0000

// withData settles how many bytes of samples there are.
func (w wavFile) withData(at, size, wideSize, total int64) (wavFile, error) {
	left := total - at
	if size == 0xffffffff && wideSize >= 0 {
		size = wideSize
	} else if size >= streamedSize && size > left {
		size = left
	}
	switch {
	case w.frame == 0:
		return w, schemas.Rejectf(schemas.ReasonDecode, "wav: no fmt chunk before the data")
	case size > left:
		return w, schemas.Rejectf(schemas.ReasonDecode, "wav: truncated: %d bytes of samples declared, %d present", size, left)
	}
	w.dataAt, w.size = at, size
	w.head.frames = size / int64(w.frame)
	return w, nil
}

// parseFormat reads the fmt chunk.
func (w *wavFile) parseFormat(b []byte) error {
	le := binary.LittleEndian
	if len(b) < 16 {
		return schemas.Rejectf(schemas.ReasonDecode, "wav: fmt chunk of %d bytes, want 16", len(b))
	}
	tag, bits := int(le.Uint16(b)), int(le.Uint16(b[14:]))
	w.head = header{rate: int(le.Uint32(b[4:])), channels: int(le.Uint16(b[2:])), frames: -1}
	align := int(le.Uint16(b[12:]))
	if tag == tagExtensible {
		if len(b) < 40 {
			return schemas.Rejectf(schemas.ReasonDecode, "wav: extensible fmt chunk of %d bytes, want 40", len(b))
		}
		if !knownSubFormat(b[26:40]) {
			return schemas.Rejectf(schemas.ReasonDecode, "wav: unknown extensible sub-format % x", b[24:40])
		}
		tag = int(le.Uint16(b[24:]))
	}
	if err := w.head.check("wav"); err != nil {
		return err
	}
	if align%w.head.channels != 0 {
		return schemas.Rejectf(schemas.ReasonDecode, "wav: block of %d bytes does not divide into %d channels", align, w.head.channels)
	}
	width := align / w.head.channels
	if width*8 < bits || bits < 1 {
		return schemas.Rejectf(schemas.ReasonDecode, "wav: %d bits in a container of %d bytes", bits, width)
	}
	conv, ok := wavConverter(tag, width)
	if !ok {
		return schemas.Rejectf(schemas.ReasonDecode, "wav: %s with %d bytes a sample is not supported in this build", tagName(tag), width)
	}
	w.conv, w.frame, w.float = conv, align, tag == tagFloat
	return nil
}

// check refuses headers that no recording has.
func (h header) check(format string) error {
	switch {
	case h.channels < 1 || h.channels > maxChannels:
		return schemas.Rejectf(schemas.ReasonDecode, "%s: %d channels, want 1 to %d", format, h.channels, maxChannels)
	case h.rate < minRate || h.rate > maxRate:
		return schemas.Rejectf(schemas.ReasonDecode, "%s: %d samples a second, want %d to %d", format, h.rate, minRate, maxRate)
	}
	return nil
}

// knownSubFormat says whether the tail of an extensible sub-format GUID is one of the two whose first field is a format tag:
// the standard one and the ambisonic one.
func knownSubFormat(tail []byte) bool {
	return string(tail) == "\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71" ||
		string(tail) == "\x00\x00\x21\x07\xd3\x11\x86\x44\xc8\xc1\xca\x00\x00\x00"
}

func tagName(tag int) string {
	switch tag {
	case tagPCM:
		return "PCM"
	case tagFloat:
		return "float"
	case tagALaw:
		return "A-law"
	case tagMuLaw:
		return "mu-law"
	case 0x0002:
		return "Microsoft ADPCM"
	case 0x0011:
		return "IMA ADPCM"
	case 0x0031:
		return "GSM 6.10"
	case 0x0050, 0x0055:
		return "MPEG audio in WAV"
	}
	return "a codec that is neither PCM, float nor G.711"
}

// wavReader reads the samples of a parsed file.
type wavReader struct {
	wavFile
	at int
}

func (r *wavReader) header() header { return r.head }

func (r *wavReader) read(dst []float32) (int, error) {
	n := min(len(dst), (len(r.data)-r.at)/r.frame)
	if n == 0 {
		return 0, io.EOF
	}
	r.conv(dst[:n], r.data[r.at:r.at+n*r.frame], r.head.channels)
	r.at += n * r.frame
	if r.float && !finite(dst[:n]) {
		return 0, schemas.Rejectf(schemas.ReasonDecode, "wav: a float sample is not a finite number")
	}
	return n, nil
}

// finite says whether no element is NaN or infinite.
func finite(x []float32) bool {
	for _, v := range x {
		if v-v != 0 {
			return false
		}
	}
	return true
}
