package text

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// postProcessor is the part of tokenizer.json that puts special tokens around a text and trims offsets.
type postProcessor struct {
	byteLevel
	Sep        *namedID          `json:"sep"`            // RobertaProcessing
	Cls        *namedID          `json:"cls"`            //
	Single     []templatePart    `json:"single"`         // TemplateProcessing
	Pair       []templatePart    `json:"pair"`           //
	Tokens     map[string]idList `json:"special_tokens"` //
	Processors []json.RawMessage `json:"processors"`     // Sequence
}

// namedID is ["</s>", 2].
type namedID struct {
	Token string
	ID    int32
}

// UnmarshalJSON reads the pair.
func (n *namedID) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, &[]any{&n.Token, &n.ID}); err != nil {
		return fmt.Errorf("%s is not a token and its id: %w", b, err)
	}
	return nil
}

// templatePart is a special token, or the text itself.
type templatePart struct {
	SpecialToken *typedPart
	Sequence     *typedPart
}

// typedPart is a part by its name, and the type of its tokens.
type typedPart struct {
	ID   string `json:"id"`
	Type uint32 `json:"type_id"`
}

type idList struct {
	IDs []int32 `json:"ids"`
}

// setPost reads the post-processor: what goes around a text, and whether offsets are trimmed.
func (t *Tokenizer) setPost(doc *document, added []addedToken) error {
	t.types[1].text = [2]int64{0, 1} // as they come, unless the post-processor says otherwise
	if len(doc.PostProcessor) == 0 || string(doc.PostProcessor) == "null" {
		return nil
	}
	if err := t.post(doc.PostProcessor, 0); err != nil {
		return err
	}
	for _, ids := range [...][]int32{t.before, t.after, t.pair[0], t.pair[1], t.pair[2]} {
		for _, id := range ids {
			if id < 0 || int(id) >= len(t.tokens) || t.tokens[id] == "" {
				return fmt.Errorf("its post_processor names id %d, which no token has", id)
			}
		}
	}
	return nil
}

func (t *Tokenizer) post(raw json.RawMessage, depth int) error {
	var p postProcessor
	if err := json.Unmarshal(raw, &p); err != nil {
		return fmt.Errorf("its post_processor: %w", err)
	}
	switch {
	case p.Type == "RobertaProcessing" && p.Sep != nil && p.Cls != nil:
		t.adjustable = depth == 0
		cls, sep := p.Cls.ID, p.Sep.ID
		t.before, t.after = []int32{cls}, []int32{sep}
		t.pair = [3][]int32{{cls}, {sep, sep}, {sep}}
		t.types = [2]typing{{special: [3][]int64{{0}, {0}}}, {special: [3][]int64{{0}, {0, 0}, {0}}}}
		t.trim, t.keepsPrefix = p.TrimOffsets, p.AddPrefixSpace
		return nil
	case p.Type == "TemplateProcessing":
		return t.template(&p)
	case p.Type == "ByteLevel":
		t.adjustable = depth == 0
		t.trim, t.keepsPrefix = p.TrimOffsets, p.AddPrefixSpace
		return nil
	case p.Type == "Sequence" && depth == 0:
		for _, inner := range p.Processors {
			if err := t.post(inner, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("its post_processor %q is not supported", p.Type)
}

// template reads what goes around one text, and around two.
func (t *Tokenizer) template(p *postProcessor) error {
	one, types, err := p.around(p.Single, "A")
	if err != nil {
		return fmt.Errorf("its template for one text %w", err)
	}
	two, both, err := p.around(p.Pair, "A", "B")
	if err != nil {
		return fmt.Errorf("its template for two texts %w", err)
	}
	t.before, t.after, t.pair = one[0], one[1], [3][]int32(two)
	t.types = [2]typing{types, both}
	return nil
}

// around gives the special tokens of a template before each of the named sequences, and behind the last, and the types of all.
func (p *postProcessor) around(parts []templatePart, names ...string) ([][]int32, typing, error) {
	out, types := make([][]int32, 1, len(names)+1), typing{}
	for _, part := range parts {
		last := len(out) - 1
		switch {
		case part.Sequence != nil && last < len(names) && part.Sequence.ID == names[last]:
			types.text[last] = int64(part.Sequence.Type)
			out = append(out, nil)
		case part.SpecialToken != nil:
			ids, ok := p.Tokens[part.SpecialToken.ID]
			if !ok {
				return nil, typing{}, fmt.Errorf("names %q, which is not among its special_tokens", part.SpecialToken.ID)
			}
			out[last] = append(out[last], ids.IDs...)
			types.special[last] = append(types.special[last], slices.Repeat([]int64{int64(part.SpecialToken.Type)}, len(ids.IDs))...)
		default:
			return nil, typing{}, errors.New("is not understood")
		}
	}
	if len(out) <= len(names) {
		return nil, typing{}, errors.New("leaves the text out")
	}
	return out, types, nil
}

// override lets tokenizer_config.json have its say, as the reference does: its add_prefix_space, or the default of none, wins over
// tokenizer.json in any class; trim_offsets, and what trimming makes of the prefix, in RoBERTa's, where the post-processor has them itself.
func (t *Tokenizer) override(cfg *config) {
	t.prefixSpace = deref(cfg.AddPrefixSpace, false)
	if cfg.roberta() && t.adjustable {
		t.keepsPrefix, t.trim = t.prefixSpace, deref(cfg.TrimOffsets, true)
	}
}

func deref[T any](p *T, silent T) T {
	if p == nil {
		return silent
	}
	return *p
}
