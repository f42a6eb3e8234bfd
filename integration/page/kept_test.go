//go:build integration

package page

import (
	"context"
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

// still is a pipeline that has done something, and does nothing now.
func still(name, program string, modality schemas.Modality, outputs ...string) status.Pipeline {
	p := status.Of(status.About{
		Name: name, Modality: string(modality), Topics: []string{"refs"}, Heads: []string{"voice"}, Outputs: outputs, Sessions: 1, Fetchers: 4, Preparers: 2, Slots: 8, Window: 64,
		Replay: program + " dlq replay --config /etc/lake.yaml --pipeline " + name,
	}, stream.Stats{Records: 100, Rows: 90, Dead: map[schemas.Reason]int64{schemas.ReasonDecode: 3}, Writers: 2, Held: 1 << 20, Budget: 4 << 20}, embed.Stats{Batches: 10, Cost: 100, Padded: 110},
		[]stream.Place{{Partition: stream.Partition{Topic: "refs"}, Read: 7, Durable: 7, End: 7}})
	var members []sinks.MemberStats
	for i := range outputs {
		members = append(members, sinks.MemberStats{Name: fmt.Sprintf("outputs[%d]", i), Rows: 90})
	}
	p.Written, p.Took, p.Ran = status.Outputs(outputs, members), make([]int64, len(telemetry.Bounds())+1), make([]int64, len(telemetry.Bounds())+1)
	p.Recent = []status.Item{{Serial: 1, ID: "id of " + name, Partition: "refs/0", Computed: true}}
	p.Faults = []status.Fault{{Output: "outputs[0]", Class: status.FaultSlow, Message: "late", Since: time.Now().Add(-time.Hour).UnixMilli(), Until: time.Now().Add(-time.Minute).UnixMilli()}}
	return p
}

// TestWhatDoesNotChangeIsNotWrittenAgain: a text that is written again each second loses what is selected in it, and a screen reader its place. Charts are pictures, and are left out.
func TestWhatDoesNotChangeIsNotWrittenAgain(t *testing.T) {
	p, began := still("speech", "worker", schemas.Audio, "parquet", "postgres"), time.Now().Add(-72*time.Hour) // told in days
	server := httptest.NewServer(page.New(func() status.Status {
		return status.Status{Version: "test", Started: began, Now: time.Now(), Phase: "running", Bounds: telemetry.Bounds(), Pipelines: []status.Pipeline{p}}
	}, nil))
	t.Cleanup(server.Close)
	ctx := browser(t, server.URL)
	var written []string
	err := chromedp.Do(ctx, append(append([]step{
		chromedp.Navigate(server.URL + "/"),
		within(`document.querySelectorAll("#rate canvas").length === 1`),
		within(`(window.written = []) && (new MutationObserver((all) => written.push(...all.map((m) => m.target.nodeType === Node.TEXT_NODE ? m.target.parentElement : m.target).filter((e) => !e.closest(".uplot")).map((e) => e.tagName + "#" + e.id + "." + e.className + ": " + e.textContent)))
			.observe(document.body, {childList: true, characterData: true, subtree: true}), true)`),
	}, ticks(3)...), chromedp.Func(func(ctx context.Context, target *chromedp.Target) (err error) {
		written, err = chromedp.Evaluate[[]string]("written")(ctx, target)
		return err
	}))...)
	if err != nil {
		t.Fatal(err)
	}
	if len(written) > 0 {
		t.Errorf("written again:\n%s", strings.Join(written, "\n"))
	}
}

// TestAnotherWorkerIsShownAsItIs has a worker that is started again with another configuration, of as many pipelines, while the page is open.
func TestAnotherWorkerIsShownAsItIs(t *testing.T) {
	var again atomic.Bool
	began := time.Now()
	server := httptest.NewServer(page.New(func() status.Status {
		st := status.Status{Version: "test", Started: began, Now: time.Now(), Phase: "running", Bounds: telemetry.Bounds()}
		if again.Load() {
			st.Started = began.Add(time.Second)
			st.Pipelines = []status.Pipeline{still("speech", "/opt/new/worker", schemas.Audio, "iceberg", "postgres"), still("pictures", "/opt/new/worker", schemas.Image, "redis")}
		} else {
			st.Pipelines = []status.Pipeline{still("speech", "bin/worker", schemas.Audio, "parquet", "postgres"), still("sentences", "bin/worker", schemas.Text, "kafka")}
		}
		return st
	}, nil))
	t.Cleanup(server.Close)
	ctx := browser(t, server.URL)
	run := func(what string, steps ...step) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	tabs := func(want string) step {
		return within(`[...document.querySelectorAll("#tabs [role=tab]")].map((tab) => tab.textContent).join() === "` + want + `"`)
	}
	shows := func(kind, command, about string) []step {
		return []step{
			within(output(0, "b", kind)), within(`document.querySelector("#dead code").textContent.startsWith("` + command + ` ")`), within(`document.querySelector("#about").textContent.startsWith("` + about + ` ")`),
		}
	}
	press := func(tab int) step {
		return within(fmt.Sprintf(`((tab) => (tab.focus(), tab.click(), true))(document.querySelectorAll("#tabs [role=tab]")[%d])`, tab))
	}
	run("the first", append([]step{chromedp.Navigate(server.URL + "/#speech"), tabs("speech,sentences")}, shows("parquet", "bin/worker", "audio")...)...)
	run("its item", within(`document.querySelector("#recent li").marked = true`))
	again.Store(true)
	run("the second", append([]step{tabs("speech,pictures")}, shows("iceberg", "/opt/new/worker", "audio")...)...)
	run("an item of its own", within(`!document.querySelector("#recent li").marked`)) // of the same place in a topic of the same name
	run("its other pipeline", append([]step{press(1), within(`chosen === "pictures"`)}, shows("redis", "/opt/new/worker", "image")...)...)
	again.Store(false)
	run("a pipeline in sight that is no more", append([]step{tabs("speech,sentences"), within(`document.querySelector("#tabs [aria-selected=true]").textContent === "speech"`)}, shows("parquet", "bin/worker", "audio")...)...)
}
