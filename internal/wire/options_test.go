package wire

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// speech gives the lake recordings, and a pipeline that hears them with a language model of its own; it gives the directory of the checkpoint, in which lm.arpa is that model.
func (l *lake) speech(t *testing.T, recordings int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../demo/models/audio-ctc")); err != nil {
		t.Fatal(err)
	}
	lm := filepath.Join(dir, "lm.arpa")
	text, err := os.ReadFile("../predict/testdata/speech/language_model/lm.arpa")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lm, text, 0o600); err != nil {
		t.Fatal(err)
	}
	c, p := pipelineFor(t, dir, fmt.Sprintf(`    heads: [{task: transcript, name: heard}, {task: transcript, name: read, decoding: {search: beam, language_model: %q}}, {task: embedding}]
    reuse_results: 1MiB
    reuse_outputs: true
    dead_letters: {url: "file://%s/dead"}`, lm, l.out))
	p.Outputs[0].Parquet.URL = "file://" + l.out + "/rows"
	c.S3, l.conf = l.conf.S3, c
	for i := 1; i <= recordings; i++ {
		blob, err := os.ReadFile(fmt.Sprintf("../demo/samples/audio/speech-%02d.wav", i))
		if err != nil {
			t.Fatal(err)
		}
		l.put(t, fmt.Sprintf("speech/%02d.wav", i), string(blob))
	}
	return dir
}

// replace writes a file anew under its name, with other contents.
func replace(t *testing.T, path, from, to string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(b, []byte(from)) {
		t.Fatal(path, err)
	}
	if err := os.WriteFile(path, bytes.Replace(b, []byte(from), []byte(to), 1), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestTranscriptsOfAnotherLanguageModelAreOtherWork replaces a language model and then a vocabulary under their names: what was heard with the old ones is planned again, and no row of it is used again, under whichever name;
// vectors, which come of neither, stay known.
func TestTranscriptsOfAnotherLanguageModelAreOtherWork(t *testing.T) {
	l := newLake(t, 0)
	dir := l.speech(t, 2)
	p := &l.conf.Pipelines[0]
	plan := func(name string, items, known int64, o PlanOptions) {
		t.Helper()
		o.Source = "s3://box/speech/"
		if got := l.plan(t, name, o); got.Items != items || got.Known != known {
			t.Fatalf("%s: %+v, want %d items and %d known", name, got.Counts, items, known)
		}
	}
	run := func(name string, reused int64) {
		t.Helper()
		s := l.run(t, name)
		if s.Stream.Computed != 2 || len(s.Stream.Dead) != 0 || s.Embed.Reused != reused {
			t.Fatalf("%s: %+v %+v, want %d reused", name, s.Stream, s.Embed, reused)
		}
	}
	plan("first", 2, 0, PlanOptions{})
	run("first", 0)
	plan("unchanged", 0, 2, PlanOptions{})
	plan("unchanged, again", 2, 0, PlanOptions{Again: true})
	run("unchanged, again", 2)

	replace(t, filepath.Join(dir, "lm.arpa"), "-1.1\tONE", "-1.7\tONE")
	plan("another language model", 2, 0, PlanOptions{})
	run("another language model", 0)
	plan("known with it", 0, 2, PlanOptions{})

	replace(t, filepath.Join(dir, "vocab.json"), `"B": 24`, `"b": 24`)
	plan("another vocabulary", 2, 0, PlanOptions{})
	run("another vocabulary", 0)
	plan("known with both", 0, 2, PlanOptions{})

	replace(t, filepath.Join(dir, "vocab.json"), `"b": 24`, `"ß": 24`)
	replace(t, filepath.Join(dir, "lm.arpa"), "-1.7\tONE", "-1.9\tONE")
	p.Heads = p.Heads[2:]
	plan("vectors alone", 0, 2, PlanOptions{})
}

// TestTheSameSettingsWithAnotherLanguageModelAreARecomputation has two pipelines of the same words, of which the old one has written before the language model was replaced.
func TestTheSameSettingsWithAnotherLanguageModelAreARecomputation(t *testing.T) {
	l := newLake(t, 0)
	dir := l.speech(t, 1)
	old := l.conf.Pipelines[0].Name
	l.plan(t, "first", PlanOptions{Source: "s3://box/speech/"})
	l.run(t, "first")
	now := l.conf.Pipelines[0]
	now.Name, now.Group = "now", "vecmill-now"
	l.conf.Pipelines = append(l.conf.Pipelines, now)

	o := PlanOptions{Log: quiet, Out: filepath.Join(t.TempDir(), "plan")}
	if _, err := l.reembed(t, old, "now").Plan(t.Context(), o); err == nil || !strings.Contains(err.Error(), "there is nothing to compute again") {
		t.Errorf("with the same language model: %v", err)
	}
	replace(t, filepath.Join(dir, "lm.arpa"), "-1.1\tONE", "-1.7\tONE")
	if p, err := l.reembed(t, old, "now").Plan(t.Context(), o); err != nil || p.Plan.Items != 1 {
		t.Errorf("with another one: %+v, %v", p, err)
	}
}
