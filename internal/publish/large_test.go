package publish

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"vecmill/internal/pace"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
)

// sized is a list whose references have so many bytes, and a few more.
func sized(bytes func(n int64) int) func(context.Context, int64) (func() ([]byte, error), error) {
	return func(_ context.Context, n int64) (func() ([]byte, error), error) {
		return func() ([]byte, error) {
			n++
			return fmt.Appendf(nil, `{"v":1,"id":"r%d","inline_text":%q}`, n-1, strings.Repeat("x", bytes(n-1))), nil
		}, nil
	}
}

// ids are those of a partition's references, in their order.
func (t *topic) ids(part int) (all []string) {
	for _, rec := range t.logs[part] {
		if len(rec.Headers) > 0 {
			all = append(all, string(rec.Key))
		}
	}
	return all
}

// between are the ids of the numbers from first on and before next, each being so much more than the one before.
func between(first, next, more int) (all []string) {
	for n := first; n < next; n += more {
		all = append(all, fmt.Sprint("r", n))
	}
	return all
}

// oneLarge are references of 25 KiB each, and one of 900 KiB behind ten of them.
func oneLarge(n int64) int {
	if n == 10 {
		return 900 << 10
	}
	return 25 << 10
}

// TestALargeReferenceComesWithTheNextRound has a topic that takes a megabyte at once, as brokers do: with those before it, which are no round yet, it would be refused for good.
func TestALargeReferenceComesWithTheNextRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := newTopic(1, 1, 0)
		tp.takes = 1 << 20
		var kept *State
		o := options(tp, 13, &kept)
		o.From, o.Pace = sized(oneLarge), pace.New(0, 100)
		if at, err := Run(t.Context(), tp, o); err != nil || at.Published != 13 || tp.tooLarge > 0 || !slices.Equal(tp.ids(0), between(0, 13, 1)) {
			t.Errorf("%+v, %v: %v, %d appends were too large", at, err, tp.ids(0), tp.tooLarge)
		}
	})
}

// TestARoundThatIsTooLargeGoesByHalves has one of an earlier build, of which one partition has taken its part and the other one not: it is finished as it was begun (P4).
func TestARoundThatIsTooLargeGoesByHalves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := newTopic(1, 2, 0)
		tp.takes = 1 << 20
		kept := &State{Run: "run", Ends: []int64{0, 0}, Begins: []int64{0, 0}}
		o := options(tp, 13, &kept)
		o.From, o.Pace = sized(oneLarge), pace.New(0, 100)
		before := &publishing{o: o, state: *kept}
		for n := int64(1); n < 13; n += 2 {
			tp.logs[1] = append(tp.logs[1], stream.Record{Key: fmt.Append(nil, "r", n), Headers: []sinks.Header{before.header(n)}})
		}
		if at, err := Run(t.Context(), tp, o); err != nil || at.Published != 13 || tp.tooLarge == 0 || !slices.Equal(tp.ids(0), between(0, 13, 2)) || !slices.Equal(tp.ids(1), between(1, 13, 2)) {
			t.Errorf("%+v, %v: %v and %v, %d appends were too large", at, err, tp.ids(0), tp.ids(1), tp.tooLarge)
		}
	})
}

// TestAReferenceThatATopicDoesNotTakeIsNamed raises the topic's bound then, and goes on.
func TestAReferenceThatATopicDoesNotTakeIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := newTopic(1, 1, 0)
		tp.takes = 800 << 10
		var kept *State
		o := options(tp, 13, &kept)
		o.From, o.Pace = sized(oneLarge), pace.New(0, 100)
		at, err := Run(t.Context(), tp, o)
		if err == nil || !strings.Contains(err.Error(), "reference 10 has 9216") || !strings.Contains(err.Error(), "raise max.message.bytes of refs") || at.Published != 10 || !slices.Equal(tp.ids(0), between(0, 10, 1)) {
			t.Errorf("%+v, %v: %v", at, err, tp.ids(0))
		}
		tp.takes = 1 << 20
		if at, err := Run(t.Context(), tp, o); err != nil || at.Published != 13 || !slices.Equal(tp.ids(0), between(0, 13, 1)) {
			t.Errorf("%+v, %v: %v", at, err, tp.ids(0))
		}
	})
}

// TestWhatWentBeforeAReferenceThatIsTooLargeIsThereOnce has other partitions fail with it, for which its partition is tried again, too.
func TestWhatWentBeforeAReferenceThatIsTooLargeIsThereOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(100) {
			tp := newTopic(seed, 2, 0.06)
			var kept *State
			o := options(tp, 20, &kept)
			o.From = sized(func(n int64) int {
				if n == 10 {
					return 400
				}
				return 0
			})
			o.Retry.Attempts = 5
			for tries := 0; ; tries++ {
				tp.takes = 300
				if tries > 20 {
					tp.takes = 0
				}
				if _, err := Run(t.Context(), tp, o); err == nil {
					break
				} else if tries > 200 {
					t.Fatalf("seed %d: it never succeeds: %v", seed, err)
				}
			}
			if !slices.Equal(tp.ids(0), between(0, 20, 2)) || !slices.Equal(tp.ids(1), between(1, 20, 2)) || tp.tooLarge == 0 {
				t.Errorf("seed %d: %v and %v", seed, tp.ids(0), tp.ids(1))
			}
		}
	})
}

// TestALongRowThatIsNoReferenceIsCut has one of a plan of an earlier build, which kept rows of any length.
func TestALongRowThatIsNoReferenceIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := newTopic(1, 1, 0)
		tp.takes = 1 << 20
		var kept *State
		o := options(tp, 3, &kept)
		o.From = func(_ context.Context, n int64) (func() ([]byte, error), error) {
			return func() ([]byte, error) {
				n++
				if n == 2 {
					return fmt.Appendf(nil, `{"no_ref":"line 2: not a JSON reference","row":%q}`, strings.Repeat("!", 8<<20)), nil
				}
				return fmt.Appendf(nil, `{"v":1,"id":"r%d","inline_text":"x"}`, n-1), nil
			}, nil
		}
		at, err := Run(t.Context(), tp, o)
		if err != nil || at.Published != 3 || !slices.Equal(tp.ids(0), []string{"r0", "", "r2"}) {
			t.Fatalf("%+v, %v: %q", at, err, tp.ids(0))
		}
		want := schemas.NoRef{Why: "line 2: not a JSON reference", Row: strings.Repeat("!", 8<<20)}.JSON()
		if got := tp.logs[0][1].Value; !bytes.Equal(got, want) {
			t.Errorf("%d bytes, want %d", len(got), len(want))
		}
	})
}
