package text

import (
	"context"
	"slices"

	"vecmill/embed"
	"vecmill/schemas"
)

// companion is what goes beside a text, by the name of its field in a reference.
type companion struct {
	field    string
	required bool
}

// companionOf says what a class takes beside a text. The other classes of text take nothing.
func companionOf(class string) companion {
	switch class {
	case "Data2VecTextForQuestionAnswering":
		return companion{"question", true}
	case "Data2VecTextForMultipleChoice":
		return companion{"choices", true}
	case "Data2VecTextForSequenceClassification", "Data2VecTextModel":
		return companion{"text_pair", false}
	}
	return companion{}
}

// accepts says whether the class takes what the reference has.
func (p *Preprocessor) accepts(ref *schemas.Ref) error {
	switch has, takes := ref.Companion(), p.companion; {
	case has == "" && takes.required:
		return schemas.Rejectf(schemas.ReasonSchema, "the reference has no %s, which %s answers for its text", takes.field, p.class)
	case has != "" && has != takes.field && takes.field == "":
		return schemas.Rejectf(schemas.ReasonSchema, "the reference has a %s, and %s takes a text alone", has, p.class)
	case has != "" && has != takes.field:
		return schemas.Rejectf(schemas.ReasonSchema, "the reference has a %s, and %s takes a %s", has, p.class, takes.field)
	}
	return nil
}

// alone says whether nothing goes beside a reference's text. An empty second text is none, as in the reference.
func alone(ref *schemas.Ref) bool {
	return ref.Companion() == "" || ref.TextPair != nil && *ref.TextPair == ""
}

// beside says how much of a sample is left to a reference's text, how many sequences it becomes in one window, and how many bytes go beside it.
func (p *Preprocessor) beside(ref *schemas.Ref) (room int, sequences, bytes int64, err error) {
	if err := p.accepts(ref); err != nil || alone(ref) {
		return p.room, 1, 0, err
	}
	for _, s := range ref.Choices {
		bytes += int64(len(s))
	}
	if ref.TextPair != nil {
		bytes += int64(len(*ref.TextPair))
	}
	bytes += int64(len(ref.Question))
	room, sequences = p.bothRoom(), int64(max(len(ref.Choices), 1))
	if ref.Question != "" {
		room -= len(p.tokenizer.Encode(ref.Question, p.opts.SpecialTokens, p.opts.MaxTokens).IDs)
		err = p.roomForContext(room)
	}
	if room < 1 {
		room = 1 // Preprocess says that nothing fits
	}
	return room, sequences, bytes, err
}

// bothRoom is how many tokens of two texts fit beside the special ones, as a rule <s> A </s></s> B </s>.
func (p *Preprocessor) bothRoom() int {
	before, between, after := p.tokenizer.AroundPair()
	return p.opts.MaxTokens - len(before) - len(between) - len(after)
}

// roomForContext refuses a question that leaves too little of a window.
func (p *Preprocessor) roomForContext(room int) error {
	if room < 1 || p.opts.Long == Window && room <= p.opts.Stride {
		return schemas.Rejectf(schemas.ReasonTooLarge, "the question leaves %d tokens of %d to the text, with a stride of %d", max(room, 0), p.opts.MaxTokens, p.opts.Stride)
	}
	return nil
}

// together makes the samples of a text with what goes beside it.
func (p *Preprocessor) together(ctx context.Context, ref *schemas.Ref, text string) ([]embed.Sample, error) {
	if ref.Question != "" {
		return p.questioned(ctx, ref.Question, text)
	}
	first, err := p.encode(ctx, text, p.pairLimit())
	if err != nil {
		return nil, err
	}
	if ref.TextPair == nil {
		return p.chosen(ctx, first, ref.Choices)
	}
	s, err := p.pair(ctx, first, *ref.TextPair)
	if err != nil {
		return nil, err
	}
	return []embed.Sample{p.pairSample(s, &cursor{text: text}, 0)}, nil
}

// sequence is two texts as the model sees them, as a rule <s> A </s></s> B </s>.
type sequence struct {
	first, second *Encoding
	one, two      [2]int // tokens of each that are in the sequence
	own           int    // 0, 1: which of them is the object's text
	truncated     bool
}

// lengths are the tokens of each text that are in the sequence.
func (s *sequence) lengths() (first, second int) { return s.one[1] - s.one[0], s.two[1] - s.two[0] }

// questioned puts a question before a text: one sample for each window of the text.
func (p *Preprocessor) questioned(ctx context.Context, question, text string) ([]embed.Sample, error) {
	q, err := p.encode(ctx, question, p.opts.MaxTokens)
	if err != nil {
		return nil, err
	}
	room := p.bothRoom() - len(q.IDs)
	if err := p.roomForContext(room); err != nil {
		return nil, err
	}
	c, err := p.encode(ctx, text, p.limit(room))
	if err != nil {
		return nil, err
	}
	n, at := len(c.IDs), &cursor{text: text}
	if n > room && p.opts.Long == Fail {
		return nil, p.tooLong("set text.long")
	}
	var out []embed.Sample
	for _, span := range p.spans(n, room) {
		s := sequence{first: q, second: c, one: [2]int{0, len(q.IDs)}, two: span, own: 1}
		if p.tokenizer.padsLeft { // the reference puts the question behind the text then
			s = sequence{first: c, second: q, one: span, two: s.one}
		}
		s.truncated = n > room && p.opts.Long == Truncate
		out = append(out, p.pairSample(&s, at, len(out)))
	}
	return out, nil
}

// limit is how many tokens of a text are enough, if room is what fits; 0 means all.
func (p *Preprocessor) limit(room int) int {
	if p.opts.Long == Window || p.tokenizer.cutsLeft {
		return 0
	}
	return room
}

// spans are the windows of a text of n tokens of which room fit: all of it, or what is left of it, or windows that share tokens. A tokenizer that
// cuts on the left leaves the end of a text, and its windows end where the text does.
func (p *Preprocessor) spans(n, room int) [][2]int {
	var all [][2]int
	for done := 0; ; done += room - p.opts.Stride { // tokens before the window, seen from the side where windows begin
		span := [2]int{done, min(done+room, n)}
		if p.tokenizer.cutsLeft {
			span = [2]int{n - span[1], n - span[0]}
		}
		all = append(all, span)
		if done+room >= n || p.opts.Long != Window {
			break
		}
	}
	if p.tokenizer.cutsLeft {
		slices.Reverse(all)
	}
	return all
}

// pairLimit is how many tokens of each of two texts are enough to join them; 0 means all. Who is the longer of two texts that both fill the room
// has its odd token.
func (p *Preprocessor) pairLimit() int {
	if p.opts.Long == Truncate && (p.bothRoom()%2 != 0 || p.tokenizer.cutsLeft) {
		return 0
	}
	return p.opts.MaxTokens
}

// pair joins a text with another. Of texts that are too long together one gives way, by the strategy, if the policy allows it.
func (p *Preprocessor) pair(ctx context.Context, first *Encoding, other string) (*sequence, error) {
	both := p.bothRoom()
	if both < 0 {
		return nil, schemas.Rejectf(schemas.ReasonTooLarge, "%d tokens are too few for two texts", p.opts.MaxTokens)
	}
	second, err := p.encode(ctx, other, p.pairLimit())
	if err != nil {
		return nil, err
	}
	m, n := len(first.IDs), len(second.IDs)
	if m+n > both && p.opts.Long != Truncate {
		return nil, p.tooLong("set text.long: truncate")
	}
	keepA, keepB, ok := p.opts.Truncation.Shares(m, n, both)
	if !ok {
		return nil, schemas.Rejectf(schemas.ReasonTooLarge, "truncation %s leaves nothing of a text: %d and %d tokens, and %d fit", p.opts.Truncation, m, n, both)
	}
	s := &sequence{
		first: first, second: second, one: [2]int{0, keepA}, two: [2]int{0, keepB}, truncated: keepA < m || keepB < n,
	}
	if p.tokenizer.cutsLeft {
		s.one, s.two = [2]int{m - keepA, m}, [2]int{n - keepB, n}
	}
	return s, nil
}

// chosen joins a text with each of the choices: one sample, its inputs [choices, L], the shorter padded.
func (p *Preprocessor) chosen(ctx context.Context, first *Encoding, choices []string) ([]embed.Sample, error) {
	rows, kinds, longest := make([][]int64, len(choices)), make([][]int64, len(choices)), 0
	out := embed.Sample{}
	for i, choice := range choices {
		s, err := p.pair(ctx, first, choice)
		if err != nil {
			return nil, err
		}
		rows[i], _, _ = p.ids(s)
		kinds[i] = p.types(s.lengths())
		longest = max(longest, len(rows[i]))
		out.End, out.Truncated = max(out.End, float64(s.one[1]-s.one[0])), out.Truncated || s.truncated
	}
	n := len(rows) * longest
	values := make([]int64, 2*n)
	ids, mask := values[:n:n], values[n:]
	var types []int64
	if p.typed {
		types = make([]int64, n)
	}
	for i, row := range rows {
		copy(ids[i*longest:], row)
		if p.typed {
			copy(types[i*longest:], kinds[i])
		}
		for k := range longest {
			if k < len(row) {
				mask[i*longest+k] = 1
			} else {
				ids[i*longest+k] = int64(p.tokenizer.pad)
			}
		}
	}
	out.Cost = n
	out.Inputs = p.inputs([]int{len(rows), longest}, ids, mask, types)
	return []embed.Sample{out}, nil
}

// ids is a sequence as the model sees it, and where its two texts begin.
func (p *Preprocessor) ids(s *sequence) (ids []int64, one, two int) {
	before, between, after := p.tokenizer.AroundPair()
	ids = make([]int64, 0, len(before)+s.one[1]-s.one[0]+len(between)+s.two[1]-s.two[0]+len(after))
	put := func(all []int32) int {
		at := len(ids)
		for _, id := range all {
			ids = append(ids, int64(id))
		}
		return at
	}
	put(before)
	one = put(s.first.IDs[s.one[0]:s.one[1]])
	put(between)
	two = put(s.second.IDs[s.two[0]:s.two[1]])
	put(after)
	return ids, one, two
}

// pairSample is a sample of two texts. Its tag tells of the object's text alone.
func (p *Preprocessor) pairSample(s *sequence, at *cursor, number int) embed.Sample {
	ids, place, second := p.ids(s)
	e, span := s.first, s.one
	if s.own == 1 {
		e, span, place = s.second, s.two, second
	}
	size := len(ids)
	mask := make([]int64, size)
	tag := &Tokens{Offsets: make([][2]int32, size), Words: make([]int32, size), ids: ids, marks: &p.marks}
	for i := range mask {
		mask[i], tag.Words[i] = 1, -1
	}
	copy(tag.Offsets[place:], e.Offsets[span[0]:span[1]])
	copy(tag.Words[place:], e.Words[span[0]:span[1]])
	tag.excerpt, tag.from = at.excerpt(e.Offsets[span[0]:span[1]])
	return embed.Sample{
		Cost: size, Inputs: p.inputs([]int{size}, ids, mask, p.types(s.lengths())),
		Window: number, Start: float64(span[0]), End: float64(span[1]), Truncated: s.truncated, Tag: tag,
	}
}

func (p *Preprocessor) tooLong(remedy string) error {
	return schemas.Rejectf(schemas.ReasonTooLarge, "more than %d tokens together, special ones included: %s to take longer texts", p.opts.MaxTokens, remedy)
}

// encode is the tokens of a text, as the options say. limit, if positive, is enough of them.
func (p *Preprocessor) encode(ctx context.Context, text string, limit int) (*Encoding, error) {
	if at := firstInvalid(text); at >= 0 {
		return nil, schemas.Rejectf(schemas.ReasonDecode, "not UTF-8: byte %#02x at %d", text[at], at)
	}
	return p.tokenizer.encode(ctx, text, p.opts.SpecialTokens, limit)
}

// Shares is how many tokens of two texts stay of room. ok is false if nothing would be left of a text that is to give way alone: the reference refuses that.
func (t Truncation) Shares(a, b, room int) (first, second int, ok bool) {
	excess := a + b - room
	switch {
	case excess <= 0:
		return a, b, true
	case t == OnlyFirst:
		return a - excess, b, excess < a
	case t == OnlySecond:
		return a, b - excess, excess < b
	}
	first, second = longestFirst(a, b, room)
	return first, second, true
}

// longestFirst lets the longer of two texts give way: the reference's truncation=True.
func longestFirst(a, b, room int) (int, int) {
	if a > b {
		b, a = longestFirst(b, a, room)
		return a, b
	}
	if 2*a > room {
		return room / 2, room - room/2
	}
	return a, room - a
}
