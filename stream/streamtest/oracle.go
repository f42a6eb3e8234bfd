package streamtest

import (
	"context"
	"fmt"
	"sync"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
)

// LetterBox is a dead-letter store in memory: the last letter per source and offset.
type LetterBox struct {
	mu struct {
		sync.Mutex
		letters map[schemas.SourceID]map[int64]sinks.Letter
	}
}

// Put implements sinks.DeadLetters.
func (b *LetterBox) Put(_ context.Context, l sinks.Letter) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.letters == nil {
		b.mu.letters = map[schemas.SourceID]map[int64]sinks.Letter{}
	}
	if b.mu.letters[l.Source] == nil {
		b.mu.letters[l.Source] = map[int64]sinks.Letter{}
	}
	b.mu.letters[l.Source][l.Offset] = l
	return nil
}

// Close implements sinks.DeadLetters.
func (b *LetterBox) Close(context.Context) error { return nil }

// Letter finds the letter of an offset.
func (b *LetterBox) Letter(src schemas.SourceID, offset int64) (sinks.Letter, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, ok := b.mu.letters[src][offset]
	return l, ok
}

// Output is what a reader finds of one source: the chain's ranges in order and all rows.
type Output struct {
	Ranges []schemas.Range
	Rows   []schemas.Row
}

// Check proves I8 for one partition from the outside: the chain is gapless from the first offset to the log's end, every offset
// is exactly one of row(s), dead letter and skipped, each as its kind demands, no row is there twice, and every dead offset has its letter. It
// returns the first offence.
func Check(src schemas.SourceID, recs []stream.Record, kindOf func(offset int64) Kind, out Output, box *LetterBox) error {
	fates := map[int64][]string{}
	mark := func(spans []schemas.Span, fate string) {
		for _, s := range spans {
			for o := s.First; o < s.Next; o++ {
				fates[o] = append(fates[o], fate)
			}
		}
	}
	end := int64(0)
	for i, r := range out.Ranges {
		if r.First != end {
			return fmt.Errorf("%s: range %d begins at %d, the one before ended at %d", src, i, r.First, end)
		}
		end = r.Next
		mark(r.Dead, "dead")
		mark(r.Skipped, "skipped")
		mark(r.Lost, "lost")
	}
	rows := map[int64]int{}
	ids := map[string]bool{}
	for i := range out.Rows {
		r := &out.Rows[i]
		if ids[r.RowID] {
			return fmt.Errorf("%s: the row of offset %d, window %d is there twice", src, r.Offset, r.Window)
		}
		ids[r.RowID] = true
		rows[r.Offset]++
	}
	last := int64(0)
	for _, rec := range recs {
		for o := last; o < rec.Offset; o++ { // a gap in the log
			if got := fmt.Sprint(fates[o], rows[o]); got != "[skipped] 0" {
				return fmt.Errorf("%s: offset %d is not in the log and has fates %s", src, o, got)
			}
		}
		last = rec.Offset + 1
		if err := checkRecord(src, rec, kindOf(rec.Offset), fates[rec.Offset], rows[rec.Offset], box); err != nil {
			return err
		}
	}
	if end != last {
		return fmt.Errorf("%s: the chain ends at %d, the log at %d", src, end, last)
	}
	return nil
}

func checkRecord(src schemas.SourceID, rec stream.Record, kind Kind, fates []string, rows int, box *LetterBox) error {
	wantRows, outcome := kind.Fate()
	want := "[]"
	switch outcome {
	case stream.Dead:
		want = "[dead]"
	case stream.Skipped:
		want = "[skipped]"
	}
	if rows != wantRows || fmt.Sprint(fates) != want {
		return fmt.Errorf("%s: offset %d (%s) has %d rows and fates %v, want %d and %s", src, rec.Offset, kind, rows, fates, wantRows, want)
	}
	if outcome != stream.Dead {
		return nil
	}
	l, ok := box.Letter(src, rec.Offset)
	if !ok {
		return fmt.Errorf("%s: offset %d (%s) is dead and has no letter", src, rec.Offset, kind)
	}
	attempts := 1
	if kind == Missing {
		attempts = missingAttempts
	}
	if l.Attempts != attempts {
		return fmt.Errorf("%s: the letter of offset %d says %d attempts, want %d", src, rec.Offset, l.Attempts, attempts)
	}
	if string(l.Value) != string(rec.Value) {
		return fmt.Errorf("%s: the letter of offset %d does not hold the record's value", src, rec.Offset)
	}
	return nil
}
