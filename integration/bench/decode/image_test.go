package decode

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"vecmill/embed/image"
	"vecmill/integration/harness"
	"vecmill/model"
	"vecmill/schemas"
)

const recipe = `{"size": {"height": 224, "width": 224}, "do_center_crop": false}`

// BenchmarkImage is a JPEG of 1024 x 768, 4:2:0, to the tensor of 224 x 224, bicubic.
func BenchmarkImage(b *testing.B) {
	path := filepath.Join(harness.ModuleRoot(b), "embed", "image", "testdata", "bench.jpg")
	blob, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	p := startPeer(b, "peer.py", "image", path)
	all := []contestant{
		p.theirs(b, "Pillow"), p.theirs(b, "Pillow draft"),
		prepare(b, "go", blob, image.Options{}), prepare(b, "go draft", blob, image.Options{Draft: true}),
	}
	pairs := []string{"go/Pillow", "go draft/Pillow draft", "go draft/Pillow"}
	if _, _, err := image.Library(); err == nil {
		all = append(all, prepare(b, "library", blob, image.Options{Libraries: image.Require}),
			prepare(b, "library draft", blob, image.Options{Libraries: image.Require, Draft: true}))
		pairs = append(pairs, "library/Pillow", "library draft/Pillow draft", "library draft/Pillow")
	}
	race(b, 10, all, pairs...)
}

// BenchmarkFormats is the same picture as Pillow writes it in the other formats.
func BenchmarkFormats(b *testing.B) {
	dir := b.TempDir()
	startPeer(b, "peer.py", "write", filepath.Join(harness.ModuleRoot(b), "embed", "image", "testdata", "bench.jpg"), dir).wait(b)
	names, err := filepath.Glob(filepath.Join(dir, "*.*"))
	if err != nil || len(names) == 0 {
		b.Fatalf("%d files, %v", len(names), err)
	}
	for _, path := range names {
		b.Run(filepath.Base(path), func(b *testing.B) {
			blob, err := os.ReadFile(path)
			if err != nil {
				b.Fatal(err)
			}
			p := startPeer(b, "peer.py", "image", path)
			race(b, 5, []contestant{p.theirs(b, "Pillow"), prepare(b, "go", blob, image.Options{})}, "go/Pillow")
		})
	}
}

// prepare is our preprocessor with options.
func prepare(b *testing.B, name string, blob []byte, o image.Options) contestant {
	b.Helper()
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "preprocessor_config.json"), []byte(recipe), 0o600); err != nil {
		b.Fatal(err)
	}
	p, err := image.New(&model.Spec{
		Dir: dir, Class: "Data2VecVisionModel",
		Vision: &model.VisionConfig{NumChannels: 3, PatchSize: model.HW{H: 16, W: 16}, ImageSize: model.HW{H: 224, W: 224}},
	}, o)
	if err != nil {
		b.Fatal(err)
	}
	return ours(b, name, func() error {
		_, err := p.Preprocess(context.Background(), schemas.Ref{}, blob)
		return err
	})
}
