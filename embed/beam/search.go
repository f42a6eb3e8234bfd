package beam

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// beam is a path, or all paths that read alike: complete words, the beginning of the next, the last label.
type beam struct {
	text       *text
	next       *part   // a word that is complete and not yet in text
	part       *part   // the word that grows
	last       int32   // label of the frame before; -1 at the beginning
	start, end int32   // frames of part; start is -1 before it has one
	frames     *span   // of the words of text and next
	tokens     *token  // that the best of the paths emits, the latest first
	peak       float64 // logarithm of that path's probability
	logit      float64 // of all paths' together
	score      float64 // logit with what language model and hot words say

	// What becomes of frames and tokens if the beam is kept; most are not.
	closes   bool  // the part before was a word, with the frames below
	from, to int32 //
	emits    bool  // last was emitted in this frame
}

// span are the frames [start, end) of a word, and those of the words before.
type span struct {
	before     *span
	start, end int32
}

// token is an emitted label, and those before.
type token struct {
	before       *token
	label, frame int32
}

type beamKey struct {
	text *text
	part *part
	last int32
}

// search is one run of a decoder.
type search struct {
	*Decoder
	o     Options
	tree  *tree
	beams []beam
	force bool // the next piece begins a word, whichever beam it meets: the reference's own way

	candidates []beam
	frames     int // of the logits
	merged     map[beamKey]int
	ids        []int
}

// frame extends all beams by a row of log-probabilities.
func (s *search) frame(f int, row []float32) {
	top := 0
	s.ids = s.ids[:0]
	least := float32(s.o.TokenMinLogP)
	for i, p := range row {
		if p > row[top] {
			top = i
		}
		if p >= least {
			s.ids = append(s.ids, i)
		}
	}
	s.candidates = s.candidates[:0]
	for _, id := range setOrder(s.ids, top) {
		for i := range s.beams {
			c := s.extend(&s.beams[i], int32(id), int32(f))
			c.logit += float64(row[id])
			c.peak += float64(row[id])
			s.candidates = append(s.candidates, c)
		}
	}
	s.merge()
	for i := range s.candidates {
		b := &s.candidates[i]
		b.text, b.next = s.tree.extend(b.text, b.next.s), s.tree.none
		b.score = s.total(b)
	}
	s.prune()
	s.keep(int32(f))
	s.tree.compact(s.beams)
}

// extend is a beam with one label more.
func (s *search) extend(b *beam, id, f int32) beam {
	l := &s.labels[id]
	c := *b
	c.last, c.closes, c.emits = id, false, false
	switch {
	case l.kind == blank:
		return c
	case b.last == id:
		c.end = f + 1
		return c
	case s.alphabet.pieces && (l.breaks || s.force):
		s.force = l.ended
		c.cut(b)
		c.part = s.tree.part(l.clean)
		c.start, c.end = f, f+1
	case l.kind == space:
		c.cut(b)
		c.part = s.tree.none
		c.start, c.end = -1, -1
	default:
		c.part = s.tree.grow(b.part, id)
		if c.start < 0 {
			c.start = f
		}
		c.end = f + 1
	}
	c.emits = true
	return c
}

// cut makes the growing word of b complete.
func (c *beam) cut(b *beam) {
	c.next = b.part
	if b.part.s != "" {
		c.closes, c.from, c.to = true, b.start, b.end
	}
}

// merge joins candidates that read alike: the place is the first one's, the frames are the last one's, as in the reference; the
// tokens are those of the likeliest path.
func (s *search) merge() {
	if s.merged == nil {
		s.merged = make(map[beamKey]int, len(s.candidates))
	}
	clear(s.merged)
	kept := s.candidates[:0]
	for _, c := range s.candidates {
		k := beamKey{s.tree.extend(c.text, c.next.s), c.part, c.last}
		at, ok := s.merged[k]
		if !ok {
			s.merged[k] = len(kept)
			kept = append(kept, c)
			continue
		}
		c.logit = addLogs(kept[at].logit, c.logit)
		if have := &kept[at]; have.peak >= c.peak {
			c.tokens, c.emits, c.peak = have.tokens, have.emits, have.peak
		}
		kept[at] = c
	}
	s.candidates = kept
}

// addLogs is the logarithm of the sum of two numbers.
func addLogs(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	return a + math.Log(1+math.Exp(b-a))
}

// total is what a candidate is ordered by. Sums are in the reference's order.
func (s *search) total(b *beam) float64 {
	if s.lm == nil {
		return b.logit + b.text.total + b.part.score
	}
	if b.part.s == "" {
		return b.logit + b.text.total
	}
	return b.logit + (b.text.total + b.part.score)
}

// prune drops candidates that are much worse than the best, and those beyond the width.
func (s *search) prune() {
	best := math.Inf(-1)
	for i := range s.candidates {
		best = max(best, s.candidates[i].score)
	}
	least := best + s.o.PruneLogP
	s.candidates = slices.DeleteFunc(s.candidates, func(b beam) bool { return b.score < least })
	slices.SortStableFunc(s.candidates, func(a, b beam) int { return cmp.Compare(b.score, a.score) })
	s.candidates = s.candidates[:min(len(s.candidates), s.o.Width)]
}

type historyKey struct {
	tail string
	part *part
	last int32
}

// keep makes beams of the candidates that are left.
func (s *search) keep(f int32) {
	s.beams = s.beams[:0]
	var seen map[historyKey]bool
	length := 1
	if s.o.PruneHistory {
		seen = map[historyKey]bool{}
		if s.lm != nil {
			length = max(1, s.lm.model.order-1)
		}
	}
	for _, c := range s.candidates {
		if seen != nil {
			k := historyKey{c.text.last(length), c.part, c.last}
			if seen[k] {
				continue
			}
			seen[k] = true
		}
		if c.closes {
			c.frames = &span{c.frames, c.from, c.to}
		}
		if c.emits {
			c.tokens = &token{c.tokens, c.last, f}
		}
		s.beams = append(s.beams, c)
	}
}

// finish completes the last words and orders what is left.
func (s *search) finish() []Result {
	s.candidates = s.candidates[:0]
	for i := range s.beams {
		b := s.beams[i]
		if b.part.s != "" {
			b.frames = &span{b.frames, b.start, b.end}
		}
		b.next, b.part, b.last = b.part, s.tree.none, -1
		s.candidates = append(s.candidates, b)
	}
	s.merge()
	for i := range s.candidates {
		b := &s.candidates[i]
		if s.lm != nil {
			b.score = b.logit + s.tree.score(b.text, b.next.s, true).total
		}
		b.text, b.next = s.tree.extend(b.text, b.next.s), s.tree.none
		if s.lm == nil {
			b.score = s.total(b)
		}
	}
	s.prune()
	results := make([]Result, len(s.candidates))
	for i := range s.candidates {
		results[i] = s.result(&s.candidates[i])
	}
	return results
}

// result reads a beam off.
func (s *search) result(b *beam) Result {
	words := b.text.words()
	r := Result{Text: strings.Join(words, " "), LogitScore: b.logit, Score: b.score}
	var frames []*span
	for at := b.frames; at != nil; at = at.before {
		frames = append(frames, at)
	}
	slices.Reverse(frames)
	var tokens []*token
	for at := b.tokens; at != nil; at = at.before {
		tokens = append(tokens, at)
	}
	slices.Reverse(tokens)
	for i := range min(len(words), len(frames)) { // as Python's zip
		w := Word{Text: words[i], Start: int(frames[i].start), End: int(frames[i].end)}
		tokens = s.spell(&w, tokens)
		r.Words = append(r.Words, w)
	}
	return r
}

// spell takes the tokens of a word off the path, and gives those that are left.
func (s *search) spell(w *Word, path []*token) []*token {
	for rest := w.Text; rest != "" && len(path) > 0; path = path[1:] {
		l := &s.labels[path[0].label]
		if l.kind != letter {
			continue
		}
		w.Tokens = append(w.Tokens, Token{int(path[0].label), int(path[0].frame)})
		after, ok := strings.CutPrefix(rest, s.alphabet.labels[path[0].label])
		if !ok {
			after, ok = strings.CutPrefix(rest, l.clean)
		}
		if !ok {
			w.Tokens = nil
			return path
		}
		rest = after
	}
	if len(path) > 0 {
		w.next = int(path[0].frame)
	} else {
		w.next = s.frames
	}
	return path
}
