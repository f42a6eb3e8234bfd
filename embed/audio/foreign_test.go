package audio

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vecmill/schemas"
)

// withFFmpeg is a preprocessor at a rate with the system's decoder. Where CI=true the program must be there.
func withFFmpeg(t *testing.T, config string, o Options) *Preprocessor {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("not on this machine, and CI=true: ffmpeg")
		}
		t.Skip("not on this machine: ffmpeg")
	}
	o.Decoder = FFmpeg
	return newPreprocessor(t, config, o)
}

// TestBuiltInDecodersAgreeWithLibsndfile holds length and sound of MP3 and Vorbis by ffmpeg's encoders to libsndfile's, at 16 bits.
func TestBuiltInDecodersAgreeWithLibsndfile(t *testing.T) {
	for name, config := range map[string]string{
		"cbr.mp3":     `{"sampling_rate": 44100}`,
		"vbr.mp3":     `{"sampling_rate": 44100}`,
		"plain.mp3":   `{"sampling_rate": 44100}`,
		"mpeg2.mp3":   `{"sampling_rate": 22050}`,
		"mpeg2.5.mp3": `{"sampling_rate": 11025}`,
		"vorbis.ogg":  `{"sampling_rate": 44100}`,
	} {
		t.Run(name, func(t *testing.T) {
			want := wantForeign(t, name)
			p := newPreprocessor(t, config, Options{})
			got, err := p.Waveform(t.Context(), readFile(t, "foreign/"+name))
			if err != nil || len(got) != len(want) {
				t.Fatalf("%d samples, %v, want %d", len(got), err, len(want))
			}
			if e := largest(got, want); e > 0.5/32768+1e-5 {
				t.Errorf("differs by %g", e)
			}
		})
	}
}

// wantForeign is what libsndfile makes of a file.
func wantForeign(t *testing.T, name string) []float32 {
	t.Helper()
	raw := readFile(t, "foreign/want/"+name+".s16")
	want := make([]float32, len(raw)/2)
	for i := range want {
		want[i] = float32(int16(binary.LittleEndian.Uint16(raw[2*i:]))) / 32768
	}
	return want
}

// TestTheSystemsDecoderGivesTheSound compares AAC with its source, whose end the program leaves padded to a block of 1,024.
func TestTheSystemsDecoderGivesTheSound(t *testing.T) {
	want := wantForeign(t, "aac.m4a")
	got, err := withFFmpeg(t, `{"sampling_rate": 22050}`, Options{}).Waveform(t.Context(), readFile(t, "foreign/aac.m4a"))
	if err != nil || len(got) < len(want) || len(got) > len(want)+1023 {
		t.Fatalf("%d samples, %v, want %d and no more than 1023 on top", len(got), err, len(want))
	}
	if d := 10 * math.Log10(noise(got, want)); d > -12 {
		t.Errorf("the difference is %.1f dB", d)
	}
	amr, err := withFFmpeg(t, `{"sampling_rate": 8000}`, Options{}).Waveform(t.Context(), readFile(t, "foreign/noise.amr"))
	if err != nil || len(amr) != 25*160 {
		t.Errorf("AMR: %d samples, %v, want 25 frames of 160", len(amr), err)
	}
}

func TestTheSystemsDecoderKeepsTheLimits(t *testing.T) {
	blob := readFile(t, "foreign/aac.m4a") // 0.2268 s
	_, err := withFFmpeg(t, `{}`, Options{MaxSeconds: 0.2}).Preprocess(t.Context(), schemas.Ref{}, blob)
	wantRejection(t, err, schemas.ReasonTooLarge, "longer than 0.2 s")
	got, err := withFFmpeg(t, `{}`, Options{MaxSeconds: 0.2, Long: Truncate}).Preprocess(t.Context(), schemas.Ref{}, blob)
	if err != nil || len(got) != 1 || !got[0].Truncated || len(got[0].Inputs[0].F32) != 3200 {
		t.Errorf("%d samples, %v; want one of 3200 values", len(got), err)
	}
	p := withFFmpeg(t, `{}`, Options{})
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := p.Preprocess(ctx, schemas.Ref{}, blob); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v of a call that was given up", err)
	}
	for _, head := range [][]byte{nil, blob[:100], blob} {
		n, err := p.Footprint(schemas.Ref{}, head, int64(len(blob)))
		if err != nil || n < foreignBytes+4*3629 || head == nil && n < foreignBytes+4*30*16000 {
			t.Errorf("footprint %d, %v, does not cover the process", n, err)
		}
	}
	made := int64(0)
	all, err := p.Preprocess(t.Context(), schemas.Ref{}, blob)
	for i := range all {
		made += all[i].Bytes()
	}
	if took := p.Took(int64(len(blob)), made); err != nil || took < int64(len(blob))+made || took-made > 24<<20 { // stream collects the garbage of 32 MiB at once
		t.Errorf("took %d bytes for %d of samples, %v", took, made, err)
	}
	flac := readFile(t, "corpus/flac-best.flac")
	builtin := newPreprocessor(t, `{}`, Options{})
	want, err := builtin.Footprint(schemas.Ref{}, flac, int64(len(flac)))
	if n, err2 := p.Footprint(schemas.Ref{}, flac, int64(len(flac))); err != nil || err2 != nil || n != want {
		t.Errorf("footprint %d of FLAC, which is built in, want %d", n, want)
	}
	if p.Digest() == builtin.Digest() {
		t.Error("the digest does not tell which decoder ran")
	}
}

func TestDamageThatTheSystemsDecoderFindsIsARejection(t *testing.T) {
	p := withFFmpeg(t, `{}`, Options{})
	for name, c := range map[string]struct {
		blob  []byte
		words string
	}{
		"an AIFF of nothing":      {[]byte("FORM\x00\x00\x00\x04AIFF"), "aiff: "},
		"an MP4 without an index": {readFile(t, "foreign/aac.m4a")[:1500], "mp4 or m4a: "},
	} {
		_, err := p.Preprocess(t.Context(), schemas.Ref{}, c.blob)
		t.Run(name, func(t *testing.T) { wantRejection(t, err, schemas.ReasonDecode, c.words) })
	}
}

// fake writes a program that calls itself ffmpeg and does as script says.
func fake(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "decoder")
	text := "#!/bin/sh\nif [ \"$1\" = -version ]; then echo 'ffmpeg version of this test'; exit; fi\n" + script
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil { //nolint:gosec // a program has to be executable
		t.Fatal(err)
	}
	return path
}

func TestADecoderThatMisbehavesCostsOneRecord(t *testing.T) {
	blob := readFile(t, "foreign/aac.m4a")
	for name, c := range map[string]struct{ script, words string }{
		"it crashes":               {"echo out of order >&2; exit 3\n", "mp4 or m4a: the decoder failed: exit status 3: out of order"},
		"it writes no WAV":         {"while :; do echo nonsense; done\n", "the decoder's output"},
		"it writes nothing":        {"exit 0\n", "the decoder made nothing of it"},
		"it floods its complaints": {"head -c 300000 /dev/zero | tr '\\0' x >&2; exit 1\n", "the decoder failed"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPreprocessor(t, `{}`, Options{Decoder: FFmpeg, Program: fake(t, c.script)})
			_, err := p.Preprocess(t.Context(), schemas.Ref{}, blob)
			wantRejection(t, err, schemas.ReasonDecode, c.words)
			if err != nil && len(err.Error()) > foreignMessage+500 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
	p := newPreprocessor(t, `{}`, Options{Decoder: FFmpeg, Program: fake(t, "exec sleep 600\n")})
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	began := time.Now()
	if _, err := p.Preprocess(ctx, schemas.Ref{}, blob); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 10*time.Second {
		t.Errorf("a decoder that hangs: %v after %v", err, time.Since(began))
	}
}

func TestAMissingDecoderIsNamed(t *testing.T) {
	spec := specWith(t, `{}`)
	_, err := New(spec, Options{Decoder: FFmpeg, Program: "no-such-decoder"})
	if err == nil || !strings.Contains(err.Error(), "the decoder program no-such-decoder is missing") {
		t.Errorf("error %v", err)
	}
	if _, err := New(spec, Options{Decoder: FFmpeg, Program: "true"}); err == nil || !strings.Contains(err.Error(), "is not ffmpeg") {
		t.Errorf("error %v of another program", err)
	}
	if err := (Options{Decoder: "sox"}).Validate(); err == nil || !strings.Contains(err.Error(), "one of builtin, ffmpeg") {
		t.Errorf("error %v of another decoder", err)
	}
	_, err = newPreprocessor(t, `{}`, Options{}).Preprocess(t.Context(), schemas.Ref{}, readFile(t, "foreign/aac.m4a"))
	wantRejection(t, err, schemas.ReasonDecode, "without audio.decoder: ffmpeg")
}

// What stream collects at once is 32 MiB; an ordinary recording is less, however much of it had to be reserved.
func TestWhatAnOrdinaryRecordingTookIsNotMuch(t *testing.T) {
	for name, o := range map[string]Options{"whole": {MaxSeconds: 3600}, "windows": {Long: Window}, "speech": {Long: Speech}, "overlap": {Long: Overlap}} {
		p := newPreprocessor(t, `{}`, o)
		const size, made = 1 << 20, 60 * 16000 * 4 // a minute
		reserved, err := p.Footprint(schemas.Ref{}, nil, size)
		if took := p.Took(size, made); err != nil || took < size+made || took-made >= 32<<20 || reserved < took {
			t.Errorf("%s: took %d bytes of %d that are reserved while nothing is known of it, %v", name, took, reserved, err)
		}
	}
}
