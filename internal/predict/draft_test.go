package predict

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	_ "image/png" // some of the samples
	"math"
	"os"
	"path/filepath"
	"testing"

	"vecmill/embed"
	"vecmill/embed/heads"
	embedimage "vecmill/embed/image"
	"vecmill/embed/image/resize"
	"vecmill/model"
	"vecmill/schemas"
)

// flat is a picture in memory.
type flat struct {
	w, h int
	pix  []byte
}

func (f flat) Size() (int, int)      { return f.w, f.h }
func (f flat) Row(dst []byte, y int) { copy(dst, f.pix[3*f.w*y:3*f.w*(y+1)]) }

// enlarged is a sample picture as a camera would give it: larger, as JPEG.
func enlarged(t *testing.T, file string, side int) []byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	small := flat{w, h, nil}
	for y := range h {
		for x := range w {
			c := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
			small.pix = append(small.pix, c.R, c.G, c.B)
		}
	}
	large := make([]byte, 3*side*side)
	if err := new(resize.Resizer).Resize(t.Context(), large, side, side, small, resize.Bicubic); err != nil {
		t.Fatal(err)
	}
	out := image.NewRGBA(image.Rect(0, 0, side, side))
	for i := range side * side {
		copy(out.Pix[4*i:], large[3*i:3*i+3])
		out.Pix[4*i+3] = 255
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, out, &jpeg.Options{Quality: 85}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What decoding at a reduced size does to embeddings of the bundled trained model: docs/parity.md states it.
func TestDraftHardlyMovesEmbeddings(t *testing.T) {
	files, err := filepath.Glob("../demo/samples/image/digit-*")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	of := func(draft bool) *rig {
		return newRig(t, "../demo/models/vision-digits", heads.Config{Task: schemas.TaskEmbedding}, func(s *model.Spec) (embed.Preprocessor, error) {
			return embedimage.New(s, embedimage.Options{Draft: draft})
		})
	}
	full, reduced := of(false), of(true)
	for _, side := range []int{80, 150, 300, 1000} { // 1/2, 1/4, 1/8, and 1/8 with four times that left
		least, sum := 1.0, 0.0
		for _, file := range files {
			blob := enlarged(t, file, side)
			a, _ := full.apply(t, blob)
			b, _ := reduced.apply(t, blob)
			var dot float64
			for i, v := range a[0].Vector {
				dot += float64(v) * float64(b[0].Vector[i])
			}
			least, sum = math.Min(least, dot), sum+dot
		}
		t.Logf("%d x %d to 32 x 32: cosine %.5f on average, %.5f at least, of %d", side, side, sum/float64(len(files)), least, len(files))
		if least < 0.99 {
			t.Errorf("%d x %d: cosine %.5f", side, side, least)
		}
	}
}
