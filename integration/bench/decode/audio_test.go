// Audio against soundfile and soxr: CPU time from a file's bytes to the model's tensor, the best of several rounds, ours in this process under GOMAXPROCS(1), Python's in a process of its own by its own clock. Rounds
// alternate, so that both see the same machine.

package decode

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"vecmill/embed/audio"
	"vecmill/integration/harness"
	"vecmill/model"
	"vecmill/schemas"
)

// BenchmarkAudio prints, for a minute of 44.1 kHz stereo, how many times real time each side takes from bytes to the tensor at 16 kHz, and ours over theirs: above 1 is faster than soundfile and soxr.
func BenchmarkAudio(b *testing.B) {
	packages := harness.DecodePeers(b)
	dir := b.TempDir()
	python := func(args ...string) string {
		b.Helper()
		cmd := exec.Command("python3", append([]string{"audio_peer.py"}, args...)...)
		cmd.Env = append(os.Environ(), "PYTHONPATH="+packages, "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			b.Fatalf("audio_peer.py %v: %v\n%s", args, err, stderr.Bytes())
		}
		return strings.TrimSpace(string(out))
	}
	python("make", dir)
	spec, err := model.Open("../../../internal/demo/models/audio-ctc")
	if err != nil {
		b.Fatal(err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, libraries := range []audio.Libraries{audio.LibrariesOff, audio.LibrariesAuto} {
		pre, err := audio.New(spec, audio.Options{MaxSeconds: 120, Libraries: libraries})
		if err != nil {
			b.Fatal(err)
		}
		for _, format := range []string{"wav", "flac", "mp3", "ogg"} {
			path := filepath.Join(dir, "speech."+format)
			blob, err := os.ReadFile(path)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("%s/%s", libraries, format), func(b *testing.B) {
				for b.Loop() {
					ours, theirs := math.Inf(1), math.Inf(1)
					for range 3 {
						seconds, err := strconv.ParseFloat(python("time", path, "3"), 64)
						if err != nil {
							b.Fatal(err)
						}
						theirs = min(theirs, seconds)
						for range 3 {
							began := processTime(b)
							if _, err := pre.Preprocess(b.Context(), schemas.Ref{}, blob); err != nil {
								b.Fatal(err)
							}
							ours = min(ours, (processTime(b) - began).Seconds())
						}
					}
					b.ReportMetric(60/ours, "x_realtime")
					b.ReportMetric(60/theirs, "x_realtime_python")
					b.ReportMetric(theirs/ours, "of_python")
				}
				b.ReportMetric(0, "ns/op")
			})
		}
		b.Logf("%s: %s", libraries, pre.Decoders())
	}
}

// processTime is the time that this process has computed.
func processTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
