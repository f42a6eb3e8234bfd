package text

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// edited is base's tokenizer.json with one member replaced.
func edited(tb testing.TB, path string, value any) []byte {
	tb.Helper()
	raw, err := os.ReadFile("testdata/base/tokenizer.json")
	if err != nil {
		tb.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		tb.Fatal(err)
	}
	at := doc
	keys := strings.Split(path, ".")
	for _, k := range keys[:len(keys)-1] {
		at = at[k].(map[string]any)
	}
	at[keys[len(keys)-1]] = value
	out, err := json.Marshal(doc)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func TestATokenizerOfAnotherKindIsRefusedByName(t *testing.T) {
	for _, c := range []struct {
		name, path string
		value      any
		words      string
	}{
		{"a normalizer", "normalizer", map[string]any{"type": "NFC"}, "normalizer"},
		{"no pre-tokenizer", "pre_tokenizer", nil, "not ByteLevel"},
		{"another pre-tokenizer", "pre_tokenizer.type", "Metaspace", "not ByteLevel"},
		{"no pattern", "pre_tokenizer.use_regex", false, "use_regex"},
		{"another model", "model.type", "Unigram", "Unigram"},
		{"dropout", "model.dropout", 0.1, "dropout"},
		{"word ends", "model.end_of_word_suffix", "</w>", "not byte-level"},
		{"byte fallback", "model.byte_fallback", true, "not byte-level"},
		{"no vocabulary", "model.vocab", map[string]any{}, "vocabulary is empty"},
		{"a negative id", "model.vocab.zz", -1, "id -1"},
		{"a vast id", "model.vocab.zz", 1 << 30, "ids go up to"},
		{"an unknown unk_token", "model.unk_token", "?!", "unk_token"},
		{"a merge of three", "model.merges", []any{[]string{"a", "b", "c"}}, "not a pair"},
		{"a merge of one", "model.merges", []any{"ab"}, "not a pair"},
		{"a merge of strangers", "model.merges", []any{"a ☃"}, "not in the vocabulary"},
		{"a merge that is a number", "model.merges", []any{7}, "merge 0"},
		{"another post-processor", "post_processor.type", "BertProcessing", "BertProcessing"},
		{"a post-processor with foreign ids", "post_processor.sep", []any{"</s>", 9999}, "id 9999"},
		{"a template without text", "post_processor", map[string]any{"type": "TemplateProcessing", "single": []any{}}, "leaves the text out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), edited(t, c.path, c.value), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Load(dir)
			if err == nil || !strings.Contains(err.Error(), c.words) || !strings.Contains(err.Error(), "tokenizer.json") {
				t.Errorf("error %v, want one with %q", err, c.words)
			}
		})
	}
}

func TestLegacyFilesAreNamedWhenTheyAreWrong(t *testing.T) {
	for _, c := range []struct {
		name, vocab, merges, words string
	}{
		{"no merges", `{"a": 0}`, "", "needs merges.txt"},
		{"a broken vocabulary", `{`, "#version: 0.2\n", "vocab.json"},
		{"a line that is no merge", `{"a": 0}`, "#version: 0.2\na b c\n", "merges.txt line 2"},
		{"no special tokens", `{"a": 0}`, "#version: 0.2\n", "vocab.json lacks"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range map[string]string{"vocab.json": c.vocab, "merges.txt": c.merges} {
				if content == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("error %v, want one with %q", err, c.words)
			}
		})
	}
}

func TestABrokenConfigurationIsNamed(t *testing.T) {
	for name, content := range map[string]string{
		"tokenizer_config.json": `{"model_max_length": "long"}`, "special_tokens_map.json": `[]`, "added_tokens.json": `{"a": "b"}`,
	} {
		dir := t.TempDir()
		for file, c := range map[string][]byte{"tokenizer.json": edited(t, "normalizer", nil), name: []byte(content)} {
			if err := os.WriteFile(filepath.Join(dir, file), c, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v, want one that names %s", err, name)
		}
	}
}

func TestTokensOfTheConfigurationFollowThoseOfTheFile(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string][]byte{
		"tokenizer.json":          edited(t, "normalizer", nil),
		"tokenizer_config.json":   []byte(`{"added_tokens_decoder": {"900": {"content": "[B]"}, "80": {"content": "[A]", "special": true}}, "model_max_length": 1e30}`),
		"special_tokens_map.json": []byte(`{"pad_token": "[P]", "mask_token": "<mask>"}`),
		"added_tokens.json":       []byte(`{"[C]": 901}`),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), c, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	k, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	e := k.Encode("[A][B][C][P]<mask>", Parse, 0)
	want := []int32{461, 462, 463, 464, 460}
	for i := range want {
		if len(e.IDs) != len(want) || e.IDs[i] != want[i] {
			t.Fatalf("ids %v, want %v", e.IDs, want)
		}
	}
	if k.Pad() != 464 || k.MaxLength() != 0 {
		t.Errorf("pad %d, longest %d", k.Pad(), k.MaxLength())
	}
}

// FuzzDocument proves that no tokenizer.json makes loading panic, and that one which loads encodes without panic.
func FuzzDocument(f *testing.F) {
	for _, name := range []string{"base", "added"} {
		raw, err := os.ReadFile("testdata/" + name + "/tokenizer.json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(`{"pre_tokenizer":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]},` +
		`"added_tokens":[{"id":7,"content":" ab ","lstrip":true,"rstrip":true}],"post_processor":{"type":"RobertaProcessing","sep":["b",1],"cls":["a",0]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		doc, err := parseDocument(raw)
		if err != nil {
			return
		}
		k, err := build(doc, &config{})
		if err != nil {
			return
		}
		e := k.Encode("ab aab <s> foo 東\u00a0\x00<mask>  ", Parse, 0)
		k.Decode(e.IDs, false)
	})
}
