package listing

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// shelf is a bucket in memory whose requests take a while.
type shelf struct {
	keys  []string
	page  int
	takes time.Duration
	fails int // the request that fails, counted from 1; 0: none

	mu       sync.Mutex
	requests int
	running  int
	most     int // requests at once
}

func newShelf(page int, keys []string) *shelf {
	sort.Strings(keys)
	return &shelf{keys: slices.Compact(keys), page: page, takes: time.Second}
}

func (s *shelf) Page(ctx context.Context, after string) ([]Object, bool, error) {
	s.mu.Lock()
	s.requests++
	s.running++
	s.most = max(s.most, s.running)
	fail := s.requests == s.fails
	s.mu.Unlock()
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
	}
	s.mu.Lock()
	s.running--
	s.mu.Unlock()
	if fail {
		return nil, false, errors.New("slow down")
	}
	i := sort.Search(len(s.keys), func(i int) bool { return s.keys[i] > after })
	var out []Object
	for ; i < len(s.keys) && len(out) < s.page; i++ {
		out = append(out, Object{Key: s.keys[i]})
	}
	return out, i < len(s.keys), ctx.Err()
}

func numbered(n int, format string) (keys []string) {
	for i := range n {
		keys = append(keys, fmt.Sprintf(format, i))
	}
	return keys
}

func hashed(n int, format string) (keys []string) {
	r := rand.New(rand.NewPCG(1, 2))
	for range n {
		keys = append(keys, fmt.Sprintf(format, r.Uint64()))
	}
	return keys
}

// corpora are ways in which people name objects.
func corpora() map[string][]string {
	days := func() (keys []string) {
		for d := range 28 {
			keys = append(keys, numbered(700, fmt.Sprintf("calls/2026/11/%02d/call-%%d.flac", d+1))...)
		}
		return keys
	}
	return map[string][]string{
		"nothing":               nil,
		"one":                   {"a"},
		"numbers":               numbered(20_000, "img-%08d.jpg"),
		"numbers of any length": numbered(20_000, "%d"),
		"hashes":                hashed(20_000, "blobs/%016x"),
		"days":                  days(),
		"a long common name":    numbered(20_000, strings.Repeat("very-long-name/", 20)+"%06d/x"),
		"words":                 append(numbered(5000, "über/%d/ß"), append(numbered(5000, "日本/%d"), numbered(5000, "a b+c/%d")...)...),
		"odd bytes":             append(numbered(3000, "\x01%d"), numbered(3000, "\x7f%d")...),
		"lopsided":              append(numbered(19_000, "a/%05d"), "zzz"),
	}
}

// TestEveryKeyIsGivenOnce is L1, and that the work is shared where there is work to share.
func TestEveryKeyIsGivenOnce(t *testing.T) {
	defer goleak.VerifyNone(t)
	for name, keys := range corpora() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShelf(100, slices.Clone(keys))
				var got []string
				var last State
				began := time.Now()
				if err := All(t.Context(), s, 16, State{}, func(page []Object, st State) error {
					for _, o := range page {
						got = append(got, o.Key)
					}
					last = st
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				sort.Strings(got)
				if !slices.Equal(got, s.keys) || !last.Done() {
					t.Fatalf("%d keys, want %d; state %+v", len(got), len(s.keys), last)
				}
				pages, took := (len(s.keys)+99)/100, time.Since(began)
				t.Logf("%d pages in %v with %d requests, %d at once", pages, took, s.requests, s.most)
				if pages > 50 && (took > time.Duration(pages)*time.Second/3 || s.requests > 4*pages) {
					t.Errorf("%d pages took %v and %d requests: the work was not shared, or guessed badly", pages, took, s.requests)
				}
			})
		})
	}
}

// TestAnInterruptedListingGoesOnWhereItWas is L2: requests fail at seeded places, and each time a new enumeration goes on from the last state.
func TestAnInterruptedListingGoesOnWhereItWas(t *testing.T) {
	for name, keys := range corpora() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShelf(37, slices.Clone(keys))
				r := rand.New(rand.NewPCG(7, 7))
				var got []string
				var state State
				for tries := 0; !state.Done(); tries++ {
					s.fails = s.requests + 1 + r.IntN(60)
					if tries > 200 {
						s.fails = 0
					}
					err := All(t.Context(), s, 5, state, func(page []Object, st State) error {
						for _, o := range page {
							got = append(got, o.Key)
						}
						state = st
						return nil
					})
					if err != nil && !strings.Contains(err.Error(), "slow down") {
						t.Fatal(err)
					}
				}
				sort.Strings(got)
				if !slices.Equal(got, s.keys) {
					t.Fatalf("%d keys, want %d", len(got), len(s.keys))
				}
			})
		})
	}
}

func TestAStoreThatListsOutOfOrderIsRefused(t *testing.T) {
	s := &shelf{keys: []string{"b", "a"}, page: 10}
	if err := All(t.Context(), s, 2, State{}, func([]Object, State) error { return nil }); err == nil || !strings.Contains(err.Error(), "order") {
		t.Errorf("got %v", err)
	}
}

func TestAGiverThatFailsEndsTheListing(t *testing.T) {
	full := errors.New("the disk is full")
	s := newShelf(10, numbered(1000, "%04d"))
	s.takes = 0
	if err := All(t.Context(), s, 4, State{}, func([]Object, State) error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}

// away is a store that gives no page from one on.
type away struct {
	*shelf
	from string
}

func (a away) Page(ctx context.Context, after string) ([]Object, bool, error) {
	if after >= a.from {
		return nil, false, errors.New("listing s3://box/: it is away")
	}
	return a.shelf.Page(ctx, after)
}

func TestAPageThatIsNotGivenIsToldByThePlaceWhereItBegins(t *testing.T) {
	for from, want := range map[string]string{"": "listing s3://box/: it is away", "0009": `behind "0009": listing s3://box/: it is away`} {
		s := away{newShelf(10, numbered(20, "%04d")), from}
		if err := All(t.Context(), s, 1, State{}, func([]Object, State) error { return nil }); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func FuzzCut(f *testing.F) {
	f.Add("img-000", "img-999", "", uint64(8))
	f.Add("a", "b", "c", uint64(1))
	f.Add("\x00", "\xff\xff", "", uint64(3))
	f.Fuzz(func(t *testing.T, first, last, upto string, times uint64) {
		if first >= last || upto != "" && last >= upto {
			return
		}
		key := cut(first, last, upto, new(big.Int).SetUint64(times))
		if key != "" && (key <= last || upto != "" && key >= upto) {
			t.Fatalf("%q is not between %q and %q", key, last, upto)
		}
	})
}
