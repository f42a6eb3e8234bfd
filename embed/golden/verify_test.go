package golden_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"vecmill/embed"
	"vecmill/embed/golden"
	"vecmill/embed/ortsession"
	"vecmill/model"
	"vecmill/schemas"
)

func openOne(ctx context.Context, g model.Graph) (embed.Session, error) {
	return ortsession.Open(ctx, g, ortsession.Options{Threads: 1})
}

// What goes with the binary is a case of each family, and equals the reference; with other weights it no longer does.
func TestBundledCasesVerify(t *testing.T) {
	cases, err := golden.Bundled(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var families []schemas.Modality
	for _, c := range cases {
		families = append(families, open(t, c.Dir).Modality)
		for _, p := range []model.Precision{model.Single, model.Half} {
			if runs, err := c.Verify(t.Context(), t.TempDir(), model.CompileOptions{Precision: p}, openOne); err != nil || runs == 0 {
				t.Errorf("%s in %q: %d runs, %v", c.Class, p, runs, err)
			}
		}
		spoil(t, filepath.Join(c.Dir, "model.safetensors"))
		for _, p := range []model.Precision{model.Single, model.Half} {
			if _, err := c.Verify(t.Context(), t.TempDir(), model.CompileOptions{Precision: p}, openOne); !errors.Is(err, golden.ErrDiffers) {
				t.Errorf("%s in %q with other weights: %v", c.Class, p, err)
			}
		}
	}
	slices.Sort(families)
	if want := []schemas.Modality{schemas.Audio, schemas.Image, schemas.Text}; !slices.Equal(families, want) {
		t.Errorf("families %v, want %v", families, want)
	}
}

// spoil negates the weights of a file of float32.
func spoil(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin := 8 + int(binary.LittleEndian.Uint64(b))
	for i := begin; i+4 <= len(b); i += 4 {
		v := math.Float32frombits(binary.LittleEndian.Uint32(b[i:]))
		binary.LittleEndian.PutUint32(b[i:], math.Float32bits(-v))
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
