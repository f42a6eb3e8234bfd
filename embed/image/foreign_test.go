package image

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/schemas"
)

// foreign is what Pillow reads of a file that other software wrote; no digest where it reads none.
type foreign struct {
	name          string
	width, height int
	pixels        string
}

func foreignCorpus(t testing.TB) []foreign {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "foreign.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []foreign
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		var e foreign
		if _, err := fmt.Sscan(lines.Text(), &e.name, &e.width, &e.height, &e.pixels); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	if len(all) < 200 {
		t.Fatalf("only %d pictures", len(all))
	}
	return all
}

// What Pillow reads and we refuse, and what the refusal says.
var refusedForeign = map[string]string{
	"cjpeg_arithmetic.jpg":      "arithmetic coding",
	"im_g3.tif":                 "fax",
	"pil.avif":                  "AVIF",
	"pil_f.tif":                 "not unsigned integers",
	"pil_i.tif":                 "not unsigned integers",
	"pil_lab.tif":               "photometric interpretation 8",
	"pil_ycbcr.tif":             "YCbCr",
	"png_odd_long_header.png":   "header of 14 bytes",
	"png_odd_no_end.png":        "ends before its end chunk",
	"png_odd_no_palette.png":    "palette of 0 colours",
	"tiffcp_big.tif":            "BigTIFF",
	"tiffcp_g3_2d.tif":          "fax",
	"tiffcp_lzma.tif":           "LZMA",
	"tiffcp_zstd.tif":           "Zstandard",
	"webp_odd_many_groups.webp": "prefix codes take more memory",
}

// Files by ImageMagick, libjpeg-turbo, libwebp, gifsicle, libtiff and Pillow: its pixels, or a refusal that names what is not read.
func TestForeignPicturesAreReadAsPillowReadsThem(t *testing.T) {
	var s scratch
	for _, e := range foreignCorpus(t) {
		b, err := os.ReadFile(filepath.Join("testdata", "foreign", e.name))
		if err != nil {
			t.Fatal(err)
		}
		var src source
		h, err := sniff(b)
		if err == nil {
			src, _, err = s.decode(t.Context(), h, b)
		}
		says, refused := refusedForeign[e.name]
		switch {
		case refused && (err == nil || !strings.Contains(err.Error(), says)):
			t.Errorf("%s: %v, want a refusal that says %q", e.name, err, says)
		case refused:
		case e.pixels == "-" && e.name == "bmp_2.bmp" && err == nil: // two bits a pixel: Windows CE's, of which there is one reading only
		case e.pixels == "-" && err == nil:
			t.Errorf("%s: Pillow does not read it, we do", e.name)
		case e.pixels == "-":
		case err != nil:
			t.Errorf("%s: %v", e.name, err)
		default:
			if w, h := src.Size(); w != e.width || h != e.height {
				t.Errorf("%s: %d x %d, want %d x %d", e.name, w, h, e.width, e.height)
			} else if digest(pixelsOf(src)) != e.pixels {
				t.Errorf("%s: the pixels are not Pillow's", e.name)
			}
		}
	}
}

// Cut off or with a byte changed, whatever the format: an answer or a refusal, within the limits, and no panic.
func TestDamagedForeignPicturesAreRefusedOrRead(t *testing.T) {
	p := newPreprocessor(t, recipeA, Options{MaxPixels: 1 << 16})
	for i, e := range foreignCorpus(t) {
		b, err := os.ReadFile(filepath.Join("testdata", "foreign", e.name))
		if err != nil {
			t.Fatal(err)
		}
		for k := range 12 {
			blob := b[:len(b)*(k+1)/14]
			if k >= 6 {
				blob = append([]byte(nil), b...)
				blob[(i*131+k*977)%min(len(blob), 400)] ^= byte(1 << (k % 8))
			}
			_, err := p.Preprocess(t.Context(), schemas.Ref{}, blob)
			if reason, ok := schemas.Rejected(err); err != nil && (!ok || reason == schemas.ReasonPanic) {
				t.Errorf("%s, damaged in way %d: %v", e.name, k, err)
			}
		}
	}
}
