package jpeg

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const corpus = "../testdata/"

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(corpus, "pictures", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func pixels(p *Picture) []byte {
	w, h := p.Size()
	out := make([]byte, w*h*3)
	for y := range h {
		p.Row(out[y*w*3:(y+1)*w*3], y)
	}
	return out
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// The expected pixels are Pillow's. One Decoder reads them all, so that what one picture leaves behind would show.
func TestPixelsEqualPillowsBitForBit(t *testing.T) {
	f, err := os.Open(corpus + "pictures.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var d Decoder
	files := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if !strings.HasPrefix(lines.Text(), "jpeg_") {
			continue
		}
		var name, want string
		var w, h int
		if _, err := fmt.Sscan(lines.Text(), &name, &w, &h, &want); err != nil {
			t.Fatal(err)
		}
		blob := read(t, name)
		if h, err := ReadHeader(blob); err == nil && len(h.Exif)+len(h.XMP) > 0 {
			continue // it is turned before it is compared, by the package above
		}
		files++
		t.Run(name, func(t *testing.T) {
			p, err := d.Decode(t.Context(), blob)
			if err != nil {
				t.Fatal(err)
			}
			if gw, gh := p.Size(); gw != w || gh != h {
				t.Fatalf("%d x %d, want %d x %d", gw, gh, w, h)
			}
			if digest(pixels(p)) != want {
				t.Error("the pixels are not Pillow's")
			}
		})
	}
	if files < 40 {
		t.Errorf("only %d files", files)
	}
}
