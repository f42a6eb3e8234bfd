package predict

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestOtherFormatsAreReadByTheSystemsDecoderIfAsked says the same of a recording as a file of Wave64, which is not built in.
func TestOtherFormatsAreReadByTheSystemsDecoderIfAsked(t *testing.T) {
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("not on this machine, and CI=true: ffmpeg")
		}
		t.Skip("not on this machine: ffmpeg")
	}
	files, err := filepath.Glob("../demo/samples/audio/*.wav")
	if err != nil || len(files) == 0 {
		t.Fatal("no samples", err)
	}
	other := filepath.Join(t.TempDir(), "speech.w64")
	if out, err := exec.Command(ffmpeg, "-v", "error", "-i", files[0], other).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	predict := func(file string, options ...string) (any, error) {
		o := Options{}
		for _, s := range append(options, "audio_libraries=off") { // libsndfile reads Wave64
			if err := o.Set(s); err != nil {
				t.Fatal(err)
			}
		}
		var b bytes.Buffer
		job := Job{Settings: Settings{Model: "../demo/models/audio-ctc", Cache: t.TempDir(), Threads: 1}, Options: o}
		err := Run(t.Context(), job, &b, func(do func(Input) error) error { return do(Input{File: file, shown: file}) })
		var line struct{ Result any }
		if err == nil {
			err = json.Unmarshal(b.Bytes(), &line)
		}
		return line.Result, err
	}
	if _, err := predict(other); err == nil || !strings.Contains(err.Error(), "wave64 is not supported in this build without") {
		t.Errorf("without the decoder: %v", err)
	}
	want, err := predict(files[0])
	if err != nil {
		t.Fatal(err)
	}
	got, err := predict(other, "audio_decoder=ffmpeg")
	if err != nil || !equalJSON(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if _, err := predict(other, "audio_decoder=ffmpeg", "audio_decoder_program=no-such-program"); err == nil || !strings.Contains(err.Error(), "no-such-program is missing") {
		t.Errorf("a missing program: %v", err)
	}
	if _, err := predict(other, "audio_decoder=sox"); err == nil || !strings.Contains(err.Error(), `option audio_decoder: "sox" is not one of builtin, ffmpeg`) {
		t.Errorf("another decoder: %v", err)
	}
}

func equalJSON(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}
