package predict

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestValuesOfAnotherKindAreRefusedInWordsOfJSON(t *testing.T) {
	for _, c := range []struct {
		raw   string
		place any
		want  string
	}{
		{`"3"`, new(int), "it must be a whole number, and is a string"},
		{`1.5`, new(*int), "it must be a whole number, and is 1.5"},
		{`-1`, new(uint64), "it must be a whole number, not negative, and is -1"},
		{`1e400`, new(float64), "it must be a number, and is 1e400"},
		{`[1]`, new(bool), "it must be true or false, and is an array"},
		{`true`, new([]string), "it must be a list, and is true or false"},
		{`3`, new(Options), "it must be an object, and is a number"},
		{`{"text":3}`, new(Input), "text must be a string, and is a number"},
	} {
		if err := decode([]byte(c.raw), c.place); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %q", c.raw, err, c.want)
		}
	}
}

func TestNonsenseIsOneSentenceAboutWhatWasGiven(t *testing.T) {
	dir := t.TempDir()
	noise := filepath.Join(dir, "noise.bin")
	if err := os.WriteFile(noise, []byte("\xff\xfe\x80 no text, no sound, no picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	const speechFile = "../demo/samples/audio/speech-01.wav"
	line := func(s string) func(func(Input) error) error {
		return func(do func(Input) error) error { return ReadLines(strings.NewReader(s), do) }
	}
	file := func(s string) func(func(Input) error) error {
		return func(do func(Input) error) error { return do(OfFile(s)) }
	}
	for _, c := range []struct {
		name, model, option string
		in                  func(func(Input) error) error
		want                string
	}{
		{"a directory for a file", "audio-ctc", "", file(dir), "is a directory; name its files"},
		{"a file that is no sound", "audio-ctc", "", file(noise), "noise.bin: decode"},
		{"a file that is no picture", "vision-digits", "", file(noise), "noise.bin: decode"},
		{"a file that is no text", "text-intent", "", file(noise), "noise.bin: the text is not UTF-8"},
		{"a line that is no text", "text-intent", "", line("{\"text\":\"\xff\"}"), "line 1: not an input: the line is not UTF-8"},
		{"a key of another task", "text-intent", "", line(`{"text":"a","question":"b"}`), "does not read the key question; it reads file, text, text_pair"},
		{"two texts", "text-intent", "", line(`{"text":"a","file":"b"}`), "more than one text"},
		{"a text for a sound", "audio-ctc", "", line(`{"text":"a"}`), "does not read the key text"},
		{"a batch of nothing", "text-intent", "batch_size=0", line(`{"text":"a"}`), "batch_size: 0 is too few"},
		{"workers that are no number", "text-intent", "num_workers=many", line(`{"text":"a"}`), "num_workers: it must be a whole number"},
		{"a length below none", "text-intent", "model_max_length=-5", line(`{"text":"a"}`), "model_max_length: -5 is negative"},
		{"a chunk below none", "audio-ctc", "chunk_length_s=-1", file(speechFile), "chunk_length_s: -1 is negative"},
		{"times that are a number", "audio-ctc", "return_timestamps=3", file(speechFile), `"char", "word" or false`},
	} {
		t.Run(c.name, func(t *testing.T) {
			job := Job{Settings: Settings{Model: "../demo/models/" + c.model, Cache: dir, Threads: 1}, Options: Options{}}
			if c.option != "" {
				if err := job.Options.Set(c.option); err != nil {
					t.Fatal(err)
				}
			}
			var out bytes.Buffer
			err := Run(t.Context(), job, &out, c.in)
			if input := (InputError{}); !errors.As(err, &input) || !strings.Contains(err.Error(), c.want) || out.Len() > 0 {
				t.Errorf("error %v, want an InputError that says %q; printed %q", err, c.want, out.String())
			}
		})
	}
}

func TestAPlaceThatCannotHoldTensorsIsRefusedBeforeTheModelRuns(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "none", "x.safetensors")} {
		job := Job{Settings: Settings{Model: "/nowhere"}, TensorsOut: path}
		for _, err := range []error{Run(t.Context(), job, &bytes.Buffer{}, nil), Tensors(t.Context(), job.Settings, "/nowhere", path)} {
			if input := (InputError{}); !errors.As(err, &input) || !strings.Contains(err.Error(), "cannot be written to "+path) {
				t.Errorf("%s: error %v", path, err)
			}
		}
	}
}

func TestAStreamIsReadUpToTheLimit(t *testing.T) {
	if b, err := readAtMost(strings.NewReader("abc"), 3, 0); err != nil || string(b) != "abc" {
		t.Errorf("read %q, %v", b, err)
	}
	if _, err := readAtMost(strings.NewReader("abcd"), 3, 9); err == nil || !strings.Contains(err.Error(), "larger than 3 bytes") {
		t.Errorf("4 bytes of at most 3: %v", err)
	}
}

func TestTheFirstSpeakerMayComeFromStdin(t *testing.T) {
	const samples = "../demo/samples/audio/speech-0"
	first, err := os.ReadFile(samples + "2.wav")
	if err != nil {
		t.Fatal(err)
	}
	job := Job{Settings: Settings{Model: withProcessors(t, "Data2VecAudioForXVector"), Cache: t.TempDir(), Threads: 1}, Task: "speaker-verification"}
	piped := predictAll(t, job, OfData("-", first), OfFile(samples+"5.wav"))
	named := predictAll(t, job, OfFile(samples+"2.wav"), OfFile(samples+"5.wav"))
	if got, want := marshalled(t, piped[1]["result"]), marshalled(t, named[1]["result"]); got != want {
		t.Errorf("piped %s, named %s", got, want)
	}
}
