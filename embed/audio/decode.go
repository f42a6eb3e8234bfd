package audio

import (
	"bytes"
	"sync"

	"vecmill/schemas"
)

// What a file may claim. The limits lie far beyond real recordings; they keep filter tables and scratch small.
const (
	minRate     = 1000
	maxRate     = 768_000
	maxChannels = 256
)

// header is what the first bytes of a file say about the rest.
type header struct {
	rate     int
	channels int
	frames   int64 // samples of one channel; -1 if the header does not say
	most     int64 // if frames is -1: a bound on them, 0 if there is none
}

// decoder yields mono blocks. Read fills dst from its start with up to len(dst) samples, mixed to mono by the mean; it
// returns io.EOF with no samples at the end, and any other error is a Rejection.
type decoder interface {
	header() header
	read(dst []float32) (int, error)
}

// decoders keeps decoders between objects, for the memory that they have. The zero value is ready, and it is safe for concurrent use. What waits in it is outside of any lease; a garbage collection or two empty it.
type decoders struct {
	flac   sync.Pool // *flac.Decoder
	mp3    sync.Pool // *mp3.Decoder
	vorbis sync.Pool // *vorbis.Decoder
	opus   sync.Pool // *opusDecoder
}

// put takes a decoder back that nobody reads any more.
func (k *decoders) put(d decoder) {
	switch r := d.(type) {
	case *flacReader:
		r.d.Release()
		k.flac.Put(r.d)
	case *oggFLACReader:
		r.d.Release()
		k.flac.Put(r.d)
	case *mp3Reader:
		r.d.Release()
		k.mp3.Put(r.d)
	case *vorbisReader:
		k.vorbis.Put(r.d)
	case *opusReader:
		if r.decoder != nil && !r.failed {
			k.opus.Put(r.decoder)
		}
	}
}

// open recognises the format by its first bytes.
func open(blob []byte) (decoder, error) { return new(decoders).open(blob) }

func (k *decoders) open(blob []byte) (decoder, error) {
	switch f := sniff(blob); f {
	case wavFormat:
		return openWAV(blob, int64(len(blob)))
	case flacFormat:
		return openFLAC(blob, k)
	case opusFormat:
		return openOggOpus(blob, k)
	case matroskaFormat:
		return openMatroska(blob, k)
	case mp3Format:
		return openMP3(blob, k)
	case vorbisFormat:
		return openVorbis(blob, k)
	case oggFLACFormat:
		return openOggFLAC(blob, k)
	case "":
		return nil, schemas.Rejectf(schemas.ReasonDecode, "not a known audio format (first bytes % x)", blob[:min(len(blob), 8)])
	default:
		if demuxer(f) != "" {
			return nil, schemas.Rejectf(schemas.ReasonDecode, "%s is not supported in this build without audio.decoder: ffmpeg", f)
		}
		return nil, schemas.Rejectf(schemas.ReasonDecode, "%s is not supported in this build", f)
	}
}

const (
	wavFormat      = "wav"
	flacFormat     = "flac"
	opusFormat     = "ogg opus"
	matroskaFormat = "webm or matroska"
	mp3Format      = "mp3"
	vorbisFormat   = "ogg vorbis"
	oggFLACFormat  = "ogg flac"
)

// signature is a run of bytes at a place that gives a format away.
type signature struct {
	at     int
	magic  string
	at2    int
	magic2 string
	name   string
}

// signatures are tried in order; the names of what this build does not decode go into the refusal.
var signatures = []signature{
	{0, "RIFF", 8, "WAVE", wavFormat},
	{0, "RF64", 8, "WAVE", wavFormat},
	{0, "BW64", 8, "WAVE", wavFormat},
	{0, "fLaC", 0, "", flacFormat},
	{0, "RIFX", 8, "WAVE", "big-endian wav (RIFX)"},
	{0, "riff\x2e\x91\xcf\x11", 0, "", "wave64"},
	{0, "OggS", 28, "OpusHead", opusFormat},
	{0, "OggS", 29, "vorbis", vorbisFormat},
	{0, "OggS", 29, "FLAC", oggFLACFormat},
	{0, "OggS", 0, "", "ogg"},
	{0, "ID3", 0, "", mp3Format},
	{4, "ftyp", 0, "", "mp4 or m4a"},
	{0, "\x1a\x45\xdf\xa3", 0, "", matroskaFormat},
	{0, "FORM", 8, "AIFF", "aiff"},
	{0, "FORM", 8, "AIFC", "aiff"},
	{0, "#!AMR", 0, "", "amr"},
	{0, "caff", 0, "", "caf"},
	{0, ".snd", 0, "", "au"},
	{0, "MAC ", 0, "", "monkey's audio"},
	{0, "wvpk", 0, "", "wavpack"},
	{0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11", 0, "", "wma"},
}

// sniff names the format of b, "" if it is none that is known. An ID3 tag in front is looked behind, because taggers put it before
// FLAC as well.
func sniff(b []byte) string {
	b = b[id3Size(b):]
	for _, s := range signatures {
		if hasAt(b, s.at, s.magic) && hasAt(b, s.at2, s.magic2) {
			return s.name
		}
	}
	if len(b) < 2 || b[0] != 0xff {
		return ""
	}
	switch {
	case b[1]&0xf6 == 0xf0:
		return "aac (adts)" // layer bits 00
	case b[1]&0xe0 == 0xe0 && b[1]&0x18 != 0x08 && b[1]&0x06 != 0:
		return mp3Format // a sync word of any MPEG audio layer
	}
	return ""
}

func hasAt(b []byte, at int, magic string) bool {
	return len(b) >= at && bytes.HasPrefix(b[at:], []byte(magic))
}

// id3Size is the length of an ID3v2 tag that a FLAC stream follows, 0 if there is none.
func id3Size(b []byte) int {
	if n := id3Length(b); n+4 <= len(b) && string(b[n:n+4]) == "fLaC" {
		return n
	}
	return 0
}

// id3Length is the length of an ID3v2 tag in front of b, 0 if there is none.
func id3Length(b []byte) int {
	if len(b) < 10 || string(b[:3]) != "ID3" {
		return 0
	}
	return 10 + (int(b[6]&0x7f)<<21 | int(b[7]&0x7f)<<14 | int(b[8]&0x7f)<<7 | int(b[9]&0x7f))
}
