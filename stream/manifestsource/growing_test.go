package manifestsource

import (
	"strings"
	"testing"

	"vecmill/stream"
)

// TestWhatMayBeHalfWrittenIsLeftOutOfAListThatMayGrow reads each under a name that is a promise, by its sum, and when an output has all of it already, as builds before this one gave it.
func TestWhatMayBeHalfWrittenIsLeftOutOfAListThatMayGrow(t *testing.T) {
	const a = `{"v":1,"id":"a","inline_text":"x"}`
	for _, c := range []struct {
		name, file, text string
		whole, all       int
	}{
		{"lines with their ends", "m.jsonl", a + "\nno reference\n", 2, 2},
		{"a reference without the end of its line", "m.jsonl", a + "\n" + a, 2, 2},
		{"one behind a byte order mark", "m.jsonl", "\ufeff" + a, 1, 1},
		{"half a reference", "m.jsonl", a + "\n" + a[:20], 1, 2},
		{"half of the first one", "m.jsonl", a[:20], 0, 1},
		{"blanks", "m.jsonl", a + "\n  ", 1, 2},
		{"nothing", "m.jsonl", "", 0, 0},
		{"rows with their ends", "m.csv", "id,inline_text\na,x\nb\n", 2, 2},
		{"a row without the end of its line", "m.csv", "id,inline_text\na,x\nb,yes", 1, 2},
		{"a row of two lines without its end", "m.csv", "id,inline_text\na,x\nb,\"y\nz\"", 1, 2},
		{"the first line of several", "m.csv", "id,inline_text\na,x\nb,\"y\n", 1, 2},
		{"the first and half of the second one", "m.csv", "id,inline_text\na,x\nb,\"y\nz", 1, 3},
		{"two lines of several", "m.csv", "id,inline_text\na,x\nb,\"y\nz\n", 1, 3},
		{"two lines that could be rows", "m.csv", "id,inline_text\na,x\nb,\"y\nyes, z\n", 1, 3},
		{"a quote too many, and rows", "m.csv", "id,inline_text\na,x\nb,\"y\n" + strings.Repeat("c,z\n", 16), 18, 18},
		{"a quote too many, rows, and half of one", "m.csv", "id,inline_text\na,x\nb,\"y\n" + strings.Repeat("c,z\n", 16) + "d,", 18, 19},
		{"many lines of a text", "m.csv", "id,inline_text\na,x\nb,\"y\n" + strings.Repeat("z\n", 16), 1, 18},
		{"a quote in a cell", "m.csv", "inline_text\n5\" tape\nx\ny\n", 3, 3},
		{"and one behind two", "m.csv", "inline_text\n\"\"\"5\"\" tape\"\n5\"\" tape\"\"\"\ny\n", 3, 3},
		{"quotes that something is behind", "m.csv", "id,inline_text\na,x\nb,\"y\nz\" w\n", 3, 3},
		{"a header", "m.csv", "id,inline_text", 0, 0},
	} {
		path := file(t, c.file, []byte(c.text))
		sum, err := Sum(t.Context(), Disk(path))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []struct {
			name                string
			sum                 string
			start, next, length int
		}{{"under a name", "", 0, c.whole, c.all}, {"by its sum", sum, 0, c.all, c.all}, {"gone on with", "", c.all, c.all, c.all}} {
			s, err := New(Disk(path), "m", nil)
			if err != nil {
				t.Fatal(err)
			}
			told := -1
			s.Sum, s.Cut = r.sum, func(whole int64) { told = int(whole) }
			l := &ledger{t: t, start: int64(r.start)}
			if err := s.Run(t.Context(), l); err != nil || int(l.next) != r.next || len(l.recs) != r.next-r.start {
				t.Errorf("%s, %s: %d to %d of %d are delivered: %v", c.name, r.name, r.start, l.next, r.next, err)
			}
			if want := r.next; r.next < r.length && told != want || r.next == r.length && told >= 0 {
				t.Errorf("%s, %s: told of %d", c.name, r.name, told)
			}
			if _, _, total := s.Covered(); int(total) != r.next {
				t.Errorf("%s, %s: of %d in all", c.name, r.name, total)
			}
			if end, err := l.c.(stream.EndFinder).End(t.Context(), s.Partition()); err != nil || int(end) != r.length {
				t.Errorf("%s, %s: an output may have %d, %v", c.name, r.name, end, err)
			}
		}
	}
}

// TestAnObjectIsWhole: a store puts it whole, whatever its last line lacks.
func TestAnObjectIsWhole(t *testing.T) {
	for name, text := range map[string]string{"m.csv": "id,inline_text\na,x\nb,yes", "m.jsonl": "no reference\nnor this"} {
		at := Disk(file(t, name, []byte(text)))
		at.Fixed = true
		s, err := New(at, "m", nil)
		if err != nil {
			t.Fatal(err)
		}
		l := &ledger{t: t}
		if err := s.Run(t.Context(), l); err != nil || l.next != 2 {
			t.Errorf("%s: up to %d, %v", name, l.next, err)
		}
	}
}
