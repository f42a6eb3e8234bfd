package manifestsource

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/stream"
)

// listener records what a source tells it, and holds it to the order of calls.
type listener struct {
	start  int64
	end    int64
	got    []string
	next   int64
	calls  string
	stopAt int
	stop   context.CancelFunc
}

func (l *listener) Assigned(_ context.Context, c stream.Committer, parts map[stream.Partition]stream.Bounds) (map[stream.Partition]int64, error) {
	l.calls += "A"
	p := stream.Partition{Topic: "manifest:m"}
	l.end = parts[p].End
	return map[stream.Partition]int64{p: l.start}, c.Commit(context.Background(), nil)
}

func (l *listener) Records(ctx context.Context, _ stream.Partition, recs []stream.Record, next int64) error {
	for _, r := range recs {
		l.got = append(l.got, fmt.Sprintf("%d:%s", r.Offset, r.Value))
	}
	l.next = next
	if l.stop != nil && len(l.got) >= l.stopAt {
		l.stop()
		return ctx.Err()
	}
	return nil
}

func (l *listener) Revoked(ctx context.Context) {
	l.calls += "R"
	if ctx.Err() != nil {
		l.calls += "!"
	}
}
func (l *listener) Lost() { l.calls += "L" }

func manifest(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.jsonl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLinesBecomeRecords(t *testing.T) {
	for _, c := range []struct {
		name, text string
		start      int64
		want       string
		next       int64
	}{
		{"from the beginning", "a\nb\nc\n", 0, "[0:a 1:b 2:c]", 3},
		{"without a last newline", "a\nb", 0, "[0:a 1:b]", 2},
		{"blank lines keep their offsets", "a\n\n \nd\n", 0, "[0:a 3:d]", 4},
		{"carriage returns are not part of a line", "a\r\nb\r\n", 0, "[0:a 1:b]", 2},
		{"from the middle", "a\nb\nc\n", 2, "[2:c]", 3},
		{"nothing left", "a\nb\n", 2, "[]", 2},
		{"an empty file", "", 0, "[]", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := New(manifest(t, c.text), "m")
			if err != nil {
				t.Fatal(err)
			}
			l := &listener{start: c.start}
			if err := s.Run(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(l.got) != c.want || l.calls != "AR" || l.end != c.next {
				t.Fatalf("got %v, calls %s, end %d; want %s, AR, %d", l.got, l.calls, l.end, c.want, c.next)
			}
		})
	}
}

func TestAnyOffsetOfALongManifestIsFound(t *testing.T) {
	var b strings.Builder
	const n = 3*stride + 17
	for i := range n {
		fmt.Fprintf(&b, "line %d%s\n", i, strings.Repeat("x", i%90))
	}
	path := manifest(t, b.String())
	for _, start := range []int64{0, 1, stride - 1, stride, stride + 1, 2*stride + 5, n - 1} {
		s, err := New(path, "m")
		if err != nil {
			t.Fatal(err)
		}
		l := &listener{start: start}
		if err := s.Run(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("%d:line %d%s", start, start, strings.Repeat("x", int(start)%90))
		if int64(len(l.got)) != n-start || l.got[0] != want || l.next != n {
			t.Fatalf("from %d: %d records, first %.40q, next %d", start, len(l.got), l.got[0], l.next)
		}
	}
}

func TestAnInterruptedRunDrains(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	s, err := New(manifest(t, strings.Repeat("x\n", 3*chunk)), "m")
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{stopAt: chunk, stop: stop}
	if err := s.Run(ctx, l); err != nil {
		t.Fatal(err)
	}
	if len(l.got) != chunk || l.calls != "AR" {
		t.Fatalf("%d records, calls %s", len(l.got), l.calls)
	}
}

func TestAMissingFileAndAHugeLineAreErrors(t *testing.T) {
	s, err := New(filepath.Join(t.TempDir(), "none"), "m")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), &listener{}); !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	s, err = New(manifest(t, "a\n"+strings.Repeat("x", maxLine+1)+"\n"), "m")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), &listener{}); err == nil || !strings.Contains(err.Error(), "line 2 is longer") {
		t.Fatal(err)
	}
}
