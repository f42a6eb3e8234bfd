package stream_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"vecmill/schemas"
	"vecmill/stream"
	"vecmill/stream/streamtest"
)

// slow is a sink that takes its time to take rows, and more until it has them for good. It keeps an account of both.
type slow struct {
	take, keep     time.Duration
	open           sync.WaitGroup
	mu             sync.Mutex
	write, durable time.Duration
}

func (*slow) Resume(context.Context, schemas.SourceID, int64) (int64, bool, error) {
	return 0, false, nil
}
func (s *slow) Flush(context.Context) error { s.open.Wait(); return nil }
func (*slow) Forget(schemas.SourceID)       {}
func (*slow) Close(context.Context) error   { return nil }

func (s *slow) Write(_ context.Context, r schemas.Range, _ []schemas.Row, done func(error)) error {
	began := time.Now()
	time.Sleep(s.take)
	s.add(&s.write, s.take)
	s.open.Go(func() {
		time.Sleep(s.keep)
		s.add(&s.durable, time.Duration(r.Len())*time.Since(began))
		done(nil)
	})
	return nil
}

func (s *slow) add(to *time.Duration, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*to += d
}

// In a bubble time passes only where somebody waits, so the totals are exact.
func TestTimesOfRecordsAndOfTheSinkAreToldAndTotalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 12
		b, out, spans := newBench(), &slow{take: 2 * time.Second, keep: 10 * time.Second}, tracetest.NewSpanRecorder()
		b.other = out
		var mu sync.Mutex
		var took []time.Duration
		told := map[trace.TraceID]bool{}
		b.change = func(c *stream.Config) {
			c.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("")
			c.Took = func(ctx context.Context, d time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				took = append(took, d)
				told[trace.SpanContextFromContext(ctx).TraceID()] = true
			}
		}
		recs := good(0, n)
		recs[3].Value = streamtest.Missing.Value(0, 3)
		var whole time.Duration
		src := script(func(ctx context.Context, a stream.Assignments) error {
			_, err := a.Assigned(ctx, &b.c, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: n}})
			began := time.Now()
			err = errors.Join(err, a.Records(ctx, b.part, recs, n))
			a.Revoked(ctx)
			whole = time.Since(began)
			return err
		})
		p := b.pipeline(t, src, streamtest.NewFetcher(1, time.Millisecond), &streamtest.LetterBox{})
		if err := b.run(t, p); err != nil {
			t.Fatal(err)
		}
		s := p.Stats()
		if s.Write != out.write || s.Durable != out.durable.Seconds() || out.write == 0 || out.durable < n*out.keep || s.Abandoned != 0 {
			t.Errorf("write %s, want %s; durable %g s, want %s; %d abandoned", s.Write, out.write, s.Durable, out.durable, s.Abandoned)
		}
		if len(took) != n-1 {
			t.Errorf("told of %d records, want those that have rows", len(took))
		}
		for _, d := range took {
			if d < time.Second || d >= whole-out.keep { // a session takes one; the sink is not in it
				t.Errorf("a record took %s, all together %s", d, whole)
			}
		}
		for _, span := range spans.Ended() {
			if span.Name() == "vecmill.record" {
				delete(told, span.SpanContext().TraceID())
			}
		}
		if len(told) != 0 {
			t.Errorf("told in traces of no record: %v", told)
		}
	})
}

// A call of the sink that has not returned is told of, or one that hangs would look idle.
func TestTheTimeOfASinkIsToldWhileItHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, out := newBench(), &slow{take: 10 * time.Minute, keep: time.Second}
		b.other = out
		var p *stream.Pipeline
		src := script(func(ctx context.Context, a stream.Assignments) error {
			_, err := a.Assigned(ctx, &b.c, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: 1}})
			err = errors.Join(err, a.Records(ctx, b.part, good(0, 1), 1))
			time.Sleep(time.Minute)
			if s := p.Stats(); s.Write < 50*time.Second || s.Write > time.Minute {
				t.Errorf("after a minute: %s", s.Write)
			}
			time.Sleep(time.Hour)
			if s := p.Stats(); s.Write != out.take {
				t.Errorf("when it has returned: %s, want %s", s.Write, out.take)
			}
			a.Revoked(ctx)
			return err
		})
		p = b.pipeline(t, src, streamtest.NewFetcher(1, time.Millisecond), &streamtest.LetterBox{})
		if err := b.run(t, p); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRecordsThatTheNextOwnerReadsAgainAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		src := script(func(ctx context.Context, a stream.Assignments) error {
			_, err := a.Assigned(ctx, &b.c, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: 30}})
			err = errors.Join(err, a.Records(ctx, b.part, good(0, 20), 25)) // five offsets hold no record
			time.Sleep(time.Minute)
			err = errors.Join(err, b.sink.Flush(ctx), a.Records(ctx, b.part, good(25, 5), 30))
			a.Lost()
			return err
		})
		p := b.pipeline(t, src, streamtest.NewFetcher(1, time.Millisecond), &streamtest.LetterBox{})
		if err := b.run(t, p); err != nil {
			t.Fatal(err)
		}
		if s := p.Stats(); s.Abandoned != 5 || s.Records != 25 {
			t.Errorf("%d of %d records were abandoned, want 5 of 25", s.Abandoned, s.Records)
		}
	})
}

// steady takes ten seconds for each object.
type steady struct{ *streamtest.Fetcher }

// Fetch implements stream.Fetcher.
func (s steady) Fetch(ctx context.Context, ref schemas.Ref, reserve stream.Reserve) (*stream.Blob, error) {
	select {
	case <-time.After(10 * time.Second):
		return s.Fetcher.Fetch(ctx, ref, reserve)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestWaitingForAFetcherIsSeen has one fetcher, and five references in four records. The record that is fetched when the assignment is lost takes those behind it along.
func TestWaitingForAFetcherIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, spans := newBench(), tracetest.NewSpanRecorder()
		b.change = func(c *stream.Config) {
			c.Fetchers, c.Decoder, c.Tracer = 1, lines{}, sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("")
		}
		recs := good(0, 4)
		recs[1].Value = []byte(string(recs[1].Value) + "\n" + string(streamtest.Good.Value(1, 1)))
		var p *stream.Pipeline
		src := script(func(ctx context.Context, a stream.Assignments) error {
			_, err := a.Assigned(ctx, &b.c, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: 4}})
			err = errors.Join(err, a.Records(ctx, b.part, recs, 4))
			for at := range 4 {
				time.Sleep(5 * time.Second)
				if got := p.Stats().Unfetched; got != 4-at {
					t.Errorf("after %d s %d references wait, want %d", 10*at+5, got, 4-at)
				}
				if at < 3 {
					time.Sleep(5 * time.Second)
				}
			}
			a.Lost()
			return err
		})
		p = b.pipeline(t, src, steady{streamtest.NewFetcher(1, 0)}, &streamtest.LetterBox{})
		if err := b.run(t, p); err != nil {
			t.Fatal(err)
		}
		const want = 0. + 10 + 20 + 30 + 35
		if s := p.Stats(); s.Unfetched != 0 || s.FetchQueue != want {
			t.Errorf("at the end %d wait, and they waited for %g s, want %g", s.Unfetched, s.FetchQueue, want)
		}
		began, waited := map[trace.SpanID]time.Time{}, 0.
		for _, s := range spans.Ended() {
			if s.Name() == "vecmill.record" {
				began[s.SpanContext().SpanID()] = s.StartTime()
			}
		}
		for _, s := range spans.Ended() {
			if s.Name() == "vecmill.fetch" {
				waited += s.StartTime().Sub(began[s.Parent().SpanID()]).Seconds()
			}
		}
		if len(began) != 5 || waited != want {
			t.Errorf("%d spans of references tell of %g s before their fetches, want 5 and %g", len(began), waited, want)
		}
	})
}

// late gives the first object of a partition after ten years.
type late struct{ *streamtest.Fetcher }

// Fetch implements stream.Fetcher. Memory is reserved at once, or those behind it would wait for theirs.
func (l late) Fetch(ctx context.Context, ref schemas.Ref, reserve stream.Reserve) (*stream.Blob, error) {
	b, err := l.Fetcher.Fetch(ctx, ref, reserve)
	if ref.ID == "0-0" {
		time.Sleep(10 * year)
	}
	return b, err
}

const year = 365 * 24 * time.Hour

// TestRecordsThatWaitForYearsInSumAreTold: of 490 years there are more nanoseconds than an int64 counts.
func TestRecordsThatWaitForYearsInSumAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 50
		b := newBench()
		b.change = func(c *stream.Config) { c.CommitInterval = year }
		src := script(func(ctx context.Context, a stream.Assignments) error {
			_, err := a.Assigned(ctx, &b.c, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: n}})
			err = errors.Join(err, a.Records(ctx, b.part, good(0, n), n))
			a.Revoked(ctx)
			return err
		})
		p := b.pipeline(t, src, late{streamtest.NewFetcher(1, 0)}, &streamtest.LetterBox{})
		if err := b.run(t, p); err != nil {
			t.Fatal(err)
		}
		most := (n - 1) * (10 * year).Seconds()
		if s := p.Stats(); s.HoldBack > most || s.HoldBack < most-1e4 { // batches of all others take a second each
			t.Errorf("records were held back for %g s, want %g at most, and little less", s.HoldBack, most)
		}
	})
}
