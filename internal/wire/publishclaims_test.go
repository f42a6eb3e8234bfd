package wire

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"vecmill/internal/backfill/plan"
	"vecmill/internal/publish"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/objectstore"
)

// overwriting is a store that ignores the condition.
type overwriting struct{ plan.Store }

func (o overwriting) PutIfAbsent(ctx context.Context, name string, body []byte, _ map[string]string) error {
	return o.Put(ctx, name, body, "")
}

func TestClaimsLieBesideThePlan(t *testing.T) {
	ctx := t.Context()
	store, err := dirstore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := plan.Place{Store: store, Prefix: "plans/all"}
	if _, err := claimsOf(ctx, plan.Place{Store: overwriting{store}, Prefix: at.Prefix}, "refs"); !errors.Is(err, objectstore.ErrUnconditional) {
		t.Errorf("of a store that ignores the condition: %v", err)
	}
	claims, err := claimsOf(ctx, at, "refs")
	if err != nil {
		t.Fatal(err)
	}
	other, err := claimsOf(ctx, at, "refs.2")
	if err != nil {
		t.Fatal(err)
	}
	last := func(c publishClaims, n int64, id string, over bool) {
		t.Helper()
		if got, claim, err := c.Last(ctx); err != nil || got != n || claim.ID != id || claim.Over != over {
			t.Errorf("%d, %+v, %v; want %d of %q, over: %t", got, claim, err, n, id, over)
		}
	}
	last(claims, 0, "", false)
	for n, id := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"} {
		if err := claims.Make(ctx, int64(n+1), publish.Claim{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	if err := claims.Make(ctx, 11, publish.Claim{ID: "l"}); !errors.Is(err, publish.ErrClaimed) {
		t.Errorf("a number that is taken: %v", err)
	}
	last(claims, 11, "k", false)
	if err := claims.Keep(ctx, 11, publish.Claim{ID: "k", Over: true}); err != nil {
		t.Error(err)
	}
	last(claims, 11, "k", true)
	last(other, 0, "", false)

	state := stateOf(at, "refs")
	first, late := &publish.State{Run: "a", Ends: []int64{3}}, &publish.State{Run: "b", Ends: []int64{4}}
	for range 2 { // the second is a try whose first one landed
		if err := state.save(ctx, first); err != nil {
			t.Fatal(err)
		}
	}
	if err := state.save(ctx, late); err == nil || !strings.Contains(err.Error(), "publish-refs.json") {
		t.Errorf("another publishing begins over the first: %v", err)
	}
	if err := state.save(ctx, &publish.State{Run: "a", Next: 5, Ends: []int64{9}}); err != nil {
		t.Error(err)
	}
	if is, err := state.load(ctx); err != nil || is.Next != 5 {
		t.Errorf("%+v, %v", is, err)
	}
	if topics, err := plan.PublishedTo(ctx, at); err != nil || len(topics) != 1 || topics[0] != "refs" {
		t.Errorf("%v, %v", topics, err)
	}
}

// TestAPublishingThatTriesAgainSaysWhy has brokers that give no clear answer to any append; what hears of the first one has the publishing end.
func TestAPublishingThatTriesAgainSaysWhy(t *testing.T) {
	brokers, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "refs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(brokers.Close)
	l := newLake(t, 3)
	l.conf.Kafka.Brokers, l.conf.Pipelines[0].Topics = brokers.ListenAddrs(), []string{"refs"}
	l.plan(t, "all", PlanOptions{})
	brokers.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.RequestTimedOut, Count: -1})
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	out := heard{stop: stop}
	began := time.Now()
	_, err = Publish(ctx, l.conf, filepath.Join(l.out, "all"), PublishOptions{Topic: "refs", MaxLag: 10, Log: slog.New(slog.NewTextHandler(&out, nil))})
	if told := out.String(); err == nil || !strings.Contains(told, "publishing failed; trying again") || !strings.Contains(told, "refs/0") || time.Since(began) > 20*time.Second {
		t.Errorf("%v after %v: %s", err, time.Since(began), told)
	}
}

// heard stops what it is told about.
type heard struct {
	bytes.Buffer
	stop func()
}

func (h *heard) Write(p []byte) (int, error) {
	h.stop()
	return h.Buffer.Write(p)
}

// TestTriesAreToldEveryTenSeconds has one that fails a second for a minute.
func TestTriesAreToldEveryTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		tell := triesFor(slog.New(slog.NewTextHandler(&out, nil)))
		for tries := range 61 {
			tell(tries+1, errors.New("boom"))
			time.Sleep(time.Second)
		}
		tell(62, nil)
		if n := strings.Count(out.String(), "trying again"); n != 7 || strings.Count(out.String(), "\n") != n {
			t.Errorf("told %d times: %s", n, out.String())
		}
		triesFor(nil)(1, errors.New("boom"))
	})
}
