package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"vecmill/schemas"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/parquetsink"
)

// The recording of TestALongRecordingFitsABudgetBelowItsSamples: 20 minutes are 77 MB of samples, and 19 MB as a file of 8 bits. What is reserved is the file, 8 MB of scratch, 18 windows of 5 s, and 18 MB for what
// a transcript may be.
const (
	longRate    = 16000
	longSeconds = 20 * 60
	longBudget  = 56 << 20
)

// utterance is one of the demo's recordings in the long one.
type utterance struct {
	from, to float64 // seconds
	text     string
}

// longRecording writes a WAV file of the demo's recordings that the demo's model gets right, with pauses of half a second to four seconds, and gives its size and what is said in it.
func longRecording(t *testing.T, path string) (size int, said []utterance) {
	t.Helper()
	const dir = "../demo/samples/"
	raw, err := os.ReadFile(dir + "manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct{ File, Expected string }
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	text := map[string]string{}
	for _, m := range all {
		text[m.File] = m.Expected
	}
	var clips [][]byte
	names := []string{"audio/speech-01.wav", "audio/speech-02.wav", "audio/speech-03.wav", "audio/speech-04.wav", "audio/speech-05.wav"}
	for _, name := range names {
		blob, err := os.ReadFile(filepath.Join(dir, name))
		at := bytes.Index(blob, []byte("data"))
		if err != nil || at < 0 || binary.LittleEndian.Uint32(blob[24:]) != longRate {
			t.Fatalf("%s is no WAV file of %d Hz: %v", name, longRate, err)
		}
		var clip []byte
		for pcm := blob[at+8:]; len(pcm) > 1; pcm = pcm[2:] {
			clip = append(clip, byte(128+(int(int16(binary.LittleEndian.Uint16(pcm)))+128)>>8))
		}
		clips = append(clips, clip)
	}
	const n = longSeconds * longRate
	file := binary.LittleEndian.AppendUint32([]byte("RIFF"), 36+n)
	file = append(file, "WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"...)
	file = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(file, longRate), longRate)
	file = binary.LittleEndian.AppendUint32(append(file, "\x01\x00\x08\x00data"...), n)
	sound := make([]byte, 0, n)
	for i := 0; ; i++ {
		k := (i*i + i/3) % len(clips)
		pause := []int{8000, 16000, 32000, 64000}[i%7%4]
		if len(sound)+len(clips[k])+pause > n {
			break
		}
		from := len(sound)
		sound = append(sound, clips[k]...)
		said = append(said, utterance{float64(from) / longRate, float64(len(sound)) / longRate, text[names[k]]})
		sound = append(sound, bytes.Repeat([]byte{128}, pause)...)
	}
	file = append(append(file, sound...), bytes.Repeat([]byte{128}, n-len(sound))...)
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return len(file), said
}

// TestALongRecordingFitsABudgetBelowItsSamples takes a recording through the whole line, by a trained model, in windows of every kind: the live heap stays within the budget, windows cover the recording, times go
// forward, and what is said is understood, wherever windows end.
func TestALongRecordingFitsABudgetBelowItsSamples(t *testing.T) {
	dir := t.TempDir()
	size, said := longRecording(t, filepath.Join(dir, "long.wav")) // not held: the worker may not either
	manifest := filepath.Join(dir, "m.jsonl")
	if err := os.WriteFile(manifest, fmt.Appendf(nil, "{\"v\":1,\"id\":\"long\",\"uri\":\"file://%s/long.wav\"}\n", dir), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		long       string
		understood int // of 100 utterances, at least
	}{{"overlap", 97}, {"speech", 97}, {"window", 0}} { // a window's end cuts through words
		t.Run(c.long, func(t *testing.T) {
			out := t.TempDir()
			cfg, p := pipelineFor(t, "../demo/models/audio-ctc", fmt.Sprintf(`    topics: ["manifest:m"]
    audio: {long: %s, max_seconds: 5, window_seconds: 5, libraries: "off"}
    heads: [{task: transcript}]
    dead_letters: {url: "file://%s/dead"}`, c.long, out))
			cfg.Fetch.MaxObjectBytes, cfg.Fetch.FileRoots, p.MemoryBudget = 32<<20, []string{dir}, longBudget
			p.Outputs[0].Parquet.URL = "file://" + out + "/rows"
			w, err := Open(t.Context(), cfg, Options{Log: slog.New(slog.DiscardHandler), Source: ManifestSource(cfg, manifest, "m", ReadOptions{})})
			if err != nil {
				t.Fatal(err)
			}
			peak := liveHeap(t, func() {
				if err := w.Run(t.Context()); err != nil {
					t.Error(err)
				}
			})
			s := w.Stats()[0].Stream
			t.Logf("at most %d KB live, %d KB reserved, of a file of %d KB and samples of %d KB", peak>>10, s.PeakHeld>>10, size>>10, longSeconds*longRate*4>>10)
			if peak > longBudget || s.PeakHeld > longBudget || len(s.Dead) > 0 {
				t.Errorf("%d bytes are live, %d reserved, of a budget of %d; dead letters %v", peak, s.PeakHeld, longBudget, s.Dead)
			}
			rows := rowsOfManifest(t, out+"/rows")
			if got := checkLong(t, rows, said, c.long); 100*got < c.understood*len(said) {
				t.Errorf("%d of %d utterances are understood", got, len(said))
			}
		})
	}
}

// liveHeap is how much more the heap holds at most while do runs than before, without garbage.
func liveHeap(t *testing.T, do func()) (peak int64) {
	t.Helper()
	live := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	ctx, stop := context.WithCancel(t.Context())
	before, done := live(), make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			peak = max(peak, live()-before)
			time.Sleep(50 * time.Millisecond)
		}
	}()
	do()
	stop()
	<-done
	return peak
}

// rowsOfManifest are the rows of the manifest m, in order.
func rowsOfManifest(t *testing.T, dir string) (all []schemas.Row) {
	t.Helper()
	st, err := dirstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	files, err := parquetsink.Chain(t.Context(), st, "", schemas.SourceID{Pipeline: "p", Topic: "manifest:m"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		rows, err := parquetsink.ReadRows(t.Context(), st, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rows...)
	}
	if len(all) == 0 {
		t.Fatal("no rows")
	}
	return all
}

// checkLong checks the rows' windows and times, and counts the utterances whose words are those that the rows have while they last.
func checkLong(t *testing.T, rows []schemas.Row, said []utterance, long string) (understood int) {
	t.Helper()
	var words []schemas.Word
	end := 0.0 // of the window before
	for i := range rows {
		r := &rows[i]
		if r.Window != i || r.WindowStart < end || r.WindowEnd <= r.WindowStart || long == "window" && r.WindowStart != end {
			t.Fatalf("row %d is window %d from %v to %v, behind %v", i, r.Window, r.WindowStart, r.WindowEnd, end)
		}
		end = r.WindowEnd
		for _, w := range r.Words {
			if n := len(words); n > 0 && w.Start < words[n-1].End || w.End <= w.Start || w.Start < r.WindowStart || w.End > r.WindowEnd+0.025 {
				t.Fatalf("row %d from %v to %v has %+v", i, r.WindowStart, r.WindowEnd, w)
			}
			words = append(words, w)
		}
	}
	if long != "speech" && end != longSeconds {
		t.Errorf("the last window ends at %v", end)
	}
	for _, u := range said {
		var heard []string
		for len(words) > 0 && words[0].Start < u.to+0.2 {
			if words[0].Start >= u.from-0.1 {
				heard = append(heard, words[0].Word)
			}
			words = words[1:]
		}
		if strings.Join(heard, " ") == u.text {
			understood++
		}
	}
	t.Logf("%d rows, %d of %d utterances are understood", len(rows), understood, len(said))
	return understood
}
