package publish

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"vecmill/internal/pace"
	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errCut   = errors.New("cut off") // an answer that does not come
	errFinal = errors.New("no such topic")

	errTooLarge = errors.New("too many bytes")
)

// topic is a topic in memory, with a group that reads it. Its faults come by chance.
type topic struct {
	mu        sync.Mutex
	r         *rand.Rand
	logs      [][]stream.Record
	base      []int64 // offset of the first record that is left
	committed []int64
	faults    float64
	final     bool          // appends are refused
	takes     int           // bytes of an append; 0: any number of them
	remadeCut bool          // the append that finds it so gets no clear answer
	remake    int           // appends from now on until the topic is deleted and made again; 0: never
	tooLarge  int           // appends that had more
	slow      time.Duration // that it takes to read a record
	most      int64
	claims    []Claim
}

func newTopic(seed uint64, parts int, faults float64) *topic {
	t := &topic{r: rand.New(rand.NewPCG(seed, 1)), logs: make([][]stream.Record, parts), base: make([]int64, parts), committed: make([]int64, parts), faults: faults}
	for i := range t.committed {
		t.committed[i] = -1
	}
	return t
}

func (t *topic) Partitions(_ context.Context, name string) (all []stream.Partition, err error) {
	for i := range t.logs {
		all = append(all, stream.Partition{Topic: name, ID: i})
	}
	return all, t.fault()
}

func (t *topic) fault() error {
	if t.faults > 0 && t.r.Float64() < t.faults {
		return errCut
	}
	return nil
}

// Last implements Claims.
func (t *topic) Last(context.Context) (int64, Claim, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.claims) == 0 {
		return 0, Claim{}, t.fault()
	}
	return int64(len(t.claims)), t.claims[len(t.claims)-1], t.fault()
}

// Make implements Claims.
func (t *topic) Make(_ context.Context, n int64, c Claim) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n <= int64(len(t.claims)) {
		return ErrClaimed
	}
	err := t.fault()
	if err == nil || t.r.IntN(2) == 0 {
		t.claims = append(t.claims, c)
		if t.r.IntN(4) == 0 { // the answer is one to a second try
			return ErrClaimed
		}
	}
	return err
}

// Keep implements Claims.
func (t *topic) Keep(_ context.Context, n int64, c Claim) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.claims[n-1] = c
	return t.fault()
}

func (t *topic) end(i int) int64 { return t.base[i] + int64(len(t.logs[i])) }

// records are those of two partitions, while others may write.
func (t *topic) records() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.end(0) + t.end(1)
}

func (t *topic) Bounds(_ context.Context, group string, parts []stream.Partition) (map[stream.Partition]stream.Bounds, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[stream.Partition]stream.Bounds{}
	for _, p := range parts {
		b := stream.Bounds{Committed: -1, First: t.base[p.ID], End: t.end(p.ID)}
		if group != "" {
			b.Committed = t.committed[p.ID]
			t.most = max(t.most, b.End-max(b.Committed, 0))
		}
		out[p] = b
	}
	return out, t.fault()
}

func (t *topic) Settled(ctx context.Context, parts []stream.Partition, _ func(context.Context) error) (map[stream.Partition]stream.Bounds, error) {
	return t.Bounds(ctx, "", parts)
}

// Scan gives what there is under the lock, and the records without it: who hears of them may make requests. One that fails has given some of them.
func (t *topic) Scan(ctx context.Context, p stream.Partition, from, to int64, each func(stream.Record) error) error {
	t.mu.Lock()
	recs := slices.Clone(t.logs[p.ID][from-t.base[p.ID] : to-t.base[p.ID]])
	fault := t.fault()
	if fault != nil {
		recs = recs[:t.r.IntN(len(recs)+1)]
	}
	t.mu.Unlock()
	for i, rec := range recs {
		if t.slow > 0 && !retry.Sleep(ctx, t.slow) {
			return ctx.Err()
		}
		rec.Offset = from + int64(i)
		if err := each(rec); err != nil {
			return err
		}
	}
	return fault
}

func (t *topic) Append(_ context.Context, p stream.Partition, recs []stream.Record) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.final {
		return errFinal
	}
	if t.remake--; t.remake == 0 {
		for i := range t.logs {
			t.logs[i], t.base[i] = nil, 0
		}
		if t.remadeCut {
			return errCut
		}
	}
	size := 0
	for i := range recs {
		size += bytesOf(&recs[i])
	}
	if t.takes > 0 && size > t.takes {
		t.tooLarge++
		return errTooLarge
	}
	if t.r.IntN(4) == 0 { // somebody else's
		t.logs[p.ID] = append(t.logs[p.ID], stream.Record{Value: []byte("another"), Headers: nil})
	}
	before := t.r.IntN(2) == 0
	err := t.fault()
	if err == nil || before {
		t.logs[p.ID] = append(t.logs[p.ID], recs...)
	}
	return err
}

// options publish n references; the state is kept in *kept, and saving it fails by chance, before or after it is kept.
func options(t *topic, n int64, kept **State) Options {
	return Options{
		Name: "calls/x", Topic: "refs", Total: n, Groups: []string{"g"}, MaxLag: 1 << 40, Poll: time.Second, Pace: pace.New(0, 7),
		From: func(_ context.Context, at int64) (func() ([]byte, error), error) {
			return func() ([]byte, error) {
				if at >= n {
					return nil, io.EOF
				}
				at++
				if at%10 == 0 {
					return []byte(`{"no_ref":"line 7"}`), nil
				}
				return fmt.Appendf(nil, `{"v":1,"id":"r%d","uri":"s3://box/%d"}`, at-1, at-1), nil
			}, t.fault()
		},
		Load: func(context.Context) (*State, error) { return *kept, t.fault() }, Claims: t, By: "test",
		Save: func(_ context.Context, s *State) error {
			err := t.fault()
			if err == nil || t.r.IntN(2) == 0 {
				c := *s
				*kept = &c
			}
			return err
		},
		Permanent: func(err error) bool { return errors.Is(err, errFinal) || errors.Is(err, errTooLarge) }, TooLarge: func(err error) bool { return errors.Is(err, errTooLarge) },
		Retry: retry.Policy{Attempts: 2, Base: time.Microsecond, Max: time.Microsecond},
	}
}

// vary gives a publisher other bounds than the one before it had: of a round, and of the group's lag. The group comes to the end whenever the lag is what it may be, and is behind it when the publisher begins.
func (t *topic) vary(o *Options) {
	o.Pace = pace.New(0, 1+t.r.IntN(20))
	if t.r.IntN(2) == 0 {
		o.Pace = pace.New(1e6, 1+t.r.IntN(20))
	}
	o.MaxLag, o.Poll = int64(1+t.r.IntN(40)), time.Nanosecond
	for i := range t.committed {
		t.committed[i] = max(0, t.end(i)-int64(t.r.IntN(20)))
	}
	o.Tell = func(p Progress) {
		for i := range t.committed {
			if p.Lag >= o.MaxLag {
				t.committed[i] = t.end(i)
			}
		}
	}
}

// hold is how many references the topic has that a state does not say.
func (t *topic) hold(s *State) (n int) {
	for i, end := range s.Ends {
		for _, rec := range t.logs[i][end-t.base[i]:] {
			n += len(rec.Headers)
		}
	}
	return n
}

// TestEveryReferenceIsInItsPartitionOnceWhateverFails runs until it succeeds: every error ends a publisher as a kill would, and the next one goes on with what was saved, with smaller rounds or larger ones.
func TestEveryReferenceIsInItsPartitionOnceWhateverFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 100
		ends, unclear, larger, tooLarge := 0, 0, 0, 0
		for seed := range uint64(300) {
			tp := newTopic(seed, 1+int(seed%4), 0.08)
			before := int(seed % 3) // records of others
			if seed%2 == 1 {
				tp.takes = 100 + tp.r.IntN(400) // one to six of them
			}
			for i := range tp.logs {
				tp.logs[i] = make([]stream.Record, before)
			}
			var kept *State
			for tries := 0; ; tries++ {
				if tries > 2000 {
					t.Fatalf("seed %d: it never succeeds", seed)
				}
				o := options(tp, n, &kept)
				tp.vary(&o)
				if kept != nil && tp.hold(kept) > o.Pace.Most() {
					larger++
				}
				at, err := Run(t.Context(), tp, o)
				if err == nil {
					if at.Published != n || at.Total != n {
						t.Fatalf("seed %d: %+v", seed, at)
					}
					break
				}
				ends++
				if kept != nil && kept.Next > 0 {
					unclear++
				}
				if len(tp.logs) < 6 && tp.r.IntN(20) == 0 { // the topic grows
					tp.logs, tp.base, tp.committed = append(tp.logs, make([]stream.Record, before)), append(tp.base, 0), append(tp.committed, -1)
				}
			}
			seen := map[string]int{}
			for part, log := range tp.logs {
				for offset, rec := range log {
					if len(rec.Headers) == 0 {
						continue
					}
					if kept.Begins[part] != int64(before) || int64(offset) < kept.Begins[part] || int64(offset) >= kept.Ends[part] {
						t.Fatalf("seed %d: a record at %d, and the state has the list's between %d and %d", seed, offset, kept.Begins[part], kept.Ends[part])
					}
					word := string(rec.Headers[0].Value)
					var number int
					if _, err := fmt.Sscanf(word[strings.LastIndex(word, "/")+1:], "%d", &number); err != nil || rec.Headers[0].Key != Header || number%len(kept.Ends) != part {
						t.Fatalf("seed %d: %s in partition %d of %d", seed, word, part, len(kept.Ends))
					}
					if key := string(rec.Key); key != "" && key != fmt.Sprint("r", number) || key == "" && number%10 != 9 {
						t.Fatalf("seed %d: reference %d has key %q", seed, number, key)
					}
					seen[word]++
				}
			}
			for word, times := range seen {
				if times != 1 {
					t.Fatalf("seed %d: %s is there %d times", seed, word, times)
				}
			}
			if len(seen) != n {
				t.Fatalf("seed %d: %d references, want %d: %v", seed, len(seen), n, seen)
			}
			tooLarge += tp.tooLarge
		}
		if ends < 300 || unclear < 100 || larger < 50 || tooLarge < 300 {
			t.Errorf("only %d publishers were ended, %d of them in the middle, %d with more in the topic than a round of the next one; %d appends were too large", ends, unclear, larger, tooLarge)
		}
	})
}

// TestARoundThatWasCutOffIsFinishedWhateverTheNextOneMayDo has 40 references in the topic that no state says, and a publisher of rounds of 3 whose group is far behind: all are found before any more is published.
func TestARoundThatWasCutOffIsFinishedWhateverTheNextOneMayDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept *State
		tp := newTopic(1, 2, 0)
		o := options(tp, 60, &kept)
		o.Pace = pace.New(0, 40)
		save := o.Save
		o.Save = func(ctx context.Context, s *State) error {
			if s.Next > 0 {
				return errCut
			}
			return save(ctx, s)
		}
		if _, err := Run(t.Context(), tp, o); !errors.Is(err, errCut) || kept.Next != 0 || tp.hold(kept) != 40 {
			t.Fatalf("%+v, %v", kept, err)
		}
		for i, p := range []pace.Pace{pace.New(0, 3), pace.New(1e6, 3)} {
			ctx, stop := context.WithCancel(t.Context())
			again := *kept
			o := options(tp, 60, new(&again))
			o.Pace, o.MaxLag = p, 1
			o.Tell = func(at Progress) {
				if at.Published > 0 {
					stop()
				}
			}
			at, err := Run(ctx, tp, o)
			stop()
			if all := tp.hold(kept); !errors.Is(err, context.Canceled) || at.Published != 40 || all != 40 {
				t.Errorf("%d: %+v, %v; %d references in the topic", i, at, err, all)
			}
		}
	})
}

// TestWhoIsStoppedSaysWhatIsPublished ends a publisher behind a round that has been saved.
func TestWhoIsStoppedSaysWhatIsPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept *State
		ctx, stop := context.WithCancel(t.Context())
		o := options(newTopic(1, 2, 0), 100, &kept)
		save := o.Save
		o.Save = func(ctx context.Context, s *State) error {
			err := save(ctx, s)
			if s.Next > 20 {
				stop()
			}
			return err
		}
		if at, err := Run(ctx, newTopic(1, 2, 0), o); !errors.Is(err, context.Canceled) || at.Published != kept.Next || kept.Next <= 20 || kept.Next >= 100 {
			t.Errorf("%+v, and %+v is saved: %v", at, kept, err)
		}
	})
}

func TestNoMoreIsPublishedThanTheGroupMayHaveBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := newTopic(1, 2, 0)
		var kept *State
		o := options(tp, 100, &kept)
		o.MaxLag = 20
		polls := 0
		o.Tell = func(p Progress) { // the group reads all of it whenever the lag is what it may be
			if p.Lag > 20+2 {
				t.Errorf("the group is %d behind", p.Lag)
			}
			if p.Lag >= 20 {
				if polls++; polls%3 == 0 {
					tp.committed[0], tp.committed[1] = tp.end(0), tp.end(1)
				}
			}
		}
		began := time.Now()
		if at, err := Run(t.Context(), tp, o); err != nil || at.Published != 100 || polls < 6 || time.Since(began) < 6*time.Second {
			t.Errorf("%+v, %v, %d waits, %v", at, err, polls, time.Since(began))
		}
	})
}

func TestNothingIsPublishedWhileTheGateIsShut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := newTopic(1, 2, 0)
		var kept *State
		o := options(tp, 30, &kept)
		o.Gate = &pace.Gate{}
		o.Gate.Shut()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if at, err := Run(ctx, tp, o); !errors.Is(err, context.DeadlineExceeded) || at.Published != 0 || tp.end(0)+tp.end(1) != 0 {
			t.Errorf("%+v, %v", at, err)
		}
	})
}

func TestATopicThatIsAnotherIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			spoil func(tp *topic, o *Options)
			want  string
		}{
			"fewer partitions": {func(tp *topic, _ *Options) { tp.logs = tp.logs[:1] }, "has 1 partitions, and had 2"},
			"a shorter log":    {func(tp *topic, _ *Options) { tp.logs[1] = nil }, "was deleted and made again"},
			"a refusal":        {func(tp *topic, o *Options) { tp.final = true; o.Total += 5 }, "no such topic"},
			"a list that ends": {func(_ *topic, o *Options) { o.Total += 5 }, "the list ends before its end"},
		} {
			tp := newTopic(1, 2, 0)
			var kept *State
			o := options(tp, 30, &kept)
			if _, err := Run(t.Context(), tp, o); err != nil {
				t.Fatal(err)
			}
			o = options(tp, 30, &kept)
			c.spoil(tp, &o)
			if name == "a refusal" {
				o = options(tp, 35, &kept)
			}
			if _, err := Run(t.Context(), tp, o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", name, err, c.want)
			}
		}
	})
}

// TestATopicThatIsMadeAgainMeanwhileEndsThePublishing has a topic that is deleted and made again between two appends, and while one is under way: what had been published is gone, and nobody says that all is there.
func TestATopicThatIsMadeAgainMeanwhileEndsThePublishing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, cut := range []bool{false, true} {
			for at := 3; at < 12; at++ {
				tp := newTopic(uint64(at), 2, 0)
				tp.remake, tp.remadeCut = at, cut
				var kept *State
				for range 2 { // given again, it says so again
					if done, err := Run(t.Context(), tp, options(tp, 100, &kept)); !errors.Is(err, errAnother) {
						t.Errorf("made again at append %d: %d of %d published, %v", at, done.Published, done.Total, err)
					}
				}
			}
		}
	})
}

// TestCopiesComeToOnePartition has contents that come again and again, tags that are none of a content, ranges of objects, and a publisher that is ended again and again, the last time by one that is not asked for it.
func TestCopiesComeToOnePartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, contents = 200, 12
		tag := func(i int64) string {
			switch i % 10 {
			case 8:
				return fmt.Sprintf(`"etag":"%032x-2"`, i%contents) // of several parts
			case 9:
				return fmt.Sprintf(`"etag":"%032x","range":{"off":0,"n":1}`, i%contents)
			}
			sum := md5.Sum([]byte{byte(i % contents)})
			return fmt.Sprintf(`"etag":"%x"`, sum)
		}
		used := map[int]bool{}
		for seed := range uint64(40) {
			const parts = 5
			tp := newTopic(seed, parts, 0.05)
			var kept *State
			for tries := 0; ; tries++ {
				o := options(tp, n, &kept)
				o.ByContent = tries == 0 || kept == nil // a list that was begun is gone on with as it was
				o.From = func(_ context.Context, at int64) (func() ([]byte, error), error) {
					return func() ([]byte, error) {
						at++
						return fmt.Appendf(nil, `{"v":1,"id":"r%d","uri":"s3://box/%d",%s}`, at-1, at-1, tag(at-1)), nil
					}, nil
				}
				if _, err := Run(t.Context(), tp, o); err == nil {
					break
				}
			}
			of, seen := map[string]int{}, map[string]bool{}
			for part, log := range tp.logs {
				for _, rec := range log {
					if len(rec.Headers) == 0 {
						continue
					}
					ref, err := schemas.ParseRef(rec.Value)
					if err != nil || seen[ref.ID] {
						t.Fatalf("seed %d: %s again: %v", seed, ref.ID, err)
					}
					seen[ref.ID] = true
					var number int
					if _, err := fmt.Sscanf(ref.ID, "r%d", &number); err != nil {
						t.Fatal(err)
					}
					if number%10 >= 8 {
						if number%parts != part {
							t.Fatalf("seed %d: reference %d, whose content nobody knows, is in partition %d", seed, number, part)
						}
						continue
					}
					if before, is := of[ref.ETag]; is && before != part {
						t.Fatalf("seed %d: copies are in partitions %d and %d", seed, before, part)
					}
					of[ref.ETag], used[part] = part, true
				}
			}
			if len(seen) != n || kept.By != byContent {
				t.Fatalf("seed %d: %d references, by %q", seed, len(seen), kept.By)
			}
		}
		if len(used) < 4 {
			t.Errorf("all contents are in partitions %v", used)
		}
	})
}
