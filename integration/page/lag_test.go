//go:build integration

package page

import (
	"context"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"vecmill/embed"
	"vecmill/internal/page"
	"vecmill/internal/status"
	"vecmill/stream"
)

// TestThePageDoesNotKnowTheLagOfNothing has a worker that joins its group, reads, and loses its brokers: without a partition it is not caught up.
func TestThePageDoesNotKnowTheLagOfNothing(t *testing.T) {
	var assigned atomic.Bool
	run, says := lagging(t, func() (places []stream.Place) {
		if assigned.Load() {
			places = []stream.Place{{Partition: stream.Partition{Topic: "refs"}, Read: 7, Durable: 7, End: 7}}
		}
		return places
	})
	run("it joins", says("not known", "no partition is assigned", "partitions"), fits(), shoot("no-partition"))
	assigned.Store(true)
	run("it reads", says("0", "caught up", "records"))
	assigned.Store(false)
	run("its brokers are away", says("not known", "no partition is assigned", "partitions"))
}

// TestThePageTakesNoAssignmentForProgress has a worker of partitions that are far into their logs, each two hours behind at its pace. One more comes, and then another one for one of them: what the sums over
// all of them rise by is no progress. All that the page says meanwhile is looked at, since what is wrong would not last.
func TestThePageTakesNoAssignmentForProgress(t *testing.T) {
	const far, pace, behind = 9e9, 1000, 7200 * 1000
	began := time.Now()
	var assigned atomic.Pointer[[]int]
	assigned.Store(&[]int{0})
	run, _ := lagging(t, func() (places []stream.Place) {
		for _, id := range *assigned.Load() {
			done := int64(far*float64(1+id) + pace*time.Since(began).Seconds())
			places = append(places, stream.Place{Partition: stream.Partition{Topic: "refs", ID: id}, Read: done, Durable: done, End: done + behind})
		}
		return places
	})
	const unknown, known = "to catch up: not known yet", "to catch up: 2.0 h"
	const says = `document.querySelector("#figures [data-id=lag] small").textContent`
	run("it reads", within(says+` === "`+known+`"`), within(`window.said = [], new MutationObserver((all) => window.said.push(...all.map((m) => m.target.textContent))).observe(document.querySelector("#figures [data-id=lag] small"), {childList: true}), true`))
	for _, id := range []int{1, 2} {
		assigned.Store(&[]int{id - 1, id})
		run("another one comes", within(`document.querySelector("#places").textContent.includes("refs/`+strconv.Itoa(id)+`")`), within(says+` === "`+known+`"`))
	}
	var said []string
	run("what it said", chromedp.Func(func(ctx context.Context, target *chromedp.Target) (err error) {
		said, err = chromedp.Evaluate[[]string]("window.said")(ctx, target)
		return err
	}))
	if want := []string{unknown, known, unknown, known}; !slices.Equal(said, want) {
		t.Errorf("it said %q, want %q", said, want)
	}
}

// lagging is a narrow page of a worker of these places: what runs steps in it, and what it is to say of the lag, and of what its pipeline waits for.
func lagging(t *testing.T, places func() []stream.Place) (run func(what string, steps ...step), says func(lag, why, waits string) step) {
	began := time.Now()
	server := httptest.NewServer(page.New(func() status.Status {
		var lag int64
		all := places()
		for _, at := range all {
			lag += at.Lag()
		}
		p := status.Of(status.About{Name: "speech", Modality: "audio", Topics: []string{"refs"}, Heads: []string{}, Outputs: []string{}}, stream.Stats{Lag: lag}, embed.Stats{}, all)
		return status.Status{Version: "test", Started: began, Now: time.Now(), Phase: "running", Pipelines: []status.Pipeline{p}}
	}, nil))
	t.Cleanup(server.Close)
	ctx := browser(t, server.URL)
	run = func(what string, steps ...step) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	says = func(lag, why, waits string) step {
		return within(`document.querySelector("#figures [data-id=lag] dd").innerText.replace(/\s+/g, " ").trim() === "` + lag + " " + why + `" && ` +
			`document.querySelector("#bottleneck").textContent === "Nothing is busy: the pipeline waits for ` + waits + `."`)
	}
	run("opening", chromedp.EmulateViewport(360, 740), chromedp.Navigate(server.URL+"/"))
	return run, says
}
