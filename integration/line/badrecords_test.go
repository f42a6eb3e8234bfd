//go:build integration

package line

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/png"
	"math"
	"strings"
	"testing"

	"vecmill/integration/fixture"
	"vecmill/schemas"
)

// badRecords is one record of every kind that can be wrong, and some that only look so.
func badRecords(t *testing.T, site *fixture.Site) []record {
	return slicesOf(badReferences(t, site), badFetches(t, site), badAudio(t, site), badImages(t, site), badText(t, site))
}

func slicesOf(all ...[]record) []record {
	var out []record
	for _, some := range all {
		out = append(out, some...)
	}
	return out
}

// everywhere is the fate of a record that no pipeline can tell to be another's.
func everywhere(reason schemas.Reason) map[string]fate {
	fates := map[string]fate{}
	for _, pipe := range badPipes {
		fates[pipe] = fate{dead: reason}
	}
	return fates
}

func in(pipe string, f fate) map[string]fate { return map[string]fate{pipe: f} }

func badReferences(t *testing.T, site *fixture.Site) []record {
	text := schemas.Ref{ID: "route", Inline: []byte("play a song"), Route: "no-such-pipeline"}
	raw := func(s string) []byte { return []byte(s) }
	return []record{
		{"a value that is not JSON", raw("s3://vecmill/in/a.wav"), everywhere(schemas.ReasonSchema)},
		{"an empty value", raw(""), everywhere(schemas.ReasonSchema)},
		{"a reference of an unknown version", raw(`{"v":2,"id":"x","uri":"s3://vecmill/in/x"}`), everywhere(schemas.ReasonSchema)},
		{"a reference without version", raw(`{"id":"x","uri":"s3://vecmill/in/x"}`), everywhere(schemas.ReasonSchema)},
		{"a reference with an unknown field", raw(`{"v":1,"id":"x","url":"s3://vecmill/in/x"}`), everywhere(schemas.ReasonSchema)},
		{"a reference that is not UTF-8", raw("{\"v\":1,\"id\":\"\xff\"}"), everywhere(schemas.ReasonSchema)},
		{"an unknown route", fixture.JSON(t, text), everywhere(schemas.ReasonSchema)},
		{"a tombstone", nil, nil},
	}
}

func badFetches(t *testing.T, site *fixture.Site) []record {
	uri, _ := site.Put(t, "bad/etag.txt", []byte("book a table for two"))
	huge, _ := site.Put(t, "bad/huge.txt", bytes.Repeat([]byte("word "), 1<<20))
	text := func(name, uri, etag string, reason schemas.Reason) record {
		return record{name, fixture.JSON(t, schemas.Ref{ID: name, URI: uri, ETag: etag, Route: failPipe}), in(failPipe, fate{dead: reason})}
	}
	return []record{
		text("an object that is not there", "s3://vecmill/in/bad/missing.txt", "", schemas.ReasonFetchMissing),
		text("an object with another ETag", uri, strings.Repeat("0", 32), schemas.ReasonFetchMissing),
		text("an object over the limit", huge, "", schemas.ReasonTooLarge),
		text("a prefix that is not allowed", "s3://vecmill/out/x", "", schemas.ReasonFetchDenied),
		text("a bucket that is not allowed", "s3://other/in/x", "", schemas.ReasonFetchDenied),
		text("a file when no root is allowed", "file:///etc/hostname", "", schemas.ReasonFetchDenied),
		text("a host that is not allowed", "https://127.0.0.1:9/x", "", schemas.ReasonFetchDenied),
		text("an allowed host at a private address", "https://localhost/x", "", schemas.ReasonFetchDenied),
	}
}

func badAudio(t *testing.T, site *fixture.Site) []record {
	one := func(name string, body []byte, reason schemas.Reason) record {
		uri, etag := site.Put(t, "bad/"+name, body)
		return record{name, fixture.JSON(t, schemas.Ref{ID: name, URI: uri, ETag: etag, Modality: schemas.Audio}), in(audioPipe, fate{dead: reason})}
	}
	return []record{
		one("a clip of zero bytes", nil, schemas.ReasonTooShort),
		one("a truncated WAV", cut(sample(t, "audio/speech-01.wav")), schemas.ReasonDecode),
		one("a truncated FLAC", cut(sample(t, "audio/speech-06.flac")), schemas.ReasonDecode),
		one("a clip of 401 samples", wav(401), schemas.ReasonTooShort),
		one("a clip of no samples", wav(0), schemas.ReasonTooShort),
		one("a clip longer than the limit", wav(31*16000), schemas.ReasonTooLarge),
		one("a picture that claims to be a clip", sample(t, "image/digit-01.png"), schemas.ReasonDecode),
		one("a clip of random bytes", bytes.Repeat([]byte{0xa5, 0x5a, 7, 1}, 5000), schemas.ReasonDecode),
	}
}

func badImages(t *testing.T, site *fixture.Site) []record {
	one := func(name string, body []byte, f fate) record {
		uri, etag := site.Put(t, "bad/"+name, body)
		return record{name, fixture.JSON(t, schemas.Ref{ID: name, URI: uri, ETag: etag, Modality: schemas.Image}), in(imagePipe, f)}
	}
	jpeg := sample(t, "image/digit-04.jpg")
	return []record{
		one("a picture of zero bytes", nil, fate{dead: schemas.ReasonTooShort}),
		one("a truncated JPEG", cut(jpeg), fate{dead: schemas.ReasonDecode}),
		one("a truncated PNG", cut(sample(t, "image/digit-01.png")), fate{dead: schemas.ReasonDecode}),
		one("a JPEG cut inside its header", jpeg[:40], fate{dead: schemas.ReasonDecode}),
		one("a picture of 1 x 1 pixel", onePixel(t), fate{rows: 1}),
		one("the header of a 30,000 x 30,000 picture", hugePNG(), fate{dead: schemas.ReasonTooLarge}),
		one("a text that claims to be a picture", []byte("no picture at all, only words"), fate{dead: schemas.ReasonDecode}),
	}
}

func badText(t *testing.T, site *fixture.Site) []record {
	inline := func(name string, body []byte, fates map[string]fate) record {
		return record{name, fixture.JSON(t, schemas.Ref{ID: name, Inline: body, Modality: schemas.Text}), fates}
	}
	all := func(f fate) map[string]fate {
		return map[string]fate{failPipe: f, truncatePipe: f, windowPipe: f}
	}
	return []record{
		inline("a text that is not UTF-8", []byte("caf\xe9 au lait"), all(fate{dead: schemas.ReasonDecode})),
		inline("a text of zero bytes", []byte{}, all(fate{dead: schemas.ReasonTooShort})),
		inline("a text over the model's length", []byte(strings.Repeat("find a good restaurant near the old harbour ", 40)), map[string]fate{
			failPipe: {dead: schemas.ReasonTooLarge}, truncatePipe: {rows: 1, truncated: true}, windowPipe: {rows: several},
		}),
	}
}

func sample(t *testing.T, file string) []byte {
	t.Helper()
	for _, s := range fixture.Samples(t) {
		if s.File == file {
			return s.Body
		}
	}
	t.Fatalf("there is no sample %s", file)
	return nil
}

func cut(b []byte) []byte { return b[:len(b)/2] }

// wav is a tone of n samples at 16 kHz, 16 bits, mono.
func wav(n int) []byte {
	var b bytes.Buffer
	le := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) } // a buffer takes everything
	b.WriteString("RIFF")
	le(uint32(36 + 2*n))
	b.WriteString("WAVEfmt ")
	for _, v := range []any{uint32(16), uint16(1), uint16(1), uint32(16000), uint32(32000), uint16(2), uint16(16)} {
		le(v)
	}
	b.WriteString("data")
	le(uint32(2 * n))
	for i := range n {
		le(int16(8000 * math.Sin(float64(i)/6)))
	}
	return b.Bytes()
}

func onePixel(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewRGBA(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// hugePNG is the beginning of a PNG that would take 2.7 GB, with nothing behind it.
func hugePNG() []byte {
	header := binary.BigEndian.AppendUint32([]byte("IHDR"), 30000)
	header = binary.BigEndian.AppendUint32(header, 30000)
	header = append(header, 8, 2, 0, 0, 0) // 8 bits, RGB
	b := binary.BigEndian.AppendUint32([]byte("\x89PNG\r\n\x1a\n"), uint32(len(header)-4))
	b = append(b, header...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(header))
}
