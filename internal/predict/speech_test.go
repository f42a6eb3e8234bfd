package predict

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/model"
)

// speechCase is one of tools/golden/speech.py.
type speechCase struct {
	Processor, File string
	Options         Options
	Result          json.RawMessage
}

// withDecoder is the demo's speech checkpoint with the decoder of testdata/speech, under a processor's name.
func withDecoder(t *testing.T, processor string) string {
	t.Helper()
	dir := t.TempDir()
	for _, from := range []string{"../demo/models/audio-ctc", "testdata/speech"} {
		if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "preprocessor_config.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	doc["processor_class"] = processor
	if raw, err = json.Marshal(doc); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestSpeechWithALanguageModelEqualsTheReference compares with transformers' pipeline and pyctcdecode: texts and times, exactly.
func TestSpeechWithALanguageModelEqualsTheReference(t *testing.T) {
	raw, err := os.ReadFile("testdata/speech/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []speechCase
	if err := json.Unmarshal(raw, &cases); err != nil || len(cases) < 16 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	dirs := map[string]string{}
	for _, c := range cases {
		if dirs[c.Processor] == "" {
			dirs[c.Processor] = withDecoder(t, c.Processor)
		}
		job := Job{Settings: Settings{Model: dirs[c.Processor]}, Options: c.Options}
		all := predictAll(t, job, OfFile("../demo/samples/audio/"+c.File))
		var got, want any
		if err := json.Unmarshal([]byte(marshalled(t, all[0]["result"])), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(c.Result, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s %s %v:\n got %v\nwant %v", c.Processor, c.File, c.Options, got, want)
		}
	}
}

// TestPhonesAreSpokenApart has the demo's letters taken for phones, by the class of the tokenizer alone.
func TestPhonesAreSpokenApart(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../demo/models/audio-ctc")); err != nil {
		t.Fatal(err)
	}
	config := []byte(`{"tokenizer_class": "Wav2Vec2PhonemeCTCTokenizer", "word_delimiter_token": "|", "phone_delimiter_token": " ", "do_phonemize": false}`)
	if err := os.WriteFile(filepath.Join(dir, "tokenizer_config.json"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	job := Job{Settings: Settings{Model: dir, Cache: t.TempDir()}, Options: Options{"return_timestamps": json.RawMessage(`"char"`)}}
	got := predictAll(t, job, OfFile("../demo/samples/audio/speech-02.wav"))[0]["result"].(map[string]any)
	if text := "T W O Z E R O T W O S I X"; got["text"] != text || len(got["chunks"].([]any)) != 13 {
		t.Errorf("%v, want %q", got, text)
	}
	spec, err := model.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newSpeech(spec, Options{"return_timestamps": json.RawMessage(`"word"`)}); err == nil || !strings.Contains(err.Error(), "of phones and knows no words") {
		t.Errorf("times of words, which the reference fails at: %v", err)
	}
}

// TestARecordingInChunksIsNotHeldWhole takes 15 minutes apart, which are 58 MB of samples. It says nothing of the graph's own memory.
func TestARecordingInChunksIsNotHeldWhole(t *testing.T) {
	spec, err := model.Open("../demo/models/audio-ctc")
	if err != nil {
		t.Fatal(err)
	}
	const seconds, rate = 15 * 60, 8000
	s, err := newSpeech(spec, Options{"chunk_length_s": json.RawMessage("10"), "batch_size": json.RawMessage("2")})
	if err != nil {
		t.Fatal(err)
	}
	blob := []byte("RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00data") // of 8 bits, mono, 8 kHz
	blob = append(binary.LittleEndian.AppendUint32(blob, seconds*rate), make([]byte, seconds*rate)...)
	for i := range blob[44:] {
		blob[44+i] = byte(i * i >> 9)
	}
	in := OfData("long.wav", blob)
	p, err := s.prepare(t.Context(), &in)
	if err != nil {
		t.Fatal(err)
	}
	live := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before, most, runs, chunks := live(), int64(0), 0, 0
	err = p.each(t.Context(), func(run []embed.Tensor) error {
		runs, chunks = runs+1, chunks+int(run[0].Shape[0])
		if runs%10 == 1 {
			most = max(most, live()-before)
		}
		return nil
	})
	if err != nil || chunks != 135 || runs != 68 { // 10 s that are 20/3 s apart
		t.Fatalf("%d chunks in %d runs, %v", chunks, runs, err)
	}
	if most > 8<<20 { // two chunks, as samples and as a run with its mask, and the one in the making
		t.Errorf("%d bytes are held", most)
	}
}

func TestOptionsOfTheBeamDecoderAreChecked(t *testing.T) {
	plain, with := withDecoder(t, "Wav2Vec2Processor"), withDecoder(t, "Wav2Vec2ProcessorWithLM")
	for _, c := range []struct {
		name, dir, options, fault string
	}{
		{"arguments without a decoder", plain, `{"decoder_kwargs": {"beam_width": 3}}`, "decoder=beam"},
		{"another decoder", plain, `{"decoder": "best"}`, "greedy"},
		{"times of characters", with, `{"return_timestamps": "char"}`, "words only"},
		{"an argument that is none", with, `{"decoder_kwargs": {"lm_start_state": 1}}`, "there is no \"lm_start_state\""},
		{"a width below one", with, `{"decoder_kwargs": {"beam_width": 0}}`, "beam_width"},
		{"a language model that is not there", with, `{"decoder_kwargs": {"language_model": "none.arpa"}}`, "none.arpa"},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec, err := model.Open(c.dir)
			if err != nil {
				t.Fatal(err)
			}
			var o Options
			if err := json.Unmarshal([]byte(c.options), &o); err != nil {
				t.Fatal(err)
			}
			if _, err := newSpeech(spec, o); err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("gives %v, want %q", err, c.fault)
			}
		})
	}
}
