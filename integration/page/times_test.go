//go:build integration

package page

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"vecmill/embed"
	"vecmill/internal/page"
	"vecmill/internal/status"
	"vecmill/internal/telemetry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
)

// TestThePageShowsWhatAWorkerTellsIt gives the page totals of which the answers are known: each second 98 records of 20 to 30 ms and two of 200 to 300, and ten batches of 50 to
// 70 ms, one session that is always busy, queues that are filled up, and a partition that is 50 records behind. Counts that a worker begins with are of before the page came, and are in none
// of its percentiles.
func TestThePageShowsWhatAWorkerTellsIt(t *testing.T) {
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
	var well, full atomic.Bool
	began := time.Now()
	fault := status.Fault{
		Output: "outputs[1]", Class: status.FaultClass(schemas.PlaceUnreachable), Message: "dial tcp 10.0.0.7:5432: connect: connection refused", Advice: status.FaultAdvice("outputs[1]", status.FaultClass(schemas.PlaceUnreachable)),
		Tries: 17, Since: began.Add(-3 * time.Minute).UnixMilli(), Last: began.UnixMilli(),
	}
	brokers := status.Fault{Output: status.PlaceKafka, Class: status.FaultSlow, Message: "context deadline exceeded", Advice: status.FaultAdvice(status.PlaceKafka, status.FaultSlow), Tries: 2, Since: began.Add(-72 * time.Hour).UnixMilli()}
	once := status.Fault{Output: "outputs[0]", Class: status.FaultNewModel, Message: "p/t/0/7.parquet has rows of model old", Advice: status.FaultAdvice("outputs[0]", status.FaultNewModel), Since: began.UnixMilli(), Last: began.UnixMilli(), Until: began.UnixMilli()}
	now := func() status.Status {
		n := seconds.Add(1)
		s := stream.Stats{Records: 100 * n, Commits: 2 * n, Dead: map[schemas.Reason]int64{schemas.ReasonDecode: 3 * n}, Writers: 2, Write: time.Duration(n) * 1800 * time.Millisecond, InFlight: 2, Unfetched: 6, Held: 3 << 20, Budget: 4 << 20, Lag: 50, Waiting: 3 * time.Second}
		e := embed.Stats{Objects: 100 * n, Samples: 100 * n, Batches: 10 * n, Infer: time.Duration(n) * time.Second, Queue: 4 * float64(n), Waiting: 32, Undecoded: 7}
		if well.Load() {
			s.Dead, s.Waiting = nil, 0
		}
		if full.Load() {
			s.InFlight, s.Unfetched, s.Held, e.Waiting, e.Undecoded = 8, 8, s.Budget, 64, 14
		}
		p := status.Of(status.About{
			Name: "speech", Modality: "audio", Topics: []string{"refs"}, Class: "Data2VecAudioModel", Model: "hf://a/b", Digest: strings.Repeat("5", 64), Precision: "fp16", Preprocess: strings.Repeat("7", 64),
			Heads: []string{"voice"}, Outputs: []string{"parquet", "postgres"}, Sessions: 1, Fetchers: 4, Preparers: 2, Slots: 8, Window: 64,
		}, s, e, []stream.Place{{Partition: stream.Partition{Topic: "refs", ID: 6}, Read: 100 * n, Durable: 100*n - 40, End: 100*n + 10}})
		p.Private = true
		p.Written = status.Outputs(p.Outputs, []sinks.MemberStats{
			{Name: "outputs[0]", Rows: 100 * n, Waiting: 100, Settled: 80 * n, Write: time.Duration(n) * 200 * time.Millisecond, Durable: 900 + 200*float64(n), Held: 16 << 20, Limit: 64 << 20},
			{Name: "outputs[1]", BestEffort: true, Rows: 90 * n, Waiting: 7, Settled: 90*n - 7, Write: time.Duration(n) * 1600 * time.Millisecond, Durable: 45 * float64(n), Held: 48 << 20, Limit: 48 << 20},
		})
		p.Took, p.Ran = make([]int64, len(bounds)+1), make([]int64, len(bounds)+1)
		p.Took[bucket(.03)], p.Took[bucket(.3)], p.Took[len(bounds)] = 98*n, 2*n, 7
		p.Ran[bucket(.07)] = 10 * n
		p.Faults = []status.Fault{fault, brokers, once}
		if well.Load() {
			for i := range 2 {
				p.Faults[i].Until = time.Now().UnixMilli()
			}
		}
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
	run("lines that differ without their colours, on the chart as in its legend",
		within(`charts.length === 3 && charts.every((c) => new Set(c.series.slice(1).map((s) => String(s.dash))).size === c.series.length - 1)`),
		within(`charts.every((c) => [...c.root.querySelectorAll(".u-marker line")].map((l) => l.clientWidth > 0 || l.getBoundingClientRect().width > 0 ? l.getAttribute("stroke-dasharray") : "none").join() === c.series.slice(1).map((s) => (s.dash || []).join(" ")).join())`))
	run("the stage that is busy",
		within(`document.querySelectorAll("#flow li.slowest").length === 1 && document.querySelector("#flow li.slowest b").textContent === "Infer"`),
		within(`document.querySelector("#flow li.slowest .busyness").textContent === "100 % busy, 1 worker" && `+fill("Infer", "busy", 100)),
		within(`document.querySelector("#bottleneck").textContent === "Infer is the busiest stage, 100 % of its workers' time: the bottleneck."`))
	run("queues", within(fill("Read", "queue", 25)+" && "+fill("Fetch", "queue", 75)+" && "+fill("Preprocess", "queue", 50)+" && "+fill("Batch", "queue", 50)),
		within(waiting("Read", "2 of 8 in flight")+" && "+waiting("Fetch", "6 of 8 waiting, 3.0 MiB of 4.0 MiB held")+" && "+waiting("Preprocess", "7 of 14 waiting")+" && "+waiting("Batch", "32 of 64 waiting")))
	full.Store(true)
	run("queues that are full", within(fill("Read", "queue", 100)+" && "+fill("Fetch", "queue", 100)+" && "+fill("Preprocess", "queue", 100)+" && "+fill("Batch", "queue", 100)), shoot("full"))
	full.Store(false)
	run("queues that have room again", within(fill("Read", "queue", 25)+" && "+fill("Fetch", "queue", 75)+" && "+fill("Preprocess", "queue", 50)+" && "+fill("Batch", "queue", 50)))
	run("outputs, of which the first gives a fifth of its rows up, and the second takes 0.8 s of each second of two writers",
		within(output(0, ".rate", "100 rows/s")+" && "+output(0, ".busyness", "10 % of the writers' time")+" && "+output(0, ".filling", "16.0 MiB of 64.0 MiB buffered")+" && "+output(0, ".wait", "100 rows not durable yet, others after 2.5 s")),
		within(output(1, ".rate", "90 rows/s")+" && "+output(1, ".busyness", "80 % of the writers' time")+" && "+output(1, ".filling", "48.0 MiB of 48.0 MiB buffered")+" && "+output(1, ".wait", "7 rows not durable yet, others after 0.5 s")),
		within(output(0, "b", "parquet")+" && "+output(0, "b + small", "outputs[0]")+" && "+output(1, "b", "postgres")+" && "+output(1, "b + small", "outputs[1], best effort")),
		within(fillOf(box(0), "queue", 25)+" && "+fillOf(box(1), "queue", 100)+" && "+fillOf(box(0), "busy", 10)+" && "+fillOf(box(1), "busy", 80)),
		within(box(1)+`.matches(".slowest") && !`+box(0)+`.matches(".slowest")`),
		within(output(0, ".trouble", "")+" && "+output(1, ".trouble", "in trouble: unreachable")),
		within(`document.querySelector("#slowest-output").textContent === "outputs[1] (postgres) takes the longest, 80 % of the writers' time: it holds the others up."`),
		within(`document.querySelector("#letters-now").textContent.match(/^3 letters\/s, [0-9,]+ since the start$/) && document.querySelector("#commits-now").textContent === "2 commits/s, a partition without durable progress for 3.0 s"`), shoot("outputs"))
	run("what is behind",
		within(`document.querySelector("[data-id=lag] dd").textContent === "50to catch up: 0.5 s"`), // at 100 a second
		within(`document.querySelector("[data-id=commit] dd").textContent === "3.0 swithout durable progress"`),
		// the partition, its lag, commit point, what is read and where the log ends
		within(`(([at, lag, durable, read, end]) => at === "refs/6" && lag === "50" && read - durable === 40 && end - durable === 50 && durable % 100 === 60)(
			[...document.querySelectorAll("#places tr > *")].map((cell, i) => i < 2 ? cell.textContent : +cell.textContent.replaceAll(",", "")))`),
		within(`document.querySelector("#places td.behind").textContent === "50"`))
	run("what computes, which is told, and what passes, which is not", within(fact("class", "Data2VecAudioModel")), within(fact("model", "hf://a/b")), within(fact("precision", "fp16")),
		within(fact("model digest", strings.Repeat("5", 64))), within(fact("preprocess digest", strings.Repeat("7", 64))),
		within(`!document.querySelector("#private").hidden && document.querySelector("#recent").children.length === 0`))
	run("an output in trouble",
		within(`!document.querySelector("#troubles").hidden && document.querySelector("#faults h3").textContent === "outputs[1] (postgres): unreachable"`),
		within(`document.querySelector("#faults blockquote").textContent.includes("connection refused") && document.querySelector("#faults").textContent.includes("worker doctor")`),
		within(`document.querySelector("#faults h3 + p").textContent.match(/^since (\d+ \w+ \d{4}, )?\d\d:\d\d:\d\d, 17 tries, \d+ (s|min) by now, and tried again$/)`), // with a date soon after midnight
		within(`document.querySelector("#tabs [role=tab]").classList.contains("troubled") && document.querySelector("#tabs [role=tab]").title === "in trouble: outputs[1], kafka"`),
		within(`document.querySelector("#phase").textContent === "running, in trouble"`), shoot("troubles"))
	run("brokers in trouble for three days",
		within(`document.querySelectorAll("#faults h3")[1].textContent === "kafka: slow"`),
		within(`document.querySelectorAll("#faults h3 + p")[1].textContent.match(/^since \d+ \w+ \d{4}, \d\d:\d\d:\d\d, 2 tries, 3 d by now, and tried again$/)`))
	run("what has happened once, and is no trouble that lasts",
		within(`document.querySelectorAll("#faults h3")[2].textContent === "outputs[0] (parquet): new-model"`),
		within(`document.querySelectorAll("#faults h3 + p")[2].textContent.match(/^at (\d+ \w+ \d{4}, )?\d\d:\d\d:\d\d$/)`))
	run("narrow", chromedp.EmulateViewport(360, 740),
		within(`document.documentElement.scrollWidth === 360 && document.querySelector("#latency .uplot") && document.querySelector("#latency .uplot").clientWidth < 360`), shoot("troubles-narrow"))
	well.Store(true)
	run("an output that is well again", within(output(1, ".trouble", "")),
		within(`document.querySelector("#commits-now").textContent === "2 commits/s, all that was read is durable" && document.querySelector("[data-id=commit] dd").textContent === "0 sall that was read is durable"`),
		within(`document.querySelector("#faults h3").textContent === "outputs[1] (postgres): was unreachable" && document.querySelector("#faults h3 + p").textContent.includes("17 tries; well again since ")`),
		within(`!document.querySelector("#tabs [role=tab]").classList.contains("troubled") && document.querySelector("#phase").textContent === "running"`))
}

// tile is where a stage of the dataflow is drawn.
func tile(stage string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#flow li")].find((li) => li.querySelector("b").textContent === %q)`, stage)
}

// fill is true of a stage's meter (busy or queue) that is drawn so many percent wide, and says so to a screen reader.
func fill(stage, kind string, percent int) string { return fillOf(tile(stage), kind, percent) }

func fillOf(tile, kind string, percent int) string {
	return fmt.Sprintf(`((m) => m.getAttribute("aria-valuenow") === "%[3]d" && m.clientWidth > 0 && Math.abs(m.firstChild.getBoundingClientRect().width / m.clientWidth - %[3]d / 100) < 0.02)(%[1]s.querySelector(".meter.%[2]s"))`, tile, kind, percent)
}

// box is where an output is drawn.
func box(i int) string { return fmt.Sprintf(`document.querySelector("#outputs").children[%d]`, i) }

// output is true of an output of which a part says a text.
func output(i int, part, text string) string {
	return fmt.Sprintf(`%s.querySelector(%q).textContent === %q`, box(i), part, text)
}

func waiting(stage, text string) string {
	return fmt.Sprintf(`%s.querySelector(".waiting").textContent === %q`, tile(stage), text)
}

// fact is true of what stands beside a name in the list of the model.
func fact(name, value string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#model dt")].find((dt) => dt.textContent === %q).nextElementSibling.textContent === %q`, name, value)
}
