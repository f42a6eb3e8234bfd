package predict

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

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
