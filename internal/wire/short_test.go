package wire

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"vecmill/schemas"
)

// TestARecordingTooShortForAnXVectorIsADeadLetter holds that a clip with frames, but too few for the dilated convolutions, is the record's own fault,
// and that a tail of that length stays with its window. An embedding of the same checkpoint needs a frame only.
func TestARecordingTooShortForAnXVectorIsADeadLetter(t *testing.T) {
	const least, window = 30 + 8*20, 1600 // nine frames; a tenth of a second
	class := "Data2VecAudioForXVector"
	dir := classCase{class, class + "/base"}.checkpoint(t)
	manifest, r := filepath.Join(t.TempDir(), "clips.jsonl"), rand.New(rand.NewPCG(8, 8))
	var lines []byte
	for _, n := range []int{least - 1, least, window + least - 1, window + least} {
		lines = fmt.Appendf(lines, "{\"v\":1,\"id\":\"%d\",\"inline\":%q}\n", n, base64.StdEncoding.EncodeToString(recording(r, n)))
	}
	if err := os.WriteFile(manifest, lines, 0o600); err != nil {
		t.Fatal(err)
	}
	for head, want := range map[string]struct {
		dead int64
		rows map[string]int
	}{
		"xvector":   {1, map[string]int{"190": 1, "1789": 1, "1790": 2}},
		"embedding": {0, map[string]int{"189": 1, "190": 1, "1789": 2, "1790": 2}},
	} {
		out := t.TempDir()
		cfg, p := pipelineFor(t, dir, fmt.Sprintf(`    topics: ["manifest:clips"]
    audio: {long: window, max_seconds: 0.1, window_seconds: 0.1}
    heads: [{task: %s}]
    dead_letters: {url: "file://%s/dead"}`, head, out))
		p.Outputs[0].Parquet.URL = "file://" + out + "/rows"
		w, err := Open(t.Context(), cfg, Options{Log: slog.New(slog.DiscardHandler), Source: ManifestSource(cfg, manifest, "clips", ReadOptions{})})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := w.Stats()[0].Stream; s.Dead[schemas.ReasonTooShort] != want.dead {
			t.Errorf("%s: dead letters %v, want %d of class too-short", head, s.Dead, want.dead)
		}
		got := rowsIn(t, filepath.Join(out, "rows"), "manifest:clips")
		if fmt.Sprint(got) != fmt.Sprint(want.rows) {
			t.Errorf("%s: rows %v, want %v", head, got, want.rows)
		}
	}
}
