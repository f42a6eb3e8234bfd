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
	"vecmill/internal/telemetry"
	"vecmill/schemas"
	"vecmill/stream"
)

// TestThePageShowsPercentilesAndTheTroublesOfOutputs gives the page totals of which the answers are known: each second 98 records of 20 to 30 ms and two of 200 to 300, and ten batches of 50 to
// 70 ms. Counts that a worker begins with are of before the page came, and are in none of its percentiles.
func TestThePageShowsPercentilesAndTheTroublesOfOutputs(t *testing.T) {
	bounds := telemetry.Bounds()
	bucket := func(upTo float64) int {
		for i, b := range bounds {
			if b == upTo {
				return i
			}
		}
		t.Fatalf("no bound at %v", upTo)
		return 0
	}
	var seconds atomic.Int64
	var well atomic.Bool
	began := time.Now()
	fault := status.Fault{
		Output: "outputs[1]", Class: status.FaultClass(schemas.PlaceUnreachable), Message: "dial tcp 10.0.0.7:5432: connect: connection refused", Advice: status.FaultAdvice(status.FaultClass(schemas.PlaceUnreachable)),
		Tries: 17, Since: began.Add(-3 * time.Minute).UnixMilli(), Last: began.UnixMilli(),
	}
	now := func() status.Status {
		n := seconds.Add(1)
		p := status.Of(status.About{Name: "speech", Modality: "audio", Topics: []string{"refs"}, Heads: []string{"voice"}, Outputs: []string{"parquet", "postgres"}, Sessions: 1, Fetchers: 4, Preparers: 2, Slots: 8},
			stream.Stats{Records: 100 * n, Budget: 1}, embed.Stats{Objects: 100 * n, Samples: 100 * n, Batches: 10 * n, Infer: time.Duration(n) * time.Second, Queue: time.Duration(n) * 4 * time.Second},
			[]stream.Place{{Partition: stream.Partition{Topic: "refs"}, Read: 100 * n, Durable: 100 * n, End: 100 * n}})
		p.Took, p.Ran = make([]int64, len(bounds)+1), make([]int64, len(bounds)+1)
		p.Took[bucket(.03)], p.Took[bucket(.3)], p.Took[len(bounds)] = 98*n, 2*n, 7
		p.Ran[bucket(.07)] = 10 * n
		f := fault
		if well.Load() {
			f.Until = time.Now().UnixMilli()
		}
		p.Faults = []status.Fault{f}
		return status.Status{Version: "test", Started: began, Now: began.Add(time.Duration(n) * time.Second), Phase: "running", Bounds: bounds, Pipelines: []status.Pipeline{p}}
	}
	srv := httptest.NewServer(page.New(now, nil))
	defer srv.Close()
	ctx := browser(t, srv.URL)
	run := func(what string, steps ...step) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	run("percentiles", chromedp.EmulateViewport(1200, 900), chromedp.Navigate(srv.URL+"/"),
		within(`document.querySelectorAll("#latency canvas").length === 1 && document.querySelectorAll("#time canvas").length === 1`),
		// 50 of 98 within 20 + 10 * 50/98; the 99th is the first of two in the upper bucket, halfway between 200 and 300
		within(`document.querySelector("#latency-said").textContent.match(/^now half of the records within 25\.1 and 99 of 100 within 250, batches within 60(\.0)? and 69\.8$/)`),
		within(`document.querySelector("#time-said").textContent === "now fetch 0, preprocess 0, queue 40, infer 10"`),
		within(`document.querySelector("#latency .u-legend").textContent.includes("records, 99 %")`))
	run("an output in trouble",
		within(`!document.querySelector("#troubles").hidden && document.querySelector("#faults h3").textContent === "outputs[1] (postgres): unreachable"`),
		within(`document.querySelector("#faults blockquote").textContent.includes("connection refused") && document.querySelector("#faults").textContent.includes("worker doctor")`),
		within(`document.querySelector("#faults h3 + p").textContent.match(/^since \d\d:\d\d:\d\d, 17 tries, \d+ (s|min) by now, and tried again$/)`),
		within(`document.querySelector("#tabs [role=tab]").classList.contains("troubled")`), shoot("troubles"))
	run("narrow", chromedp.EmulateViewport(360, 740),
		within(`document.documentElement.scrollWidth === 360 && document.querySelector("#latency .uplot") && document.querySelector("#latency .uplot").clientWidth < 360`), shoot("troubles-narrow"))
	well.Store(true)
	run("an output that is well again",
		within(`document.querySelector("#faults h3").textContent === "outputs[1] (postgres): was unreachable" && document.querySelector("#faults h3 + p").textContent.includes("17 tries; well again since ")`),
		within(`!document.querySelector("#tabs [role=tab]").classList.contains("troubled")`))
}
