package beam

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// missingUnknown is the log10 probability of an unknown word in a model without <unk>.
const missingUnknown = -100

// arpaReader reads an ARPA file line by line.
type arpaReader struct {
	in     *bufio.Scanner
	line   int
	text   string
	counts []uint64
	h      *hashed
	vocab  words
	listed []string
}

// ReadARPA reads a language model from an ARPA file's text, as KenLM does: comments (#) may stand before \data\, every context must be there as an
// n-gram of its own, and suffixes that a tool has pruned are put back with what backing off gives. A fault is named by its line.
func ReadARPA(r io.Reader) (*Model, error) {
	a := &arpaReader{in: bufio.NewScanner(r), h: &hashed{words: []weights{{prob: missingUnknown}}}, vocab: words{}}
	a.in.Buffer(make([]byte, 0, 64<<10), 1<<20)
	if err := a.read(); err != nil {
		return nil, fmt.Errorf("line %d: %w", a.line, err)
	}
	return &Model{order: len(a.counts), vocab: a.vocab, tables: a.h, listed: a.listed, close: func() error { return nil }}, nil
}

// next goes to the next line that is not blank.
func (a *arpaReader) next() error {
	for a.in.Scan() {
		a.line++
		if a.text = strings.TrimRight(a.in.Text(), "\r"); strings.TrimSpace(a.text) != "" {
			return nil
		}
	}
	if err := a.in.Err(); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF
}

func (a *arpaReader) read() error {
	if err := a.header(); err != nil {
		return err
	}
	order := len(a.counts)
	if order < 2 || order > maxOrder {
		return fmt.Errorf("a language model of order %d; orders 2 to %d are read", order, maxOrder)
	}
	a.h.middles = make([]map[uint64]weights, order-2)
	for n := 1; n <= order; n++ {
		if want := fmt.Sprintf("\\%d-grams:", n); a.text != want {
			return fmt.Errorf("%.40q, want %s", a.text, want)
		}
		if err := a.section(n); err != nil {
			return err
		}
	}
	if a.text != "\\end\\" {
		return fmt.Errorf("%.40q, want \\end\\", a.text)
	}
	return nil
}

// header reads the counts and stops at the first section.
func (a *arpaReader) header() error {
	for {
		if err := a.next(); err != nil {
			return err
		}
		if !strings.HasPrefix(a.text, "#") {
			break
		}
	}
	if a.text != "\\data\\" {
		return fmt.Errorf("%.40q, want \\data\\", a.text)
	}
	for {
		if err := a.next(); err != nil {
			return err
		}
		count, ok := strings.CutPrefix(a.text, "ngram ")
		if !ok {
			return nil
		}
		length, number, _ := strings.Cut(count, "=")
		n, err := strconv.Atoi(strings.TrimSpace(length))
		if err != nil || n != len(a.counts)+1 {
			return fmt.Errorf("%.40q: want the count of %d-grams", a.text, len(a.counts)+1)
		}
		c, err := strconv.ParseUint(strings.TrimSpace(number), 10, 48)
		if err != nil {
			return fmt.Errorf("%.40q is not a count", a.text)
		}
		a.counts = append(a.counts, c)
	}
}

// section reads the n-grams of one length and stops behind them.
func (a *arpaReader) section(n int) error {
	switch {
	case n == len(a.counts):
		a.h.longests = map[uint64]float32{}
	case n > 1:
		a.h.middles[n-2] = map[uint64]weights{}
	}
	for seen := uint64(0); ; seen++ {
		if err := a.next(); err != nil {
			return err
		}
		if a.text[0] == '\\' {
			if seen != a.counts[n-1] {
				return fmt.Errorf("%d %d-grams, the header says %d", seen, n, a.counts[n-1])
			}
			return nil
		}
		if err := a.gram(n); err != nil {
			return err
		}
	}
}

// fields splits at what ARPA takes for spaces, which is less than Unicode does.
func fields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' })
}

func (a *arpaReader) gram(n int) error {
	f := fields(a.text)
	if len(f) != n+1 && len(f) != n+2 {
		return fmt.Errorf("%d fields, want a probability, %d words and perhaps a backoff", len(f), n)
	}
	prob, err := number(f[0])
	if err != nil {
		return err
	}
	w := weights{prob: min(prob, 0)} // a probability above one is a known bug of one tool; the reference takes it for one
	if len(f) == n+2 {
		if w.backoff, err = number(f[n+1]); err != nil {
			return err
		}
		if w.backoff == 0 {
			w.backoff = 0 // not minus zero, which closes an n-gram
		}
	}
	if n == 1 {
		if len(f) == 3 {
			a.listed = append(a.listed, f[1])
		}
		return a.word(f[1], w)
	}
	ids := make([]uint32, n) // the last word first
	for i := range ids {
		word := f[n-i]
		id, ok := a.vocab[word]
		if !ok && word != "<unk>" && word != "<UNK>" {
			return fmt.Errorf("word %.40q is no unigram", word)
		}
		ids[i] = id
	}
	return a.put(ids, w)
}

func number(s string) (float32, error) {
	v, err := strconv.ParseFloat(s, 32)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%.40q is not a number", s)
	}
	return float32(v), nil
}

func (a *arpaReader) word(word string, w weights) error {
	if word == "<unk>" || word == "<UNK>" {
		a.h.words[0] = w
		return nil
	}
	if _, twice := a.vocab[word]; twice {
		return fmt.Errorf("word %.40q is there twice", word)
	}
	a.vocab[word] = uint32(len(a.h.words))
	a.h.words = append(a.h.words, w)
	return nil
}

var errContext = errors.New("the context of every n-gram must be an n-gram itself")

// put stores an n-gram, and what is missing of its suffixes.
func (a *arpaReader) put(ids []uint32, w weights) error {
	n := len(ids)
	if n > 2 {
		if _, ok := a.h.middles[n-3][key(ids[1:])]; !ok {
			return errContext
		}
	}
	prob := a.h.words[ids[0]].prob
	for m := 2; m < n; m++ {
		k := key(ids[:m])
		have, ok := a.h.middles[m-2][k]
		if !ok {
			have = weights{prob: prob + a.backoff(ids[1:m])}
			a.h.middles[m-2][k] = have
		}
		prob = have.prob
	}
	if n == len(a.counts) {
		a.h.longests[key(ids)] = w.prob
	} else {
		a.h.middles[n-2][key(ids)] = w
	}
	return nil
}

// backoff is that of a context, 0 if it is none.
func (a *arpaReader) backoff(ids []uint32) float32 {
	if len(ids) == 1 {
		return a.h.words[ids[0]].backoff
	}
	return a.h.middles[len(ids)-2][key(ids)].backoff
}

func key(ids []uint32) uint64 {
	k := uint64(ids[0])
	for _, id := range ids[1:] {
		k = combine(k, id)
	}
	return k
}
