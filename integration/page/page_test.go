//go:build integration

package page

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"vecmill/integration/harness"
	"vecmill/internal/demo"
	"vecmill/internal/retry"
)

// stayingDemo runs the demo and gives the address of its page once its summary is printed.
func stayingDemo(t *testing.T) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	out := filepath.Join(t.TempDir(), "out") // here, or it might be removed before the demo has stopped
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := demo.Run(ctx, w, demo.Options{Out: out, Stay: true, Version: "dev"})
		w.CloseWithError(err)
		ended <- err
	}()
	t.Cleanup(func() {
		stop()
		_ = r.Close()
		if err := <-ended; err != nil {
			t.Errorf("the demo ended with %v", err)
		}
	})
	address := regexp.MustCompile(`live page stays at (http://\S+/)`)
	var said strings.Builder
	for lines := bufio.NewScanner(r); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		if m := address.FindStringSubmatch(lines.Text()); m != nil {
			go func() { _, _ = io.Copy(io.Discard, r) }()
			return m[1]
		}
	}
	t.Fatalf("the demo did not stay:\n%s", said.String())
	return ""
}

// browser is a page of headless Chromium; what its console complains of, and requests to other hosts, are errors of the test.
func browser(t *testing.T, home string) context.Context {
	t.Helper()
	return browserTold(t, listener(t, home))
}

// browserTold is one whose events are told to a function.
func browserTold(t *testing.T, told func(any)) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		harness.Missing(t, "chromium", "apt-get install chromium")
	}
	ctx, cancel := chromedp.NewContext(t.Context(), chromedp.WithListener(told), chromedp.WithAllocatorOptions(
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(2*time.Minute)))
	t.Cleanup(cancel)
	return ctx
}

func listener(t *testing.T, home string) func(any) {
	return func(event any) {
		if said := complaint(home, event); said != "" {
			t.Error(said)
		}
	}
}

// complaint is what an event of the browser has against a page of home, "" for nothing.
func complaint(home string, event any) string {
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			return fmt.Sprintf("the console says %s: %s", e.Type, e.Args[0].Value)
		}
	case *log.EventEntryAdded: // of the browser itself: what the page's policy refused, what did not load, what will not be there for long
		if l := e.Entry.Level; l == log.EntryLevelError || l == log.EntryLevelWarning {
			return fmt.Sprintf("the browser says %s: %s: %s %s", l, e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		return fmt.Sprintf("the page throws: %+v", e.ExceptionDetails)
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, home) && !strings.HasPrefix(u, "blob:"+home) && !strings.HasPrefix(u, "data:") {
			return "the page asks another host: " + u
		}
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 {
			return fmt.Sprintf("%s: %d", e.Response.URL, e.Response.Status)
		}
	}
	return ""
}

type step = chromedp.Action[chromedp.Void]

// within waits until an expression of the page is true. It is asked over the debugger: the page's own policy forbids evaluating strings.
func within(expression string) step {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		for range 600 {
			yes, err := chromedp.Evaluate[bool]("!!("+expression+")")(ctx, target)
			if err == nil && yes {
				return nil
			}
			retry.Sleep(ctx, 100*time.Millisecond)
		}
		text, err := chromedp.Evaluate[string]("document.body.innerText")(ctx, target)
		return errors.Join(err, fmt.Errorf("never true: %s; the page says\n%s", expression, text))
	})
}

// shots is where pictures are kept for a person; "" if nobody wants them. docs/page.png is page.png of PAGE_SHOTS=DIR go test -tags integration -run AWorkerAtWork ./integration/page, with DIR from the root.
var shots = os.Getenv("PAGE_SHOTS")

// shoot keeps a picture of the whole page, if there is a place for it.
func shoot(name string) step { return keep(name, chromedp.FullScreenshot(100)) }

func keep(name string, shot chromedp.Action[[]byte]) step {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		if shots == "" {
			return nil
		}
		png, err := shot(ctx, target)
		return errors.Join(err, os.WriteFile(filepath.Join(shots, name+".png"), png, 0o644))
	})
}

func scheme(name string) step {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
		return err
	})
}

const ground = `getComputedStyle(document.body).backgroundColor`

func TestThePageShowsAWorkerAtWork(t *testing.T) {
	home := stayingDemo(t)
	ctx := browser(t, home)
	run := func(what string, steps ...step) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	run("speech", chromedp.EmulateViewport(1200, 900), chromedp.Navigate(home+"#speech"),
		within(`document.querySelector("#phase").textContent === "running"`),
		within(`document.querySelectorAll("#tabs [role=tab]").length === 3 && document.querySelector("#tabs [aria-selected=true]").textContent === "speech"`),
		within(`document.querySelectorAll("#flow li").length === 7 && document.querySelectorAll("#outputs li").length > 0 && document.querySelectorAll("#places tr").length === 3`),
		within(`[...document.querySelectorAll("#recent li")].some((li) => li.textContent.includes("THREE ONE FOUR ONE FIVE NINE"))`),
		within(`[...document.querySelectorAll("#recent canvas")].some((c) => { // read of a copy: the browser warns of who reads a canvas again and again
			if (c.hidden || !c.width || !c.height) return false;
			const copy = new OffscreenCanvas(c.width, c.height).getContext("2d", {willReadFrequently: true});
			copy.drawImage(c, 0, 0);
			return copy.getImageData(0, 0, c.width, c.height).data.some((v) => v > 0);
		})`), // a waveform
		within(`document.querySelectorAll("#rate canvas").length === 1 && document.querySelector("#rate-said").textContent.match(/now [1-9].* rows/)`), // a round has come by
		within(`document.querySelector("#latency-said").textContent.match(/now half of the records within [1-9].* batches within [1-9]/) && document.querySelector("#troubles").hidden`),
		within(`document.querySelector("[data-id=rows] dd").textContent.match(/^[0-9.]+\/s/) && document.querySelector("#model").textContent.includes("Data2VecAudioForCTC")`),
		shoot("speech"))
	run("pictures, by keyboard, dark", scheme("dark"),
		chromedp.Focus(chromedp.CSS(`#tabs [aria-selected=true]`)), chromedp.KeyEvent(kb.ArrowLeft),
		within(`document.activeElement.textContent === "pictures" && location.hash === "#pictures"`),
		within(`document.querySelector("#dead h3").textContent.startsWith("fetch-missing:")`),
		within(`document.querySelector("#dead .command").hidden && [...document.querySelectorAll("#dead p")].some((p) => p.offsetHeight > 0 && p.textContent.startsWith("No command replays them: "))`), // brokers and buckets are in the demo's process
		within(`[...document.querySelectorAll("#recent img")].some((i) => i.complete && i.naturalWidth > 0) && document.querySelectorAll("#recent .bar").length > 3`),
		within(ground+` === "rgb(21, 24, 27)"`), shoot("pictures"))
	run("narrow, light", scheme("light"), chromedp.EmulateViewport(360, 740), within(ground+` === "rgb(250, 250, 248)"`),
		within(`document.querySelector("#rate .uplot") && document.querySelector("#rate .uplot").clientWidth < 360`),
		within(`document.documentElement.scrollWidth === 360 && [...document.querySelectorAll("body *")].every((e) => e.closest(".scroll") || e.classList.contains("unseen") || e.getBoundingClientRect().right <= 360)`),
		shoot("narrow"))
	if shots != "" {
		run("the picture of docs, with lines of some seconds of one minute", chromedp.EmulateViewport(1120, 1717), within(`(choose("speech"), document.activeElement.blur(), true)`),
			within(`seen.forEach((all) => all.splice(0, all.length - 24)), ((xs) => xs.length > 20 && Math.floor(xs[0] / 60) === Math.floor(xs.at(-1) / 60))(charts[0].data[0]) && document.querySelector("[data-id=records] dd").textContent.match(/^1[0-9]/)`), keep("page", chromedp.CaptureScreenshot()))
	}
}
