package text

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
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
		{"a template with the texts exchanged", "post_processor", templateOf("A </s>", "B A"), "two texts is not understood"},
		{"a template with a stranger", "post_processor", templateOf("A <x>", "A B"), "names \"<x>\""},
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

// templateOf is a post-processor by what goes around one text and around two: A, B, <s> (0) and </s> (2).
func templateOf(one, two string) map[string]any {
	parts := func(words string) (out []any) {
		for _, w := range strings.Fields(words) {
			kind := "SpecialToken"
			if w == "A" || w == "B" {
				kind = "Sequence"
			}
			out = append(out, map[string]any{kind: map[string]any{"id": w, "type_id": 0}})
		}
		return out
	}
	return map[string]any{"type": "TemplateProcessing", "single": parts(one), "pair": parts(two), "special_tokens": map[string]any{
		"<s>": map[string]any{"id": "<s>", "ids": []int{0}, "tokens": []string{"<s>"}}, "</s>": map[string]any{"id": "</s>", "ids": []int{2}, "tokens": []string{"</s>"}},
	}}
}

func TestATemplateSaysWhatGoesAroundTexts(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), edited(t, "post_processor", templateOf("<s> <s> A", "A </s> B <s> </s>")), 0o600); err != nil {
		t.Fatal(err)
	}
	tok, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	before, after := tok.Around()
	if !slices.Equal(before, []int32{0, 0}) || len(after) != 0 {
		t.Errorf("around a text %v and %v", before, after)
	}
	before, between, after := tok.AroundPair()
	if len(before) != 0 || !slices.Equal(between, []int32{2}) || !slices.Equal(after, []int32{0, 2}) {
		t.Errorf("around two texts %v, %v and %v", before, between, after)
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

// withFiles is a directory with a tokenizer.json and more files.
func withFiles(t *testing.T, files map[string]string) *Tokenizer {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), edited(t, "normalizer", nil), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	k, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// What is wanted is what AutoTokenizer of transformers 4.55.4 gives for these very files.
func TestTokensOfTheConfigurationFollowThoseOfTheFile(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  []int32
		pad   int32
	}{
		"a list of added tokens says all": {
			map[string]string{
				"tokenizer_config.json":   `{"added_tokens_decoder": {"900": {"content": "[B]"}, "80": {"content": "[A]", "special": true}}, "model_max_length": 1e30}`,
				"special_tokens_map.json": `{"pad_token": "[P]", "mask_token": "<mask>"}`,
				"added_tokens.json":       `{"[C]": 901}`,
			},
			[]int32{461, 462, 62, 38, 64, 62, 51, 64, 62, 39, 64, 460},
			1,
		},
		"without it the older files have their say, and win": {
			map[string]string{
				"tokenizer_config.json":   `{"model_max_length": 1e30, "pad_token": "[Q]"}`,
				"special_tokens_map.json": `{"pad_token": "[P]", "mask_token": "<mask>", "additional_special_tokens": ["[D]"]}`,
				"added_tokens.json":       `{"[C]": 901, "[D]": 902}`,
			},
			[]int32{62, 36, 64, 62, 37, 64, 461, 463, 462, 460},
			463,
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := withFiles(t, c.files)
			if e := k.Encode("[A][B][C][P][D]<mask>", Parse, 0); !slices.Equal(e.IDs, c.want) {
				t.Errorf("ids %v, want %v", e.IDs, c.want)
			}
			if k.Pad() != c.pad || k.MaxLength() != 0 {
				t.Errorf("pad %d, longest %d", k.Pad(), k.MaxLength())
			}
		})
	}
}

func TestTheConfigurationChangesTokensOfTheFile(t *testing.T) {
	k := withFiles(t, map[string]string{"tokenizer_config.json": `{"added_tokens_decoder": {"460": {"content": "<mask>", "rstrip": true, "special": false}}, "mask_token": "<mask>"}`})
	e := k.Encode("a <mask> b", Parse, 0)
	// The space before it stays, the one behind it goes; it is special, because it has a role.
	if n := len(e.IDs); n != 4 || e.IDs[2] != 460 || e.Offsets[3] != [2]int32{9, 10} || k.Decode(e.IDs, true) != "a b" {
		t.Errorf("ids %v at %v are %q", e.IDs, e.Offsets, k.Decode(e.IDs, true))
	}
}

func TestATokenIsFoundWhereTheOneBeforeAteItsSpace(t *testing.T) {
	k := withFiles(t, map[string]string{"tokenizer_config.json": `{"added_tokens_decoder": {"900": {"content": " zz", "lstrip": true, "rstrip": true}}}`})
	e := k.Encode("a zz  zz zz", Parse, 0)
	if n := len(e.IDs); n != 4 || !slices.Equal(e.IDs[1:], []int32{461, 461, 461}) {
		t.Errorf("ids %v, want a and three times 461", e.IDs)
	}
	if k.Token(461) != " zz" {
		t.Errorf("it is spelled %q", k.Token(461))
	}
}

func TestSettingsOfTheTokenizerAreReadWhereverTheyStand(t *testing.T) {
	for name, c := range map[string]struct {
		files      map[string]string
		left, pads bool
		most       int
	}{
		"nothing is said":   {map[string]string{}, false, false, 0},
		"both sides":        {map[string]string{"tokenizer_config.json": `{"truncation_side": "left", "padding_side": "left"}`}, true, true, 0},
		"the length's name": {map[string]string{"tokenizer_config.json": `{"max_len": 77}`}, false, false, 77},
		"both names":        {map[string]string{"tokenizer_config.json": `{"max_len": 77, "model_max_length": 78}`}, false, false, 78},
	} {
		t.Run(name, func(t *testing.T) {
			k := withFiles(t, c.files)
			if k.CutsLeft() != c.left || k.PadsLeft() != c.pads || k.MaxLength() != c.most {
				t.Errorf("cuts left %v, pads left %v, at most %d", k.CutsLeft(), k.PadsLeft(), k.MaxLength())
			}
		})
	}
}

func TestAPrefixSpaceIsTheConfigurationsAffair(t *testing.T) {
	raw := edited(t, "pre_tokenizer", map[string]any{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true})
	for config, want := range map[string]int{`{}`: 1, `{"tokenizer_class": "PreTrainedTokenizerFast"}`: 1, `{"add_prefix_space": true}`: 2} {
		dir := t.TempDir()
		for name, content := range map[string][]byte{"tokenizer.json": raw, "tokenizer_config.json": []byte(config)} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		k, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		if e := k.Encode("!", Parse, 0); len(e.IDs) != want {
			t.Errorf("%s: ids %v, want %d of them", config, e.IDs, want)
		}
	}
}

func TestDecodedTextIsCleanedUpIfTheConfigurationSaysSo(t *testing.T) {
	const text = "it is n't , well ."
	for config, want := range map[string]string{`{}`: text, `{"clean_up_tokenization_spaces": true}`: "it isn't, well."} {
		k := withFiles(t, map[string]string{"tokenizer_config.json": config})
		if got := k.Decode(k.Encode(text, Parse, 0).IDs, false); got != want {
			t.Errorf("%s: %q", config, got)
		}
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

// Transformers 5 writes a list where earlier releases have tokens by roles.
func TestExtraSpecialTokensAreAListOrHaveRoles(t *testing.T) {
	var want []int32
	for _, extra := range []string{`{"b_token": "[D]", "a_token": {"content": "[C]"}}`, `["[C]", {"content": "[D]"}]`} {
		k := withFiles(t, map[string]string{"tokenizer_config.json": `{"added_tokens_decoder": {}, "extra_special_tokens": ` + extra + `}`})
		got := k.Encode("[C][D]", Parse, 0).IDs
		if len(got) != 2 {
			t.Fatalf("%s: ids %v, want one of each", extra, got)
		}
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: ids %v, want %v", extra, got, want)
		}
	}
	if k := withFiles(t, map[string]string{"tokenizer_config.json": `{"added_tokens_decoder": {}, "extra_special_tokens": null}`}); len(k.Encode("[C]", Parse, 0).IDs) < 2 {
		t.Error("null adds a token")
	}
}
