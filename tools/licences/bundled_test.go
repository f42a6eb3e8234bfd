package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// embeds is a module whose program embeds files, and imports a package that does.
func embeds(t *testing.T, files map[string]string) (dir string) {
	dir = t.TempDir()
	for name, text := range map[string]string{
		"go.mod":           "module example.org/m\n\ngo 1.26\n",
		"cmd/m/main.go":    "package main\n\nimport _ \"example.org/m/page\"\n\nfunc main() {}\n",
		"page/page.go":     "package page\n\nimport \"embed\"\n\n//go:embed assets\nvar FS embed.FS\n",
		"page/assets/a.js": "1",
		"LICENSE":          isc,
	} {
		write(t, filepath.Join(dir, name), text)
	}
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTextsOfWhatIsEmbeddedGoWithTheBinaries(t *testing.T) {
	dir, to := embeds(t, map[string]string{
		"page/assets/uPlot.LICENSE":       "one",
		"page/assets/font/LICENSE.txt":    "two",
		"page/assets/font/ATTRIBUTION.md": "three",
	}), t.TempDir()
	if err := run(nil, dir, to, false); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"assets/uPlot.LICENSE": "one", "assets/font/LICENSE.txt": "two", "assets/font/ATTRIBUTION.md": "three"} {
		if b, err := os.ReadFile(filepath.Join(to, name)); string(b) != want {
			t.Errorf("%s has %q, %v", name, b, err)
		}
	}
	if found, err := filepath.Glob(filepath.Join(to, "assets", "*")); err != nil || !slices.Equal(found, []string{filepath.Join(to, "assets/font"), filepath.Join(to, "assets/uPlot.LICENSE")}) {
		t.Errorf("there is %v besides, %v", found, err)
	}
}

// TestEveryTextOfWhatIsEmbeddedIsListed has the table refuse a text that nobody has said the licence of, and one that is said of what is not there.
func TestEveryTextOfWhatIsEmbeddedIsListed(t *testing.T) {
	known := map[string]string{"page/page.go": "package page\n\nimport \"embed\"\n\n//go:embed assets models samples\nvar FS embed.FS\n"}
	for text := range bundled {
		known["page/"+text] = "x"
	}
	more := maps.Clone(known)
	more["page/assets/font.LICENSE"] = "x"
	for name, c := range map[string]struct {
		files map[string]string
		want  string // what is wrong
	}{
		"all of them":         {known, ""},
		"one that is new":     {more, "assets/font.LICENSE: tools/licences does not know"},
		"one that is lacking": {nil, "samples/ATTRIBUTION.md: no binary has it"},
	} {
		var table strings.Builder
		err := run(&table, embeds(t, c.files), "", false)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if !strings.Contains(table.String(), "\n| models/audio-ctc/LICENSE | the weights of the bundled speech model | CC-BY-SA-4.0 |\n") {
			t.Errorf("%s: the table is\n%s", name, table.String())
		}
	}
}
