//go:build integration

package memory

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/png"
	"math/rand/v2"
	"testing"

	"vecmill/integration/fixture"
	"vecmill/schemas"
)

// largeClips are recordings as studios make them, 96 kHz, two channels, 32 bits: 273 s, 17 MiB at the model's rate; and one of
// 8 kHz and 8 bits, more than seven hours long, which is over what windows take apart.
func largeClips(*testing.T) []object {
	return []object{
		{"studio.wav", fixture.WAV(96000, 2, 4, large), ""},
		{"telephone.wav", fixture.WAV(8000, 1, 1, large), schemas.ReasonTooLarge},
	}
}

// oneWindow is a clip of 20 s: what the model sees of a large one at a time.
func oneWindow() []byte { return fixture.WAV(16000, 1, 2, 20*16000*2) }

// largePictures are a small picture with a large text beside it, and one of 8,000 x 8,000 pixels that takes more memory
// decoded than the budget has.
func largePictures(t *testing.T) []object {
	t.Helper()
	var small bytes.Buffer
	if err := png.Encode(&small, image.NewGray(image.Rect(0, 0, 32, 32))); err != nil {
		t.Fatal(err)
	}
	const header = 8 + 25 // signature and IHDR
	b := append([]byte{}, small.Bytes()[:header]...)
	b = append(b, chunk("tEXt", append([]byte("Comment\x00"), bytes.Repeat([]byte("words "), large/6)...))...)
	b = append(b, small.Bytes()[header:]...)

	const side = 8000
	noise := &image.NRGBA{Pix: make([]byte, 4*side*side), Stride: 4 * side, Rect: image.Rect(0, 0, side, side)}
	r := rand.New(rand.NewPCG(3, 4))
	for i := 0; i < len(noise.Pix); i += 8 {
		binary.LittleEndian.PutUint64(noise.Pix[i:], r.Uint64()|0xff000000ff000000)
	}
	var plain bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.NoCompression}).Encode(&plain, noise); err != nil {
		t.Fatal(err)
	}
	return []object{{"comment.png", b, ""}, {"noise.png", plain.Bytes(), schemas.ReasonTooLarge}}
}

func chunk(name string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, name...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// largeTexts are one that has to be refused, since its tokens take many times its bytes, and one that is as large as the budget
// lets it be.
func largeTexts(*testing.T) []object {
	words := bytes.Repeat([]byte("find a good restaurant near the old harbour "), large/44)
	return []object{{"library.txt", words, schemas.ReasonTooLarge}, {"book.txt", words[:2<<20], ""}}
}
