package heads

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

const (
	vocabFile      = "vocab.json"
	tokenizerFile  = "tokenizer_config.json"
	configFile     = "config.json"
	specialsFile   = "special_tokens_map.json"
	addedFile      = "added_tokens.json"
	maxVocabulary  = 1 << 20  // ids; a larger one is a damaged file
	maxConfigBytes = 64 << 20 // of one file
)

// Classes of tokenizers whose decoding this is.
const (
	letterClass = "Wav2Vec2CTCTokenizer" // the class of a checkpoint that names none
	phoneClass  = "Wav2Vec2PhonemeCTCTokenizer"
)

// CTCTokenizer turns token ids into text: the decoding half of Wav2Vec2CTCTokenizer and Wav2Vec2PhonemeCTCTokenizer. It is safe for concurrent use.
type CTCTokenizer struct {
	tokens    []string // by id; missing ids hold the unknown token
	listed    int      // ids up to the last of the vocabulary and the configuration; older saves' added tokens, and special tokens that are listed nowhere, may follow
	unknown   string
	blank     string          // the padding token
	delimiter string          // the word delimiter token
	delimits  bool            // there is one
	space     string          // what a delimiter becomes
	phones    bool            // tokens are phones: spaces between them, and delimiters are left out
	special   map[string]bool // padding, beginning, end, unknown and additional special tokens
	lower     bool
	cleanUp   bool
}

// tokenizerFiles are those that a CTC tokenizer may be read from.
func tokenizerFiles() []string { return []string{vocabFile, tokenizerFile, specialsFile, addedFile} }

// listsAdded says whether tokenizer_config.json in dir lists the added tokens, so that added_tokens.json is not read.
func listsAdded(dir string) bool {
	var cfg struct {
		Added map[string]json.RawMessage `json:"added_tokens_decoder"`
	}
	data, err := readSmall(filepath.Join(dir, tokenizerFile))
	return err == nil && json.Unmarshal(data, &cfg) == nil && cfg.Added != nil // what is wrong with the file is told by who reads it whole
}

// LoadCTCTokenizer reads vocab.json, tokenizer_config.json and, as the reference does where the latter lists no added tokens,
// special_tokens_map.json and added_tokens.json in dir. Only vocab.json must exist; class defaults fill the rest. A class that tokenizer_config.json does not name
// may stand in config.json. columns is how many logits a frame has, 0 if that is not known: a blank behind them is an error.
func LoadCTCTokenizer(dir string, columns int) (*CTCTokenizer, error) {
	var files [4][]byte
	for i, name := range tokenizerFiles() {
		data, err := readSmall(filepath.Join(dir, name))
		if err != nil && (i == 0 || !errors.Is(err, fs.ErrNotExist)) {
			return nil, fmt.Errorf("reading the CTC tokenizer: %w", err)
		}
		files[i] = data
	}
	class, err := classIn(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the CTC tokenizer: %w", err)
	}
	t, err := parseCTCTokenizer(class, files[0], files[1], files[2], files[3])
	if err == nil {
		if at := slices.Index(t.tokens, t.blank); at < 0 || columns > 0 && at >= columns {
			err = fmt.Errorf("%s has no padding token %q, which CTC needs as its blank", vocabFile, t.blank)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the CTC tokenizer in %s: %w", dir, err)
	}
	return t, nil
}

// classIn is the class of the tokenizer that config.json in dir names, "" if it names none.
func classIn(dir string) (string, error) {
	var cfg struct {
		Class string `json:"tokenizer_class"`
	}
	data, err := readSmall(filepath.Join(dir, configFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err == nil {
		err = unmarshal(configFile, data, &cfg)
	}
	return cfg.Class, err
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

// optional is a token that may be missing, or null for none.
type optional struct {
	given bool
	name  token
}

// UnmarshalJSON notes that it is given.
func (o *optional) UnmarshalJSON(b []byte) error {
	*o = optional{given: true}
	return json.Unmarshal(b, &o.name)
}

// or is the token, "" for none.
func (o optional) or(fallback string) string {
	if o.given {
		return string(o.name)
	}
	return fallback
}

// none says whether there is none of the token, where silence means one.
func (o optional) none() bool { return o.given && o.name == "" }

// specials are the special tokens that either file may name; nil means not named.
type specials struct {
	Pad        *token   `json:"pad_token"`
	Unknown    *token   `json:"unk_token"`
	Begin      optional `json:"bos_token"`
	End        optional `json:"eos_token"`
	Separator  *token   `json:"sep_token"`
	Class      *token   `json:"cls_token"`
	Mask       *token   `json:"mask_token"`
	Additional []token  `json:"additional_special_tokens"`
}

// all are the special tokens that there are, in the order in which the reference adds them to a vocabulary that lacks them.
func (s *specials) all() (names []string) {
	names = append(names, s.Begin.or("<s>"), s.End.or("</s>"), or(s.Unknown, "<unk>"), or(s.Separator, ""), or(s.Pad, "<pad>"), or(s.Class, ""), or(s.Mask, ""))
	for _, t := range s.Additional {
		names = append(names, string(t))
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

type tokenizerConfig struct {
	specials
	Class     string           `json:"tokenizer_class"`
	Delimiter optional         `json:"word_delimiter_token"`
	Space     *string          `json:"replace_word_delimiter_char"`
	Lower     bool             `json:"do_lower_case"`
	CleanUp   bool             `json:"clean_up_tokenization_spaces"`
	Language  *string          `json:"target_lang"`
	Added     map[string]token `json:"added_tokens_decoder"` // by id
}

// phones makes the settings those of the class of phones, which has no words unless it is told, and does not know case and languages.
func (c *tokenizerConfig) phones() {
	c.Delimiter.given, c.Lower, c.Language = true, false, nil
}

// ParseCTCTokenizer reads the contents of the four files; all but vocab may be empty.
func ParseCTCTokenizer(vocab, config, special, added []byte) (*CTCTokenizer, error) {
	return parseCTCTokenizer("", vocab, config, special, added)
}

// parseCTCTokenizer is ParseCTCTokenizer with the class of a configuration that names none.
func parseCTCTokenizer(class string, vocab, config, special, added []byte) (*CTCTokenizer, error) {
	var cfg tokenizerConfig
	if err := unmarshal(tokenizerFile, config, &cfg); err != nil {
		return nil, err
	}
	class = cmp.Or(cfg.Class, class, letterClass)
	if class == "Wav2Vec2Tokenizer" { // which the reference has replaced by it, and which decodes the same text
		class = letterClass
	}
	if class != letterClass && class != phoneClass {
		return nil, fmt.Errorf("tokenizer_class is %q; transcripts are decoded as %s and %s do", class, letterClass, phoneClass)
	}
	if class == phoneClass {
		cfg.phones()
	}
	var older map[string]int
	if cfg.Added == nil { // an older save: the map overrides
		if err := errors.Join(unmarshal(specialsFile, special, &cfg.specials), unmarshal(addedFile, added, &older)); err != nil {
			return nil, err
		}
	}
	ids, err := parseVocabulary(vocab, cfg.Language)
	if err != nil {
		return nil, err
	}
	t := &CTCTokenizer{
		unknown: or(cfg.Unknown, "<unk>"), blank: or(cfg.Pad, "<pad>"), delimiter: cfg.Delimiter.or("|"), delimits: !cfg.Delimiter.none(),
		space: or(cfg.Space, " "), phones: class == phoneClass, lower: cfg.Lower, cleanUp: cfg.CleanUp,
	}
	t.special = map[string]bool{}
	for _, name := range cfg.all() {
		t.special[name] = true
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
	t.listed = len(t.tokens)
	if err := t.extend(ids, older, &cfg); err != nil {
		return nil, err
	}
	return t, nil
}

// extend adds the tokens of an older save, and then the special tokens that there are no ids of, which get the next ones: as many as there are tokens, even where the vocabulary has holes.
func (t *CTCTokenizer) extend(vocab, older map[string]int, cfg *tokenizerConfig) error {
	known := map[string]bool{}
	for name := range vocab {
		known[name] = true
	}
	for _, name := range cfg.Added {
		known[string(name)] = true
	}
	for _, name := range slices.Sorted(maps.Keys(older)) {
		if err := t.set(older[name], name); err != nil {
			return fmt.Errorf("%s: token %q: %w", addedFile, name, err)
		}
		known[name] = true
	}
	for _, name := range cfg.all() {
		if known[name] {
			continue
		}
		if err := t.set(len(known), name); err != nil {
			return fmt.Errorf("%s: special token %q: %w", vocabFile, name, err)
		}
		known[name] = true
	}
	return nil
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

// token gives the token of an id; ids outside the vocabulary are unknown.
func (t *CTCTokenizer) token(id int) string {
	if id < 0 || id >= len(t.tokens) {
		return t.unknown
	}
	return t.tokens[id]
}

// longest is the length of the longest token, in bytes, with what goes between two.
func (t *CTCTokenizer) longest() int64 {
	n := max(len(t.unknown), len(t.space))
	for _, name := range t.tokens {
		n = max(n, len(name))
	}
	if t.phones {
		n++
	}
	return int64(n)
}

// Phones says whether tokens are phones, of which the reference makes no words.
func (t *CTCTokenizer) Phones() bool { return t.phones }

// Blank says whether an id is CTC's blank, the padding token.
func (t *CTCTokenizer) Blank(id int) bool { return t.token(id) == t.blank }
