package heads

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

const (
	vocabFile      = "vocab.json"
	tokenizerFile  = "tokenizer_config.json"
	specialsFile   = "special_tokens_map.json"
	maxVocabulary  = 1 << 20  // ids; a larger one is a damaged file
	maxConfigBytes = 64 << 20 // of one file
)

// CTCTokenizer turns token ids into text: the decoding half of Wav2Vec2CTCTokenizer. It is safe for concurrent use.
type CTCTokenizer struct {
	tokens    []string // by id; missing ids hold the unknown token
	unknown   string
	blank     string          // the padding token
	delimiter string          // the word delimiter token
	space     string          // what a delimiter becomes
	special   map[string]bool // padding, beginning, end, unknown and additional special tokens
	lower     bool
	cleanUp   bool
}

// tokenizerFiles are those that a CTC tokenizer is read from.
func tokenizerFiles() [3]string { return [...]string{vocabFile, tokenizerFile, specialsFile} }

// LoadCTCTokenizer reads vocab.json, tokenizer_config.json and, as the reference does where the latter lists no added tokens,
// special_tokens_map.json in dir. Only vocab.json must exist; class defaults fill the rest.
func LoadCTCTokenizer(dir string) (*CTCTokenizer, error) {
	var files [3][]byte
	for i, name := range tokenizerFiles() {
		data, err := readSmall(filepath.Join(dir, name))
		if err != nil && (i == 0 || !errors.Is(err, fs.ErrNotExist)) {
			return nil, fmt.Errorf("reading the CTC tokenizer: %w", err)
		}
		files[i] = data
	}
	t, err := ParseCTCTokenizer(files[0], files[1], files[2])
	if err != nil {
		return nil, fmt.Errorf("reading the CTC tokenizer in %s: %w", dir, err)
	}
	return t, nil
}

func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxConfigBytes {
		return nil, fmt.Errorf("%s has %d bytes, at most %d", path, info.Size(), maxConfigBytes)
	}
	return os.ReadFile(path)
}

// token is a special token in JSON: a string, an object with its content, or null.
type token string

// UnmarshalJSON reads any of the three forms.
func (t *token) UnmarshalJSON(b []byte) error {
	var object struct {
		Content string `json:"content"`
	}
	if len(b) > 0 && b[0] == '{' {
		if err := json.Unmarshal(b, &object); err != nil {
			return err
		}
		*t = token(object.Content)
		return nil
	}
	return json.Unmarshal(b, (*string)(t))
}

// specials are the special tokens that either file may name; nil means not named.
type specials struct {
	Pad        *token  `json:"pad_token"`
	Unknown    *token  `json:"unk_token"`
	Begin      *token  `json:"bos_token"`
	End        *token  `json:"eos_token"`
	Additional []token `json:"additional_special_tokens"`
}

type tokenizerConfig struct {
	specials
	Delimiter *token           `json:"word_delimiter_token"`
	Space     *string          `json:"replace_word_delimiter_char"`
	Lower     bool             `json:"do_lower_case"`
	CleanUp   bool             `json:"clean_up_tokenization_spaces"`
	Language  *string          `json:"target_lang"`
	Added     map[string]token `json:"added_tokens_decoder"` // by id
}

// ParseCTCTokenizer reads the contents of the three files; config and special may be empty.
func ParseCTCTokenizer(vocab, config, special []byte) (*CTCTokenizer, error) {
	var cfg tokenizerConfig
	if err := unmarshal(tokenizerFile, config, &cfg); err != nil {
		return nil, err
	}
	if cfg.Added == nil { // an older save: the map overrides
		if err := unmarshal(specialsFile, special, &cfg.specials); err != nil {
			return nil, err
		}
	}
	ids, err := parseVocabulary(vocab, cfg.Language)
	if err != nil {
		return nil, err
	}
	t := &CTCTokenizer{
		unknown: or(cfg.Unknown, "<unk>"), blank: or(cfg.Pad, "<pad>"), delimiter: or(cfg.Delimiter, "|"),
		space: or(cfg.Space, " "), lower: cfg.Lower, cleanUp: cfg.CleanUp,
	}
	t.special = map[string]bool{t.unknown: true, t.blank: true, or(cfg.Begin, "<s>"): true, or(cfg.End, "</s>"): true}
	for _, s := range cfg.Additional {
		t.special[string(s)] = true
	}
	owner := make(map[int]string, len(ids))
	for name, id := range ids {
		if other, taken := owner[id]; taken {
			return nil, fmt.Errorf("%s: id %d has two tokens, %q and %q", vocabFile, id, min(name, other), max(name, other))
		}
		owner[id] = name
		if err := t.set(id, name); err != nil {
			return nil, fmt.Errorf("%s: token %q: %w", vocabFile, name, err)
		}
	}
	for key, name := range cfg.Added {
		id, err := strconv.Atoi(key)
		if err == nil {
			err = t.set(id, string(name)) // added tokens go before the vocabulary
		}
		if err != nil {
			return nil, fmt.Errorf("%s: added token %q: %w", tokenizerFile, key, err)
		}
	}
	if !t.knows(t.blank) {
		return nil, fmt.Errorf("%s has no padding token %q, which CTC needs as its blank", vocabFile, t.blank)
	}
	return t, nil
}

func unmarshal(file string, data []byte, into any) error {
	if len(data) == 0 {
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// parseVocabulary reads token to id, or language to token to id if a language is set.
func parseVocabulary(vocab []byte, lang *string) (map[string]int, error) {
	if lang == nil {
		var ids map[string]int
		if err := json.Unmarshal(vocab, &ids); err != nil {
			return nil, fmt.Errorf("%s: %w", vocabFile, err)
		}
		return ids, nil
	}
	var byLanguage map[string]json.RawMessage
	if err := json.Unmarshal(vocab, &byLanguage); err != nil {
		return nil, fmt.Errorf("%s: %w", vocabFile, err)
	}
	if byLanguage[*lang] == nil {
		return nil, fmt.Errorf("%s has no vocabulary for target_lang %q", vocabFile, *lang)
	}
	return parseVocabulary(byLanguage[*lang], nil)
}

func or[T ~string](v *T, fallback string) string {
	if v == nil {
		return fallback
	}
	return string(*v)
}

func (t *CTCTokenizer) set(id int, name string) error {
	if id < 0 || id >= maxVocabulary {
		return fmt.Errorf("id %d is not between 0 and %d", id, maxVocabulary-1)
	}
	for len(t.tokens) <= id {
		t.tokens = append(t.tokens, t.unknown)
	}
	t.tokens[id] = name
	return nil
}

func (t *CTCTokenizer) knows(name string) bool {
	for _, have := range t.tokens {
		if have == name {
			return true
		}
	}
	return false
}

// token gives the token of an id; ids outside the vocabulary are unknown.
func (t *CTCTokenizer) token(id int) string {
	if id < 0 || id >= len(t.tokens) {
		return t.unknown
	}
	return t.tokens[id]
}

// longest is the length of the longest token, in bytes.
func (t *CTCTokenizer) longest() int64 {
	n := max(len(t.unknown), len(t.space))
	for _, name := range t.tokens {
		n = max(n, len(name))
	}
	return int64(n)
}

// Blank says whether an id is CTC's blank, the padding token.
func (t *CTCTokenizer) Blank(id int) bool { return t.token(id) == t.blank }
