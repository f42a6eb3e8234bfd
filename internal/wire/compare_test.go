package wire

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"vecmill/internal/backfill"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/objectletters"
)

// TestWhatTheNewPipelineTookNotOfTheStreamIsFound has records with the old pipeline as their route, replays for one of the two, a text that the new one alone buries, and deletions, of a reference that is planned, too. What is sent again, or has come in another way, is
// not missed any more.
func TestWhatTheNewPipelineTookNotOfTheStreamIsFound(t *testing.T) {
	w := newInputWorld(t, "refs")
	texts := filepath.Join(w.dir, "texts")
	if err := os.MkdirAll(texts, 0o755); err != nil {
		t.Fatal(err)
	}
	made := 0
	text := func(id, fields string) string { // another one each time
		made++
		file, body := filepath.Join(texts, fmt.Sprint(made)), fmt.Sprint("a b ", made)
		if id == "bad" {
			body += "\xff"
		}
		if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf(`{"v":1,"id":%q,"uri":"file://%s"%s}`, id, file, fields)
	}
	old, now := [2]string{"old", "  topics: [refs]\n  text: {invalid_utf8: replace}"}, [2]string{"new", "  topics: [refs]\n  start_at: last"}
	alone, both := w.config(t, old), w.config(t, old, now)
	alone.Fetch.FileRoots, both.Fetch.FileRoots = []string{texts}, []string{texts}
	w.produce(t, "refs", record(text("t0", "")), record(text("t1", "")), record(text("t2", "")), record(text("t3", "")))
	w.run(t, alone, 4)
	w.commit(t, both.Pipelines[1].Group, "refs", 4) // as a worker does that begins at the end

	r, err := NewReembed(both, "old", "new", false, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, err := r.Plan(t.Context(), PlanOptions{Log: quiet})
	if err != nil || p.Plan.Items != 4 {
		t.Fatalf("%+v, %v", p, err)
	}
	computed(t, t.Context(), r, p.At)
	check := func(p *plan.Plan, lacking int64, want ...string) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		v, err := r.Verify(ctx, p, lacking, func(behind int64) {
			t.Errorf("%d records are waited for", behind)
			cancel()
		})
		if err != nil || len(v.Offences) != len(want) || v.Buried != int64(strings.Count(strings.Join(want, " "), "dead letters:"))+lacking {
			t.Fatalf("%+v, %v, want %q", v, err, want)
		}
		for i, words := range want {
			if !strings.Contains(v.Offences[i], words) {
				t.Errorf("%s, want %q", v.Offences[i], words)
			}
		}
	}
	check(p.Plan, 0) // nothing came yet

	t14 := text("t14", "") // of which each has a letter, that is replayed
	w.produce(t, "refs",
		record(text("t10", "")),
		record(text("t11", `,"route":"old"`)),
		record(text("t12", ""), schemas.ReplayHeader, "old/refs/0/1"),
		record(text("bad", "")),
		record(t14, schemas.ReplayHeader, "new/refs/0/9"),
		record(t14, schemas.ReplayHeader, "old/refs/0/9"),
		record(`{"v":1,"id":"t1","deleted":true}`),
		record(text("t15", `,"route":"old"`)),
		record(`{"v":1,"id":"t15","deleted":true}`),
		record(text("t16", `,"route":"old"`)),
		record(text("t16", "")),
	)
	w.run(t, both, 11, 11)
	const (
		passed  = `2 references that old has from topics were passed over by new, or lost to the log's retention: "t11" (offset 5 of refs/0), "t12" (offset 6 of refs/0); it takes no record with old as its route`
		deleted = `1 references were deleted in topics since the plan was begun, and new has rows of them from the plan, which no tombstone takes away: "t1"; give`
	)
	check(p.Plan, 0, passed, deleted, "1 references are dead letters: the old output has rows of them")
	check(p.Plan, 1, passed, deleted)

	w.produce(t, "refs", record(text("t11", "")), record(text("t12", "")))
	w.run(t, both, 2, 2)
	check(p.Plan, 1, deleted)
	p, err = r.Plan(t.Context(), PlanOptions{Log: quiet, Out: t.TempDir()})
	if err != nil || p.Plan.Items != 0 || p.Known != 3 {
		t.Fatalf("without what is deleted: %+v, %v", p, err)
	}
	check(p.Plan, 1)
}

// commit is a group's that has no members.
func (w *inputs) commit(t *testing.T, group, topic string, offset int64) {
	t.Helper()
	tr := &kafka.Transport{}
	defer tr.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(w.kafka.ListenAddrs()...), Transport: tr}
	res, err := client.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{GroupID: group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{topic: {{Offset: offset}}}})
	if err != nil || res.Topics[topic][0].Error != nil {
		t.Fatal(err, res)
	}
}

// TestOnlyWhatTheOldOutputHasIsMissed writes two outputs of one partition in files that end at other places.
func TestOnlyWhatTheOldOutputHasIsMissed(t *testing.T) {
	c := newChains(t)
	was, is := schemas.SourceID{Pipeline: "old", Topic: "refs"}, schemas.SourceID{Pipeline: "new", Topic: "refs"}
	at := func(first, next int64) schemas.Span { return schemas.Span{First: first, Next: next} }
	c.write(t, schemas.Range{Source: was, Span: at(0, 20), Skipped: []schemas.Span{at(12, 14)}})
	c.write(t, schemas.Range{Source: was, Span: at(20, 40), Dead: []schemas.Span{at(25, 26)}, Lost: []schemas.Span{at(30, 32)}})
	c.write(t, schemas.Range{Source: is, Span: at(10, 22), Skipped: []schemas.Span{at(12, 14)}, Lost: []schemas.Span{at(16, 18)}}) // it takes what is before as skipped
	c.write(t, schemas.Range{Source: is, Span: at(22, 40), Dead: []schemas.Span{at(24, 26)}, Skipped: []schemas.Span{at(30, 32)}, Lost: []schemas.Span{at(39, 40)}})
	for name, x := range map[string]struct {
		bounds []backfill.Bound
		next   int64
		passed []int64
		buried int64
	}{
		"from where the new one began":                             {[]backfill.Bound{{Source: was, Next: 10, Stream: 10}}, 40, []int64{16, 17, 39}, 1},
		"as far as the old one was":                                {[]backfill.Bound{{Source: was, Next: 10, Stream: 10}}, 24, []int64{16, 17}, 0},
		"of an earlier build's plan, from where its output begins": {nil, 39, []int64{16, 17}, 1},
		"of a partition that was not there":                        {[]backfill.Bound{}, 20, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17}, 0},
	} {
		v := &Verified{}
		if err := c.compare(t.Context(), v, &divided{plan: &plan.Plan{}, bounds: x.bounds, want: map[schemas.SourceID]int64{is: x.next}}); err != nil {
			t.Fatal(err)
		}
		var named []string
		for _, o := range x.passed {
			named = append(named, fmt.Sprintf(`"ref-refs-0-%d" (offset %[1]d of refs/0)`, o))
		}
		want := fmt.Sprintf("%d references that old has from topics were passed over by new, or lost to the log's retention: %s;", len(named), strings.Join(named, ", "))
		if len(v.Offences) != 1 || !strings.HasPrefix(v.Offences[0], want) || v.Buried != x.buried {
			t.Errorf("%s: %+v, want %s", name, v, want)
		}
	}
}

// hushed is an output that does not tell some offsets any more, as a table does whose snapshots are expired.
type hushed struct {
	past
	before int64
	many   []schemas.Span
}

func (h hushed) ranges(ctx context.Context, src schemas.SourceID, in schemas.Span) ([]schemas.Range, error) {
	all, err := h.past.ranges(ctx, src, in)
	return slices.DeleteFunc(all, func(r schemas.Range) bool { return r.Next <= h.before }), err
}

func (h hushed) nameless(schemas.SourceID) []schemas.Span { return h.many }

// both opens the outputs of the two pipelines.
func (c *chains) both(t *testing.T) (old, now past) {
	t.Helper()
	old, err := pastOf(t.Context(), c.auditor.stores, c.Old)
	if err != nil {
		t.Fatal(err)
	}
	if now, err = pastOf(t.Context(), c.auditor.stores, c.New); err != nil {
		t.Fatal(err)
	}
	return old, now
}

// TestWhatANewTableDoesNotTellItsRowsAndLettersDo has the new output tell nothing of its first offsets, or of all: what it has rows of is not held, and what has a letter is no record that was passed over.
func TestWhatANewTableDoesNotTellItsRowsAndLettersDo(t *testing.T) {
	c := newChains(t)
	was, is := schemas.SourceID{Pipeline: "old", Topic: "refs"}, schemas.SourceID{Pipeline: "new", Topic: "refs"}
	at := func(first, next int64) schemas.Span { return schemas.Span{First: first, Next: next} }
	c.write(t, schemas.Range{Source: was, Span: at(0, 40), Skipped: []schemas.Span{at(12, 14)}, Dead: []schemas.Span{at(25, 26)}})
	c.write(t, schemas.Range{Source: is, Span: at(10, 22), Skipped: []schemas.Span{at(12, 14)}, Dead: []schemas.Span{at(16, 18)}})
	c.write(t, schemas.Range{Source: is, Span: at(22, 40), Dead: []schemas.Span{at(24, 26)}, Lost: []schemas.Span{at(39, 40)}})
	c.bury(t, is, 16, 17, 24, 25)
	for before, untold := range map[int64]stretches{0: nil, 22: {at(12, 14), at(16, 18)}, 40: {at(12, 14), at(16, 18), at(24, 26), at(39, 40)}} {
		old, now := c.both(t)
		now = hushed{past: now, before: before}
		after, err := toldBy(t.Context(), now, is, at(10, 40))
		if err == nil {
			err = after.ask(t.Context(), now, is, true, func() (*letterOffsets, error) { return &letterOffsets{}, nil })
		}
		if err != nil || !slices.Equal(after.untold, untold) {
			t.Errorf("before %d nothing is told: %v, %v, want %v", before, after.untold, err, untold)
		}
		v := &Verified{}
		d := &divided{plan: &plan.Plan{Items: 1}, bounds: []backfill.Bound{{Source: was, Next: 10, Stream: 10}}, want: map[schemas.SourceID]int64{is: 40}}
		if err := c.comparison(t.Context(), d, old, now).run(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		if len(v.Offences) != 1 || !strings.HasPrefix(v.Offences[0], `1 references that old has from topics were passed over by new, or lost to the log's retention: "ref-refs-0-39" (offset 39 of refs/0);`) || v.Buried != 3 {
			t.Errorf("before %d nothing is told: %+v", before, v)
		}
	}
}

// TestOfManyThatArePassedOverTheFirstAreNamed by their places.
func TestOfManyThatArePassedOverTheFirstAreNamed(t *testing.T) {
	c := newChains(t)
	const n = 2000
	was, is := schemas.SourceID{Pipeline: "old", Topic: "refs"}, schemas.SourceID{Pipeline: "new", Topic: "refs"}
	all := schemas.Span{Next: n}
	c.write(t, schemas.Range{Source: was, Span: all})
	c.write(t, schemas.Range{Source: is, Span: all, Skipped: []schemas.Span{all}})
	v := &Verified{}
	if err := c.compare(t.Context(), v, &divided{plan: &plan.Plan{}, bounds: []backfill.Bound{}, want: map[schemas.SourceID]int64{is: n}}); err != nil {
		t.Fatal(err)
	}
	var names []string
	for o := range mostNamed {
		names = append(names, fmt.Sprintf(`"ref-refs-0-%d" (offset %[1]d of refs/0)`, o))
	}
	if len(v.Offences) != 1 || !strings.Contains(v.Offences[0], fmt.Sprintf("retention: %s and %d more; it takes", strings.Join(names, ", "), n-mostNamed)) {
		t.Errorf("%+v", v)
	}
}

// TestALetterThatWasReplayedForTheNewPipelineAloneIsNotCounted, though its object was another one when it was. A row of the reference that is older than the letter is not that.
func TestALetterThatWasReplayedForTheNewPipelineAloneIsNotCounted(t *testing.T) {
	at := func(first, next int64) schemas.Span { return schemas.Span{First: first, Next: next} }
	for again, buried := range map[int64]int64{9: 0, 2: 1} {
		c := newChains(t)
		was, is := schemas.SourceID{Pipeline: "old", Topic: "refs"}, schemas.SourceID{Pipeline: "new", Topic: "refs"}
		c.write(t, schemas.Range{Source: was, Span: at(0, 10), Skipped: []schemas.Span{at(again, again+1)}})
		c.write(t, schemas.Range{Source: is, Span: at(0, 10), Dead: []schemas.Span{at(5, 6)}}, func(row *schemas.Row) {
			if row.Offset == again {
				row.RefID, row.ContentHash = "ref-refs-0-5", strings.Repeat("ab", 32)
			}
		})
		v := &Verified{}
		if err := c.compare(t.Context(), v, &divided{plan: &plan.Plan{}, bounds: []backfill.Bound{}, want: map[schemas.SourceID]int64{is: 10}}); err != nil || len(v.Offences) > 0 || v.Buried != buried {
			t.Errorf("a row at offset %d: %+v, %v, want %d", again, v, err, buried)
		}
	}
}

// TestDeletionsThatAreNotToldAreNoGoodResult has outputs that tell nothing of their first 20 offsets, or do not name what tombstones there deleted. One that does is enough, and so is a row, or a letter, of each of these offsets, where a record is one reference.
func TestDeletionsThatAreNotToldAreNoGoodResult(t *testing.T) {
	was, is := schemas.SourceID{Pipeline: "old", Topic: "refs"}, schemas.SourceID{Pipeline: "new", Topic: "refs"}
	at := func(first, next int64) schemas.Span { return schemas.Span{First: first, Next: next} }
	many, expired := hushed{many: []schemas.Span{at(30, 33)}}, hushed{before: 20}
	for name, x := range map[string]struct {
		old, now hushed
		rows     [2]int64 // of 13 and 14, up to which offset the old and the new output have
		letters  bool     // of the new pipeline for both
		format   string
		items    int64
		planned  int64
		want     string // "": all is well
	}{
		"both expired":                    {expired, expired, [2]int64{13, 13}, false, "ref", 1, 10, "deletions of offsets 13 to 14 of refs/0 are not told"},
		"the old one tells":               {hushed{}, expired, [2]int64{13, 13}, false, "ref", 1, 10, ""},
		"the new one tells":               {expired, hushed{}, [2]int64{13, 13}, false, "ref", 1, 10, ""},
		"before the plan was begun":       {expired, expired, [2]int64{13, 13}, false, "ref", 1, 20, ""},
		"nothing was planned":             {expired, expired, [2]int64{13, 13}, false, "ref", 0, 10, ""},
		"very many in both":               {many, many, [2]int64{13, 13}, false, "ref", 1, 10, "deletions of offsets 30 to 32 of refs/0 are not told"},
		"very many in one":                {many, expired, [2]int64{13, 13}, false, "ref", 1, 10, ""},
		"the new one has rows":            {expired, expired, [2]int64{13, 15}, false, "ref", 1, 10, ""},
		"the old one has some of them":    {expired, expired, [2]int64{14, 13}, true, "ref", 1, 10, ""},
		"one has a row":                   {expired, expired, [2]int64{13, 14}, false, "json", 1, 10, "deletions of offsets 14 to 14 of refs/0 are not told"},
		"letters":                         {expired, expired, [2]int64{13, 13}, true, "ref", 1, 10, ""},
		"a record may be several":         {expired, expired, [2]int64{15, 15}, false, "s3-event", 1, 10, "deletions of offsets 10 to 19 of refs/0 are not told"},
		"a record may be several, buried": {expired, expired, [2]int64{13, 13}, true, "cloudevents", 1, 10, "deletions of offsets 10 to 19 of refs/0 are not told"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newChains(t)
			for i, src := range []schemas.SourceID{was, is} {
				c.write(t, schemas.Range{Source: src, Span: at(0, 20), Skipped: slices.DeleteFunc([]schemas.Span{at(x.rows[i], 15)}, func(s schemas.Span) bool { return s.Len() == 0 })})
				c.write(t, schemas.Range{Source: src, Span: at(20, 40), Skipped: []schemas.Span{at(30, 33)}})
			}
			c.New.Input.Format = x.format
			if x.letters {
				c.bury(t, is, 13, 14)
			}
			x.old.past, x.now.past = c.both(t)
			v := &Verified{}
			d := &divided{plan: &plan.Plan{Items: x.items}, bounds: []backfill.Bound{{Source: was, Next: x.planned, Stream: 5}}, want: map[schemas.SourceID]int64{is: 40}}
			if err := c.comparison(t.Context(), d, x.old, x.now).run(t.Context(), v); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(v.Offences, "; "); (got == "") != (x.want == "") || !strings.Contains(got, x.want) {
				t.Errorf("%q, want %q", got, x.want)
			}
		})
	}
}

// bury puts dead letters of a source.
func (c *chains) bury(t *testing.T, src schemas.SourceID, offsets ...int64) {
	t.Helper()
	if c.New.DeadLetters == (config.DeadLetters{}) {
		c.New.DeadLetters.URL = "file://" + t.TempDir()
	}
	letters, err := newDeadLetters(t.Context(), c.auditor.c, c.New, c.auditor.stores, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range offsets {
		if err := letters.Put(t.Context(), sinks.Letter{Source: src, Offset: o, Reason: schemas.ReasonDecode}); err != nil {
			t.Fatal(err)
		}
	}
	if err := letters.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestAReferenceWhoseLetterMayBeGoneIsNotSaidToHaveBeenPassedOver has a new output that tells nothing of its first 20 offsets, of which two have no rows, and one of these a letter, and another offset that it says was passed over.
func TestAReferenceWhoseLetterMayBeGoneIsNotSaidToHaveBeenPassedOver(t *testing.T) {
	was, is := schemas.SourceID{Pipeline: "old", Topic: "refs"}, schemas.SourceID{Pipeline: "new", Topic: "refs"}
	at := func(first, next int64) schemas.Span { return schemas.Span{First: first, Next: next} }
	const perhaps = ", or are dead letters, as %d of them may be: its output does not tell any more what became of these, and not all of its letters are there to be read: "
	for name, x := range map[string]struct {
		letters func(c *chains)
		want    string
		buried  int64
	}{
		"all letters are there": {func(c *chains) { c.bury(t, is, 13) }, "2 references that old has from topics were passed over by new, or lost to the log's retention: ", 1},
		"none is kept":          {func(*chains) {}, "3 references that old has from topics were passed over by new, or lost to the log's retention" + fmt.Sprintf(perhaps, 2), 0},
		"one cannot be read": {func(c *chains) {
			c.bury(t, is, 13)
			name := objectletters.Name(strings.TrimPrefix(c.New.DeadLetters.URL, "file://"), is, 14)
			if err := os.WriteFile(name, []byte("cut o"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "2 references that old has from topics were passed over by new, or lost to the log's retention" + fmt.Sprintf(perhaps, 1), 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newChains(t)
			c.write(t, schemas.Range{Source: was, Span: at(0, 40)})
			c.write(t, schemas.Range{Source: is, Span: at(0, 20), Skipped: []schemas.Span{at(13, 15)}})
			c.write(t, schemas.Range{Source: is, Span: at(20, 40), Skipped: []schemas.Span{at(30, 31)}})
			x.letters(c)
			old, now := c.both(t)
			v := &Verified{}
			d := &divided{plan: &plan.Plan{}, bounds: []backfill.Bound{}, want: map[schemas.SourceID]int64{is: 40}}
			if err := c.comparison(t.Context(), d, old, hushed{past: now, before: 20}).run(t.Context(), v); err != nil {
				t.Fatal(err)
			}
			if len(v.Offences) != 1 || !strings.HasPrefix(v.Offences[0], x.want) || v.Buried != x.buried {
				t.Errorf("%+v, want %q", v, x.want)
			}
		})
	}
}
