package decode

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/embed/text"
	"vecmill/integration/harness"
)

// BenchmarkText is ids and offsets of the repository's own documents, paragraph by paragraph, by the bundled text model's tokenizer.
func BenchmarkText(b *testing.B) {
	root := harness.ModuleRoot(b)
	model := filepath.Join(root, "internal", "demo", "models", "text-intent")
	texts := paragraphs(b, root)
	list := filepath.Join(b.TempDir(), "texts.json")
	raw, err := json.Marshal(texts)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(list, raw, 0o600); err != nil {
		b.Fatal(err)
	}
	t, err := text.Load(model)
	if err != nil {
		b.Fatal(err)
	}
	p := startPeer(b, "peer.py", "text", filepath.Join(model, "tokenizer.json"), list)
	all := []contestant{p.theirs(b, "tokenizers"), p.theirs(b, "tokenizers batch"), ours(b, "go", func() error {
		for _, s := range texts {
			t.Encode(s, text.Parse, 0)
		}
		return nil
	})}
	race(b, 3, all, "go/tokenizers", "go/tokenizers batch")
}

// paragraphs are those of every document.
func paragraphs(b *testing.B, root string) []string {
	b.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/adr/*.md"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			b.Fatal(err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				b.Fatal(err)
			}
			for _, s := range strings.Split(string(raw), "\n\n") {
				if s != "" {
					all = append(all, s)
				}
			}
		}
	}
	return all
}
