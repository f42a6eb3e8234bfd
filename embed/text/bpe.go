package text

// symbol is a token of a word under construction: its id and the number of the word's bytes that it covers.
type symbol struct {
	id, n int32
}

// bpe merges the bytes of a word by rank.
type bpe struct {
	bytes   [256]int32        // id of each byte's own token; -1 if the vocabulary lacks it
	merges  map[uint64]merged // by left<<32|right
	unknown int32             // id for bytes without a token; -1: they are dropped, as in the reference
	fuse    bool              // neighbouring unknown bytes are one token
	whole   map[string]int32  // if not nil: a word that is a token is taken as it is (ignore_merges)
}

// merged is what a pair becomes, and when: lower ranks go first.
type merged struct {
	rank, id int32
}

func pair(left, right int32) uint64 { return uint64(uint32(left))<<32 | uint64(uint32(right)) }

// word appends the symbols of w to dst, using its spare room.
func (b *bpe) word(dst []symbol, w string) []symbol {
	if b.whole != nil {
		if id, ok := b.whole[w]; ok {
			return append(dst, symbol{id, int32(len(w))})
		}
	}
	from := len(dst)
	dst = b.split(dst, w)
	parts := dst[from:]
	if len(parts) < 2 {
		return dst
	}
	if len(parts) > longWord {
		return dst[:from+b.mergeLong(parts)]
	}
	return dst[:from+b.mergeShort(parts)]
}

// split makes one symbol of each byte.
func (b *bpe) split(dst []symbol, w string) []symbol {
	from, unknown := len(dst), false // unknown: the last symbol stands for bytes without a token
	for i := range len(w) {
		id := b.bytes[w[i]]
		switch {
		case id >= 0:
			dst = append(dst, symbol{id, 1})
			unknown = false
		case b.unknown < 0:
		case unknown && b.fuse && len(dst) > from:
			dst[len(dst)-1].n++
		default:
			dst = append(dst, symbol{b.unknown, 1})
			unknown = true
		}
	}
	return dst
}

// longWord is where looking through all pairs again and again becomes dearer than a queue.
const longWord = 64

// mergeShort merges in place: it takes the pair of lowest rank, the leftmost of equals, until none is left. It returns the
// number of symbols.
func (b *bpe) mergeShort(s []symbol) int {
	const none = int32(1<<31 - 1)
	var next [longWord]merged // what s[i], s[i+1] would become
	look := func(i int) {
		m, ok := b.merges[pair(s[i].id, s[i+1].id)]
		if !ok {
			m.rank = none
		}
		next[i] = m
	}
	for i := range len(s) - 1 {
		look(i)
	}
	for n := len(s); ; {
		best, at := none, -1
		for i := range n - 1 {
			if next[i].rank < best {
				best, at = next[i].rank, i
			}
		}
		if at < 0 {
			return n
		}
		s[at] = symbol{next[at].id, s[at].n + s[at+1].n}
		copy(s[at+1:n], s[at+2:n])
		copy(next[at+1:], next[min(at+2, n-1):n-1])
		n--
		s = s[:n]
		if at > 0 {
			look(at - 1)
		}
		if at+1 < n {
			look(at)
		}
	}
}

// candidate is a pair that could be merged when it was found: the symbol at place at with the one behind it.
type candidate struct {
	merged
	at          int32
	left, right int32 // ids, to tell whether it still stands
}

// candidates is a binary heap: lowest rank first, leftmost of equals. container/heap would box each of them.
type candidates []candidate

func (c candidates) less(i, j int) bool {
	return c[i].rank < c[j].rank || c[i].rank == c[j].rank && c[i].at < c[j].at
}

func (c *candidates) push(x candidate) {
	*c = append(*c, x)
	h := *c
	for i := len(h) - 1; i > 0 && h.less(i, (i-1)/2); i = (i - 1) / 2 {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
	}
}

func (c *candidates) pop() candidate {
	h := *c
	top, n := h[0], len(h)-1
	h[0] = h[n]
	h = h[:n]
	for i := 0; ; {
		child := 2*i + 1
		if child >= n {
			break
		}
		if child+1 < n && h.less(child+1, child) {
			child++
		}
		if !h.less(child, i) {
			break
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
	*c = h
	return top
}

// mergeLong is mergeShort with a priority queue over a linked list, n log n for words of any length.
func (b *bpe) mergeLong(s []symbol) int {
	n := len(s)
	before, after := make([]int32, n), make([]int32, n) // neighbours; -1 at the ends
	queue := make(candidates, 0, n)
	find := func(i int32) (candidate, bool) {
		if i < 0 || after[i] < 0 {
			return candidate{}, false
		}
		left, right := s[i].id, s[after[i]].id
		m, ok := b.merges[pair(left, right)]
		return candidate{m, i, left, right}, ok
	}
	for i := range n {
		before[i], after[i] = int32(i-1), int32(i+1)
	}
	after[n-1] = -1
	for i := range n - 1 {
		if c, ok := find(int32(i)); ok {
			queue.push(c)
		}
	}
	for len(queue) > 0 {
		c := queue.pop()
		right := after[c.at]
		if s[c.at].n == 0 || right < 0 || s[c.at].id != c.left || s[right].id != c.right {
			continue
		}
		s[c.at] = symbol{c.id, s[c.at].n + s[right].n}
		s[right].n = 0 // gone
		after[c.at] = after[right]
		if after[right] >= 0 {
			before[after[right]] = c.at
		}
		for _, i := range [...]int32{before[c.at], c.at} {
			if c, ok := find(i); ok {
				queue.push(c)
			}
		}
	}
	kept := 0
	for i := int32(0); i >= 0; i = after[i] {
		s[kept] = s[i]
		kept++
	}
	return kept
}
