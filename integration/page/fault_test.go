//go:build integration

package page

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"vecmill/internal/page"
	"vecmill/internal/status"
)

// TestAFaultOfThePageIsNotTheWorkers has a worker that answers what the page cannot draw, is away, hangs, and is well: an exception is thrown, so that other tests notice one, the page tells it from a
// worker that does not answer, and goes on after each.
func TestAFaultOfThePageIsNotTheWorkers(t *testing.T) {
	var odd, away, hangs atomic.Bool
	began := time.Now()
	served := page.New(func() status.Status {
		st := status.Status{Version: "test", Started: began, Now: time.Now(), Phase: "running", Pipelines: []status.Pipeline{}}
		if odd.Load() {
			st.Pipelines = make([]status.Pipeline, 1) // its lists are null
		}
		return st
	}, nil)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			http.Error(w, "away", http.StatusBadGateway)
			return
		}
		if hangs.Load() {
			<-r.Context().Done() // until the browser gives it up
			return
		}
		served.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	var thrown atomic.Int64
	ctx := browserTold(t, func(event any) {
		if _, ok := event.(*runtime.EventExceptionThrown); ok {
			thrown.Add(1)
		}
	})
	phase := func(says string) {
		t.Helper()
		if err := chromedp.Do(ctx, within(`document.querySelector("#phase").textContent.match(/^`+says+`$/)`)); err != nil {
			t.Fatal(err)
		}
	}
	if err := chromedp.Do(ctx, chromedp.Navigate(server.URL+"/")); err != nil {
		t.Fatal(err)
	}
	const gone = `no answer from the worker since (\d+ \w+ \d{4}, )?\d\d:\d\d:\d\d`
	phase("running")
	away.Store(true)
	phase(gone)
	away.Store(false)
	phase("running")
	hangs.Store(true)
	phase(gone)
	if err := chromedp.Do(ctx, within(`window.dispatchEvent(new Event("resize")) && document.querySelector("#phase").textContent.match(/^no answer/)`)); err != nil { // what is drawn again is old
		t.Fatal(err)
	}
	hangs.Store(false)
	phase("running")
	if n := thrown.Load(); n != 0 {
		t.Errorf("%d exceptions without a fault of the page", n)
	}
	odd.Store(true)
	phase("this page has a fault: reload it")
	for range 600 { // the event comes by itself
		if thrown.Load() > 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if thrown.Load() == 0 {
		t.Error("no exception is thrown")
	}
	odd.Store(false)
	phase("running")
}

// TestWhatTheBrowserSaysIsAFault has a page that its own policy refuses a part of, and one that lacks a picture: the browser says so in its log alone, not by a call of the console.
func TestWhatTheBrowserSaysIsAFault(t *testing.T) {
	for name, c := range map[string]struct{ html, want string }{
		"the policy refuses a script": {`<!doctype html><script>1</script>`, "Content Security Policy"},
		"a picture is not there":      {`<!doctype html><img src="gone.png">`, "gone.png"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/" {
					http.NotFound(w, r)
					return
				}
				w.Header().Set("Content-Type", "text/html")
				w.Header().Set("Content-Security-Policy", "default-src 'self'")
				_, _ = io.WriteString(w, c.html)
			}))
			t.Cleanup(server.Close)
			heard := make(chan string, 64) // more than one page says
			ctx := browserTold(t, func(event any) {
				if _, ok := event.(*log.EventEntryAdded); ok {
					heard <- complaint(server.URL, event)
				}
			})
			if err := chromedp.Do(ctx, chromedp.Navigate(server.URL+"/")); err != nil {
				t.Fatal(err)
			}
			var all []string
			for late := time.After(time.Minute); ; { // the entry comes by itself
				select {
				case said := <-heard:
					if all = append(all, said); strings.Contains(said, c.want) {
						return
					}
				case <-late:
					t.Fatalf("no complaint about %s in %q", c.want, all)
				}
			}
		})
	}
}
