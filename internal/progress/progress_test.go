package progress

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"vecmill/internal/status"
	"vecmill/schemas"
)

var began = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// at is a worker some seconds after the beginning, on 1,000 references of which 100 were there before.
func at(seconds float64, records, inFlight, durable int64, infer float64) status.Status {
	return status.Status{Phase: "running", Now: began.Add(time.Duration(seconds * float64(time.Second))), Pipelines: []status.Pipeline{{
		About: status.About{Name: "calls"}, Records: records, Cost: 100, PaddedCost: 125, List: &status.List{Start: 100, Durable: durable, Total: 1000},
		Stages: []status.Stage{{Name: "read", Queue: inFlight}, {Name: "fetch", Busy: infer / 4, Workers: 1, Done: 15_000 * records, Unit: "bytes"}, {Name: "infer", Busy: infer, Workers: 2, Done: records / 2, Unit: "steps"}},
		Dead:   []status.Dead{{Reason: schemas.ReasonDecode, Count: 3}},
	}}}
}

func TestRatesAndSharesAreThoseOfTheWindow(t *testing.T) {
	m := NewMeter(began)
	if p := m.Add(at(0, 0, 0, 100, 0)).Pipelines[0]; p.Rate != 0 || p.Left != nil || p.Done != 100 || len(p.Stages) != 0 {
		t.Errorf("at first: %+v", p)
	}
	r := m.Add(at(10, 220, 20, 150, 16))
	p := r.Pipelines[0]
	if p.Done != 300 || p.Durable != 150 || p.Total != 1000 || p.Rate != 20 || p.Left == nil || *p.Left != 35 || p.Padding != 1.25 || p.Dead[schemas.ReasonDecode] != 3 {
		t.Errorf("after 10 seconds: %+v", p)
	}
	if len(p.Stages) != 2 || p.Stages[0] != (Stage{"fetch", 0.4, 330_000, "bytes"}) || p.Stages[1] != (Stage{"infer", 0.8, 11, "steps"}) || p.Slowest != "infer" {
		t.Errorf("stages %+v, slowest %s", p.Stages, p.Slowest)
	}
	const want = "calls: 300 of 1000 (30.0 %), 150 durable, 20.0/s, 35s left\n  fetch 40 % (330.0 kB/s), infer 80 % (11.0 steps/s, slowest), padding ratio 1.25\n  dead letters: decode 3"
	if got := strings.Join(r.Lines(), "\n"); got != want {
		t.Errorf("it says\n%s\nwant\n%s", got, want)
	}
	if got := r.Line(); strings.Contains(got, "\n") || !strings.Contains(got, "35s left; fetch") {
		t.Errorf("on a line: %s", got)
	}
	m.Add(at(20, 320, 20, 150, 16))
	m.Add(at(41, 320, 20, 150, 16))
	if p := m.Add(at(42, 320, 20, 150, 16)).Pipelines[0]; math.Abs(p.Rate-0) > 1e-9 || p.Slowest != "" {
		t.Errorf("when nothing has moved for longer than the window: %+v", p)
	}
}

func TestTheEndSaysWhatTheRunTook(t *testing.T) {
	m := NewMeter(began)
	s := at(10, 900, 0, 1000, 1)
	s.CPU, s.Peak = 18, 50e9
	if words := m.End(s).Cost.Words(); words != "" {
		t.Errorf("without rows: %s", words)
	}
	s.Pipelines[0].Rows, s.Pipelines[0].FLOPs = 1000, 400e9
	r := m.End(s)
	if c := r.Cost; c.CPUSeconds != 18 || c.FLOPs != 400e9 || c.Peak != 50e9 || c.PerMillion == nil || *c.PerMillion != 5 || c.Used == nil || *c.Used != 0.8 {
		t.Errorf("%+v", c)
	}
	const want = "CPU time 18s, 5 CPU-hours for a million rows; useful work 400 GFLOP, 80 % of the float32 products that this machine can compute (50 GFLOP/s)"
	if got := r.Cost.Words(); got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
	s.Devices, s.Price = 2, 3
	if c := m.End(s).Cost; c.DeviceSeconds != 20 || *c.DevicePerMillion != 20*1000/3600. || *c.PricePerMillion != 10*1000/3600.*3 {
		t.Errorf("with two GPUs: %+v", c)
	}
	if got, want := m.End(s).Cost.Words(), "; GPUs held for 20s, 5.56 GPU-hours for a million rows; a million rows cost 8.33; useful work"; !strings.Contains(got, want) {
		t.Errorf("it says %q, want %q in it", got, want)
	}
	s.Peak, s.Devices, s.Price = 0, 0, 0
	if got := m.End(s).Cost.Words(); strings.Contains(got, "GFLOP") {
		t.Errorf("of a machine that was not measured: %s", got)
	}
}

// The last half minute of a run, in which its files are closed, says nothing of the run: decoding was the slowest.
func TestTheEndNamesTheSlowestOfTheWholeRun(t *testing.T) {
	at := func(seconds, fetch, infer float64) status.Status {
		s := at(seconds, int64(seconds), 0, 100, 0)
		s.Pipelines[0].Stages = []status.Stage{{Name: "fetch", Busy: fetch, Workers: 1}, {Name: "infer", Busy: infer, Workers: 2}}
		return s
	}
	m := NewMeter(began)
	first := at(0, 0, 0)
	m.Add(first)
	for _, s := range []status.Status{at(40, 36, 16), at(80, 72, 32), at(81, 72, 32)} {
		m.Add(s)
	}
	last := at(120, 72, 96)
	if p := m.Add(last).Pipelines[0]; p.Slowest != "infer" {
		t.Errorf("of the window: %+v", p)
	}
	for i, r := range []Report{m.End(last), Between(began, first, last)} {
		if p := r.Pipelines[0]; p.Slowest != "fetch" || p.Stages[0].Busy != 0.6 || p.Stages[1].Busy != 0.4 || p.Rate != 1 {
			t.Errorf("way %d: %+v", i, p)
		}
	}
	first.Pipelines[0].List = &status.List{Total: -1} // of a run, which opens its list when it works
	if p := Between(began, first, last).Pipelines[0]; p.Slowest != "fetch" || p.Rate != 1 {
		t.Errorf("with a list that was not open at first: %+v", p)
	}
	for _, s := range []*status.Status{&first, &last} {
		s.Pipelines[0].List = nil // of a worker that reads topics
	}
	if p := Between(began, first, last).Pipelines[0]; p.Slowest != "fetch" {
		t.Errorf("without a list: %+v", p)
	}
}

func TestTheEndCountsWhatIsDurable(t *testing.T) {
	for _, c := range []struct {
		name     string
		durable  int64
		finished bool
	}{{"all of it", 1000, true}, {"a part", 400, false}} {
		m := NewMeter(began)
		m.Add(at(0, 0, 0, 100, 0))
		r := m.End(at(90, 900, 0, c.durable, 1))
		if r.Event != "end" || r.Finished == nil || *r.Finished != c.finished || r.Pipelines[0].Done != c.durable || r.Seconds != 90 {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
	s := at(1, 0, 0, 0, 0)
	s.Pipelines[0].List = &status.List{Total: -1}
	if r := NewMeter(began).End(s); *r.Finished {
		t.Error("a list that was never opened is finished")
	}
	s.Pipelines[0].List = &status.List{}
	if r := NewMeter(began).End(s); !*r.Finished {
		t.Error("an empty list is not finished")
	}
}

// terminal does what the screen's two sequences ask for, and wraps as terminals do.
type terminal struct {
	t     *testing.T
	lines []string // the cursor is behind the last
	width int
}

// resize makes it another width. Lines that do not fit any more are wrapped.
func (m *terminal) resize(width int) {
	was := m.lines
	m.lines, m.width = nil, width
	for _, l := range was {
		if _, err := m.Write([]byte(l + "\n")); err != nil {
			m.t.Fatal(err)
		}
	}
}

func (m *terminal) Write(b []byte) (int, error) {
	for s := string(b); s != ""; {
		if s[0] == 0x1b {
			up, after, ok := strings.Cut(s[2:], "A\r\x1b[J")
			n := 0
			for _, d := range up {
				n = 10*n + int(d-'0')
			}
			if !ok || n < 1 || n > len(m.lines) {
				m.t.Fatalf("%q on %d lines", s, len(m.lines))
			}
			m.lines, s = m.lines[:len(m.lines)-n], after
			continue
		}
		line, after, ok := strings.Cut(s, "\n")
		if !ok {
			m.t.Fatalf("half a line: %q", s)
		}
		for len(line) > m.width {
			m.lines, line = append(m.lines, line[:m.width]), line[m.width:]
		}
		m.lines, s = append(m.lines, line), after
	}
	return len(b), nil
}

func TestABlockIsRewrittenInPlaceBelowTheLog(t *testing.T) {
	m := &terminal{t: t, width: 20}
	rows := 8
	s := NewScreen(m, func() (int, int) { return m.width, rows })
	want := func(lines string) {
		t.Helper()
		if got := strings.Join(m.lines, "|"); got != lines {
			t.Errorf("the terminal shows %s, want %s", got, lines)
		}
	}
	show := func(lines ...string) {
		t.Helper()
		if err := s.Show(lines); err != nil {
			t.Fatal(err)
		}
	}
	show("one", "two")
	want("one|two")
	if n, err := s.Write([]byte("log\n")); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	want("log|one|two")
	show(strings.Repeat("x", 50))
	want("log|" + strings.Repeat("x", 19))
	show("three")
	want("log|three")
	show("calls: 5 of 9, 4/s, 1s left", "  fetch 4 %")
	want("log|calls: 5 of 9, 4/s,|    1s left|  fetch 4 %")
	m.resize(9)
	want("log|calls: 5 |of 9, 4/s|,|    1s le|ft|  fetch 4| %")
	show("calls: 6 of 9")
	want("log|calls: 6|    of 9")
	m.resize(40)
	show("calls: 6 of 9, 4/s, 1s left")
	want("log|calls: 6 of 9, 4/s, 1s left")
	rows = 4
	show("a", "b", "c", "d", "e")
	want("log|a|b|and 3 lines more")
	rows = 8
	show()
	want("log")
	if _, err := s.Write([]byte("more\n")); err != nil {
		t.Fatal(err)
	}
	want("log|more")
}

func TestNothingIsShownOfAnEmptyBlock(t *testing.T) {
	var out bytes.Buffer
	if err := NewScreen(&out, func() (int, int) { return 80, 24 }).Show(nil); err != nil || out.Len() != 0 {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestALineIsFoldedBehindItsCommas(t *testing.T) {
	const line = "  fetch 0 % (137 kB/s), infer 91 % (50.5k steps/s, slowest), write 0 % (0.0 commits/s), padding ratio 1.00"
	for columns, want := range map[int]string{
		200: line,
		60:  "  fetch 0 % (137 kB/s), infer 91 % (50.5k steps/s, slowest),|      write 0 % (0.0 commits/s), padding ratio 1.00",
		44:  "  fetch 0 % (137 kB/s),|      infer 91 % (50.5k steps/s, slowest),|      write 0 % (0.0 commits/s),|      padding ratio 1.00",
		20:  "  fetch 0 % (137|      kB/s), infer|      91 % (50.5k|      steps/s,|      slowest),|      write 0 % (0.0|      commits/s),|      padding ratio|      1.00",
		8:   "  fetch|      0|      %|      (1|      kB|      in|      91|      %|      (5|      st|      sl|      wr|      0|      %|      (0|      co|      pa|      ra|      1.",
		0:   "",
	} {
		got := fold(line, columns)
		if joined := strings.Join(got, "|"); joined != want && columns > 0 {
			t.Errorf("in %d columns\n%s, want\n%s", columns, joined, want)
		}
		for _, l := range got {
			if len(l) > columns {
				t.Errorf("in %d columns there is %q", columns, l)
			}
		}
	}
}
