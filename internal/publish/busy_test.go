package publish

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/internal/retry"
	"vecmill/stream"
)

// busy is a topic that others write much to, and whose records are read in a second each. The first append to partition 0 lands behind 60 of theirs, and has no answer; what is read from then on is cut off after 25 records, again and again.
type busy struct {
	*topic
	unclear bool
	reads   map[stream.Position]int
	kept    time.Time     // when the claim was kept last
	silence time.Duration // the longest between two such times
}

func (b *busy) Append(ctx context.Context, p stream.Partition, recs []stream.Record) error {
	if p.ID > 0 || b.unclear {
		return b.topic.Append(ctx, p, recs)
	}
	b.unclear = true
	b.others()
	_ = b.topic.Append(ctx, p, recs)
	return errCut
}

// others write to partition 0.
func (b *busy) others() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.logs[0] = append(b.logs[0], make([]stream.Record, 60)...)
}

func (b *busy) Scan(ctx context.Context, p stream.Partition, from, to int64, each func(stream.Record) error) error {
	n := 0
	return b.topic.Scan(ctx, p, from, to, func(rec stream.Record) error {
		if n++; b.unclear && n > 25 {
			return errCut
		}
		b.reads[stream.Position{Partition: p, Offset: rec.Offset}]++
		return each(rec)
	})
}

func (b *busy) Keep(ctx context.Context, n int64, c Claim) error {
	if !b.kept.IsZero() {
		b.silence = max(b.silence, time.Since(b.kept))
	}
	b.kept = time.Now()
	return b.topic.Keep(ctx, n, c)
}

// TestABusyTopicIsReadHoweverLongThatTakes has much of others behind the state, and behind an append without an answer: six times as much as could be read while a look holds. Each record is read once, however often reading fails, and nobody takes
// the publisher for silent meanwhile.
func TestABusyTopicIsReadHoweverLongThatTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &busy{topic: newTopic(1, 2, 0), reads: map[stream.Position]int{}}
		b.slow = time.Second
		b.others()
		kept := &State{Run: "run", Ends: []int64{0, 0}, Begins: []int64{0, 0}}
		o := options(b.topic, 30, &kept)
		o.Claims, o.Retry.Attempts = b, 4
		told, last := 0, int64(0)
		o.Reads = func(p stream.Partition, at, end int64) {
			if told++; p.ID != 0 || at <= last || at > end {
				t.Errorf("%s: read up to %d of %d, and before that %d", p, at, end, last)
			}
			last = at
		}
		at, err := Run(t.Context(), b, o)
		if err != nil || at.Published != 30 || len(b.ids(0)) != 15 || len(b.ids(1)) != 15 {
			t.Fatalf("%+v, %v: %v and %v", at, err, b.ids(0), b.ids(1))
		}
		if len(b.reads) < 2*60+4 {
			t.Errorf("%d records were read", len(b.reads))
		}
		for where, times := range b.reads {
			if times != 1 {
				t.Errorf("%v was read %d times", where, times)
			}
		}
		if b.silence >= usual.watch {
			t.Errorf("the claim was silent for %v", b.silence)
		}
		if told < 20 {
			t.Errorf("it was told %d times how far it is read", told)
		}

		b.others()
		read := len(b.reads)
		if at, err := Run(t.Context(), b, o); err != nil || at.Published != 30 || len(b.reads) != read {
			t.Errorf("of what is published, %d records are read: %+v, %v", len(b.reads)-read, at, err)
		}
	})
}

// hung is a topic whose first append has no answer for as long as it may take, and whose end is not known for twenty seconds.
type hung struct {
	*busy
	unclear bool
}

func (h *hung) Append(ctx context.Context, p stream.Partition, recs []stream.Record) error {
	if h.unclear {
		return h.topic.Append(ctx, p, recs)
	}
	h.unclear = true
	<-ctx.Done()
	return ctx.Err()
}

func (h *hung) Settled(ctx context.Context, parts []stream.Partition, waiting func(context.Context) error) (map[stream.Partition]stream.Bounds, error) {
	for range 4 {
		if err := waiting(ctx); err != nil {
			return nil, err
		}
		time.Sleep(5 * time.Second)
	}
	return h.busy.Settled(ctx, parts, waiting)
}

// TestWhoWaitsForAnAppendIsNotSilent has an append that is given up when the claim has held, and is looked for once it would have landed.
func TestWhoWaitsForAnAppendIsNotSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hung{busy: &busy{topic: newTopic(1, 1, 0), reads: map[stream.Position]int{}}}
		var kept *State
		o := options(h.topic, 30, &kept)
		o.Claims = h
		o.Retry = retry.Policy{Attempts: 2, Base: 5 * time.Second, Max: 5 * time.Second, Jitter: func(most time.Duration) time.Duration { return most }}
		if at, err := Run(t.Context(), h, o); err != nil || at.Published != 30 || !h.unclear {
			t.Fatalf("%+v, %v", at, err)
		}
		if h.silence > usual.hold {
			t.Errorf("the claim was silent for %v", h.silence)
		}
	})
}
