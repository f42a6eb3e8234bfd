//go:build integration

package docs

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The Pythons that make docs-tools names; bin/worker has to be built.
var (
	pythonOf     = flag.String("python", "", "a Python that has what tools/golden, tools/exports and tools/demo-models require")
	tensorflowOf = flag.String("tensorflow", "", "one that has tools/golden/requirements-tf.txt")
	lmOf         = flag.String("lm", "", "one that has tools/golden/requirements-lm.txt")
)

// TestToolsInPythonRun runs each command of inPython: training and exports take a step, or one class, with recordings and sentences of the test's own, and a stand-in for the program that speaks. It does not prove what comes of hours of training.
func TestToolsInPythonRun(t *testing.T) {
	if *pythonOf == "" || *tensorflowOf == "" || *lmOf == "" {
		t.Skip("-python, -tensorflow and -lm do not name a Python each: make docs-tools")
	}
	bin, swept, data := t.TempDir(), t.TempDir(), t.TempDir()
	for name, d := range map[string]string{"PYTHON": *pythonOf, "TORCH": *pythonOf, "TENSORFLOW": *tensorflowOf, "LM": *lmOf, "SWEPT": swept, "RECORDINGS": filepath.Join(data, "recordings"), "SENTENCES": filepath.Join(data, "sentences"), "WORK": filepath.Join(data, "work"), "PYTHONDONTWRITEBYTECODE": "1"} {
		t.Setenv(name, d)
	}
	recordingsOf(t, os.Getenv("RECORDINGS"))
	sentencesOf(t, os.Getenv("SENTENCES"))
	standIn(t, bin, "espeak-ng", "exec cat "+root(t)+"/internal/demo/samples/audio/speech-05.wav")
	t.Setenv("BRIEFLY", standIn(t, bin, "briefly", briefly))
	if code, said := shell(t, "../tools/demo-models", bin, fewWords); code != 0 {
		t.Fatalf("%d\n%s", code, said)
	}
	for _, p := range inPython {
		t.Run(p.command, func(t *testing.T) {
			out := t.TempDir()
			code, said := shell(t, p.at, bin, p.runs, "OUT="+out)
			if code != 0 || !strings.Contains("\n"+said, p.says) {
				t.Errorf("%s: %d, wanted 0 and %q\n%s", p.runs, code, p.says, said)
			}
			for _, name := range p.files {
				if s, err := os.Stat(filepath.Join(out, name)); err != nil || s.Size() == 0 {
					t.Errorf("%s: there is no %s: %v\n%s", p.runs, name, err, said)
				}
			}
		})
	}
	// A sweep may have no case of a class; differ.py of none would say that none differs.
	if cases, err := filepath.Glob(filepath.Join(swept, "*", "*", "manifest.json")); err != nil || len(cases) < 6 {
		t.Errorf("the sweeps have written %q, %v", cases, err)
	}
}

// briefly is $TORCH, the Python of all here, that trains for a step, and writes to $OUT what goes to internal/demo; what was trained for so short is not checked, the bundled models are.
const briefly = `case $1 in
train_audio.py | train_vision.py) set -- "$@" --steps 1 ;;
train_text.py) set -- "$@" --language-steps 1 --intent-steps 1 ;;
esac
script=$1
for word; do
  shift
  case $script:$word in
  check_samples.py:*) ;;
  *:../../internal/demo/*) word=$OUT/${word#../../internal/demo/} && mkdir -p "${word%/*}" ;;
  esac
  set -- "$@" "$word"
done
exec "$TORCH" "$@"`

// fewWords has the stand-in say a few words for each thousand that training hears.
const fewWords = `exec "$PYTHON" - <<'END'
import os, sys
sys.path.insert(0, os.getcwd())
import speech_clips
all = speech_clips.synthetic
speech_clips.synthetic = lambda rng, count, *how: all(rng, max(count // 200, 12), *how)
speech_clips.synthetic_sets(os.environ["WORK"] + "/espeak.pickle")
END`

// recordingsOf makes recordings of three people, of each some that are held out.
func recordingsOf(t *testing.T, dir string) {
	t.Helper()
	b, err := os.ReadFile("../internal/demo/samples/audio/speech-10.wav")
	if err != nil || os.Mkdir(dir, 0o755) != nil {
		t.Fatal(err)
	}
	for _, speaker := range []string{"ada", "theo", "zoe"} {
		for digit := range 3 {
			for _, index := range []int{0, 7} {
				write(t, filepath.Join(dir, fmt.Sprintf("%d_%s_%d.wav", digit, speaker, index)), string(b))
			}
		}
	}
}

// sentencesOf makes sentences of every intent that training knows.
func sentencesOf(t *testing.T, dir string) {
	t.Helper()
	for _, intent := range strings.Fields("AddToPlaylist BookRestaurant GetWeather PlayMusic RateBook SearchCreativeWork SearchScreeningEvent") {
		if err := os.MkdirAll(filepath.Join(dir, intent), 0o755); err != nil {
			t.Fatal(err)
		}
		for name, n := range map[string]int{"train_%s_full.json": 20, "validate_%s.json": 3} {
			var all []map[string]any
			for i := range n {
				all = append(all, map[string]any{"data": []map[string]string{{"text": fmt.Sprintf("%s number %d of ", name, i)}, {"text": intent}}})
			}
			b, err := json.Marshal(map[string]any{intent: all})
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, intent, fmt.Sprintf(name, intent)), string(b))
		}
	}
}
