package text

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// implementation changes whenever the same bytes and options give other values: it is part of the digest.
const implementation = "text/3 byte-level-bpe/1 unicode-16"

// inputImplementation is the same of formats and character sets.
const inputImplementation = "text input/1 goldmark 1.8 gfm, whatwg"

// maxWord is the longest word of the split, in bytes, that is encoded: merging takes some forty times as much memory. No
// language has such words; a text without any break of that length is refused.
const maxWord = 1 << 20

// Preprocessor makes samples of texts. It is safe for concurrent use.
//
// A sample has the inputs input_ids (int64 [L], padded with the padding token) and attention_mask (int64 [L], padded with 0), and those that Inputs names, padded with 0; its cost is L,
// special tokens included. Start and end count the text's own tokens. Its tag is a *Tokens.
type Preprocessor struct {
	tokenizer *Tokenizer
	input     input
	opts      Options
	room      int // tokens of a text that fit beside the special tokens
	marks     marks
	class     string    // of the model
	known     int       // ids that the model has
	companion companion // what goes beside a text
	typed     bool      // samples have the types of their tokens
	digest    string
}

// Tokens is the tag of a text sample: where each token of the sample, special ones included, is from.
type Tokens struct {
	Offsets [][2]int32 // [start, end) in code points of the text; 0, 0 for special tokens that were put around it
	Words   []int32    // number of the word of the split; -1 for special tokens that were put around it

	ids     []int64 // of the sample
	marks   *marks
	excerpt string
	from    int
}

// Bytes implements [embed.Sized].
func (t *Tokens) Bytes() int64 {
	return 8*int64(len(t.Offsets)) + 4*int64(len(t.Words)) + int64(len(t.excerpt))
}

// New reads the tokenizer of a text checkpoint. An error names the file or the option at fault.
func New(spec *model.Spec, opts Options) (*Preprocessor, error) {
	if spec.Text == nil {
		return nil, fmt.Errorf("text preprocessing for %s: not a text checkpoint", spec.Class)
	}
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("text preprocessing: %w", err)
	}
	t, err := Load(spec.Dir)
	if err != nil {
		return nil, err
	}
	if t.pad < 0 || int(t.pad) >= spec.Text.VocabSize {
		t.pad = int32(spec.Text.PadTokenID)
	}
	if err := belong(t, spec); err != nil {
		return nil, err
	}
	most := spec.Text.MaxTokens()
	if n := t.MaxLength(); n > 0 {
		most = min(most, n)
	}
	opts = opts.withDefaults(most)
	p := &Preprocessor{tokenizer: t, opts: opts, room: opts.MaxTokens - len(t.before) - len(t.after), marks: marksOf(t), class: spec.Class, known: spec.Text.VocabSize, companion: companionOf(spec.Class)}
	pairs := p.companion.field != ""
	p.typed = t.Typed(spec, pairs)
	if n := t.largestType(pairs); p.typed && n >= int64(spec.Text.TypeVocabSize) {
		return nil, fmt.Errorf("%s: the tokenizer gives tokens the type %d, config.json has a type_vocab_size of %d: they do not belong together", spec.Dir, n, spec.Text.TypeVocabSize)
	}
	if p.input, err = newInput(opts); err != nil {
		return nil, fmt.Errorf("text preprocessing: %w", err)
	}
	switch {
	case opts.MaxTokens > most:
		return nil, fmt.Errorf("text preprocessing: max_tokens %d is more than the %d of the model and its tokenizer", opts.MaxTokens, most)
	case p.room < 1:
		return nil, fmt.Errorf("text preprocessing: max_tokens %d leaves no token beside the special ones", opts.MaxTokens)
	case opts.Long == Window && opts.Stride >= p.room:
		return nil, fmt.Errorf("text preprocessing: stride %d leaves nothing of a window of %d tokens", opts.Stride, p.room)
	}
	p.digest, err = digest(spec.Dir, opts, p.typed)
	return p, err
}

// belong fails unless the tokenizer's vocabulary, and what it puts around every text, is the model's. Tokens that were added to it may be more than the model has: texts that have one of those are refused.
func belong(t *Tokenizer, spec *model.Spec) error {
	if t.size > spec.Text.VocabSize {
		return fmt.Errorf("%s: the tokenizer has ids up to %d, config.json a vocab_size of %d: they do not belong together", spec.Dir, t.size-1, spec.Text.VocabSize)
	}
	for _, id := range slices.Concat(t.before, t.after) {
		if int(id) >= spec.Text.VocabSize {
			return fmt.Errorf("%s: the tokenizer puts %s, id %d, around texts, and config.json has a vocab_size of %d: they do not belong together", spec.Dir, t.Token(id), id, spec.Text.VocabSize)
		}
	}
	return nil
}

// digest is a SHA-256 over the options and every file that the tokenizer is read from.
func digest(dir string, opts Options, typed bool) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n{MaxTokens:%d Long:%s Stride:%d SpecialTokens:%s InvalidUTF8:%s}\n",
		implementation, opts.MaxTokens, opts.Long, opts.Stride, opts.SpecialTokens, opts.InvalidUTF8)
	if opts.Format != PlainText || opts.Charset != UTF8 {
		fmt.Fprintf(h, "%s\n%s %q %s\n", inputImplementation, opts.Format, opts.Field, opts.Charset)
	}
	if opts.Truncation != LongestFirst {
		fmt.Fprintln(h, opts.Truncation)
	}
	if typed {
		fmt.Fprintln(h, typesInput)
	}
	names := [...]string{"tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}
	for _, name := range names {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !os.IsNotExist(err) {
			return "", fmt.Errorf("reading the tokenizer: %w", err)
		}
		fmt.Fprintf(h, "%s %d\n", name, len(raw))
		h.Write(raw)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Digest is a SHA-256 over every option, the tokenizer's files and the version of this implementation, hex.
func (p *Preprocessor) Digest() string { return p.digest }

// Inputs are the optional inputs that samples have: token_type_ids, of tokenizers that give a token of theirs another type than 0. The graph is to take them.
func (p *Preprocessor) Inputs() []string {
	if p.typed {
		return []string{typesInput}
	}
	return nil
}

// Tokenizer is the checkpoint's tokenizer, for heads that decode.
func (p *Preprocessor) Tokenizer() *Tokenizer { return p.tokenizer }

// Footprint is a bound from the size alone: a text's header says nothing. It covers the blob, its copy as a string, the merging of a
// longest word, and the tokens, at worst one for each byte, in one window or several.
func (p *Preprocessor) Footprint(ref schemas.Ref, _ []byte, size int64) (int64, error) {
	if size < 0 {
		return 1 << 50, nil // unknown: more than any budget
	}
	b, err := p.bound(&ref, size)
	if err != nil {
		return 0, err
	}
	merged := max(min(b.text, maxWord), min(b.more, maxWord))
	kept := int64(sampleBytes)
	if p.typed {
		kept += typeBytes
	}
	return b.copies*b.text + mergeBytes*merged + encodedBytes*(b.tokens+b.more) + kept*b.kept + windowBytes*b.windows + fixedBytes + p.input.reading(size), nil
}

// What texts take, in bytes.
const (
	fixedBytes   = 64 << 10
	mergeBytes   = 128 // for each byte of a longest word: symbols, links, queue
	encodedBytes = 40  // for each token, slices that grow included
	sampleBytes  = 32  // for each token of a sample
	typeBytes    = 8   // for its type
	windowBytes  = 512 // for each sample
)

// Clears counts the tokens of the whole text, of which samples have copies: see [embed.Clearer].
func (p *Preprocessor) Clears(ref schemas.Ref, _ []byte, size int64) int64 {
	b, err := p.bound(&ref, max(size, 0))
	if err != nil {
		return 0
	}
	return encodedBytes * (b.tokens + b.more)
}

// Extent bounds the windows of an object, and the tokens of all of them: see [embed.Extender].
func (p *Preprocessor) Extent(ref schemas.Ref, _ []byte, size int64) (windows, tokens int64) {
	b, err := p.bound(&ref, max(size, 0))
	if err != nil {
		return 1, 0
	}
	return b.windows, b.kept
}

// bound is what an object may become.
type bound struct {
	text, more int64 // bytes of its text, and of what goes beside it
	copies     int64 // of the text
	tokens     int64 // that are made of the text
	windows    int64
	kept       int64 // tokens of all windows
}

// bound is of an object of size bytes.
func (p *Preprocessor) bound(ref *schemas.Ref, size int64) (b bound, err error) {
	room, sequences, more, err := p.beside(ref)
	if err != nil {
		return b, err
	}
	b.text, b.more = p.input.longest(size), more
	// Fail and Truncate stop at the word in which the limit lies.
	b.tokens, b.windows = min(b.text, int64(room)+maxWord), sequences
	if more > 0 || p.tokenizer.cutsLeft {
		b.tokens = b.text // a pair may take all tokens of both
	}
	b.copies = 4                                                    // the blob, its string, a prefix space before it, the samples' excerpts
	if p.opts.Long == Window && (more == 0 || ref.Question != "") { // other pairs are not cut into windows
		step := int64(room - p.opts.Stride)
		b.tokens, b.windows = b.text, sequences*(b.text/step+1)
		b.copies += (int64(room) - 1) / step // windows share text
	}
	if p.opts.InvalidUTF8 == Replace && p.input.usual() {
		b.copies *= 3 // a bad byte becomes three
		b.tokens *= 3
		b.windows *= 3
	}
	b.kept = b.windows * int64(p.opts.MaxTokens)
	return b, nil
}

// Preprocess encodes blob and makes one sample of it, or one per window. Rejections: too-short for no bytes, decode for bytes that are
// not UTF-8, too-large for text over the limit, schema for a reference that lacks what the class takes beside a text, or has what it does not take, model for a token that the model
// does not have.
func (p *Preprocessor) Preprocess(ctx context.Context, ref schemas.Ref, blob []byte) ([]embed.Sample, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := p.accepts(&ref); err != nil {
		return nil, err
	}
	if len(blob) == 0 {
		return nil, schemas.Rejectf(schemas.ReasonTooShort, "no bytes")
	}
	text, charset, err := p.input.text(ctx, blob)
	if err != nil {
		return nil, err
	}
	samples, err := p.samples(ctx, &ref, text)
	if err == nil {
		err = p.foreign(samples)
	}
	if err != nil {
		return nil, err
	}
	notes := map[string]string{}
	if charset != "" {
		notes[schemas.CharsetNote] = charset
	}
	if !alone(&ref) {
		notes[schemas.CompanionNote], notes[schemas.CompanionHashNote] = ref.Companion(), ref.CompanionHash()
	}
	if len(notes) > 0 {
		for i := range samples {
			samples[i].Notes = notes
		}
	}
	return samples, nil
}

// foreign refuses samples with a token that was added to the tokenizer, and not to the model.
func (p *Preprocessor) foreign(samples []embed.Sample) error {
	if len(p.tokenizer.tokens) <= p.known {
		return nil
	}
	for i := range samples {
		for _, id := range samples[i].Inputs[0].I64 {
			if id >= int64(p.known) {
				return schemas.Rejectf(schemas.ReasonModel, "the text has the token %s, id %d, and the model has %d (vocab_size of config.json)", p.tokenizer.Token(int32(id)), id, p.known)
			}
		}
	}
	return nil
}

// samples makes the samples of an object's text.
func (p *Preprocessor) samples(ctx context.Context, ref *schemas.Ref, text string) ([]embed.Sample, error) {
	if !alone(ref) {
		return p.together(ctx, ref, text)
	}
	e, err := p.tokenizer.encode(ctx, text, p.opts.SpecialTokens, p.limit(p.room))
	if err != nil {
		return nil, err
	}
	n, at := len(e.IDs), &cursor{text: text}
	if n > p.room && p.opts.Long == Fail {
		return nil, schemas.Rejectf(schemas.ReasonTooLarge, "more than %d tokens, special ones included: set text.long to take longer texts", p.opts.MaxTokens)
	}
	var out []embed.Sample
	for _, s := range p.spans(n, p.room) {
		out = append(out, p.sample(e, at, len(out), s[0], s[1], n > p.room && p.opts.Long == Truncate))
	}
	return out, nil
}

// sample wraps tokens [from, to) of a text, in which at is at the window before.
func (p *Preprocessor) sample(e *Encoding, at *cursor, number, from, to int, truncated bool) embed.Sample {
	before, after := p.tokenizer.before, p.tokenizer.after
	size := len(before) + to - from + len(after)
	values := make([]int64, 2*size)
	ids, mask := values[:0:size], values[size:]
	tag := &Tokens{Offsets: make([][2]int32, size), Words: make([]int32, size)}
	for _, part := range [...][]int32{before, e.IDs[from:to], after} {
		for _, id := range part {
			ids = append(ids, int64(id))
		}
	}
	tag.ids, tag.marks = ids, &p.marks
	tag.excerpt, tag.from = at.excerpt(e.Offsets[from:to])
	for i := range mask {
		mask[i] = 1
		tag.Words[i] = -1
	}
	copy(tag.Offsets[len(before):], e.Offsets[from:to])
	copy(tag.Words[len(before):], e.Words[from:to])
	return embed.Sample{
		Cost:      size,
		Inputs:    p.inputs([]int{size}, ids, mask, p.types(to-from)),
		Window:    number,
		Start:     float64(from),
		End:       float64(to),
		Truncated: truncated,
		Tag:       tag,
	}
}

// types are those of a sequence of texts of so many tokens, nil if samples have none.
func (p *Preprocessor) types(lengths ...int) []int64 {
	if !p.typed {
		return nil
	}
	return p.tokenizer.Types(true, lengths...)
}

// inputs are those of a sample.
func (p *Preprocessor) inputs(shape []int, ids, mask, types []int64) []embed.Input {
	all := []embed.Input{{Name: "input_ids", Shape: shape, I64: ids, Pad: float64(p.tokenizer.pad)}, {Name: "attention_mask", Shape: shape, I64: mask}}
	if p.typed {
		all = append(all, embed.Input{Name: typesInput, Shape: shape, I64: types})
	}
	return all
}

// encode is Encode with the limits that a service needs: it looks at ctx, and refuses words over maxWord.
func (t *Tokenizer) encode(ctx context.Context, text string, specials Specials, limit int) (*Encoding, error) {
	e := newEncoder(t, text, limit)
	words := 0
	e.check = func(word int) error {
		if word > maxWord {
			return schemas.Rejectf(schemas.ReasonTooLarge, "a word of %d bytes without a break, at most %d", word, maxWord)
		}
		if words++; words%1024 == 0 {
			return ctx.Err()
		}
		return nil
	}
	e.run(specials == Plain)
	return &e.out, e.err
}
