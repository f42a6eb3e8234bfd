package embed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
)

// outcome is what became of a job.
type outcome struct {
	rows []schemas.Row
	err  error
}

// reuser is an engine that reuses results, in a bubble.
type reuser struct {
	t       *testing.T
	e       *Engine
	ctx     context.Context
	stop    context.CancelFunc
	runner  sync.WaitGroup
	session *adder
}

func newReuser(t *testing.T, bytes int64, session *adder) *reuser {
	t.Helper()
	return newReuserAfter(t, bytes, session, nil)
}

// newReuserAfter has an engine that is told of earlier runs' results.
func newReuserAfter(t *testing.T, bytes int64, session *adder, past Past) *reuser {
	t.Helper()
	cfg := testConfig()
	cfg.Reuse, cfg.Past = bytes, past
	e, err := NewEngine(cfg, words{}, []Session{session}, []Head{sumHead{1}, sumHead{2}})
	if err != nil {
		t.Fatal(err)
	}
	r := &reuser{t: t, e: e, session: session}
	r.ctx, r.stop = context.WithCancel(t.Context())
	r.runner.Go(func() { e.Run(r.ctx) })
	return r
}

func (r *reuser) end() {
	r.stop()
	r.runner.Wait()
}

// submit gives a job whose content is its blob.
func (r *reuser) submit(ctx context.Context, blob string, beside *string) <-chan outcome {
	r.t.Helper()
	done := make(chan outcome, 1)
	if err := r.e.Submit(ctx, Job{Ref: schemas.Ref{ID: "r", TextPair: beside}, Blob: []byte(blob), Content: blob, Done: func(rows []schemas.Row, err error) {
		done <- outcome{rows, err} // a second call blocks
	}}); err != nil {
		done <- outcome{nil, err}
	}
	return done
}

// vector of the first head's first window.
func (o outcome) vector() float32 {
	if o.err != nil || len(o.rows) == 0 {
		return -1
	}
	return o.rows[0].Vector[0]
}

func TestContentThatComesAgainIsComputedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReuser(t, 1<<20, &adder{delay: time.Second})
		defer r.end()
		var all []<-chan outcome
		for range 5 { // at once: the first computes, the others wait
			all = append(all, r.submit(t.Context(), "3 5", nil))
		}
		var first outcome
		for i, c := range all {
			o := <-c
			if o.vector() != 9 || len(o.rows) != 4 {
				t.Fatalf("job %d: %+v", i, o)
			}
			if i == 0 {
				first = o
			}
		}
		time.Sleep(time.Minute)
		later := <-r.submit(t.Context(), "3 5", nil) // and afterwards
		if later.vector() != 9 || later.rows[0].Timings.Infer != 0 || !later.rows[0].CreatedAt.After(first.rows[0].CreatedAt) || first.rows[0].Timings.Infer != time.Second {
			t.Errorf("later: %+v", later.rows[0].Lineage)
		}
		later.rows[0].URI = "mine" // a row's lineage is its own
		if again := <-r.submit(t.Context(), "3 5", nil); again.rows[0].URI != "" || again.vector() != 9 {
			t.Errorf("again: %+v", again)
		}
		if s := r.e.Stats(); s.Objects != 1 || s.Reused != 6 || r.session.runs.Load() != s.Batches || s.Samples != 2 {
			t.Errorf("%+v, %d runs", s, r.session.runs.Load())
		}
		pair := "beside"
		if o := <-r.submit(t.Context(), "3 5", &pair); errors.Is(o.err, ErrStopped) || r.e.Stats().Reused != 6 {
			t.Errorf("with a text beside it, it is the same: %+v", o)
		}
	})
}

// A content that a backfill's job computes is at the end of a long queue, in which a live job with the same content does not wait with it.
// TestWhatIsReusedHoldsNoMoreThanItsRows: nothing was decoded, for which more was reserved.
func TestWhatIsReusedHoldsNoMoreThanItsRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReuser(t, 1<<20, &adder{delay: time.Second})
		defer r.end()
		rows := (<-r.submit(t.Context(), "3 5", nil)).rows
		want := int64(len("3 5"))
		for i := range rows {
			want += rows[i].Size()
		}
		var held, took int64
		done := make(chan error, 1)
		if err := r.e.Submit(t.Context(), Job{
			Ref: schemas.Ref{ID: "r"}, Blob: []byte("3 5"), Content: "3 5",
			Held: func(bytes, really int64) { held, took = bytes, really },
			Done: func(_ []schemas.Row, err error) { done <- err },
		}); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil || held != want || took != want {
			t.Errorf("%d held, %d taken, %v; want %d", held, took, err, want)
		}
	})
}

func TestALiveJobFollowsNoBackfill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Reuse, cfg.Batch.MaxItems = 1<<20, 1
		session := &adder{delay: time.Second}
		e, err := NewEngine(cfg, words{}, []Session{session}, []Head{sumHead{1}})
		if err != nil {
			t.Fatal(err)
		}
		r := &reuser{t: t, e: e, session: session}
		r.ctx, r.stop = context.WithCancel(t.Context())
		r.runner.Go(func() { e.Run(r.ctx) })
		defer r.end()
		var ends [2]time.Duration
		began := time.Now()
		var jobs sync.WaitGroup
		submit := func(content string, p Priority, ended *time.Duration) {
			jobs.Add(1)
			if err := e.Submit(r.ctx, Job{Blob: []byte(content), Content: content, Priority: p, Done: func(rows []schemas.Row, err error) {
				if err != nil || rows[0].Vector[0] != 16 {
					t.Errorf("%q: %v %v", content, rows, err)
				}
				*ended = time.Since(began)
				jobs.Done()
			}}); err != nil {
				t.Error(err)
			}
		}
		var others time.Duration
		for i := range 60 {
			submit(strings.Repeat(" ", i+1)+"4", Backfill, &others) // each another content
		}
		submit("4", Backfill, &ends[0])
		synctest.Wait()
		submit("4", Live, &ends[1])
		jobs.Wait()
		if ends[0] < 50*time.Second || ends[1] > 5*time.Second {
			t.Errorf("the backfill's ends after %v, the live one after %v", ends[0], ends[1])
		}
		submit("4", Backfill, &ends[0]) // two computed it, and one of both results is kept
		jobs.Wait()
		if u := e.reuse; u.mu.line.Len() != len(u.mu.kept) || u.mu.line.Len() != 61 || e.Stats().Reused != 1 {
			t.Errorf("%d results in line, %d by content, %d reused", u.mu.line.Len(), len(u.mu.kept), e.Stats().Reused)
		}
	})
}

func TestAFailureIsNoResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReuser(t, 1<<20, &adder{poison: 4, delay: time.Second})
		defer r.end()
		a, b := r.submit(t.Context(), "4", nil), r.submit(t.Context(), "4", nil)
		for _, c := range []<-chan outcome{a, b} {
			if reason, ok := schemas.Rejected((<-c).err); !ok || reason != schemas.ReasonModel {
				t.Errorf("%v %v", reason, ok)
			}
		}
		if s := r.e.Stats(); s.Objects != 2 || s.Reused != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestWhoWaitsForWorkThatNobodyWantsComputesItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReuser(t, 1<<20, &adder{delay: time.Second})
		defer r.end()
		wanted, abandoned := true, make(chan outcome, 1)
		var mu sync.Mutex
		blocker := r.submit(t.Context(), "9", nil) // the session is busy, so that what follows waits
		time.Sleep(100 * time.Millisecond)
		if err := r.e.Submit(t.Context(), Job{
			Blob: []byte("3"), Content: "3", Wanted: func() bool { mu.Lock(); defer mu.Unlock(); return wanted },
			Done: func(rows []schemas.Row, err error) { abandoned <- outcome{rows, err} },
		}); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		wanted = false
		mu.Unlock()
		short, cancel := context.WithCancel(t.Context())
		follower, impatient := r.submit(t.Context(), "3", nil), r.submit(short, "3", nil)
		cancel()
		if o := <-impatient; !errors.Is(o.err, context.Canceled) {
			t.Errorf("whose context is over: %+v", o)
		}
		if o := <-follower; o.vector() != 9 {
			t.Errorf("the follower: %+v", o)
		}
		<-blocker
		if o := <-abandoned; o.err == nil && o.vector() != 9 || o.err != nil && !errors.Is(o.err, ErrUnwanted) {
			t.Errorf("the abandoned one: %+v", o)
		}
	})
}

func TestWhoWaitsWhenTheEngineStopsIsHandedBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReuser(t, 1<<20, &adder{delay: time.Hour})
		a, b := r.submit(t.Context(), "3", nil), r.submit(t.Context(), "3", nil)
		time.Sleep(time.Second)
		r.end()
		for _, c := range []<-chan outcome{a, b} {
			if o := <-c; o.err == nil {
				t.Errorf("%+v", o)
			}
		}
		if o := <-r.submit(t.Context(), "3", nil); !errors.Is(o.err, ErrStopped) {
			t.Errorf("behind the end: %+v", o)
		}
	})
}

// TestResultsStayWithinTheirBytes computes more than fits: the latest used ones are kept.
func TestResultsStayWithinTheirBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 20_000
		r := newReuser(t, most, &adder{})
		defer r.end()
		for i := range 200 {
			if o := <-r.submit(t.Context(), fmt.Sprint(1+i), nil); o.err != nil {
				t.Fatal(o.err)
			}
			<-r.submit(t.Context(), "1", nil) // used all the time
			u := r.e.reuse
			u.mu.Lock()
			var held int64
			for at := u.mu.line.Front(); at != nil; at = at.Next() {
				held += at.Value.(*results).bytes
			}
			if held != u.mu.bytes || held > most || len(u.mu.kept) != u.mu.line.Len() || len(u.mu.running[Live])+len(u.mu.running[Backfill]) != 0 {
				t.Fatalf("%d bytes are held, %d counted; %d keys, %d results, %d running", held, u.mu.bytes, len(u.mu.kept), u.mu.line.Len(), len(u.mu.running[Live])+len(u.mu.running[Backfill]))
			}
			u.mu.Unlock()
		}
		s := r.e.Stats()
		if s.Objects != 200 || s.Reused != 200 {
			t.Errorf("%d computed, %d reused", s.Objects, s.Reused)
		}
		if <-r.submit(t.Context(), "2", nil); r.e.Stats().Objects != 201 {
			t.Error("what was used longest ago is still there")
		}
	})
}

// TestResultsOfAnEarlierRunAreGiven has an engine that is told what became of one content before; what comes again is not asked for again, what is not known is computed.
func TestResultsOfAnEarlierRunAreGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session := &adder{delay: time.Second}
		var questions []string
		r := newReuserAfter(t, 1<<20, session, func(_ context.Context, j *Job) []schemas.Row {
			questions = append(questions, j.Content)
			if j.Content == "3 5" {
				return []schemas.Row{{Payload: schemas.Payload{Vector: []float32{42}}}}
			}
			return nil
		})
		defer r.end()
		for range 2 {
			if o := <-r.submit(t.Context(), "3 5", nil); o.err != nil || len(o.rows) != 1 || o.vector() != 42 || o.rows[0].CreatedAt.IsZero() {
				t.Errorf("what is known: %+v", o)
			}
		}
		if s := r.e.Stats(); s.Batches != 0 || s.Reused != 2 {
			t.Errorf("%d batches, %d reused", s.Batches, s.Reused)
		}
		for range 2 {
			if o := <-r.submit(t.Context(), "1 2", nil); o.err != nil || o.vector() == 42 {
				t.Errorf("what is not known: %+v", o)
			}
		}
		if s := r.e.Stats(); s.Batches != 1 || s.Reused != 3 || fmt.Sprint(questions) != "[3 5 1 2]" {
			t.Errorf("%d batches, %d reused; asked for %q", s.Batches, s.Reused, questions)
		}
	})
}
