package text

import "strings"

// Role gives the id of a special token by its name in the configuration: cls_token, mask_token, unk_token, ...
func (t *Tokenizer) Role(name string) (int32, bool) {
	id, ok := t.roles[name]
	return id, ok
}

// usual is the class's token of a role, where the configuration names none.
func usual(role string) string {
	switch role {
	case "bos_token", "cls_token":
		return "<s>"
	case "eos_token", "sep_token":
		return "</s>"
	case "pad_token":
		return "<pad>"
	case "unk_token":
		return "<unk>"
	}
	return "<mask>"
}

// Token is a token as the vocabulary spells it, in the byte alphabet: "ĠParis". Added tokens are spelled as they are; an id that
// does not exist gives "".
func (t *Tokenizer) Token(id int32) string {
	if id < 0 || int(id) >= len(t.tokens) {
		return ""
	}
	if content, added := t.spelled[id]; added {
		return content
	}
	var b strings.Builder
	for _, c := range []byte(t.tokens[id]) {
		b.WriteRune(runeOfByte[c])
	}
	return b.String()
}

// Find gives the id of a token as [Tokenizer.Token] spells it. It looks at one token after the other.
func (t *Tokenizer) Find(token string) (int32, bool) {
	for id := range t.tokens {
		if t.tokens[id] != "" && t.Token(int32(id)) == token {
			return int32(id), true
		}
	}
	return 0, false
}

// Join is the text of tokens in the vocabulary's spelling, as the reference's convert_tokens_to_string has it. What has characters outside
// the byte alphabet stands for itself, so text that was joined before may be joined again; accented Latin letters do not survive that,
// there as here.
func (t *Tokenizer) Join(tokens []string) string {
	var b strings.Builder
	for _, token := range tokens {
		raw, _ := rawToken(token)
		b.WriteString(raw)
	}
	return replaceInvalid(b.String())
}
