package jpeg

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// line of testdata/reduced.txt: what Pillow's draft mode makes of a file.
type reduced struct {
	file          string
	scale         int
	width, height int
	digest        string
}

func reducedCorpus(t *testing.T) []reduced {
	t.Helper()
	f, err := os.Open(corpus + "reduced.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []reduced
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		var r reduced
		if _, err := fmt.Sscan(lines.Text(), &r.file, &r.scale, &r.width, &r.height, &r.digest); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	if len(all) < 200 {
		t.Fatalf("only %d", len(all))
	}
	return all
}

func TestReducedPixelsEqualPillowsDraftModeBitForBit(t *testing.T) {
	var d Decoder
	for _, r := range reducedCorpus(t) {
		if strings.Contains(r.file, "arithmetic") {
			continue // refused at any scale
		}
		blob, err := os.ReadFile(filepath.Join(corpus, r.file))
		if err != nil {
			t.Fatal(err)
		}
		p, err := d.DecodeReduced(t.Context(), blob, r.scale)
		if err != nil {
			t.Errorf("%s at 1/%d: %v", r.file, r.scale, err)
			continue
		}
		if w, h := p.Size(); w != r.width || h != r.height {
			t.Errorf("%s at 1/%d: %d x %d, want %d x %d", r.file, r.scale, w, h, r.width, r.height)
			continue
		}
		if digest(pixels(p)) != r.digest {
			t.Errorf("%s at 1/%d: the pixels are not Pillow's", r.file, r.scale)
		}
	}
}

func TestScalesThatThereAreNotAreRefused(t *testing.T) {
	var d Decoder
	if _, err := d.DecodeReduced(t.Context(), read(t, "jpeg_420.jpg"), 3); err == nil {
		t.Error("1/3 was taken")
	}
}

// Two rows at once are the two rows.
func TestPairsAreTheirRows(t *testing.T) {
	var d Decoder
	pairs := 0
	for _, r := range reducedCorpus(t) {
		blob, err := os.ReadFile(filepath.Join(corpus, r.file))
		if err != nil {
			t.Fatal(err)
		}
		for _, scale := range []int{1, r.scale} {
			p, err := d.DecodeReduced(t.Context(), blob, scale)
			if err != nil || p.Pairs() < 0 {
				continue
			}
			all := pixels(p)
			w, h := p.Size()
			words, want := make([][3]uint64, w), make([][3]uint64, w)
			for y := p.Pairs(); y+1 < h; y++ {
				if p.Pairs() == 1 && y%2 == 0 {
					continue
				}
				for i := range 3 * w {
					want[i/3][i%3] = uint64(all[3*w*y+i]) | uint64(all[3*w*(y+1)+i])<<32
				}
				p.Pair(words, y)
				pairs++
				if !slices.Equal(words, want) {
					t.Fatalf("%s at 1/%d: rows %d and %d differ from themselves", r.file, scale, y, y+1)
				}
			}
		}
	}
	if pairs < 1000 {
		t.Errorf("only %d pairs", pairs)
	}
}
