//go:build integration

package soak

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"math/rand/v2"
	"strings"
	"testing"

	"vecmill/integration/fixture"
	"vecmill/schemas"
)

// choice is one kind of record in a pipeline's mix.
type choice struct {
	name   string
	weight int
	refs   []schemas.Ref // one of them is drawn
	raw    []byte        // instead: a value that is no reference
	dead   bool          // becomes a letter
}

// mix draws records of one modality.
type mix struct {
	modality schemas.Modality
	choices  []choice
	total    int
}

func newMix(m schemas.Modality, choices ...choice) *mix {
	x := &mix{modality: m, choices: choices}
	for _, c := range choices {
		x.total += c.weight
	}
	return x
}

// draw is the value of the n-th record, and whether it will be refused.
func (x *mix) draw(tb testing.TB, r *rand.Rand, n int) (value []byte, dead bool) {
	tb.Helper()
	at := r.IntN(x.total)
	for _, c := range x.choices {
		if at -= c.weight; at >= 0 {
			continue
		}
		if c.raw != nil {
			return c.raw, c.dead
		}
		ref := c.refs[r.IntN(len(c.refs))]
		ref.ID = fmt.Sprintf("%s-%d", c.name, n)
		return fixture.JSON(tb, ref), c.dead
	}
	panic("the weights do not add up to their total")
}

// The limits that the mixes go up to and beyond.
const (
	maxObject = 24 << 20
	maxTokens = 128 // of the bundled text model
)

// mixes uploads what the references point to.
func mixes(tb testing.TB, site *fixture.Site) []*mix {
	tb.Helper()
	object := func(name string, body []byte) schemas.Ref {
		uri, _ := site.Put(tb, "soak/"+name, body)
		return schemas.Ref{URI: uri}
	}
	refused := func(m schemas.Modality, cutOff schemas.Ref) []choice {
		return []choice{
			{name: "not-there", weight: 2, refs: []schemas.Ref{{URI: "s3://" + fixture.Bucket + "/in/soak/nothing"}}, dead: true},
			{name: "not-allowed", weight: 2, refs: []schemas.Ref{{URI: "file:///etc/hostname"}, {URI: "https://127.0.0.1/x"}}, dead: true},
			{name: "not-a-reference", weight: 2, raw: []byte(`{"id": 7`), dead: true},
			{name: "too-large", weight: 1, refs: []schemas.Ref{object("too-large-"+string(m), make([]byte, maxObject+1))}, dead: true},
			{name: "cut-off", weight: 2, refs: []schemas.Ref{cutOff}, dead: true},
			{name: "noise", weight: 2, refs: []schemas.Ref{object("noise-"+string(m), noise(100_000))}, dead: true},
		}
	}
	sample := func(m schemas.Modality) (all []schemas.Ref) {
		for _, s := range fixture.Samples(tb) {
			if s.Modality == m {
				all = append(all, object("sample/"+s.File, s.Body))
			}
		}
		return all
	}
	return []*mix{
		newMix(schemas.Audio, append(refused(schemas.Audio, object("cut.wav", wav(16000, 1, 2, 5)[:30])),
			choice{name: "sample", weight: 60, refs: sample(schemas.Audio)},
			choice{name: "tiny", weight: 30, refs: []schemas.Ref{object("tiny.wav", wav(16000, 1, 2, 0.05)), object("tiny8.wav", wav(8000, 2, 1, 0.1))}},
			choice{name: "shortest", weight: 5, refs: []schemas.Ref{object("shortest.wav", wav(16000, 1, 2, 0.01))}, dead: true},
			choice{name: "studio", weight: 2, refs: []schemas.Ref{object("studio.wav", wav(96000, 2, 4, 20))}},
			choice{name: "ten-minutes", weight: 1, refs: []schemas.Ref{object("ten.wav", wav(16000, 1, 2, 600))}})...),
		newMix(schemas.Text, append(refused(schemas.Text, object("cut.txt", []byte("half a rune \xe2\x82"))),
			choice{name: "sample", weight: 60, refs: sample(schemas.Text)},
			choice{name: "one-token", weight: 60, refs: []schemas.Ref{object("one.txt", []byte("a"))}},
			choice{name: "inline", weight: 60, refs: []schemas.Ref{{Inline: []byte(strings.Repeat("again ", maxTokens/2))}, {Inline: []byte("play")}}},
			choice{name: "many-windows", weight: 2, refs: []schemas.Ref{object("book.txt", bytes.Repeat([]byte("find a good restaurant near the old harbour "), 2000))}})...),
		newMix(schemas.Image, append(refused(schemas.Image, object("cut.png", picture(tb, 640, 480)[:700])),
			choice{name: "sample", weight: 80, refs: sample(schemas.Image)},
			choice{name: "one-pixel", weight: 40, refs: []schemas.Ref{object("one.png", picture(tb, 1, 1)), object("line.png", picture(tb, 3000, 1))}},
			choice{name: "photo", weight: 4, refs: []schemas.Ref{object("photo.png", picture(tb, 4000, 3000))}},
			choice{name: "fifty-million", weight: 1, refs: []schemas.Ref{object("fifty.png", picture(tb, 7071, 7071))}},
			choice{name: "bomb", weight: 2, refs: []schemas.Ref{object("bomb.png", bomb(picture(tb, 1, 1)))}, dead: true})...),
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	b[0] = 0xff // no valid UTF-8, nor the beginning of any format
	return b
}

// wav is so many seconds of quiet noise.
func wav(rate, channels, width int, seconds float64) []byte {
	return fixture.WAV(rate, channels, width, int(float64(rate)*seconds)*channels*width)
}

// picture is a grey gradient: small as a file, whatever its size.
func picture(tb testing.TB, w, h int) []byte {
	tb.Helper()
	g := image.NewGray(image.Rect(0, 0, w, h))
	for x := range w {
		g.Pix[x] = uint8(x * 255 / w)
	}
	for y := 1; y < h; y++ {
		copy(g.Pix[y*g.Stride:], g.Pix[:w])
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, g); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// bomb is a picture whose header says 12,000 x 12,000 pixels.
func bomb(png []byte) []byte {
	const header, end = 12, 29 // from the chunk's name to its checksum
	b := bytes.Clone(png)
	binary.BigEndian.PutUint32(b[header+4:], 12000)
	binary.BigEndian.PutUint32(b[header+8:], 12000)
	binary.BigEndian.PutUint32(b[end:], crc32.ChecksumIEEE(b[header:end]))
	return b
}
