package turbojpeg

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"vecmill/embed/image/jpeg"
)

func library(t testing.TB) *Library {
	t.Helper()
	l, err := Open()
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(err)
	}
	return l
}

const corpus = "../testdata/"

// Whatever is decoded is decoded to the pixels of package jpeg, which are held to Pillow's, at every scale.
func TestPixelsAreThoseOfPackageJPEG(t *testing.T) {
	l := library(t)
	d, err := l.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	var ours jpeg.Decoder
	compared := 0
	for _, pattern := range []string{"pictures/*.jpg", "foreign/*.jpg"} {
		files, err := filepath.Glob(corpus + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			blob, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			h, err := ours.Check(blob)
			if err != nil || len(h.Components) == 4 {
				continue
			}
			for _, scale := range []int{1, 2, 4, 8} {
				if !Scales(h.Width, h.Height, scale) {
					continue
				}
				want, err := ours.DecodeReduced(t.Context(), blob, scale)
				if err != nil {
					t.Errorf("%s at 1/%d: %v", file, scale, err)
					continue
				}
				w, down := want.Size()
				got, row := make([]byte, 3*w*down), make([]byte, 3*w)
				if err := d.Decode(got, blob, w, down); err != nil {
					t.Logf("%s at 1/%d is left to package jpeg: %v", file, scale, err)
					continue
				}
				compared++
				for y := range down {
					if want.Row(row, y); !bytes.Equal(row, got[3*w*y:3*w*(y+1)]) {
						t.Errorf("%s at 1/%d: row %d differs", file, scale, y)
						break
					}
				}
			}
		}
	}
	if compared < 150 {
		t.Errorf("only %d compared", compared)
	}
}

func TestDamageIsAnErrorAndTheDecoderGoesOn(t *testing.T) {
	d, err := library(t).NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 3*150*110)
	for cut := 2; cut < len(probe)-2; cut += 97 {
		if err := d.Decode(dst, probe[:cut], 150, 110); err == nil {
			t.Errorf("cut off at %d: no error", cut)
		}
		if err := d.Decode(dst, probe, 150, 110); err != nil {
			t.Fatalf("after the damaged one: %v", err)
		}
	}
	if err := d.Decode(dst[:10], probe, 150, 110); err == nil {
		t.Error("decoded into 10 bytes")
	}
}

func TestDecodersOfManyGoroutinesDoNotMeet(t *testing.T) {
	l := library(t)
	want := make([]byte, 3*150*110)
	d, err := l.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Decode(want, probe, 150, 110); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			d, err := l.NewDecoder()
			if err != nil {
				t.Error(err)
				return
			}
			got := make([]byte, len(want))
			for range 50 {
				clear(got)
				if err := d.Decode(got, probe, 150, 110); err != nil || !bytes.Equal(got, want) {
					t.Errorf("another picture: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	if _, err := open("libvecmill-none.so.1"); err == nil || !strings.Contains(err.Error(), "libvecmill-none.so.1") {
		t.Errorf("%v", err)
	}
	if l, err := open("libm.so.6"); err == nil || !strings.Contains(err.Error(), "tj") && !strings.Contains(err.Error(), "loads no") {
		t.Errorf("%v, %v", l, err)
	}
}

// FuzzDecode hands the library what its caller would: what package jpeg has walked through. It writes every byte of the picture or says why not, none beside it, and goes on behind a damaged one. That the pixels are those of package jpeg holds for
// what encoders make, and not here: damaged tables give coefficients that no picture has, and the library's vector code lets them wrap where C code and ours do not.
func FuzzDecode(f *testing.F) {
	d, err := library(f).NewDecoder()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(probe, byte(0))
	for _, pattern := range []string{"pictures/*.jpg", "foreign/*.jpg"} {
		files, err := filepath.Glob(corpus + pattern)
		if err != nil || len(files) == 0 {
			f.Fatal("no corpus", err)
		}
		for i, file := range files {
			if b, err := os.ReadFile(file); err == nil && len(b) < 2500 {
				f.Add(b, byte(i))
			}
		}
	}
	var ours jpeg.Decoder
	guard, undamaged := bytes.Repeat([]byte{0xa5}, 64), make([]byte, 3*150*110)
	if err := d.Decode(undamaged, probe, 150, 110); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte, level byte) {
		h, err := ours.Check(b)
		scale := 1 << (level % 4)
		if err != nil || len(h.Components) == 4 || h.Width*h.Height > 1<<18 || !Scales(h.Width, h.Height, scale) {
			return
		}
		width, height := (h.Width+scale-1)/scale, (h.Height+scale-1)/scale
		dst := make([]byte, 3*width*height+len(guard))
		copy(dst[3*width*height:], guard)
		failed := d.Decode(dst[:3*width*height], b, width, height)
		if !bytes.Equal(dst[3*width*height:], guard) {
			t.Fatal("bytes behind the picture are written")
		}
		if failed != nil {
			again := make([]byte, len(undamaged))
			if err := d.Decode(again, probe, 150, 110); err != nil || !bytes.Equal(again, undamaged) {
				t.Fatalf("behind %v: %v, or other pixels", failed, err)
			}
			return
		}
		twice := bytes.Repeat([]byte{0x5a}, 3*width*height)
		if err := d.Decode(twice, b, width, height); err != nil || !bytes.Equal(twice, dst[:3*width*height]) {
			t.Fatalf("1/%d: once more it gives other pixels, or %v", scale, err)
		}
	})
}
