//go:build integration

package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"vecmill/embed"
	"vecmill/internal/page"
	"vecmill/internal/status"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
)

// long is a name of n characters that breaks nowhere by itself.
func long(prefix string, n int) string {
	return prefix + strings.Repeat("x", n-len(prefix))
}

// crowded is a worker made up to be hard to show: three pipelines, one of each modality, whose names are as long as they may be, with every reason of dead letters and large totals.
// It grows with each look; items come and go only by shift.
type crowded struct {
	began        time.Time
	looks, shift atomic.Int64
	recording    []byte
	picture      []byte
}

func (w *crowded) now() status.Status {
	n := w.looks.Add(1)
	st := status.Status{Version: long("v0.1.0-", 60), Started: w.began, Now: time.Now(), Phase: "running"}
	for _, m := range []schemas.Modality{schemas.Audio, schemas.Image, schemas.Text} {
		st.Pipelines = append(st.Pipelines, w.pipeline(m, n))
	}
	return st
}

func (w *crowded) pipeline(m schemas.Modality, n int64) status.Pipeline {
	dead := map[schemas.Reason]int64{}
	for _, reason := range schemas.Reasons() {
		dead[reason] = n
	}
	busy := time.Duration(n) * time.Second
	topic := long("topic", 200)
	p := status.Of(status.About{
		Name: long(string(m), 63), Modality: string(m), Topics: []string{topic, topic}, Class: "Data2VecAudioForAudioFrameClassification", Model: long("hf://", 120), Digest: long("", 64), Precision: "as exported",
		Preprocess: long("", 64), Heads: []string{long("head", 63) + " (audio-frame-labels)"}, Outputs: []string{"parquet", "opensearch"}, Fetchers: 64, Preparers: 64, Sessions: 64, Slots: 1 << 20, Window: 2e9,
		Replay: "worker dlq replay --config FILE --pipeline " + long(string(m), 63),
	}, stream.Stats{
		Records: n * 1e9, Rows: n * 1e9, Computed: n * 1e9, Skipped: n * 1e9, Lost: n * 1e9, Dead: dead, FetchedBytes: n << 40, Fetch: 60 * busy, Commits: n * 1e6, Lag: 1e12,
		Waiting: 1e6 * time.Hour, InFlight: 1 << 19, Unfetched: 1 << 18, Held: 1 << 39, Budget: 1 << 40,
	}, embed.Stats{Objects: n * 1e9, Samples: n * 1e9, Batches: n * 1e9, Cost: n * 1e15, Padded: n * 1.1e15, Preprocess: 20 * busy, Infer: 40 * busy, HeadsOn: busy, Waiting: 1e9},
		[]stream.Place{{Partition: stream.Partition{Topic: topic, ID: 9999}, Durable: 1e15, Read: 2e15, End: 3e15}})
	p.Written = status.Outputs(p.Outputs, []sinks.MemberStats{
		{Name: "outputs[0]", BestEffort: true, Rows: n * 1e9, Waiting: 1e12, Write: busy, Durable: 1e15 * float64(n), Held: 1 << 49, Limit: 1 << 50}, {Name: "outputs[1]", Rows: n * 1e9, Waiting: 1e12, Write: 60 * busy, Held: 1 << 49, Limit: 1 << 50},
	})
	for i := range int64(4) {
		p.Recent = append(p.Recent, w.item(m, w.shift.Load()+3-i))
	}
	p.Faults = []status.Fault{{Output: "outputs[0]", Class: status.FaultSlow, Message: long("https://host/", 1000), Advice: status.FaultAdvice("outputs[0]", status.FaultSlow), Tries: 60, Since: time.Now().Add(-time.Hour).UnixMilli()}}
	p.Letters = []status.Letter{}
	for _, reason := range schemas.Reasons() {
		p.Letters = append(p.Letters, status.Letter{Partition: topic + "/9999", Offset: 1e15 + n, Reason: reason, Message: long("s3://bucket/", 400)})
	}
	return p
}

func (w *crowded) item(m schemas.Modality, offset int64) status.Item {
	it := status.Item{
		ID: long("id", 400), URI: long("s3://", 400), Partition: long("topic", 200) + "/9999", Offset: offset, Bytes: 1 << 30,
	}
	switch offset % 4 {
	case 0:
		it.Computed, it.Results = true, []status.Result{{Head: long("head", 63), Value: long("WORD", 400), Score: 0.5}, {Head: "labels", Bars: []status.Bar{{Label: long("label", 100), Score: 1}}}}
	case 1:
		it.Dead = schemas.ReasonDecode
	case 2:
		it.Computed = true
	}
	switch m {
	case schemas.Audio:
		it.Media, it.Object = "audio/wave", fmt.Sprintf("recent/audio/t/0/%d/1", offset)
	case schemas.Image:
		it.Media, it.Object = "image/png", fmt.Sprintf("recent/image/t/0/%d/1", offset)
	case schemas.Text:
		it.Text = long("text", 400)
	}
	return it
}

// object gives what a position's bytes were, but of every fourth picture: newer ones have taken its place, which is no fault for the console.
func (w *crowded) object(pipeline string, item page.Which) ([]byte, bool) {
	if pipeline == "audio" {
		return w.recording, true
	}
	return w.picture, item.At.Offset%4 != 0
}

// crowdedPage opens the page of a crowded worker in a browser.
func crowdedPage(t *testing.T) (w *crowded, run func(what string, steps ...step)) {
	t.Helper()
	w = &crowded{began: time.Now().Add(-time.Hour)}
	for path, into := range map[string]*[]byte{"audio/speech-01.wav": &w.recording, "image/digit-01.png": &w.picture} {
		b, err := os.ReadFile("../../internal/demo/samples/" + path)
		if err != nil {
			t.Fatal(err)
		}
		*into = b
	}
	server := httptest.NewServer(page.New(w.now, w.object))
	t.Cleanup(server.Close)
	ctx := browser(t, server.URL)
	run = func(what string, steps ...step) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	run("opening", chromedp.EmulateViewport(360, 740), chromedp.Navigate(server.URL+"/"), within(`document.querySelectorAll("#tabs [role=tab]").length === 3`))
	return w, run
}

// view goes to the tab of a modality by keyboard, and waits until all of it is drawn.
func view(m schemas.Modality) []step {
	return []step{
		chromedp.Focus(chromedp.CSS(`#tabs [aria-selected=true]`)),
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			for range 3 {
				if there, err := chromedp.Evaluate[bool](fmt.Sprintf(`chosen.startsWith(%q)`, m))(ctx, target); err != nil || there {
					return err
				}
				if _, err := chromedp.KeyEvent(kb.ArrowRight)(ctx, target); err != nil {
					return err
				}
			}
			return fmt.Errorf("no key leads to %s", m)
		}),
		within(`document.querySelectorAll("#recent li").length === 4 && document.querySelectorAll("#rate canvas").length === 1 && document.querySelectorAll("#dead article").length > 5`),
	}
}

// outside lists what does not fit: what sticks out of the window, and what is wider than its box. Only .scroll may be wider, and scrolls.
const outside = `[...document.querySelectorAll("body *")].filter((e) => !e.closest(".scroll, .unseen")).filter((e) => {
	const r = e.getBoundingClientRect();
	return r.right > innerWidth + 0.5 || r.left < -0.5 || (!e.closest(".uplot, audio") && e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1);
}).map((e) => e.tagName + "#" + e.id + "." + e.className + " in " + e.parentElement.tagName + "#" + e.parentElement.id + ": " + e.scrollWidth + " in " + e.clientWidth + ", to " + e.getBoundingClientRect().right)
	.concat(document.documentElement.scrollWidth > innerWidth ? ["the page is " + document.documentElement.scrollWidth + " wide"] : [])`

func fits() step {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		width, err := chromedp.Evaluate[int]("innerWidth")(ctx, target)
		if err != nil || width != 360 {
			return errors.Join(err, fmt.Errorf("the window is %d wide", width))
		}
		wide, err := chromedp.Evaluate[[]string](outside)(ctx, target)
		if err != nil || len(wide) > 0 {
			return errors.Join(err, errors.New(strings.Join(wide, "\n")))
		}
		return nil
	})
}

func TestEveryViewFitsANarrowWindow(t *testing.T) {
	_, run := crowdedPage(t)
	for _, m := range []schemas.Modality{schemas.Audio, schemas.Image, schemas.Text} {
		run(string(m), append(view(m), fits(), shoot("narrow-"+string(m)))...)
	}
}

// TestEveryItemSaysWhatBecameOfIt has one with results, one that became a dead letter, one without rows, and one that is on its way.
func TestEveryItemSaysWhatBecameOfIt(t *testing.T) {
	_, run := crowdedPage(t)
	run("recent items", append(view(schemas.Audio), within(`[...document.querySelectorAll("#recent .results")].map((r) => r.querySelectorAll(".result").length + r.textContent).filter((said) => said.length < 100).join("; ") ===
		"0on its way; 0computed: there is nothing in it; 0a dead letter: decode"`), within(`document.querySelectorAll("#recent .result").length === 2`))...)
}

// spoken is a node of the accessibility tree: what a screen reader says of it.
type spoken struct {
	role, name string
	focusable  bool
}

// tree reads the accessibility tree, without what a screen reader passes over.
func tree(into *[]spoken) step {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		full, err := cdp.Call(ctx, target, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
		if err != nil {
			return err
		}
		*into = nil
		for _, n := range full.Nodes {
			if n.Ignored {
				continue
			}
			s := spoken{role: text(n.Role), name: text(n.Name)}
			for _, p := range n.Properties {
				s.focusable = s.focusable || p.Name == accessibility.PropertyNameFocusable
			}
			*into = append(*into, s)
		}
		return nil
	})
}

func text(v *accessibility.Value) string {
	var s string
	if v == nil || json.Unmarshal(v.Value, &s) != nil {
		return ""
	}
	return s
}

// TestAScreenReaderFindsANameForEverything reads what Chromium hands to screen readers. It does not say how one of them pronounces it.
func TestAScreenReaderFindsANameForEverything(t *testing.T) {
	_, run := crowdedPage(t)
	// What is no text by itself, besides what takes the keyboard.
	wantName := []string{"image", "img", "meter", "region", "tab", "tablist", "tabpanel", "heading", "button", "link", "Audio", "rowheader", "columnheader"}
	shows := map[schemas.Modality][]spoken{
		schemas.Audio: {{role: "Audio", name: "recording id"}, {role: "image", name: "waveform of id"}},
		schemas.Image: {{role: "image", name: "the picture id"}},
		schemas.Text:  {{role: "StaticText", name: "textxxx"}},
	}
	for m, special := range shows {
		var all []spoken
		run(string(m), append(view(m), tree(&all))...)
		for _, s := range all {
			if s.name == "" && (s.focusable || slices.Contains(wantName, s.role)) {
				t.Errorf("%s: %+v has no name", m, s)
			}
		}
		for _, want := range append([]spoken{
			{role: "tab", name: string(m)},
			{role: "tabpanel", name: string(m)},
			{role: "status", name: ""},
			{role: "region", name: "Dataflow"},
			{role: "image", name: "Throughput now "},
			{role: "meter", name: "Infer busy"},
			{role: "meter", name: "outputs[1] buffer"},
			{role: "button", name: "copy the command that replays fetch-missing"},
			{role: "rowheader", name: "topic"},
			{role: "main"},
		}, special...) {
			if !slices.ContainsFunc(all, func(s spoken) bool { return s.role == want.role && strings.HasPrefix(s.name, want.name) }) {
				t.Errorf("%s: nothing is a %s named %q...", m, want.role, want.name)
			}
		}
		if t.Failed() {
			t.Fatalf("%+v", all)
		}
	}
}

// TestACommandIsCopiedOrSelected has the browser's clipboard, one that refuses, and none, as a page of plain http that comes from another machine. The button says what became of it.
func TestACommandIsCopiedOrSelected(t *testing.T) {
	_, run := crowdedPage(t)
	const article = `#dead article:nth-of-type(2)`
	clipboard := func(value string) step {
		return within(`Object.defineProperty(navigator, "clipboard", {configurable: true, value: ` + value + `}) && (window.copied = "", getSelection().removeAllRanges(), true)`)
	}
	press := []step{chromedp.Focus(chromedp.CSS(article + ` button`)), chromedp.KeyEvent(kb.Enter)}
	said := func(text string) step {
		return within(`document.querySelector("` + article + ` [role=status]").textContent === "` + text + `"`)
	}
	const command = `document.querySelector("` + article + ` code").textContent`
	run("it is copied", append(append(view(schemas.Audio), append([]step{clipboard(`{writeText: async (text) => { window.copied = text; }}`)}, press...)...),
		said("copied"), within(`window.copied === `+command+` && window.copied.startsWith("worker dlq replay --config FILE") && getSelection().toString() === ""`), fits(), shoot("copied"))...)
	for what, value := range map[string]string{"none": "undefined", "one that refuses": `{writeText: async () => { throw new DOMException("no", "NotAllowedError"); }}`} {
		run("a clipboard: "+what, append(append([]step{clipboard(value)}, press...),
			said("selected: copy it by hand"), within(`window.copied === "" && getSelection().toString() === `+command), fits(), shoot("selected"))...)
	}
}

// ticks waits until the page has drawn n more states of the worker.
func ticks(n int) []step {
	return []step{
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := chromedp.Evaluate[bool](`(window.since = last.now) !== ""`)(ctx, target)
			return err
		}),
		within(fmt.Sprintf(`Date.parse(last.now) - Date.parse(window.since) > 1000 * (%d - 0.5)`, n)),
	}
}

// TestTheFocusStays: a page that is drawn each second must not take the keyboard, or a sound, away from who uses it.
func TestTheFocusStays(t *testing.T) {
	w, run := crowdedPage(t)
	focus := func(selector string) step {
		return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := chromedp.Evaluate[bool](fmt.Sprintf(`(window.held = document.querySelector(%q)).focus() === undefined`, selector))(ctx, target)
			return err
		})
	}
	const held = `document.activeElement === window.held && window.held.isConnected`
	for _, selector := range []string{"#tabs [aria-selected=true]", "#pipeline", ".scroll", "#dead article:nth-of-type(2) button", "#recent li:last-child audio"} {
		run(selector, append(append(view(schemas.Audio), focus(selector), within(held)), append(ticks(2), within(held))...)...)
	}
	w.shift.Add(10) // every item is another one; the one in use stays, and goes when it is left
	run("its item is gone", append(ticks(2), within(held), within(`document.querySelectorAll("#recent li").length === 5`))...)
	run("it is left", focus("#pipeline"), within(`document.querySelectorAll("#recent li").length === 4 && `+held))
}
