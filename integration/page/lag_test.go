//go:build integration

package page

import (
	"net/http/httptest"
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
	began := time.Now()
	server := httptest.NewServer(page.New(func() status.Status {
		var places []stream.Place
		if assigned.Load() {
			places = []stream.Place{{Partition: stream.Partition{Topic: "refs"}, Read: 7, Durable: 7, End: 7}}
		}
		p := status.Of(status.About{Name: "speech", Modality: "audio", Topics: []string{"refs"}, Heads: []string{}, Outputs: []string{}}, stream.Stats{}, embed.Stats{}, places)
		return status.Status{Version: "test", Started: began, Now: time.Now(), Phase: "running", Pipelines: []status.Pipeline{p}}
	}, nil))
	t.Cleanup(server.Close)
	ctx := browser(t, server.URL)
	run := func(what string, steps ...step) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	says := func(lag, why, waits string) []step {
		return []step{
			within(`document.querySelector("#figures [data-id=lag] dd").innerText.replace(/\s+/g, " ").trim() === "` + lag + " " + why + `"`),
			within(`document.querySelector("#bottleneck").textContent === "Nothing is busy: the pipeline waits for ` + waits + `."`),
		}
	}
	run("opening", chromedp.EmulateViewport(360, 740), chromedp.Navigate(server.URL+"/"))
	run("it joins", append(says("not known", "no partition is assigned", "partitions"), fits(), shoot("no-partition"))...)
	assigned.Store(true)
	run("it reads", says("0", "caught up", "records")...)
	assigned.Store(false)
	run("its brokers are away", says("not known", "no partition is assigned", "partitions")...)
}
