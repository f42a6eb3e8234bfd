package bench

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"vecmill/schemas"
)

// item is one object of a corpus.
type item struct {
	name string
	body []byte
}

// corpus is n objects of a modality, the same for a seed.
func corpus(tb testing.TB, m schemas.Modality, seed uint64, n int) []item {
	tb.Helper()
	r := rand.New(rand.NewPCG(seed, 7))
	items := make([]item, n)
	for i := range items {
		switch m {
		case schemas.Audio:
			items[i] = item{fmt.Sprintf("audio/%05d.wav", i), clip(r)}
		case schemas.Text:
			items[i] = item{fmt.Sprintf("text/%05d.txt", i), sentence(r)}
		case schemas.Image:
			items[i] = picture(tb, r, i)
		}
	}
	return items
}

// The words of the texts: common ones, so that a word is about as many tokens as in real text.
var vocabulary = strings.Fields(`the a and to of in for on with at from by play add book rate find show weather forecast restaurant table
	people tomorrow tonight song music album artist playlist movie times schedule theatre city state next week morning points out stars
	current essay chronicle saga novel series television game painting what is will it be like near park snow rain warm chilly hot`)

// sentence has a log-normal number of words: median 24, deviation 0.8 in the logarithm, at most 300.
func sentence(r *rand.Rand) []byte {
	n := min(max(int(math.Exp(math.Log(24)+0.8*r.NormFloat64())), 1), 300)
	return []byte(words(r, n))
}

func words(r *rand.Rand, n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = vocabulary[r.IntN(len(vocabulary))]
	}
	return strings.Join(all, " ")
}

// The rates of recordings, of telephones to studios.
var rates = []int{8000, 16000, 16000, 16000, 22050, 24000, 32000, 44100, 48000}

// clip is 1 to 20 s, log-uniform, of something like speech: bursts of harmonics and noise. One of three is stereo.
func clip(r *rand.Rand) []byte {
	rate, channels := rates[r.IntN(len(rates))], 1
	if r.IntN(3) == 0 {
		channels = 2
	}
	n := int(math.Pow(20, r.Float64()) * float64(rate))
	pitch, phase := 90+120*r.Float64(), r.Float64()
	b := make([]byte, 0, 44+2*n*channels)
	b = append(b, "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(36+2*n*channels))
	b = append(b, "WAVEfmt "...)
	for _, v := range []uint32{16, 1 | uint32(channels)<<16, uint32(rate), uint32(rate * channels * 2), uint32(channels*2) | 16<<16} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(2*n*channels))
	for i := range n {
		t := float64(i) / float64(rate)
		loud := math.Max(0, math.Sin(2*math.Pi*(3*t+phase))) // three syllables a second
		v := loud * (math.Sin(2*math.Pi*pitch*t) + 0.5*math.Sin(4*math.Pi*pitch*t) + 0.2*r.NormFloat64())
		for range channels {
			b = binary.LittleEndian.AppendUint16(b, uint16(int16(6000*v)))
		}
	}
	return b
}

// The sizes of pictures, as web and camera previews have them.
var sizes = []image.Point{{320, 240}, {480, 360}, {640, 480}, {800, 600}, {1024, 768}, {500, 375}, {375, 500}}

// picture is a JPEG of quality 85 or, one in four, a PNG: coloured shapes on a gradient with a little noise.
func picture(tb testing.TB, r *rand.Rand, i int) item {
	tb.Helper()
	size := sizes[r.IntN(len(sizes))]
	m := image.NewRGBA(image.Rectangle{Max: size})
	fx, fy := 0.5+3*r.Float64(), 0.5+3*r.Float64()
	for y := range size.Y {
		for x := range size.X {
			u, v := float64(x)/float64(size.X), float64(y)/float64(size.Y)
			wave := 60*math.Sin(6*fx*u+4*v) + 50*math.Cos(9*fy*v*u) + 8*r.NormFloat64()
			m.SetRGBA(x, y, color.RGBA{clamp(128 + wave), clamp(255*u + wave/2), clamp(255*v - wave/2), 255})
		}
	}
	var b bytes.Buffer
	var err error
	name := fmt.Sprintf("image/%05d.jpg", i)
	if i%4 == 3 {
		name = fmt.Sprintf("image/%05d.png", i)
		err = png.Encode(&b, m)
	} else {
		err = jpeg.Encode(&b, m, &jpeg.Options{Quality: 85})
	}
	if err != nil {
		tb.Fatal(err)
	}
	return item{name, b.Bytes()}
}

func clamp(v float64) uint8 { return uint8(min(max(v, 0), 255)) }

func TestTheEnvironmentSaysHowLargeACorpusIs(t *testing.T) {
	for name, of := range map[string]func(testing.TB, int) int{"VECMILL_BENCH_TEXTS": texts, "VECMILL_BENCH_CLIPS": clips, "VECMILL_BENCH_PICTURES": pictures} {
		t.Setenv(name, "")
		usual := of(t, 30)
		t.Setenv(name, "7")
		if got := of(t, 30); usual != 30 || got != 7 {
			t.Errorf("%s: %d without it and %d with 7", name, usual, got)
		}
	}
}

func TestTheCorpusIsTheSameForASeed(t *testing.T) {
	for _, m := range schemas.Modalities() {
		a, b, other := corpus(t, m, 1, 8), corpus(t, m, 1, 8), corpus(t, m, 2, 8)
		differ := false
		for i := range a {
			if a[i].name != b[i].name || !bytes.Equal(a[i].body, b[i].body) {
				t.Errorf("%s: object %d differs between two makings", m, i)
			}
			differ = differ || !bytes.Equal(a[i].body, other[i].body)
		}
		if !differ {
			t.Errorf("%s: another seed gives the same objects", m)
		}
	}
}
