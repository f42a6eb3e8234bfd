package text

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzReadConfig proves that no tokenizer_config.json, special_tokens_map.json or added_tokens.json makes a tokenizer panic, in its making or at work.
func FuzzReadConfig(f *testing.F) {
	tokenizer, err := os.ReadFile("testdata/added/tokenizer.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{"base", "added"} {
		config, err := os.ReadFile("testdata/" + name + "/tokenizer_config.json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(config, []byte(`{"bos_token":"<s>","mask_token":{"content":"<mask>","lstrip":true}}`), []byte(`{"<x>":7}`))
	}
	f.Add([]byte(`{"tokenizer_class":"RobertaTokenizerFast","model_max_length":1e30,"additional_special_tokens":["a",{"content":""}],"add_prefix_space":true}`), []byte(`{}`), []byte(`{}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, config, special, added []byte) {
		for name, b := range map[string][]byte{"tokenizer_config.json": config, "special_tokens_map.json": special, "added_tokens.json": added} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c, err := readConfig(dir)
		if err != nil {
			return
		}
		doc, err := parseDocument(tokenizer)
		if err != nil {
			t.Fatal(err)
		}
		k, err := build(doc, c)
		if err != nil {
			return
		}
		e := k.Encode("ab aab <s> foo 東\u00a0\x00<mask>  ", Parse, 0)
		k.Decode(e.IDs, false)
	})
}
