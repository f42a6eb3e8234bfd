package text

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// document is tokenizer.json, as far as it matters here.
type document struct {
	AddedTokens   []addedToken    `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  *byteLevel      `json:"pre_tokenizer"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Model         bpeModel        `json:"model"`
	Truncation    direction       `json:"truncation"`
	Padding       direction       `json:"padding"`
}

// direction is where tokenizer.json cuts or pads, "Left" or "Right"; the rest of that is up to the caller.
type direction struct {
	Direction string `json:"direction"`
	Token     string `json:"pad_token"` // of padding
}

// left says whether the side that the configuration names, or else the document, is the left one.
func (d direction) left(configured string) bool {
	return strings.EqualFold(cmp.Or(configured, d.Direction), "left")
}

// byteLevel is a ByteLevel pre-tokenizer or post-processor.
type byteLevel struct {
	Type           string `json:"type"`
	AddPrefixSpace bool   `json:"add_prefix_space"`
	TrimOffsets    bool   `json:"trim_offsets"`
	UseRegex       *bool  `json:"use_regex"`
}

// bpeModel is the model of tokenizer.json.
type bpeModel struct {
	Type         string            `json:"type"`
	Dropout      *float64          `json:"dropout"`
	UnkToken     *string           `json:"unk_token"`
	Prefix       string            `json:"continuing_subword_prefix"`
	Suffix       string            `json:"end_of_word_suffix"`
	FuseUnk      bool              `json:"fuse_unk"`
	ByteFallback bool              `json:"byte_fallback"`
	IgnoreMerges bool              `json:"ignore_merges"`
	Vocab        map[string]int32  `json:"vocab"`
	Merges       []json.RawMessage `json:"merges"` // "a b" or ["a", "b"]
}

// Load reads the tokenizer of a checkpoint directory: tokenizer.json, or vocab.json and merges.txt, and what
// tokenizer_config.json and special_tokens_map.json say about it. Errors name the file and what is wrong in it.
func Load(dir string) (*Tokenizer, error) {
	cfg, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "tokenizer.json")
	raw, err := os.ReadFile(path)
	var doc *document
	switch {
	case errors.Is(err, fs.ErrNotExist):
		path = filepath.Join(dir, "vocab.json")
		doc, err = readLegacy(dir, cfg)
	case err == nil:
		doc, err = parseDocument(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the tokenizer %s: %w", path, err)
	}
	t, err := build(doc, cfg)
	if err != nil {
		return nil, fmt.Errorf("reading the tokenizer %s: %w", path, err)
	}
	return t, nil
}

func parseDocument(raw []byte) (*document, error) {
	doc := &document{}
	if err := json.Unmarshal(raw, doc); err != nil {
		return nil, err
	}
	return doc, nil
}

// build checks a document and makes the tokenizer of it.
func build(doc *document, cfg *config) (*Tokenizer, error) {
	if err := doc.check(); err != nil {
		return nil, err
	}
	added := doc.allAdded(cfg)
	t := &Tokenizer{cache: newCache(), prefixSpace: doc.PreTokenizer.AddPrefixSpace}
	if err := t.setTokens(doc.Model.Vocab, added); err != nil {
		return nil, err
	}
	if err := t.bpe.set(&doc.Model); err != nil {
		return nil, err
	}
	if err := t.setPost(doc, added); err != nil {
		return nil, err
	}
	t.override(cfg)
	t.maxLength, t.cleansUp, t.listsTypes = cfg.maxLength(), cfg.CleanUp, cfg.types()
	t.cutsLeft, t.padsLeft = doc.Truncation.left(cfg.TruncationSide), doc.Padding.left(cfg.PaddingSide)
	t.pad = -1
	if id, ok := lookup(cfg.named("pad_token", cmp.Or(doc.Padding.Token, "<pad>")), doc.Model.Vocab, added); ok {
		t.pad = id
	}
	t.roles = map[string]int32{}
	for _, role := range roles {
		if id, ok := lookup(cfg.named(role, usual(role)), doc.Model.Vocab, added); ok {
			t.roles[role] = id
		}
	}
	return t, nil
}

// check refuses what this package does not do, instead of doing something else.
func (d *document) check() error {
	m := &d.Model
	switch {
	case len(d.Normalizer) > 0 && string(d.Normalizer) != "null":
		return fmt.Errorf("it has a normalizer; a RoBERTa tokenizer has none")
	case d.PreTokenizer == nil || d.PreTokenizer.Type != "ByteLevel":
		return fmt.Errorf("its pre_tokenizer is not ByteLevel")
	case d.PreTokenizer.UseRegex != nil && !*d.PreTokenizer.UseRegex:
		return fmt.Errorf("its pre_tokenizer has use_regex false, which is not supported")
	case m.Type != "BPE" && m.Type != "":
		return fmt.Errorf("its model is %s, want BPE", m.Type)
	case m.Dropout != nil && *m.Dropout != 0:
		return fmt.Errorf("its model has dropout %v: it would not give the same ids twice", *m.Dropout)
	case m.Prefix != "" || m.Suffix != "" || m.ByteFallback:
		return fmt.Errorf("its model is not byte-level (continuing_subword_prefix, end_of_word_suffix or byte_fallback is set)")
	case len(m.Vocab) == 0:
		return fmt.Errorf("its vocabulary is empty")
	}
	return nil
}

// allAdded are the added tokens of the document, as the configuration changes them, and then those that only the configuration knows. The first of
// equal contents counts.
func (d *document) allAdded(cfg *config) []addedToken {
	var all []addedToken
	place := map[string]int{"": -1}
	add := func(a addedToken) {
		if _, have := place[a.Content]; !have {
			place[a.Content] = len(all)
			all = append(all, a)
		}
	}
	for _, a := range d.AddedTokens {
		add(a)
	}
	for _, a := range cfg.listed() {
		if at, have := place[a.Content]; have && at >= 0 && cfg.Decoder != nil && !a.behaves(all[at]) {
			_, role := cfg.special(a.Content)
			all[at] = a
			all[at].Special = a.Special || role
		}
		add(a)
	}
	for _, a := range cfg.unlisted() {
		add(a)
	}
	d.number(all)
	return all
}

// number gives the added tokens their ids. The library does not go by the ids that the file states: a token of the vocabulary has its id
// there, the others follow one by one.
func (d *document) number(all []addedToken) {
	size := int32(len(d.Model.Vocab))
	last := int32(-1)
	for i := range all {
		id, ok := d.Model.Vocab[all[i].Content]
		if !ok {
			id = max(size, last+1)
		}
		all[i].ID = id
		last = max(last, id)
	}
}

// setTokens fills the tables by id and the matchers of added tokens.
func (t *Tokenizer) setTokens(vocab map[string]int32, added []addedToken) error {
	top := int32(0)
	for token, id := range vocab {
		if id < 0 {
			return fmt.Errorf("token %q has id %d", token, id)
		}
		top = max(top, id)
	}
	t.size = int(top) + 1
	for _, a := range added {
		top = max(top, a.ID)
	}
	if n := len(vocab) + len(added); int(top) > 4*n+1024 {
		return fmt.Errorf("ids go up to %d with %d tokens", top, n)
	}
	t.tokens, t.spaces, t.isSpec = make([]string, top+1), make([]edges, top+1), make([]bool, top+1)
	for token, id := range vocab {
		raw, ok := rawToken(token)
		t.tokens[id] = raw
		if ok {
			n := int32(len(raw) - len(strings.TrimLeft(raw, " ")))
			m := int32(len(raw) - len(strings.TrimRight(raw, " ")))
			t.spaces[id] = edges{n, m}
		} else {
			t.spaces[id] = outside(token)
		}
	}
	var early, late []addedToken
	t.spelled = map[int32]string{}
	for _, a := range added {
		t.tokens[a.ID], _ = rawToken(a.Content)
		t.isSpec[a.ID] = a.Special
		t.spelled[a.ID] = a.Content
		if a.Normalized {
			late = append(late, a)
		} else {
			early = append(early, a)
		}
	}
	t.early, t.late = newMatcher(early), newMatcher(late)
	return nil
}

// outside counts the spaces around a token that is not written in the byte alphabet; that alphabet's space counts, too.
func outside(token string) edges {
	blank := func(r rune) bool { return r == runeOfByte[' '] || unicode.IsSpace(r) }
	count := func(s string) int32 { return int32(len([]rune(token)) - len([]rune(s))) }
	return edges{count(strings.TrimLeftFunc(token, blank)), count(strings.TrimRightFunc(token, blank))}
}

// set fills the merge table.
func (b *bpe) set(m *bpeModel) error {
	for c := range b.bytes {
		b.bytes[c] = -1
		if id, ok := m.Vocab[byteToken(byte(c))]; ok {
			b.bytes[c] = id
		}
	}
	b.unknown, b.fuse = -1, m.FuseUnk
	if m.UnkToken != nil {
		id, ok := m.Vocab[*m.UnkToken]
		if !ok {
			return fmt.Errorf("its unk_token %q is not in the vocabulary", *m.UnkToken)
		}
		b.unknown = id
	}
	if m.IgnoreMerges {
		b.whole = make(map[string]int32, len(m.Vocab))
		for token, id := range m.Vocab {
			if raw, ok := rawToken(token); ok {
				b.whole[raw] = id
			}
		}
	}
	b.merges = make(map[uint64]merged, len(m.Merges))
	for rank, raw := range m.Merges {
		left, right, err := parseMerge(raw)
		if err != nil {
			return fmt.Errorf("merge %d: %w", rank, err)
		}
		l, okL := m.Vocab[left]
		r, okR := m.Vocab[right]
		id, okJ := m.Vocab[left+right]
		if !okL || !okR || !okJ {
			return fmt.Errorf("merge %d: %q and %q or what they give is not in the vocabulary", rank, left, right)
		}
		b.merges[pair(l, r)] = merged{int32(rank), id}
	}
	return nil
}

// parseMerge reads a merge in either of its two spellings.
func parseMerge(raw json.RawMessage) (left, right string, err error) {
	var two []string
	if len(raw) > 0 && raw[0] == '[' {
		err = json.Unmarshal(raw, &two)
	} else {
		var line string
		err = json.Unmarshal(raw, &line)
		two = strings.Split(line, " ")
	}
	if err != nil {
		return "", "", err
	}
	if len(two) != 2 || two[0] == "" || two[1] == "" {
		return "", "", fmt.Errorf("%s is not a pair", raw)
	}
	return two[0], two[1], nil
}

// lookup finds a token's id.
func lookup(token string, vocab map[string]int32, added []addedToken) (int32, bool) {
	if i := slices.IndexFunc(added, func(a addedToken) bool { return a.Content == token }); i >= 0 {
		return added[i].ID, true
	}
	id, ok := vocab[token]
	return id, ok
}
