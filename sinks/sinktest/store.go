package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"vecmill/sinks/objectstore"
)

// RunStore holds an object store to the contract of objectstore.Store. open gives an empty store.
func RunStore(t *testing.T, open func(t *testing.T) objectstore.Store) {
	for name, run := range map[string]func(*testing.T, objectstore.Store){
		"an object reads back as it was put":               storeReadBack,
		"a second put of a name fails and changes nothing": storeSecondPut,
		"of many writers of one name exactly one wins":     storeRace,
		"names are listed in order after a name":           storeList,
		"what is not there is not found":                   storeNotFound,
		"a cancelled request fails":                        storeCancelled,
		"the store passes its own probe":                   storeProbe,
	} {
		t.Run(name, func(t *testing.T) { run(t, open(t)) })
	}
}

func storePut(t *testing.T, s objectstore.Store, name, body string) {
	t.Helper()
	if err := s.PutIfAbsent(t.Context(), name, []byte(body), map[string]string{"vecmill-a": "b c"}); err != nil {
		t.Fatal(err)
	}
}

func storeReadBack(t *testing.T, s objectstore.Store) {
	big := bytes.Repeat([]byte("0123456789"), 1<<20) // 10 MiB
	if err := s.PutIfAbsent(t.Context(), "a/b/c.parquet", big, map[string]string{"vecmill-a": "b c"}); err != nil {
		t.Fatal(err)
	}
	info, err := s.Stat(t.Context(), "a/b/c.parquet")
	if err != nil || info.Size != int64(len(big)) || info.Meta != nil && info.Meta["vecmill-a"] != "b c" {
		t.Fatalf("stat: %+v, %v", info, err)
	}
	got, err := s.Read(t.Context(), "a/b/c.parquet", 0, int64(len(big)))
	if err != nil || !bytes.Equal(got, big) {
		t.Fatalf("read %d bytes, %v; equal: %v", len(got), err, bytes.Equal(got, big))
	}
	got, err = s.Read(t.Context(), "a/b/c.parquet", int64(len(big))-5, 100)
	if err != nil || string(got) != "56789" {
		t.Fatalf("the end reads %q, %v", got, err)
	}
}

func storeSecondPut(t *testing.T, s objectstore.Store) {
	storePut(t, s, "x", "first")
	err := s.PutIfAbsent(t.Context(), "x", []byte("second"), nil)
	if !errors.Is(err, objectstore.ErrExists) {
		t.Fatalf("the second put gives %v, want ErrExists", err)
	}
	if got, err := s.Read(t.Context(), "x", 0, 100); err != nil || string(got) != "first" {
		t.Fatalf("read %q, %v", got, err)
	}
}

func storeRace(t *testing.T, s objectstore.Store) {
	var wg sync.WaitGroup
	var won atomic.Int64
	winner := make(chan string, 1)
	for i := range 8 {
		wg.Go(func() {
			body := fmt.Sprintf("writer %d", i)
			for {
				err := s.PutIfAbsent(t.Context(), "dir/race", []byte(body), nil)
				switch {
				case err == nil:
					if won.Add(1) == 1 {
						winner <- body
					}
				case !errors.Is(err, objectstore.ErrExists):
					t.Logf("trying again after: %v", err) // S3 may answer 409 to racing conditional PUTs
					continue
				}
				return
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d writers won", won.Load())
	}
	if got, err := s.Read(t.Context(), "dir/race", 0, 100); err != nil || string(got) != <-winner {
		t.Fatalf("read %q, %v", got, err)
	}
}

func storeList(t *testing.T, s objectstore.Store) {
	for _, n := range []string{"p/2", "p/10", "p/1", "p/sub/3", "q/1", "p2/1"} {
		storePut(t, s, n, n)
	}
	for _, c := range []struct {
		prefix, after string
		want          []string
	}{
		{"p/", "", []string{"p/1", "p/10", "p/2", "p/sub/3"}},
		{"p/", "p/10", []string{"p/2", "p/sub/3"}},
		{"p/", "p/100", []string{"p/2", "p/sub/3"}},
		{"p/1", "", []string{"p/1", "p/10"}},
		{"p/", "p/sub/3", nil},
		{"nothing/here/", "", nil},
	} {
		got, err := s.List(t.Context(), c.prefix, c.after)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("listing %q after %q: %v, %v; want %v", c.prefix, c.after, got, err, c.want)
		}
	}
}

func storeNotFound(t *testing.T, s objectstore.Store) {
	if _, err := s.Stat(t.Context(), "no/such"); !errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("stat gives %v", err)
	}
	if _, err := s.Read(t.Context(), "no/such", 0, 1); !errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("read gives %v", err)
	}
}

func storeCancelled(t *testing.T, s objectstore.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.PutIfAbsent(ctx, "c", []byte("c"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled put gives %v", err)
	}
}

func storeProbe(t *testing.T, s objectstore.Store) {
	for range 2 {
		if err := objectstore.CheckConditionalPut(t.Context(), s, "out"); err != nil {
			t.Fatal(err)
		}
		if err := objectstore.CheckRead(t.Context(), s, "out"); err != nil {
			t.Fatal(err)
		}
	}
}
