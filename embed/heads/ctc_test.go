package heads_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"vecmill/embed/heads"
)

// offset is [text, start, end] in the golden files.
type offset heads.Offset

func (o *offset) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, &[]any{&o.Text, &o.Start, &o.End})
}

type decodeCase struct {
	IDs     []int `json:"ids"`
	Options struct {
		Skip  bool  `json:"skip_special_tokens"`
		Space bool  `json:"spaces_between_special_tokens"`
		Group *bool `json:"group_tokens"`
	} `json:"options"`
	Text  string   `json:"text"`
	Chars []offset `json:"chars"`
	Words []offset `json:"words"`
}

func same(got []heads.Offset, want []offset) bool {
	return slices.EqualFunc(got, want, func(g heads.Offset, w offset) bool { return g == heads.Offset(w) })
}

// TestDecodeEqualsTheReference compares with transformers 4.55.4: text, characters and words with their frames, exactly. It makes no words of phones: there the cases say what ours are.
func TestDecodeEqualsTheReference(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join("testdata", "ctc", "*"))
	if err != nil || len(dirs) != 7 {
		t.Fatalf("%v, %v", dirs, err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			tok, err := heads.LoadCTCTokenizer(dir, 0)
			if err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(filepath.Join(dir, "cases.json"))
			if err != nil {
				t.Fatal(err)
			}
			var cases []decodeCase
			if err := json.Unmarshal(data, &cases); err != nil {
				t.Fatal(err)
			}
			if len(cases) < 60 {
				t.Fatalf("only %d cases", len(cases))
			}
			for i, c := range cases {
				o := heads.DecodeOptions{
					SkipSpecialTokens: c.Options.Skip, SpaceTokens: c.Options.Space, KeepRepeats: c.Options.Group != nil && !*c.Options.Group,
				}
				got := tok.Decode(c.IDs, o)
				if got.Text != c.Text || !same(got.Chars, c.Chars) || !same(got.Words, c.Words) {
					t.Errorf("case %d, ids %v, %+v:\ngot  %+v\nwant %q %v %v", i, c.IDs, o, got, c.Text, c.Chars, c.Words)
				}
			}
		})
	}
}

func TestParseCTCTokenizer(t *testing.T) {
	const vocab = `{"<pad>": 0, "|": 1, "a": 2, "x": 3}`
	cases := []struct {
		name                   string
		vocab, config, special string
		ids                    []int
		want                   string // the text, or part of the error
		fails                  bool
	}{
		{"class defaults alone", vocab, "", "", []int{2, 1, 1, 3, 0, 3}, "a xx", false},
		{"tokens may be objects", vocab, `{"pad_token": {"content": "x"}}`, "", []int{2, 3, 2}, "aa", false},
		{"the map overrides an older save", vocab, `{"pad_token": "a"}`, `{"pad_token": "x"}`, []int{2, 3, 2}, "aa", false},
		{"but not one that lists added tokens", vocab, `{"pad_token": "a", "added_tokens_decoder": {}}`, `{"pad_token": "x"}`, []int{2, 3, 2}, "x", false},
		{"added tokens extend the vocabulary", vocab, `{"added_tokens_decoder": {"4": {"content": "!"}}}`, "", []int{2, 4, 7}, "a!<unk>", false},
		{"special tokens take ids by count, in the reference also those of others", vocab, `{"added_tokens_decoder": {"5": {"content": "!"}}}`, "", []int{2, 5, 4}, "a<s><unk>", false},
		{"one language of several", `{"eng": ` + vocab + `}`, `{"target_lang": "eng"}`, "", []int{2}, "a", false},
		{"a language that is not there", `{"eng": {}}`, `{"target_lang": "deu"}`, "", nil, `target_lang "deu"`, true},
		{"special tokens that are not listed follow", vocab, "", "", []int{2, 4, 5, 6}, "a<s></s><unk>", false},
		{"one that is none does not", vocab, `{"bos_token": null, "cls_token": "!"}`, "", []int{4, 5, 6}, "</s><unk>!", false},
		{"nor do those that are added", vocab, `{"added_tokens_decoder": {"4": {"content": "</s>"}}}`, "", []int{4, 5, 6}, "</s><s><unk>", false},
		{"the padding token follows, too", `{"a": 0}`, "", "", []int{0, 4, 0, 1}, "aa<s>", false},
		{"phones have spaces between them, and their case", vocab, `{"tokenizer_class": "Wav2Vec2PhonemeCTCTokenizer", "do_lower_case": true}`, "", []int{2, 2, 3, 0, 3, 1, 8}, "a x x | <unk>", false},
		{"the delimiter of phones is left out", vocab, `{"tokenizer_class": "Wav2Vec2PhonemeCTCTokenizer", "word_delimiter_token": "|"}`, "", []int{2, 1, 2, 1}, "a a", false},
		{"phones have no languages", vocab, `{"tokenizer_class": "Wav2Vec2PhonemeCTCTokenizer", "target_lang": "eng"}`, "", []int{2, 3}, "a x", false},
		{"a delimiter that is null is none", vocab, `{"word_delimiter_token": null}`, "", []int{2, 1, 3}, "a|x", false},
		{"the class that it replaced", vocab, `{"tokenizer_class": "Wav2Vec2Tokenizer"}`, "", []int{2, 1, 3}, "a x", false},
		{"a class that decodes otherwise", vocab, `{"tokenizer_class": "WhisperTokenizer"}`, "", nil, `tokenizer_class is "WhisperTokenizer"; transcripts are decoded as Wav2Vec2CTCTokenizer and`, true},
		{"two tokens of one id", `{"<pad>": 0, "a": 1, "b": 1}`, "", "", nil, `id 1 has two tokens, "a" and "b"`, true},
		{"a negative id", `{"<pad>": -1}`, "", "", nil, "id -1", true},
		{"a huge id", `{"<pad>": 99999999999}`, "", "", nil, "id 99999999999", true},
		{"a vocabulary of another form", `["a"]`, "", "", nil, "vocab.json", true},
		{"a damaged configuration", vocab, `{"pad_token": 3}`, "", nil, "tokenizer_config.json", true},
		{"a damaged map", vocab, "", `[`, nil, "special_tokens_map.json", true},
		{"an added token without a number", vocab, `{"added_tokens_decoder": {"x": "y"}}`, "", nil, `added token "x"`, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			tok, err := heads.ParseCTCTokenizer([]byte(c.vocab), []byte(c.config), []byte(c.special), nil)
			if c.fails {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := tok.Decode(c.ids, heads.DecodeOptions{}).Text; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	t.Run("a directory without a vocabulary is named", func(t *testing.T) {
		if _, err := heads.LoadCTCTokenizer(t.TempDir(), 0); err == nil || !strings.Contains(err.Error(), "vocab.json") {
			t.Errorf("got %v", err)
		}
	})
}

// TestTheClassMayStandInConfigJSON is of a checkpoint whose tokenizer_config.json does not name it.
func TestTheClassMayStandInConfigJSON(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "vocab.json"), `{"<pad>": 0, "a": 1, "b": 2}`)
	text := func() string {
		tok, err := heads.LoadCTCTokenizer(dir, 3)
		if err != nil {
			t.Fatal(err)
		}
		return tok.Decode([]int{1, 0, 2}, heads.DecodeOptions{}).Text
	}
	for _, c := range []struct{ config, tokenizer, want string }{
		{`{"tokenizer_class": null}`, `{}`, "ab"},
		{`{"tokenizer_class": "Wav2Vec2PhonemeCTCTokenizer"}`, `{}`, "a b"},
		{`{"tokenizer_class": "Wav2Vec2PhonemeCTCTokenizer"}`, `{"tokenizer_class": "Wav2Vec2CTCTokenizer"}`, "ab"},
	} {
		write(t, filepath.Join(dir, "config.json"), c.config)
		write(t, filepath.Join(dir, "tokenizer_config.json"), c.tokenizer)
		if got := text(); got != c.want {
			t.Errorf("%s and %s: %q, want %q", c.config, c.tokenizer, got, c.want)
		}
	}
}

// TestTokensOfAnOlderSaveAreRead is of a directory without a list of added tokens in its configuration, as releases before 4.34 wrote it.
func TestTokensOfAnOlderSaveAreRead(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "vocab.json"), `{"[PAD]": 0, "|": 1, "a": 2, "[UNK]": 3}`)
	write(t, filepath.Join(dir, "special_tokens_map.json"), `{"pad_token": "[PAD]", "unk_token": "[UNK]", "additional_special_tokens": ["<x>"]}`)
	write(t, filepath.Join(dir, "added_tokens.json"), `{"<s>": 5, "</s>": 4}`)
	tok, err := heads.LoadCTCTokenizer(dir, 6)
	if err != nil {
		t.Fatal(err)
	}
	ids := []int{2, 4, 5, 6, 7}
	if got := tok.Decode(ids, heads.DecodeOptions{}).Text; got != "a</s><s><x>[UNK]" {
		t.Errorf("%q", got)
	}
	if got := tok.Decode(ids, heads.DecodeOptions{SkipSpecialTokens: true}).Text; got != "a" {
		t.Errorf("%q without special tokens", got)
	}
	for columns, labels := range map[int]int{0: 4, 4: 4, 6: 6, 7: 7, 9: 7} {
		d, err := heads.NewBeamDecoding().OpenDecoder(dir, columns)
		if err != nil {
			t.Fatal(err)
		}
		if d.Columns() != labels {
			t.Errorf("of %d logits the alphabet has %d labels, want %d", columns, d.Columns(), labels)
		}
	}
	write(t, filepath.Join(dir, "tokenizer_config.json"), `{"added_tokens_decoder": {}, "pad_token": "[PAD]", "unk_token": "[UNK]"}`)
	if tok, err = heads.LoadCTCTokenizer(dir, 6); err != nil || tok.Decode([]int{4}, heads.DecodeOptions{}).Text != "<s>" {
		t.Errorf("a newer save has tokens of an older one, %v", err)
	}
	write(t, filepath.Join(dir, "tokenizer_config.json"), `{"pad_token": "[X]", "added_tokens_decoder": {}}`)
	if _, err := heads.LoadCTCTokenizer(dir, 4); err == nil || !strings.Contains(err.Error(), `no padding token "[X]"`) {
		t.Errorf("a blank that the model has no logit of: %v", err)
	}
}

// TestALanguageModelThatIsMeantIsThere is of files that were copied in part, and of weights of a model that there is none of.
func TestALanguageModelThatIsMeantIsThere(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "vocab.json"), `{"<pad>": 0, "|": 1, "a": 2}`)
	if _, err := heads.NewBeamDecoding().OpenDecoder(dir, 3); err != nil {
		t.Fatal(err)
	}
	weighed, half := heads.NewBeamDecoding(), 0.5
	weighed.Alpha = &half
	if _, err := weighed.OpenDecoder(dir, 3); err == nil || !errors.Is(err, heads.ErrNoLanguageModel) {
		t.Errorf("weights of no model: %v", err)
	}
	write(t, filepath.Join(dir, "preprocessor_config.json"), `{"processor_class": "Wav2Vec2ProcessorWithLM"}`)
	if _, err := heads.NewBeamDecoding().OpenDecoder(dir, 3); err == nil || !strings.Contains(err.Error(), "has no alphabet.json") {
		t.Errorf("a processor without its decoder: %v", err)
	}
	if err := os.Rename(filepath.Join(dir, "preprocessor_config.json"), filepath.Join(dir, "processor_config.json")); err != nil {
		t.Fatal(err)
	}
	if with, err := heads.NamesLanguageModel(dir); err != nil || !with {
		t.Errorf("a newer save's only file: %v, %v", with, err)
	}
	write(t, filepath.Join(dir, "alphabet.json"), `{"labels": ["", " ", "a"], "is_bpe": false}`)
	if d, err := heads.NewBeamDecoding().OpenDecoder(dir, 3); err != nil || d.LanguageModel() != nil {
		t.Errorf("an alphabet by itself: %v", err)
	}
}

// TestHoursWithoutAWordDelimiterAreOneWord is of a script that has none: building the word character by character would copy 20 GB.
func TestHoursWithoutAWordDelimiterAreOneWord(t *testing.T) {
	tok, err := heads.ParseCTCTokenizer([]byte(`{"<pad>": 0, "a": 1, "b": 2}`), nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]int, 200_000)
	for i := range ids {
		ids[i] = 1 + i%2
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	d := tok.Decode(ids, heads.DecodeOptions{})
	runtime.ReadMemStats(&after)
	if len(d.Words) != 1 || d.Words[0].Text != strings.Repeat("ab", 100_000) || d.Words[0].End != 200_000 || d.Text != d.Words[0].Text {
		t.Errorf("%d words", len(d.Words))
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 64*200_000 {
		t.Errorf("%d bytes are allocated", n)
	}
}

func FuzzParseCTCTokenizer(f *testing.F) {
	f.Add([]byte(`{"<pad>": 0, "|": 1, "a": 2}`), []byte(`{"do_lower_case": true}`), []byte(`{"pad_token": "<pad>"}`), []byte(`{"<s>": 9}`), []byte{2, 0, 2, 1, 9})
	f.Add([]byte(`{"<pad>": 0, "|": 1, "a": 2}`), []byte(`{"tokenizer_class": "Wav2Vec2PhonemeCTCTokenizer", "word_delimiter_token": "|"}`), []byte(nil), []byte(nil), []byte{2, 1, 2})
	f.Add([]byte(`{"en": {"<pad>": 0}}`), []byte(`{"target_lang": "en", "added_tokens_decoder": {"7": {"content": "q"}}}`), []byte(nil), []byte(nil), []byte{7})
	f.Fuzz(func(t *testing.T, vocab, config, special, added, frames []byte) {
		tok, err := heads.ParseCTCTokenizer(vocab, config, special, added)
		if err != nil {
			return
		}
		ids := make([]int, len(frames))
		for i, b := range frames {
			ids[i] = int(b)
		}
		d := tok.Decode(ids, heads.DecodeOptions{})
		at := 0
		for _, c := range d.Chars {
			if c.Start < at || c.End <= c.Start || c.End > len(ids) {
				t.Fatalf("character %+v after frame %d of %d", c, at, len(ids))
			}
			at = c.End
		}
		at = 0
		for _, w := range d.Words {
			if w.Start < at || w.End <= w.Start || w.End > len(ids) {
				t.Fatalf("word %+v after frame %d of %d", w, at, len(ids))
			}
			at = w.End
		}
	})
}
