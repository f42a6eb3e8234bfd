package stream

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/cockroachdb/datadriven"

	"vecmill/schemas"
)

func places(tr *Tracker) string {
	var b strings.Builder
	for _, p := range tr.Places() {
		fmt.Fprintf(&b, "%s: read to %d, durable to %d, ends at %d, lag %d\n", p.Partition, p.Read, p.Durable, p.End, p.Lag())
	}
	return b.String()
}

// TestTrackerScript runs testdata/tracker.txt, the tracker's specification by example.
func TestTrackerScript(t *testing.T) {
	part := Partition{Topic: "t"}
	var tr *Tracker
	var tickets map[int64]*Ticket
	var releases []*Release
	var freed []string
	datadriven.RunTest(t, "testdata/tracker.txt", func(t *testing.T, d *datadriven.TestData) string {
		number := func(i int) int64 {
			n, err := strconv.ParseInt(d.CmdArgs[i].Key, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		switch d.Cmd {
		case "assign":
			start := map[Partition]int64{part: number(0)}
			committed := start
			if len(d.CmdArgs) > 1 {
				committed = map[Partition]int64{part: number(1)}
			}
			tr = NewTracker("p", start, committed)
			tickets, releases, freed = map[int64]*Ticket{}, nil, nil
			return "ok"
		case "track":
			for i := range d.CmdArgs {
				o := number(i)
				k, err := tr.Track(Position{part, o}, func() { freed = append(freed, fmt.Sprint(o)) })
				if err != nil {
					return "error: " + err.Error()
				}
				tickets[o] = k
			}
			return fmt.Sprintf("in flight %d", tr.InFlight())
		case "pass":
			tr.Pass(part, number(0), map[string]Outcome{"skipped": Skipped, "lost": Lost}[d.CmdArgs[1].Key])
			return fmt.Sprintf("in flight %d", tr.InFlight())
		case "ends":
			tr.Ends(part, number(0))
			return places(tr)
		case "places":
			return places(tr)
		case "settle":
			o := map[string]Outcome{"computed": Computed, "dead": Dead, "skipped": Skipped}[d.CmdArgs[1].Key]
			var rows []schemas.Row
			if o == Computed {
				rows = []schemas.Row{{Lineage: schemas.Lineage{Offset: number(0)}}}
			}
			tickets[number(0)].Settle(o, rows)
			return "ok"
		case "release":
			r, ok := tr.Release(part)
			if !ok {
				return "nothing"
			}
			releases = append(releases, r)
			var rows []string
			for _, row := range r.Rows {
				rows = append(rows, fmt.Sprint(row.Offset))
			}
			return fmt.Sprintf("release %d: [%d, %d) rows %v dead %v skipped %v lost %v", len(releases)-1,
				r.Range.First, r.Range.Next, rows, r.Range.Dead, r.Range.Skipped, r.Range.Lost)
		case "written":
			tr.Written(releases[number(0)])
			return fmt.Sprintf("freed %v, in flight %d", freed, tr.InFlight())
		case "durable":
			tr.Durable(releases[number(0)])
			return "ok"
		case "points":
			return fmt.Sprint(tr.Points())
		case "uncommitted":
			tr.Uncommitted(map[Partition]int64{part: 0})
			return "ok"
		case "fence":
			return fmt.Sprintf("%v, freed %v", tr.Fence(), freed)
		case "late":
			return fmt.Sprintf("late %d, freed %v", tr.Late(), freed)
		case "drained":
			select {
			case <-tr.Drained():
				return "yes"
			default:
				return "no"
			}
		}
		t.Fatalf("unknown command %s", d.Cmd)
		return ""
	})
}

// TestTrackerProperties drives random schedules with several releases under way: ranges are gapless and in order, every offset has one fate, and the
// commit point is always the end of the durable prefix.
func TestTrackerProperties(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		part := Partition{Topic: "t", ID: 1}
		start := int64(r.IntN(50))
		tr := NewTracker("p", map[Partition]int64{part: start}, map[Partition]int64{part: start})
		want := map[int64]Outcome{}
		var open []*Ticket
		var pending []*Release
		next, end, point, frees, tracks := start, start, start, 0, 0
		durable := map[int64]int64{} // first -> next
		for range 400 {
			switch r.IntN(5) {
			case 0:
				if gap := int64(r.IntN(3)); gap > 0 {
					for o := next; o < next+gap; o++ {
						want[o] = Skipped
					}
					next += gap
				}
				k, err := tr.Track(Position{part, next}, func() { frees++ })
				if err != nil {
					t.Fatal(err)
				}
				tracks++
				open = append(open, k)
				next++
			case 1:
				if len(open) > 0 {
					i := r.IntN(len(open))
					k := open[i]
					open = append(open[:i], open[i+1:]...)
					o := []Outcome{Computed, Dead, Skipped}[r.IntN(3)]
					want[k.span.First] = o
					var rows []schemas.Row
					if o == Computed {
						rows = []schemas.Row{{Lineage: schemas.Lineage{Offset: k.span.First}}}
					}
					k.Settle(o, rows)
				}
			case 2:
				if rel, ok := tr.Release(part); ok {
					if rel.Range.First != end {
						t.Fatalf("seed %d: a release begins at %d, the last one ended at %d", seed, rel.Range.First, end)
					}
					end = rel.Range.Next
					checkFates(t, seed, rel, want)
					pending = append(pending, rel)
					tr.Written(rel)
				}
			case 3:
				if len(pending) > 0 {
					i := r.IntN(len(pending))
					tr.Durable(pending[i])
					durable[pending[i].Range.First] = pending[i].Range.Next
					pending = append(pending[:i], pending[i+1:]...)
				}
			case 4:
				for {
					n, ok := durable[point]
					if !ok {
						break
					}
					point = n
				}
				if got, moved := tr.Points()[part]; moved && got != point {
					t.Fatalf("seed %d: commit point %d, the durable prefix ends at %d", seed, got, point)
				}
			}
		}
		tr.Fence()
		for _, k := range open {
			k.Drop()
		}
		if frees != tracks {
			t.Fatalf("seed %d: %d tracked, %d freed", seed, tracks, frees)
		}
	}
}

func checkFates(t *testing.T, seed uint64, r *Release, want map[int64]Outcome) {
	t.Helper()
	got := map[int64][]Outcome{}
	for _, row := range r.Rows {
		got[row.Offset] = append(got[row.Offset], Computed)
	}
	for o, spans := range map[Outcome][]schemas.Span{Dead: r.Range.Dead, Skipped: r.Range.Skipped} {
		for _, s := range spans {
			for x := s.First; x < s.Next; x++ {
				got[x] = append(got[x], o)
			}
		}
	}
	for x := r.Range.First; x < r.Range.Next; x++ {
		if len(got[x]) != 1 || got[x][0] != want[x] {
			t.Fatalf("seed %d: offset %d has fates %v, want %v", seed, x, got[x], want[x])
		}
	}
	if int64(len(got)) != r.Range.Len() {
		t.Fatalf("seed %d: %d offsets with a fate in a range of %d", seed, len(got), r.Range.Len())
	}
}

func TestSettlingTwicePanics(t *testing.T) {
	part := Partition{Topic: "t"}
	tr := NewTracker("p", map[Partition]int64{part: 0}, nil)
	k, err := tr.Track(Position{part, 0}, func() {})
	if err != nil {
		t.Fatal(err)
	}
	k.Settle(Computed, nil)
	defer func() {
		if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "I5") {
			t.Fatalf("recovered %v", p)
		}
	}()
	k.Settle(Dead, nil)
}

func TestAWrittenRecordIsForgotten(t *testing.T) {
	part := Partition{Topic: "t"}
	tr := NewTracker("p", map[Partition]int64{part: 0}, nil)
	held := func() weak.Pointer[[1 << 10]byte] {
		big := new([1 << 10]byte)
		k, err := tr.Track(Position{part, 0}, func() { big[0]++ })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.Track(Position{part, 1}, func() {}); err != nil { // the line stays, and its array with it
			t.Fatal(err)
		}
		k.Settle(Computed, nil)
		r, _ := tr.Release(part)
		tr.Written(r)
		return weak.Make(big)
	}()
	runtime.GC()
	if held.Value() != nil {
		t.Error("the tracker keeps what a written record held")
	}
	runtime.KeepAlive(tr)
}

func TestTheBreakerCountsTheLastRecordsOnly(t *testing.T) {
	b := newBreaker(BreakerConfig{Window: 4, MaxFailures: 3})
	var opened []int
	for i, failed := range []bool{true, true, false, false, true, true, false, true} {
		if b.record(failed) {
			opened = append(opened, i)
		}
	}
	sort.Ints(opened)
	if fmt.Sprint(opened) != "[7]" {
		t.Fatalf("opened at %v: records 4, 5 and 7 are the first three failures within four", opened)
	}
	off := newBreaker(BreakerConfig{})
	for range 10 {
		if off.record(true) {
			t.Fatal("a breaker without a window opened")
		}
	}
}

func TestAReleaseSaysHowLongItsRecordsWaitedForThoseBeforeThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		part := Partition{Topic: "t"}
		tr := NewTracker("p", map[Partition]int64{part: 0}, nil)
		var tickets []*Ticket
		for _, o := range []int64{0, 1, 7} { // 2 to 6 hold no record
			k, err := tr.Track(Position{part, o}, func() {})
			if err != nil {
				t.Fatal(err)
			}
			tickets = append(tickets, k)
		}
		tickets[2].Settle(Computed, nil)
		time.Sleep(2 * time.Second)
		tickets[1].Settle(Dead, nil)
		time.Sleep(3 * time.Second)
		tickets[0].Settle(Computed, nil)
		r, ok := tr.Release(part)
		if !ok || r.records != 3 || r.held != (5*time.Second+3*time.Second).Microseconds() {
			t.Errorf("%v: %d records, held for %d µs", ok, r.records, r.held)
		}
	})
}
