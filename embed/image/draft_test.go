package image

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/model"
	"vecmill/schemas"
)

// Each line is what Pillow's draft mode, its turning and its resize make of a file: the digest of the RGB bytes.
func TestDraftEqualsPillowsBitForBit(t *testing.T) {
	f, err := os.Open(filepath.Join("testdata", "draft.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cases, changed := 0, 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		var name, want string
		var w, h, fullWidth, fullHeight int
		if _, err := fmt.Sscan(lines.Text(), &name, &fullWidth, &fullHeight, &w, &h, &want); err != nil {
			t.Fatal(err)
		}
		cases++
		blob, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		config := fmt.Sprintf(`{"size": {"height": %d, "width": %d}, "do_center_crop": false, "do_rescale": false, "do_normalize": false}`, h, w)
		plain := withSmallPatches(t, config, Options{})
		for _, libraries := range []Libraries{Off, Auto} {
			p := withSmallPatches(t, config, Options{Draft: true, Libraries: libraries})
			if p.Digest() == plain.Digest() {
				t.Fatal("the digest does not tell")
			}
			s, err := p.Preprocess(t.Context(), schemas.Ref{}, blob)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got := s[0].Tag.(Size); got != (Size{Width: fullWidth, Height: fullHeight}) {
				t.Errorf("%s: a picture of %v, want %d x %d", name, got, fullWidth, fullHeight)
			}
			rgb := make([]byte, 3*w*h)
			for i := range rgb {
				rgb[i] = byte(s[0].Inputs[0].F32[i%3*w*h+i/3])
			}
			if digest(rgb) != want {
				t.Errorf("%s to %d x %d, libraries %s: the pixels are not those of Pillow in draft mode", name, w, h, libraries)
			}
		}
		if s, err := plain.Preprocess(t.Context(), schemas.Ref{}, blob); err == nil {
			rgb := make([]byte, 3*w*h)
			for i := range rgb {
				rgb[i] = byte(s[0].Inputs[0].F32[i%3*w*h+i/3])
			}
			if digest(rgb) != want {
				changed++
			}
		}
	}
	if cases < 8 || changed < cases/2 {
		t.Errorf("%d cases, of which draft mode changes %d", cases, changed)
	}
}

// withSmallPatches is newPreprocessor for samples of any size.
func withSmallPatches(t *testing.T, config string, o Options) *Preprocessor {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, configFile), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	spec := visionSpec(dir)
	spec.Vision.PatchSize = model.HW{H: 1, W: 1}
	p, err := New(spec, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The library makes no difference but in the digest: every picture of the corpus, values bit for bit, and what is refused.
func TestTheLibraryMakesNoDifference(t *testing.T) {
	if _, _, err := Library(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	builtIn, library := newPreprocessor(t, recipeA, Options{}), newPreprocessor(t, recipeA, Options{Libraries: Require})
	if builtIn.Digest() == library.Digest() {
		t.Error("the digest does not tell")
	}
	for _, dir := range []string{"pictures", "foreign"} {
		files, err := filepath.Glob(filepath.Join("testdata", dir, "*.jpg"))
		if err != nil || len(files) < 40 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		for _, file := range files {
			blob, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want, wantErr := builtIn.Preprocess(t.Context(), schemas.Ref{}, blob)
			got, err := library.Preprocess(t.Context(), schemas.Ref{}, blob)
			if fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Errorf("%s: %v, without the library %v", file, err, wantErr)
			}
			if err == nil && digestF32(got[0].Inputs[0].F32) != digestF32(want[0].Inputs[0].F32) {
				t.Errorf("%s: other values", file)
			}
		}
	}
}

func TestLibrariesThatAreNoneAreRefused(t *testing.T) {
	if _, err := (Options{Libraries: "maybe"}).withDefaults(); err == nil || !strings.Contains(err.Error(), `"maybe"`) {
		t.Errorf("%v", err)
	}
}
