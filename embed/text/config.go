package text

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// config is tokenizer_config.json, completed with special_tokens_map.json and added_tokens.json.
type config struct {
	Class          string                `json:"tokenizer_class"`
	ModelMaxLength *float64              `json:"model_max_length"` // 1e30 means none
	MaxLen         *float64              `json:"max_len"`          // its old name
	TruncationSide string                `json:"truncation_side"`  // left or right
	PaddingSide    string                `json:"padding_side"`     // left or right
	CleanUp        bool                  `json:"clean_up_tokenization_spaces"`
	Additional     []special             `json:"additional_special_tokens"`
	Extra          extras                `json:"extra_special_tokens"`
	Inputs         *[]string             `json:"model_input_names"`
	AddPrefixSpace *bool                 `json:"add_prefix_space"`
	TrimOffsets    *bool                 `json:"trim_offsets"`
	Decoder        map[string]addedToken `json:"added_tokens_decoder"` // by id
	specials       map[string]addedToken // by role: bos_token, mask_token, ...
	old            map[string]int32      // added_tokens.json: ids by content
}

// roles are the special tokens that a RoBERTa tokenizer has.
var roles = [...]string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

// readConfig reads the files around a tokenizer; each of them may be missing. As in the reference, tokenizer_config.json says all if it lists the
// added tokens; without that list it is of an older release, and special_tokens_map.json and added_tokens.json have their say.
func readConfig(dir string) (*config, error) {
	c := &config{specials: map[string]addedToken{}}
	byRole := map[string]json.RawMessage{}
	if err := readFile(dir, "tokenizer_config.json", c, &byRole); err != nil {
		return nil, err
	}
	if c.Decoder == nil {
		listed := c.Additional
		if err := readFile(dir, "special_tokens_map.json", c, &byRole); err != nil {
			return nil, err
		}
		c.Additional = slices.Concat(c.Additional, listed)
		if err := readFile(dir, "added_tokens.json", &c.old); err != nil {
			return nil, err
		}
	}
	for _, role := range roles {
		if raw, ok := byRole[role]; ok && string(raw) != "null" {
			t, err := parseSpecial(role, raw)
			if err != nil {
				return nil, fmt.Errorf("reading %s of the tokenizer's configuration: %w", role, err)
			}
			c.specials[role] = t
		}
	}
	return c, nil
}

// readFile reads a JSON file into each of several places, if it is there.
func readFile(dir, name string, into ...any) error {
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, v := range into {
		if err == nil {
			err = json.Unmarshal(raw, v)
		}
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", filepath.Join(dir, name), err)
	}
	return nil
}

// special is a special token without a role of its own: a string or an object.
type special addedToken

// UnmarshalJSON reads either.
func (s *special) UnmarshalJSON(raw []byte) error {
	t, err := parseSpecial("", raw)
	*s = special(t)
	return err
}

// extras are special tokens by roles of their own or, as transformers 5 writes them, a list.
type extras []special

// UnmarshalJSON reads either. Those with roles come in the order of these.
func (x *extras) UnmarshalJSON(raw []byte) error {
	if raw[0] != '{' {
		return json.Unmarshal(raw, (*[]special)(x))
	}
	var byRole map[string]special
	err := json.Unmarshal(raw, &byRole)
	*x = nil
	for _, role := range slices.Sorted(maps.Keys(byRole)) {
		*x = append(*x, byRole[role])
	}
	return err
}

// parseSpecial reads a special token that is either a string or an object.
func parseSpecial(role string, raw json.RawMessage) (addedToken, error) {
	t := addedToken{Special: true}
	if raw[0] == '"' {
		t.LStrip = role == "mask_token"
		return t, json.Unmarshal(raw, &t.Content)
	}
	err := json.Unmarshal(raw, &t)
	t.Special = true
	return t, err
}

// named is the token of a role.
func (c *config) named(role, fallback string) string {
	if t, ok := c.specials[role]; ok {
		return t.Content
	}
	return fallback
}

// roberta says whether the class is one whose settings win over tokenizer.json. Where no class is named, the model's own is meant.
func (c *config) roberta() bool {
	switch strings.TrimSuffix(c.Class, "Fast") {
	case "", "RobertaTokenizer", "LongformerTokenizer", "BartTokenizer", "LEDTokenizer", "MvpTokenizer":
		return true
	}
	return false
}

// maxLength is model_max_length, 0 if there is none.
func (c *config) maxLength() int {
	n := cmp.Or(c.ModelMaxLength, c.MaxLen)
	if n == nil || *n < 1 || *n > math.MaxInt32 {
		return 0
	}
	return int(*n)
}

// listed are the tokens that the configuration lists by id.
func (c *config) listed() []addedToken {
	var all []addedToken
	for key, t := range c.Decoder {
		if id, err := strconv.ParseInt(key, 10, 32); err == nil {
			t.ID = int32(id)
			all = append(all, t)
		}
	}
	for content, id := range c.old {
		t, ok := c.special(content) // says how it is found; that file has nothing but ids
		if !ok {
			t = addedToken{Content: content, Normalized: true}
		}
		t.ID = id
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b addedToken) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Content, b.Content))
	})
	return all
}

// unlisted are the special tokens, in the order in which the reference adds those that nothing lists.
func (c *config) unlisted() []addedToken {
	var all []addedToken
	for _, role := range roles {
		if t, ok := c.specials[role]; ok {
			all = append(all, t)
		}
	}
	for _, t := range slices.Concat(c.Additional, c.Extra) {
		all = append(all, addedToken(t))
	}
	return all
}

// special is the special token of that content.
func (c *config) special(content string) (t addedToken, ok bool) {
	for _, t := range c.unlisted() {
		if t.Content == content {
			return t, true
		}
	}
	return t, false
}

// readLegacy makes a document of vocab.json and merges.txt as the reference converts them for its RoBERTa class.
func readLegacy(dir string, cfg *config) (*document, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "vocab.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("neither tokenizer.json nor vocab.json is there: a text checkpoint needs one; copy it from the model's repository")
	}
	if err != nil {
		return nil, err
	}
	merges, err := os.ReadFile(filepath.Join(dir, "merges.txt"))
	if err != nil {
		return nil, fmt.Errorf("vocab.json needs merges.txt beside it: %w", err)
	}
	doc := &document{PreTokenizer: &byteLevel{Type: "ByteLevel", TrimOffsets: true}, Model: bpeModel{Type: "BPE"}}
	if cfg.AddPrefixSpace != nil {
		doc.PreTokenizer.AddPrefixSpace = *cfg.AddPrefixSpace
	}
	if err := json.Unmarshal(raw, &doc.Model.Vocab); err != nil {
		return nil, err
	}
	if doc.Model.Merges, err = parseMerges(string(merges)); err != nil {
		return nil, err
	}
	return doc, doc.asRoberta(cfg)
}

// parseMerges reads merges.txt. The reference drops the first line, a version, and what is behind the last line feed.
func parseMerges(text string) ([]json.RawMessage, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 2 {
		return nil, nil
	}
	var out []json.RawMessage
	for i, line := range lines[1 : len(lines)-1] {
		parts := strings.Fields(line)
		if len(parts) != 2 {
			return nil, fmt.Errorf("merges.txt line %d: %q is not a pair", i+2, line)
		}
		raw, err := json.Marshal(parts)
		if err != nil {
			return nil, err
		}
		out = append(out, raw)
	}
	return out, nil
}

// asRoberta adds the special tokens of the class where the configuration is silent, and the post-processor.
func (d *document) asRoberta(cfg *config) error {
	defaults := map[string]string{
		"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "sep_token": "</s>", "pad_token": "<pad>", "cls_token": "<s>", "mask_token": "<mask>",
	}
	for _, role := range roles {
		if _, ok := cfg.specials[role]; !ok {
			cfg.specials[role] = addedToken{Content: defaults[role], Special: true, LStrip: role == "mask_token"}
		}
	}
	around := map[string]any{"type": "RobertaProcessing", "trim_offsets": true, "add_prefix_space": d.PreTokenizer.AddPrefixSpace}
	for role, key := range map[string]string{"sep_token": "sep", "cls_token": "cls"} {
		token := cfg.named(role, "")
		id, ok := d.Model.Vocab[token]
		if !ok {
			return fmt.Errorf("vocab.json lacks the %s %q", role, token)
		}
		around[key] = []any{token, id}
	}
	raw, err := json.Marshal(around)
	d.PostProcessor = raw
	return err
}
