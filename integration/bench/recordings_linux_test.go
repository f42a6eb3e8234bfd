package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// formats are those of recordings, in turns.
var formats = []string{"wav", "flac", "mp3", "ogg"}

// encoded has recordings in all formats, by the Python that peers run in. Two makings differ in the numbers of Ogg's streams alone.
func encoded(b *testing.B, python string, items []item) []item {
	b.Helper()
	dir, named := b.TempDir(), make([]item, len(items))
	for i, it := range items {
		format := formats[i%len(formats)]
		named[i].name = strings.TrimSuffix(it.name, "wav") + format
		write(b, filepath.Join(dir, fmt.Sprintf("%d.%s", i, format)), it.body)
	}
	if said, err := exec.CommandContext(b.Context(), python, "-B", filepath.Join("peers", "encode.py"), dir).CombinedOutput(); err != nil {
		b.Fatalf("encoding recordings: %v\n%s", err, said)
	}
	for i := range named {
		var err error
		if named[i].body, err = os.ReadFile(filepath.Join(dir, fmt.Sprintf("%d.%s", i, formats[i%len(formats)]))); err != nil {
			b.Fatal(err)
		}
	}
	return named
}
