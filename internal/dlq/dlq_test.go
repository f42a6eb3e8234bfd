package dlq_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/internal/dlq"
	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/objectletters"
	"vecmill/sinks/sinktest"
	"vecmill/stream"
)

var errBoom = errors.New("boom")

// fakeLog is topics in memory, with faults.
type fakeLog struct {
	topics map[string][][]stream.Record
	fault  func(appends int) (land bool, err error) // of the n-th append; nil for none
	count  int
	large  int                            // records of more bytes are refused; 0 for none
	late   time.Duration                  // that an append with a fault takes to land
	hides  time.Duration                  // that its records are not shown
	behind map[stream.Partition]time.Time // until then
	unseen func() error                   // of a look at where a log ends; nil for none

	coming func() // what lands at due
	due    time.Time
}

// arrive has land what is due.
func (f *fakeLog) arrive() {
	if f.coming != nil && !time.Now().Before(f.due) {
		f.coming()
		f.coming = nil
	}
}

var errLarge = errors.New("too large")

func permanent(err error) bool { return errors.Is(err, errLarge) }

func (f *fakeLog) Partitions(_ context.Context, topic string) (out []stream.Partition, err error) {
	if f.topics[topic] == nil {
		return nil, fmt.Errorf("there is no topic %s", topic)
	}
	for i := range f.topics[topic] {
		out = append(out, stream.Partition{Topic: topic, ID: i})
	}
	return out, nil
}

func (f *fakeLog) Settled(_ context.Context, parts []stream.Partition, _ func(context.Context) error) (map[stream.Partition]stream.Bounds, error) {
	f.arrive()
	if f.unseen != nil {
		if err := f.unseen(); err != nil {
			return nil, err
		}
	}
	out := map[stream.Partition]stream.Bounds{}
	for _, p := range parts {
		time.Sleep(time.Until(f.behind[p]))
		out[p] = stream.Bounds{Committed: -1, End: int64(len(f.topics[p.Topic][p.ID]))}
	}
	return out, nil
}

func (f *fakeLog) Scan(_ context.Context, p stream.Partition, from, to int64, each func(stream.Record) error) error {
	for _, r := range f.topics[p.Topic][p.ID][from:to] {
		if err := each(r); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeLog) Append(_ context.Context, p stream.Partition, recs []stream.Record) error {
	for _, r := range recs {
		if f.large > 0 && len(r.Value) > f.large {
			return errLarge
		}
	}
	f.arrive()
	land, err := true, error(nil)
	if f.fault != nil {
		land, err = f.fault(f.count)
	}
	f.count++
	lands := func() { f.topics[p.Topic][p.ID] = append(f.topics[p.Topic][p.ID], recs...) }
	switch {
	case land && err != nil && f.late > 0:
		f.coming, f.due = lands, time.Now().Add(f.late)
	case land && err != nil && f.hides > 0:
		f.behind = map[stream.Partition]time.Time{p: time.Now().Add(f.hides)}
		lands()
	case land:
		lands()
	}
	return err
}

// world is a topic "refs" with two partitions of ten records, of which some have letters.
func world(t *testing.T) (*fakeLog, *sinktest.MemStore, *objectletters.Reader) {
	t.Helper()
	log := &fakeLog{topics: map[string][][]stream.Record{"refs": make([][]stream.Record, 2), "other": make([][]stream.Record, 1)}}
	st := sinktest.NewMemStore()
	put := objectletters.New(st, "dead", retry.Policy{})
	for p := range 2 {
		for o := range int64(10) {
			rec := stream.Record{Offset: o, Key: []byte{byte(o)}, Value: fmt.Appendf(nil, `{"v":1,"id":"%d-%d"}`, p, o), Headers: []sinks.Header{{Key: "trace", Value: []byte("x")}}}
			log.topics["refs"][p] = append(log.topics["refs"][p], rec)
			if o%3 != 0 {
				continue
			}
			reason := schemas.ReasonDecode
			if o == 9 {
				reason = schemas.ReasonFetchMissing
			}
			if err := put.Put(t.Context(), sinks.Letter{
				Source: schemas.SourceID{Pipeline: "p", Topic: "refs", Partition: p}, Offset: o, Reason: reason, Message: fmt.Sprintf("bad %d-%d", p, o),
				Attempts: 1, Key: rec.Key, Value: rec.Value, Headers: rec.Headers,
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return log, st, objectletters.NewReader(st, "dead", retry.Policy{})
}

func options() dlq.ReplayOptions {
	return dlq.ReplayOptions{BatchSize: 300, Permanent: permanent, Retry: retry.Policy{Attempts: 3, Base: time.Nanosecond, Max: time.Nanosecond}}
}

// once fails unless every letter's record is in the log exactly once beside the original, and gives their number.
func once(t *testing.T, log *fakeLog, topic string) (n int) {
	t.Helper()
	seen := map[string]bool{}
	for p, part := range log.topics[topic] {
		for _, r := range part {
			for _, h := range r.Headers {
				if h.Key != schemas.ReplayHeader {
					continue
				}
				o, err := schemas.ParseOrigin(string(h.Value))
				if err != nil || seen[o.String()] || topic == "refs" && o.Source.Partition != p {
					t.Errorf("partition %d: %q: twice, or misplaced (%v)", p, h.Value, err)
				}
				if want := fmt.Sprintf(`{"v":1,"id":"%d-%d"}`, o.Source.Partition, o.Offset); string(r.Value) != want || !bytes.Equal(r.Key, []byte{byte(o.Offset)}) || r.Headers[0].Key != "trace" {
					t.Errorf("the record is not the original: %q %s", r.Key, r.Value)
				}
				seen[o.String()] = true
				n++
			}
		}
	}
	return n
}

func TestListGroupsByReason(t *testing.T) {
	_, st, from := world(t)
	if err := st.Put(t.Context(), "dead/p/refs/0/00000000000000000007.json", []byte("garbage"), ""); err != nil {
		t.Fatal(err)
	}
	if err := from.MarkReplayed(t.Context(), []schemas.Origin{{Source: schemas.SourceID{Pipeline: "p", Topic: "refs", Partition: 1}, Offset: 3}}); err != nil {
		t.Fatal(err)
	}
	l, err := dlq.List(t.Context(), from, dlq.Filter{})
	if err != nil || len(l.Groups) != 2 || l.Damaged != 1 || !strings.Contains(l.Unreadable[0], "0007.json") {
		t.Fatalf("%+v, %v", l, err)
	}
	g := l.Groups[0]
	if g.Reason != schemas.ReasonDecode || g.Count != 6 || g.Replayed != 1 || g.First != "p/refs/0/0" || g.Last != "p/refs/1/6" || g.Example != "bad 0-0" {
		t.Errorf("%+v", g)
	}
	if l, err = dlq.List(t.Context(), from, dlq.Filter{Reason: schemas.ReasonFetchMissing}); err != nil || len(l.Groups) != 1 || l.Groups[0].Count != 2 {
		t.Errorf("%+v, %v", l, err)
	}
	var first []schemas.Origin
	for part := range 2 {
		first = append(first, schemas.Origin{Source: schemas.SourceID{Pipeline: "p", Topic: "refs", Partition: part}, Offset: 0})
	}
	if err := from.MarkReplayed(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if l, err = dlq.List(t.Context(), from, dlq.Filter{}); err != nil || l.Groups[0].Example != "bad 0-3" || l.Groups[0].First != "p/refs/0/0" || l.Groups[0].Replayed != 3 {
		t.Errorf("the example is not of one that is left: %+v, %v", l, err)
	}
	if err := (&dlq.Filter{Reason: "decoed"}).Validate(); err == nil || !strings.Contains(err.Error(), "fetch-missing") {
		t.Errorf("a reason that is none: %v", err)
	}
}

func TestFindGivesOneLetter(t *testing.T) {
	_, _, from := world(t)
	o := schemas.Origin{Source: schemas.SourceID{Pipeline: "p", Topic: "refs", Partition: 1}, Offset: 6}
	l, replayed, err := dlq.Find(t.Context(), from, o)
	if err != nil || replayed || l.Message != "bad 1-6" {
		t.Errorf("%+v, %v, %v", l, replayed, err)
	}
	o.Offset = 7
	if _, _, err := dlq.Find(t.Context(), from, o); !errors.Is(err, dlq.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestReplayingTwiceGivesEachRecordOnce(t *testing.T) {
	log, _, from := world(t)
	dry := options()
	dry.DryRun = true
	if sum, err := dlq.Replay(t.Context(), from, log, dry, nil); err != nil || sum != (dlq.Summary{Would: 8}) || log.count != 0 {
		t.Fatalf("a dry run: %+v, %v, %d appends", sum, err, log.count)
	}
	some := options()
	some.Filter.Reason = schemas.ReasonFetchMissing
	if sum, err := dlq.Replay(t.Context(), from, log, some, nil); err != nil || sum != (dlq.Summary{Replayed: 2}) {
		t.Fatalf("%+v, %v", sum, err)
	}
	if sum, err := dlq.Replay(t.Context(), from, log, options(), nil); err != nil || sum != (dlq.Summary{Replayed: 6, Skipped: 2}) {
		t.Fatalf("%+v, %v", sum, err)
	}
	if sum, err := dlq.Replay(t.Context(), from, log, options(), nil); err != nil || sum != (dlq.Summary{Skipped: 8}) {
		t.Fatalf("%+v, %v", sum, err)
	}
	if n := once(t, log, "refs"); n != 8 {
		t.Errorf("%d replays of 8", n)
	}
	again := options()
	again.Again = true
	if sum, err := dlq.Replay(t.Context(), from, log, again, nil); err != nil || sum.Replayed != 8 {
		t.Errorf("--again: %+v, %v", sum, err)
	}
}

// TestAReplayThatWasKilledAnywhereIsFinishedByTheNext ends the first run at its n-th append or mark, landed or not, and runs again.
func TestAReplayThatWasKilledAnywhereIsFinishedByTheNext(t *testing.T) {
	for _, to := range []string{"", "other"} {
		for at := range 12 {
			for _, land := range []bool{false, true} {
				log, st, from := world(t)
				o := options()
				o.To, o.BatchSize = to, 1 // one record an append
				o.Retry.Attempts = 1
				log.fault = func(n int) (bool, error) {
					if n == at {
						return land, errBoom
					}
					return true, nil
				}
				marks := 0
				st.Faults = func(op sinktest.Op) sinktest.Fault {
					if strings.HasSuffix(op.Name, ".replayed") {
						if marks++; marks == at {
							return sinktest.Fault{Err: sinktest.ErrFault, Land: land}
						}
					}
					return sinktest.Fault{}
				}
				_, err := dlq.Replay(t.Context(), from, log, o, nil)
				if err == nil && at < 8 {
					t.Fatalf("the kill at %d does not kill", at)
				}
				log.fault, st.Faults = nil, nil
				if _, err := dlq.Replay(t.Context(), from, log, o, nil); err != nil {
					t.Fatal(err)
				}
				topic := "refs"
				if to != "" {
					topic = to
				}
				if n := once(t, log, topic); n != 8 {
					t.Errorf("to %q, killed at %d, landed %v: %d replays of 8", to, at, land, n)
				}
			}
		}
	}
}

// TestAnUnclearAnswerIsSettledByReadingTheLog has appends that fail and land, or not, or four seconds later, or are not shown for most of a minute.
func TestAnUnclearAnswerIsSettledByReadingTheLog(t *testing.T) {
	for _, c := range []struct {
		name        string
		land, again bool
		late, hides time.Duration
	}{
		{name: "lost"},
		{name: "landed", land: true},
		{name: "lost, of letters that were replayed before", again: true},
		{name: "landed, of letters that were replayed before", land: true, again: true},
		{name: "landed late", land: true, late: 4 * time.Second},
		{name: "landed, and hidden", land: true, hides: 40 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, _, from := world(t)
				log.late, log.hides = c.late, c.hides
				log.fault = func(n int) (bool, error) {
					if n%2 == 0 {
						return c.land, errBoom
					}
					return true, nil
				}
				o := options()
				o.Again = c.again
				if sum, err := dlq.Replay(t.Context(), from, log, o, nil); err != nil || sum != (dlq.Summary{Replayed: 8}) {
					t.Fatalf("%+v, %v", sum, err)
				}
				time.Sleep(time.Minute)
				log.arrive()
				if n := once(t, log, "refs"); n != 8 {
					t.Errorf("%d replays of 8", n)
				}
			})
		})
	}
}

// TestALookThatFailsForGoodRefusesNoRecord has an append that lands without an answer, and a look for it whose error is one that an append is not repeated for. It says nothing about the records.
func TestALookThatFailsForGoodRefusesNoRecord(t *testing.T) {
	for _, again := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			log, _, from := world(t)
			log.fault = func(n int) (bool, error) {
				if n == 0 {
					return true, errBoom
				}
				return true, nil
			}
			looks := 0
			log.unseen = func() error {
				if looks++; looks == 3 { // two partitions are surveyed
					return errLarge
				}
				return nil
			}
			o := options()
			o.BatchSize, o.Again = 1<<20, again
			sum, err := dlq.Replay(t.Context(), from, log, o, nil)
			if !errors.Is(err, errLarge) || sum.Failed > 0 || looks != 3 {
				t.Errorf("again %v: %+v, %v after %d looks", again, sum, err, looks)
			}
			first := once(t, log, "refs")
			if again { // what is replayed again is there again
				return
			}
			if sum, err := dlq.Replay(t.Context(), from, log, o, nil); err != nil || sum.Skipped != int64(first) || once(t, log, "refs") != 8 {
				t.Errorf("the next one: %+v, %v", sum, err)
			}
		})
	}
}

func TestOneRecordThatIsRefusedDoesNotTakeTheOthersWithIt(t *testing.T) {
	log, st, from := world(t)
	log.large = 100
	big := sinks.Letter{Source: schemas.SourceID{Pipeline: "p", Topic: "refs", Partition: 0}, Offset: 1, Reason: schemas.ReasonDecode, Attempts: 1, Value: bytes.Repeat([]byte("x"), 200)}
	manifest := sinks.Letter{Source: schemas.SourceID{Pipeline: "p", Topic: "manifest:m", Partition: 0}, Offset: 4, Reason: schemas.ReasonDecode, Attempts: 1, Value: []byte(`{"v": 1}`)}
	gone := sinks.Letter{Source: schemas.SourceID{Pipeline: "p", Topic: "gone", Partition: 0}, Offset: 4, Reason: schemas.ReasonDecode, Attempts: 1, Value: []byte(`{}`)}
	put := objectletters.New(st, "dead", retry.Policy{})
	for _, l := range []sinks.Letter{big, manifest, gone} {
		if err := put.Put(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	o := options()
	o.BatchSize = 1 << 20
	var failed []string
	sum, err := dlq.Replay(t.Context(), from, log, o, func(x dlq.Outcome) {
		if x.What == dlq.Failed {
			failed = append(failed, x.Letter+": "+x.Why)
		}
	})
	slices.Sort(failed)
	if err != nil || sum != (dlq.Summary{Replayed: 8, Failed: 3}) || len(failed) != 3 {
		t.Fatalf("%+v, %v, %q", sum, err, failed)
	}
	for i, want := range []string{"no topic gone", "--manifest FILE", "too large"} {
		if !strings.Contains(failed[i], want) {
			t.Errorf("%q does not say %q", failed[i], want)
		}
	}
	once(t, log, "refs")
}

func TestALetterOfAReplayRemembersTheFirst(t *testing.T) {
	log, st, from := world(t)
	src := schemas.SourceID{Pipeline: "p", Topic: "refs", Partition: 1}
	second := sinks.Letter{
		Source: src, Offset: 10, Reason: schemas.ReasonTooShort, Attempts: 1, Value: []byte("v"),
		Headers: []sinks.Header{{Key: "trace", Value: []byte("x")}, {Key: schemas.ReplayHeader, Value: []byte("p/refs/1/3")}, {Key: schemas.FirstOriginHeader, Value: []byte("p/refs/1/3")}},
	}
	log.topics["refs"][1] = append(log.topics["refs"][1], stream.Record{Value: second.Value, Headers: second.Headers})
	if err := objectletters.New(st, "dead", retry.Policy{}).Put(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	o := options()
	o.Filter.Only = &schemas.Origin{Source: src, Offset: 10}
	if sum, err := dlq.Replay(t.Context(), from, log, o, nil); err != nil || sum.Replayed != 1 {
		t.Fatalf("%+v, %v", sum, err)
	}
	last := log.topics["refs"][1][11]
	if got := fmt.Sprintf("%s", last.Headers); got != "[{trace x} {vecmill.replay p/refs/1/10} {vecmill.origin p/refs/1/3}]" {
		t.Errorf("headers %s", got)
	}
	o.Filter.Only.Offset = 3 // its replay is in the log, without a mark: killed before
	if sum, err := dlq.Replay(t.Context(), from, log, o, nil); err != nil || sum.Skipped != 1 {
		t.Errorf("the letter that was replayed first: %+v, %v", sum, err)
	}
}

// TestTheOutputsDecideWhichLettersAreReplayed has outputs with rows of some offsets that have letters. One of these an output refused, and others may have its rows.
func TestTheOutputsDecideWhichLettersAreReplayed(t *testing.T) {
	log, st, from := world(t)
	refused := sinks.Letter{Source: schemas.SourceID{Pipeline: "p", Topic: "refs"}, Offset: 4, Reason: schemas.ReasonSinkReject, Attempts: 1, Value: []byte(`{"v":1,"id":"0-4"}`)}
	if err := objectletters.New(st, "dead", retry.Policy{}).Put(t.Context(), refused); err != nil {
		t.Fatal(err)
	}
	o := options()
	asked := 0
	o.Settled = func(_ context.Context, src schemas.SourceID, in schemas.Span) ([]schemas.Span, error) {
		if asked++; in != (schemas.Span{First: 0, Next: 10}) {
			t.Errorf("asked about %v", in)
		}
		if src.Partition > 0 {
			return nil, nil
		}
		return []schemas.Span{{First: 1, Next: 2}, {First: 3, Next: 6}, {First: 7, Next: 9}}, nil
	}
	var skipped []string
	tell := func(x dlq.Outcome) {
		if x.What == dlq.Skipped {
			skipped = append(skipped, x.Letter+" "+x.Why)
		}
	}
	var manifest bytes.Buffer
	if of, sum, err := dlq.WriteManifest(t.Context(), from, o, &manifest, tell); err != nil || sum != (dlq.Summary{Replayed: 8, Skipped: 1}) || len(of) != 8 {
		t.Errorf("a manifest: %+v, %v", sum, err)
	}
	sum, err := dlq.Replay(t.Context(), from, log, o, tell)
	if err != nil || sum != (dlq.Summary{Replayed: 8, Skipped: 1}) || asked != 4 {
		t.Errorf("%+v, %v, asked %d times", sum, err, asked)
	}
	if len(skipped) != 2 || skipped[0] != skipped[1] || !strings.HasPrefix(skipped[0], "p/refs/0/3 its record has rows") {
		t.Errorf("%q", skipped)
	}
	if marks, err := from.Replayed(t.Context()); err != nil || len(marks) != 8 {
		t.Errorf("%d letters are marked, want those that are in the log; %v", len(marks), err)
	}
	o.Settled = func(context.Context, schemas.SourceID, schemas.Span) ([]schemas.Span, error) { return nil, errBoom }
	if _, err := dlq.Replay(t.Context(), from, log, o, nil); !errors.Is(err, errBoom) {
		t.Errorf("outputs that do not answer: %v", err)
	}
}

// TestALetterWithoutItsRecordIsNotReplayed has one of a record that retention took before a refusal, and one of a tombstone, which has no value either.
func TestALetterWithoutItsRecordIsNotReplayed(t *testing.T) {
	log, st, from := world(t)
	src := schemas.SourceID{Pipeline: "p", Topic: "refs", Partition: 1}
	put := objectletters.New(st, "dead", retry.Policy{})
	for _, l := range []sinks.Letter{{Source: src, Offset: 11}, {Source: src, Offset: 12, Key: []byte("deleted")}} {
		if l.Reason, l.Attempts = schemas.ReasonSinkReject, 1; put.Put(t.Context(), l) != nil {
			t.Fatal("no letter")
		}
	}
	o := options()
	o.Filter.Reason = schemas.ReasonSinkReject
	for _, replay := range []func(tell func(dlq.Outcome)) (dlq.Summary, error){
		func(tell func(dlq.Outcome)) (dlq.Summary, error) { return dlq.Replay(t.Context(), from, log, o, tell) },
		func(tell func(dlq.Outcome)) (dlq.Summary, error) {
			_, sum, err := dlq.WriteManifest(t.Context(), from, o, &bytes.Buffer{}, tell)
			return sum, err
		},
	} {
		why := map[string]string{}
		sum, err := replay(func(x dlq.Outcome) { why[x.Letter] = x.What + ": " + x.Why })
		if err != nil || sum.Failed == 0 || why["p/refs/1/11"] != "failed: its record was not in the log any more: publish the reference again" {
			t.Errorf("%+v, %v, %q", sum, err, why)
		}
	}
	marks, err := from.Replayed(t.Context())
	if last := log.topics["refs"][1]; err != nil || len(marks) != 1 || len(last) != 11 || string(last[10].Key) != "deleted" || last[10].Value != nil {
		t.Errorf("marked %v, %d records, %v", marks, len(last), err)
	}
}

func TestLettersBecomeAManifest(t *testing.T) {
	_, _, from := world(t)
	var out bytes.Buffer
	o := options()
	o.Filter.Reason = schemas.ReasonFetchMissing
	of, sum, err := dlq.WriteManifest(t.Context(), from, o, &out, nil)
	if err != nil || sum.Replayed != 2 || len(of) != 2 || out.String() != "{\"v\":1,\"id\":\"0-9\"}\n{\"v\":1,\"id\":\"1-9\"}\n" {
		t.Errorf("%q, %+v, %v", out.String(), sum, err)
	}
}

// TestALineThatWasNoReferenceIsNoLineOfAManifest has the letter of one that came by way of a plan: whatever is written of it, it is no reference.
func TestALineThatWasNoReferenceIsNoLineOfAManifest(t *testing.T) {
	st := sinktest.NewMemStore()
	bad := schemas.NoRef{Why: "line 4: not a JSON reference", Row: "{garbage"}.JSON()
	if err := objectletters.New(st, "dead", retry.Policy{}).Put(t.Context(), sinks.Letter{Source: schemas.SourceID{Pipeline: "p", Topic: "manifest:m"}, Reason: schemas.ReasonSchema, Attempts: 1, Value: bad}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	var told []dlq.Outcome
	of, sum, err := dlq.WriteManifest(t.Context(), objectletters.NewReader(st, "dead", retry.Policy{}), options(), &out, func(o dlq.Outcome) { told = append(told, o) })
	if err != nil || sum.Failed != 1 || sum.Replayed != 0 || len(of) != 0 || out.Len() != 0 || len(told) != 1 || !strings.Contains(fmt.Sprint(told), "was no reference") {
		t.Errorf("%q, %+v, %+v, %v", out.String(), sum, told, err)
	}
}
