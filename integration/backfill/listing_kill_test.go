//go:build integration

package backfill

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"vecmill/integration/fixture"
	"vecmill/internal/backfill/listing"
)

// manyPrefix is what is listed.
const manyPrefix = "in/many/"

// ranges is a gate before the store that knows requests of a listing by the key that they begin behind. It holds all but some, until they are given up.
type ranges struct {
	mu     sync.Mutex
	asked  []string // the keys, in the order of coming
	held   int
	passes func(n int, after string) bool // whether request n, from 0, goes on; nil: all do
}

func (g *ranges) before(r *http.Request) {
	q := r.URL.Query()
	if q.Get("list-type") != "2" || q.Get("prefix") != manyPrefix {
		return
	}
	g.mu.Lock()
	n, after := len(g.asked), q.Get("start-after")
	g.asked = append(g.asked, after)
	hold := g.passes != nil && !g.passes(n, after)
	if hold {
		g.held++
	}
	g.mu.Unlock()
	if hold {
		<-r.Context().Done()
	}
}

// TestAListingThatIsKilledGoesOnInItsOpenRanges kills a plan while requests for several ranges of keys are under way, and behind one of them others were read: two requests are answered, all others are held. The next command asks for no key that
// was there before, and the plan has each once.
func TestAListingThatIsKilledGoesOnInItsOpenRanges(t *testing.T) {
	const objects, page = 3600, 1000
	l := newLake(t, 0)
	var want []string
	var putting errgroup.Group
	putting.SetLimit(putters)
	for i := range objects {
		name := fmt.Sprintf("many/%08x.txt", uint32(i)*2654435761) // an odd factor: no two are the same, and they are spread evenly
		want = append(want, "s3://"+fixture.Bucket+"/in/"+name)
		putting.Go(func() error {
			l.Put(t, name, []byte(text(i)))
			return nil
		})
	}
	_ = putting.Wait() // they fail the test themselves
	slices.Sort(want)
	second := key(want[page-1]) // behind it is the second page of the first range, which stays open
	var first time.Time
	further := false
	g := &ranges{passes: func(n int, after string) bool { // one at a time
		switch {
		case n == 0:
			first = time.Now()
			return true
		case after != second && !further:
			further = true
			time.Sleep(time.Until(first.Add(1500 * time.Millisecond))) // a plan is saved with what is read when a second has gone by
			return true
		}
		return false
	}}
	conf := *l.c
	conf.S3.Endpoint = l.Gate(t, fixture.Gate{Before: g.before})
	args := []string{"plan", "--source", "s3://" + fixture.Bucket + "/" + manyPrefix, "--out", planAt("many"), "--name", "many", "--try", "0", "--json"}
	killed := l.StartBackfill(t, "killed", &conf, args...)
	left := l.awaitSaved(t, killed.Exited())
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		g.mu.Lock()
		held := g.held
		g.mu.Unlock()
		if held >= 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d requests are held", held)
		}
	}
	killed.Kill(t)
	killed.Wait(t, time.Minute)
	open := func(after string) bool {
		return slices.ContainsFunc(left, func(r listing.Range) bool { return after >= r.After && (r.Upto == "" || after < r.Upto) })
	}
	if len(left) < 2 || !open(second) || open("") || left[0].Upto == "" {
		t.Fatalf("the saved listing has the ranges %+v before it", left)
	}

	again := &ranges{}
	conf.S3.Endpoint = l.Gate(t, fixture.Gate{Before: again.before})
	p := l.StartBackfill(t, "again", &conf, args...)
	var said planned
	if code := p.Wait(t, time.Minute).ExitCode(); code != 0 || lastJSON(p.Log(), &said) != nil || said.Items != objects || said.Seen != objects {
		t.Fatalf("exit code %d: %+v\n%s", code, said, p.Log())
	}
	for _, after := range again.asked {
		if !open(after) {
			t.Errorf("what is behind %q was asked for again; left were %+v", after, left)
		}
	}
	if len(again.asked) < len(left) {
		t.Errorf("requests behind %q, and left were %+v", again.asked, left)
	}
	got := l.order(t, "many")
	slices.Sort(got) // parts follow the ranges
	if !slices.Equal(got, want) {
		t.Errorf("the plan has %d references to %d keys, want %d", len(got), len(slices.Compact(got)), objects)
	}
}

// awaitSaved gives the ranges that are left to a plan that has been saved with references in it.
func (l *lake) awaitSaved(t *testing.T, ended <-chan struct{}) []listing.Range {
	t.Helper()
	const name = "plans/many/progress.json"
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		select {
		case <-ended:
			t.Fatal("the plan ended by itself")
		default:
		}
		if _, err := l.S3.Client().StatObject(t.Context(), fixture.Bucket, name, minio.StatObjectOptions{}); err == nil {
			var saved struct {
				Items int
				State struct{ Source listing.State }
			}
			if err := json.Unmarshal(l.S3.Get(t, fixture.Bucket, name), &saved); err != nil {
				t.Fatal(err)
			}
			if saved.Items > 0 {
				return saved.State.Source.Left
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("the plan is not saved")
		}
	}
}
