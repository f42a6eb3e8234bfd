package heads

import (
	"os"
	"path/filepath"
	"testing"

	"vecmill/model"
	"vecmill/schemas"
)

// TestAVersionMakesAHeadAnother has the digest of a head whose code was changed, and holds those that are written in rows.
func TestAVersionMakesAHeadAnother(t *testing.T) {
	cfg := Config{Task: schemas.TaskEmbedding}
	if digest(cfg, 1, nil) == digest(cfg, 0, nil) || digest(cfg, 1, nil) == digest(cfg, 2, nil) {
		t.Error("rows of other code are known")
	}
	if version("none") != 0 {
		t.Error("a task that is none has a version")
	}
	const written = "5421eafd"
	if got := digest(cfg, version(cfg.Task), nil)[:8]; got != written {
		t.Errorf("an embedding's digest is %s, and outputs have %s: all of them would be computed again", got, written)
	}
}

// TestTranscriptsWithoutAWordDelimiterAreOthers has those whose text is another one now computed again, and no others.
func TestTranscriptsWithoutAWordDelimiterAreOthers(t *testing.T) {
	greedy, beams := Config{Task: schemas.TaskTranscript}, Config{Task: schemas.TaskTranscript, Decoding: NewBeamDecoding()}
	for config, changed := range map[string]bool{
		`{}`: false,
		`{"tokenizer_class": "Wav2Vec2CTCTokenizer", "word_delimiter_token": "_"}`:        false,
		`{"tokenizer_class": "Wav2Vec2CTCTokenizer", "word_delimiter_token": null}`:       true,
		`{"tokenizer_class": "Wav2Vec2PhonemeCTCTokenizer"}`:                              true,
		`{"tokenizer_class": "Wav2Vec2PhonemeCTCTokenizer", "word_delimiter_token": "|"}`: true,
	} {
		spec := &model.Spec{Dir: t.TempDir(), Audio: &model.AudioConfig{}}
		for name, text := range map[string]string{vocabFile: `{"<pad>": 0, "|": 1, "a": 2}`, tokenizerFile: config} {
			if err := os.WriteFile(filepath.Join(spec.Dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := versionFor(greedy, spec) != version(greedy.Task); got != changed {
			t.Errorf("%s: a transcript is another one: %v", config, got)
		}
		if versionFor(beams, spec) != version(beams.Task) {
			t.Errorf("%s: a search with beams, which knows no delimiter, is another one", config)
		}
	}
}
