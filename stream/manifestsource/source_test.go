package manifestsource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"vecmill/internal/pace"
	"vecmill/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func manifest(t *testing.T, text string) *Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.jsonl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := New(Disk(path), "m", nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ledger is a stream.Assignments that remembers, and checks the order of calls.
type ledger struct {
	t       *testing.T
	start   int64
	stop    func(next int64) error // called at the end of each Records
	revoked func(ctx context.Context)
	bounds  stream.Bounds
	c       stream.Committer
	unkept  error // what the last commit gives
	recs    []stream.Record
	next    int64
	calls   int
	events  string
}

func (l *ledger) Assigned(_ context.Context, c stream.Committer, parts map[stream.Partition]stream.Bounds) (map[stream.Partition]int64, error) {
	l.events += "A"
	p := stream.Partition{Topic: "manifest:m"}
	b, ok := parts[p]
	if !ok || len(parts) != 1 {
		l.t.Errorf("assigned %v", parts)
	}
	l.c, l.bounds, l.next = c, b, l.start
	return map[stream.Partition]int64{p: l.start}, nil
}

func (l *ledger) Records(_ context.Context, _ stream.Partition, recs []stream.Record, next int64) error {
	for _, r := range recs {
		if r.Offset != l.next {
			l.t.Errorf("offset %d, want %d", r.Offset, l.next)
		}
		l.next = r.Offset + 1
	}
	if next != l.next {
		l.t.Errorf("next %d after offset %d", next, l.next-1)
	}
	l.recs = append(l.recs, recs...)
	l.calls++
	if l.stop != nil {
		return l.stop(next)
	}
	return nil
}

func (l *ledger) Revoked(ctx context.Context) {
	l.events += "R"
	if l.revoked != nil {
		l.revoked(ctx)
	}
	if err := l.c.Commit(ctx, map[stream.Partition]int64{{Topic: "manifest:m"}: l.next}); !errors.Is(err, l.unkept) {
		l.t.Errorf("commit while revoking: %v", err)
	}
}

func (l *ledger) Removed(stream.Partition, int64) { l.t.Error("a manifest removes nothing") }

func (l *ledger) Ends(stream.Partition, int64) {
	l.t.Error("the length of a manifest is told when it is assigned")
}

func (l *ledger) Lost() { l.events += "L" }

func values(recs []stream.Record) (out []string) {
	for _, r := range recs {
		if r.Value == nil {
			out = append(out, "-")
		} else {
			out = append(out, string(r.Value))
		}
	}
	return out
}

func TestLinesAreRecordsAndTheirNumbersOffsets(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"lines", "a\nb\n", []string{"a", "b"}},
		{"a last line without its end, which may be half written", "a\nb", []string{"a"}},
		{"Windows ends of lines", "a\r\nb\r\n", []string{"a", "b"}},
		{"blank lines are tombstones", "a\n\n  \nb\n", []string{"a", "-", "-", "b"}},
		{"a byte order mark", "\ufeffa\nb\n", []string{"a", "b"}},
		{"an empty file", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &ledger{t: t}
			if err := manifest(t, c.text).Run(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			if got := values(l.recs); fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if l.bounds != (stream.Bounds{Committed: 0, First: 0, End: int64(len(c.want))}) || l.events != "AR" {
				t.Errorf("bounds %+v, events %s", l.bounds, l.events)
			}
			if err := l.c.Commit(t.Context(), nil); err == nil {
				t.Error("a commit after the assignment succeeded")
			}
		})
	}
}

func TestReadingBeginsAtAnyLine(t *testing.T) {
	const n = 3*sparse + 17
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "%d %s\n", i, strings.Repeat("x", i%37))
	}
	for _, start := range []int64{0, 1, sparse - 1, sparse, sparse + 1, 3 * sparse, n - 1, n} {
		l := &ledger{t: t, start: start}
		if err := manifest(t, text.String()).Run(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		if int64(len(l.recs)) != n-start {
			t.Errorf("from %d: %d records", start, len(l.recs))
		}
		for _, r := range l.recs {
			if !bytes.HasPrefix(r.Value, fmt.Appendf(nil, "%d ", r.Offset)) {
				t.Fatalf("from %d: line %d is %q", start, r.Offset, r.Value)
			}
		}
	}
}

func TestChunksAreBoundedInLinesAndBytes(t *testing.T) {
	l := &ledger{t: t}
	if err := manifest(t, strings.Repeat("x\n", 10*chunkLines)).Run(t.Context(), l); err != nil || l.calls != 10 {
		t.Errorf("%v, %d calls", err, l.calls)
	}
	l = &ledger{t: t}
	if err := manifest(t, strings.Repeat(strings.Repeat("x", chunkBytes/2)+"\n", 8)).Run(t.Context(), l); err != nil || l.calls != 4 {
		t.Errorf("%v, %d calls", err, l.calls)
	}
}

func TestALineThatIsTooLongIsCutAndTheRestGoesOn(t *testing.T) {
	l := &ledger{t: t}
	if err := manifest(t, strings.Repeat("x", MaxLine)+"\r\n"+strings.Repeat("y", 2*MaxLine)+"\nlast\n").Run(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if len(l.recs) != 3 || len(l.recs[0].Value) != MaxLine || len(l.recs[1].Value) != MaxLine || string(l.recs[2].Value) != "last" {
		t.Errorf("%d records", len(l.recs))
	}
}

func TestTheEndOfTheContextDrainsForALimitedTimeAndIsNoError(t *testing.T) {
	s := manifest(t, strings.Repeat("x\n", 10*chunkLines))
	s.DrainTimeout = time.Minute
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := &ledger{t: t, stop: func(int64) error { cancel(); return ctx.Err() }}
		began := time.Now()
		l.revoked = func(ctx context.Context) { <-ctx.Done() }
		if err := s.Run(ctx, l); err != nil {
			t.Error(err)
		}
		if l.calls != 1 || l.events != "AR" || time.Since(began) != time.Minute {
			t.Errorf("%d calls, events %s, %v", l.calls, l.events, time.Since(began))
		}
	})
}

func TestTheDrainAfterTheLastLineHasNoLimit(t *testing.T) {
	s := manifest(t, "x\n")
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{t: t, revoked: func(ctx context.Context) {
			select {
			case <-time.After(time.Hour):
			case <-ctx.Done():
				t.Error("the drain was cut short")
			}
		}}
		if err := s.Run(t.Context(), l); err != nil {
			t.Error(err)
		}
	})
}

func TestAPaceIsKeptAndADeadlineBehindTheTurnIsWaitedFor(t *testing.T) {
	for _, c := range []struct {
		name    string
		rate    float64
		lines   int
		least   time.Duration // that the lines take, less one bucket
		mostOne int           // lines of a chunk
	}{
		{"slowly", 0.5, 5, 8 * time.Second, 1},
		{"a hundred a second", 100, 300, 2900 * time.Millisecond, 10},
		{"faster than a chunk in a tenth of a second", 1e4, 10_000, 996 * time.Millisecond, chunkLines},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := manifest(t, strings.Repeat("x\n", c.lines))
			s.Rate = c.rate
			synctest.Test(t, func(t *testing.T) {
				began, before := time.Now(), int64(0)
				l := &ledger{t: t}
				l.stop = func(next int64) error {
					if next-before > int64(c.mostOne) {
						t.Errorf("%d lines at once", next-before)
					}
					before = next
					return nil
				}
				if err := s.Run(t.Context(), l); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); len(l.recs) != c.lines || took < c.least || took > c.least+c.least/50+time.Millisecond {
					t.Errorf("%d lines in %v, want %v", len(l.recs), took, c.least)
				}
			})
		})
	}
	s := manifest(t, "x\nx\nx\n")
	s.Rate = 0.1
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second) // the third line's turn comes later
		defer cancel()
		began, l := time.Now(), &ledger{t: t}
		if err := s.Run(ctx, l); err != nil || len(l.recs) != 2 || time.Since(began) != 15*time.Second || l.events != "AR" {
			t.Errorf("%v, %d lines in %v, events %s", err, len(l.recs), time.Since(began), l.events)
		}
	})
}

func TestAShutGateHoldsValuesBackAndTheEndOfTheContextPassesIt(t *testing.T) {
	s := manifest(t, strings.Repeat("x\n", 3*chunkLines))
	s.Gate = &pace.Gate{}
	synctest.Test(t, func(t *testing.T) {
		began, l := time.Now(), &ledger{t: t}
		l.stop = func(int64) error {
			if l.calls == 2 {
				s.Gate.Shut()
				time.AfterFunc(time.Hour, s.Gate.Open)
			}
			return nil
		}
		if err := s.Run(t.Context(), l); err != nil || l.calls != 3 || time.Since(began) != time.Hour {
			t.Errorf("%v, %d chunks in %v", err, l.calls, time.Since(began))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s.Gate.Shut()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		l := &ledger{t: t}
		if err := s.Run(ctx, l); err != nil || l.calls != 0 || l.events != "AR" {
			t.Errorf("%v, %d chunks, events %s", err, l.calls, l.events)
		}
	})
}

// nothing is a list of one value, of which none is asked for.
type nothing struct{}

func (nothing) Len() int64         { return 1 }
func (nothing) Changed() time.Time { return time.Time{} }
func (nothing) Close() error       { return nil }
func (nothing) From(context.Context, int64) (func() ([]byte, error), error) {
	return func() ([]byte, error) { return nil, io.EOF }, nil
}

// TestCoveredIsNeverOfTwoMoments looks on while runs begin: whoever is told how many values there are is told where the run began.
func TestCoveredIsNeverOfTwoMoments(t *testing.T) {
	for range 20_000 {
		s := NewList(func(context.Context) (List, error) { return nothing{}, nil }, "m", "m")
		ran := make(chan error, 1)
		go func() { ran <- s.Run(t.Context(), &ledger{t: t, start: 1}) }()
		for {
			if start, durable, total := s.Covered(); total >= 0 {
				if start != 1 || durable != 1 {
					t.Fatalf("%d values, and it began at %d and is durable to %d", total, start, durable)
				}
				break
			}
		}
		if err := <-ran; err != nil {
			t.Fatal(err)
		}
	}
}

func TestCoveredIsWhatWasCommittedAndStaysSo(t *testing.T) {
	s := manifest(t, strings.Repeat("x\n", 60))
	covered := func() [3]int64 {
		start, durable, total := s.Covered()
		return [3]int64{start, durable, total}
	}
	if got := covered(); got != [3]int64{0, 0, -1} {
		t.Errorf("before Run: %v", got)
	}
	l := &ledger{t: t, start: 40}
	l.stop = func(int64) error {
		if got := covered(); got != [3]int64{40, 40, 60} {
			t.Errorf("before a commit: %v", got)
		}
		return l.c.Commit(t.Context(), map[stream.Partition]int64{{Topic: "manifest:m"}: 50})
	}
	l.revoked = func(context.Context) {
		if got := covered(); got != [3]int64{40, 50, 60} {
			t.Errorf("after one: %v", got)
		}
	}
	if err := s.Run(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if got := covered(); got != [3]int64{40, 60, 60} {
		t.Errorf("after Run: %v", got)
	}
}

func TestARecordsErrorEndsRunAfterRevoked(t *testing.T) {
	boom := errors.New("boom")
	l := &ledger{t: t, stop: func(int64) error { return boom }}
	if err := manifest(t, "x\n").Run(t.Context(), l); !errors.Is(err, boom) || l.events != "AR" {
		t.Errorf("%v, events %s", err, l.events)
	}
}

// TestAListThatIsRefusedIsNotAssigned has one that is refused, and a run that is told to stop while that is asked: in neither is an output resumed, which would be given what another one has.
func TestAListThatIsRefusedIsNotAssigned(t *testing.T) {
	for name, stops := range map[string]bool{"refused": false, "told to stop": true} {
		ctx, stop := context.WithCancel(t.Context())
		s, boom := manifest(t, "x\n"), errors.New("boom")
		s.Same = func(context.Context, List) error {
			if stops {
				stop()
			}
			return boom
		}
		l := &ledger{t: t}
		if err := s.Run(ctx, l); errors.Is(err, boom) == stops || stops && err != nil || l.events != "" || l.calls != 0 {
			t.Errorf("%s: %v, events %s, %d calls", name, err, l.events, l.calls)
		}
		stop()
	}
}

func TestFaultsNameTheFile(t *testing.T) {
	s, err := New(Disk(filepath.Join(t.TempDir(), "absent")), "m", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), &ledger{t: t}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an absent file: %v", err)
	}
	if s, _ = New(Disk(t.TempDir()), "m", nil); !strings.Contains(fmt.Sprint(s.Run(t.Context(), &ledger{t: t})), "not a regular file") {
		t.Error("a directory is taken for a manifest")
	}
	if _, err := New(Disk(""), "m", nil); err == nil {
		t.Error("no path is taken for a path")
	}
	if err := manifest(t, "x\n").Run(t.Context(), &ledger{t: t, start: 5}); err == nil || !strings.Contains(err.Error(), "line 5 of 1") {
		t.Errorf("a start beyond the end: %v", err)
	}
}

// Any bytes give the lines that splitting at newlines gives, from any line on.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb\r\n\nc"), uint16(1))
	f.Add(bytes.Repeat([]byte("xy\n"), sparse+2), uint16(sparse+1))
	f.Fuzz(func(t *testing.T, data []byte, from uint16) {
		want := bytes.Split(data, []byte("\n"))
		if len(want[len(want)-1]) == 0 {
			want = want[:len(want)-1]
		}
		ix, err := buildIndex(bytes.NewReader(data))
		if err != nil || ix.lines != int64(len(want)) || ix.size != int64(len(data)) {
			t.Fatalf("%d lines in %d bytes, want %d in %d: %v", ix.lines, ix.size, len(want), len(data), err)
		}
		n := min(int64(from), ix.lines)
		l, err := ix.from(bytes.NewReader(data), n)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want[n:] {
			got, err := l.next()
			if err != nil || !bytes.Equal(got, bytes.TrimSuffix(w, []byte("\r"))) {
				t.Fatalf("got %q, want %q: %v", got, w, err)
			}
		}
		if _, err := l.next(); !errors.Is(err, io.EOF) {
			t.Fatalf("after the last line: %v", err)
		}
	})
}

// TestWhatCouldNotBeKeptEndsARun has a place that takes nothing at first, and one that takes nothing at the end, of a run that comes to its own and of one that is told to stop.
func TestWhatCouldNotBeKeptEndsARun(t *testing.T) {
	away := errors.New("the store is away")
	for _, c := range []struct {
		name  string
		kept  []error // by commit
		stops bool
		want  error
	}{
		{"kept", []error{nil, nil}, false, nil},
		{"kept in the end", []error{away, nil}, false, nil},
		{"not kept in the end", []error{nil, away}, false, away},
		{"kept, told to stop", []error{away, nil}, true, nil},
		{"not kept, told to stop", []error{nil, away}, true, away},
	} {
		ctx, stop := context.WithCancel(t.Context())
		s := manifest(t, strings.Repeat("x\n", 60))
		var told []int64
		s.Kept = func(_ context.Context, next int64) error {
			told = append(told, next)
			return c.kept[len(told)-1]
		}
		l := &ledger{t: t, unkept: c.want}
		l.revoked = func(context.Context) {
			if err := l.c.Commit(t.Context(), map[stream.Partition]int64{{Topic: "manifest:m"}: 30}); !errors.Is(err, c.kept[0]) {
				t.Errorf("%s: a commit gives %v, want %v", c.name, err, c.kept[0])
			}
		}
		if c.stops {
			l.stop = func(int64) error { stop(); return ctx.Err() }
		}
		if err := s.Run(ctx, l); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || errors.Is(err, context.Canceled) {
			t.Errorf("%s: the run ends with %v, want %v", c.name, err, c.want)
		}
		stop()
		if !slices.Equal(told, []int64{30, l.next}) || (l.next < 60) != c.stops {
			t.Errorf("%s: told %v", c.name, told)
		}
	}
}
