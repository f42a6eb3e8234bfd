package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"vecmill/internal/demo"
	"vecmill/internal/progress"
)

// haltObjects are the lake's texts.
const haltObjects = 24

// fate is what becomes of a request that is held.
type fate string

const (
	late   fate = "done late"             // when it is let go, though nobody may wait for it any more: so it is with a store
	landed fate = "done, not answered"    // at once; its answer is held
	lost   fate = "lost before the store" // never
)

// halting is a store that holds one request, so that a process can be told to stop, or killed, just then.
type halting struct {
	store http.Handler

	mu struct {
		sync.Mutex
		before  int            // requests that still pass; less than 0: all do
		of      *regexp.Regexp // only such requests count: METHOD /path?query, unescaped
		fate    fate
		reached chan struct{} // closed when the request is held
		free    chan struct{} // closed to let it go
	}
}

// hold holds the nth request of a pattern from now on, until it is let go.
func (h *halting) hold(n int, of string) (reached <-chan struct{}, free func()) {
	return h.holdAs(late, n, of)
}

func (h *halting) holdAs(as fate, n int, of string) (reached <-chan struct{}, free func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.before, h.mu.of, h.mu.fate, h.mu.reached, h.mu.free = n-1, regexp.MustCompile(of), as, make(chan struct{}), make(chan struct{})
	opened := h.mu.free
	return h.mu.reached, sync.OnceFunc(func() {
		h.mu.Lock()
		h.mu.before = -1
		h.mu.Unlock()
		close(opened)
	})
}

// pass lets all but the held request through.
func (h *halting) pass() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.before = -1
}

// held says whether a request is the one, what becomes of it, and when; free is nil of others.
func (h *halting) held(r *http.Request) (free <-chan struct{}, as fate) {
	h.mu.Lock()
	defer h.mu.Unlock()
	query, err := url.QueryUnescape(r.URL.RawQuery)
	if h.mu.before < 0 || err != nil || !h.mu.of.MatchString(r.Method+" "+r.URL.Path+"?"+query) {
		return nil, late
	}
	if h.mu.before--; h.mu.before >= 0 {
		return nil, late
	}
	close(h.mu.reached)
	return h.mu.free, h.mu.fate
}

func (h *halting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // who asked has gone in its middle
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	free, as := h.held(r)
	switch {
	case free == nil:
		h.store.ServeHTTP(w, r)
	case as == landed:
		h.store.ServeHTTP(httptest.NewRecorder(), r)
		<-free
	default:
		<-free
		if as == late {
			h.store.ServeHTTP(w, r)
		}
	}
}

// lake is a bucket with texts and a broker, of which processes of the program are told to stop at some request.
type lake struct {
	*halting
	dir     string
	backend *s3mem.Backend
	broker  *kfake.Cluster
}

func newLake(t *testing.T) *lake {
	t.Helper()
	l := &lake{halting: &halting{}, dir: t.TempDir()}
	l.mu.before = -1
	if err := demo.WriteModels(filepath.Join(l.dir, "models")); err != nil {
		t.Fatal(err)
	}
	backend := s3mem.New()
	l.backend = backend
	for _, bucket := range []string{"box", "out"} {
		if err := backend.CreateBucket(bucket); err != nil {
			t.Fatal(err)
		}
	}
	for i := range haltObjects {
		text := fmt.Sprintf("Will it rain in city %d tomorrow?", i)
		if _, err := backend.PutObject("box", fmt.Sprintf("texts/%02d.txt", i), map[string]string{"Last-Modified": time.Now().UTC().Format(http.TimeFormat)}, strings.NewReader(text), int64(len(text)), nil); err != nil {
			t.Fatal(err)
		}
	}
	l.store = gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	srv := httptest.NewTLSServer(l) // without TLS clients sign bodies in a way that the store does not understand
	t.Cleanup(srv.Close)
	write(t, filepath.Join(l.dir, "ca.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})))
	var err error
	if l.broker, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "refs", "again")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.broker.Close)
	write(t, filepath.Join(l.dir, "s3.yaml"), fmt.Sprintf("s3: {endpoint: %q, region: us-east-1, access_key: key, secret_key: secret, path_style: true, ca_file: %q}\n", srv.URL, filepath.Join(l.dir, "ca.pem")))
	return l
}

// past is where the rows lie that are computed again.
const past = "past"

// config writes a configuration whose rows lie under a prefix of their own. One for recomputations has a second pipeline there, and the first one's rows in the past.
func (l *lake) config(t *testing.T, prefix string) string {
	t.Helper()
	s3, err := os.ReadFile(filepath.Join(l.dir, "s3.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	pipeline := func(name, precision, prefix string) string {
		return fmt.Sprintf(`
- name: %s
  topics: [refs]
  max_in_flight: 8
  model: {path: %q, precision: %s}
  heads: [{task: classification}]
  outputs: [{parquet: {url: "s3://out/%s/rows", roll_rows: 4}}]
  dead_letters: {url: "s3://out/%s/dead"}`, name, filepath.Join(l.dir, "models", "text-intent"), precision, prefix, prefix)
	}
	text := fmt.Sprintf("log: {level: error}\ntelemetry: {listen: \"\"}\nruntime: {cache_dir: %q}\nkafka: {brokers: [%q]}\n%spipelines:", filepath.Join(l.dir, "cache"), l.broker.ListenAddrs()[0], s3)
	if strings.HasPrefix(prefix, "reembed") {
		text += pipeline("intents", "fp32", past) + pipeline("intents-2", "int8", prefix)
	} else {
		text += pipeline("intents", "fp32", prefix)
	}
	conf := filepath.Join(l.dir, prefix+".yaml")
	write(t, conf, text+"\n")
	return conf
}

// child starts the program as a process of its own.
func child(t *testing.T, args ...string) (c *exec.Cmd, stdout io.Reader, stderr *bytes.Buffer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	c = exec.CommandContext(ctx, os.Args[0], "-test.run=^TestAsBackfill$")
	c.Env = append(os.Environ(), asBackfill+"="+strings.Join(args, "\n"))
	stderr = &bytes.Buffer{}
	c.Stderr = stderr
	stdout, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return c, stdout, stderr
}

// stop starts a command, sends it SIGTERM when it has asked the store n times, and gives what it said. stopped is false if it ended before that.
func (l *lake) stop(t *testing.T, n int, args ...string) (stopped bool, code int, out string) {
	t.Helper()
	reached, free := l.hold(n, "/")
	defer free()
	c, stdout, stderr := child(t, args...)
	said := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(stdout) // what could be read is what it said
		said <- string(b)
	}()
	select {
	case <-reached:
		stopped = true
		if err := c.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond) // so that it mostly hears of the signal first; either is good
		free()
		out = <-said
	case out = <-said:
	}
	err := c.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || !exit.Exited()) {
		t.Fatalf("%q, told to stop at request %d, ended with %v\n%s%s", args, n, err, out, stderr)
	}
	return stopped, c.ProcessState.ExitCode(), out + stderr.String()
}

// TestACommandThatListsAStoreThatSaysNothingEndsWhenItIsTold sends SIGTERM while a listing waits for its answer, which never comes.
func TestACommandThatListsAStoreThatSaysNothingEndsWhenItIsTold(t *testing.T) {
	l := newLake(t)
	l.compute(t, past)
	for _, k := range []struct {
		args       []string
		prefix, of string
	}{
		{[]string{"plan", "--source", "s3://box/texts/", "--out", "s3://out/plan", "--try", "0"}, "hangs", "GET /box/.*list-type="},
		{[]string{"run", "--source", "s3://box/texts/"}, "hangs", "GET /box/.*list-type="},
		{[]string{"reembed", "--old", "intents", "--new", "intents-2", "--no-stream"}, "reembed-hangs", "GET /out/.*list-type="},
		{[]string{"audit"}, "hangs", "GET /out/.*list-type="},
		{[]string{"status"}, "hangs", "GET /out/.*list-type="},
	} {
		t.Run(k.args[0], func(t *testing.T) {
			reached, free := l.hold(1, k.of)
			defer free()
			c, stdout, stderr := child(t, append(k.args, "--config", l.config(t, k.prefix))...)
			ended := make(chan string, 1)
			go func() {
				b, _ := io.ReadAll(stdout) // to its end, which is the process's
				ended <- string(b)
			}()
			select {
			case <-reached:
			case out := <-ended:
				t.Fatalf("it listed nothing: %v\n%s%s", c.Wait(), out, stderr)
			}
			if err := c.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			select {
			case out := <-ended:
				if err := c.Wait(); c.ProcessState.ExitCode() != 1 || !strings.Contains(out+stderr.String(), "interrupted") {
					t.Errorf("it ended with %v\n%s%s", err, out, stderr)
				}
			case <-time.After(30 * time.Second): // a pod has 60
				t.Error("it waits for the store")
				_ = c.Process.Kill()
				_ = c.Wait()
			}
		})
	}
}

// goesOn is the command that the output of an interrupted one names.
func goesOn(t *testing.T, out string) []string {
	t.Helper()
	for _, before := range []string{"go on with: ", "goes on where this one was: "} {
		if _, command, ok := strings.Cut(out, before+shellWords(os.Args[0])+" "); ok {
			words, _, _ := strings.Cut(command, "\n")
			return strings.Fields(words) // nothing in it is quoted here
		}
	}
	t.Fatalf("it does not say how to go on:\n%s", out)
	return nil
}

// TestACommandThatIsToldToStopAtAnyRequestGoesOn sends SIGTERM to each command that changes something while one of its requests is under way: while it looks at its places, lists, samples, plans, loads models, computes, closes
// files, publishes or checks. It ends by itself, says that it was interrupted and how to go on, and that command does the rest: nothing is lost, and nothing is there twice.
func TestACommandThatIsToldToStopAtAnyRequestGoesOn(t *testing.T) {
	l := newLake(t)
	all := fmt.Sprintf("%d of %d references", haltObjects, haltObjects)
	for _, k := range []struct {
		name   string
		points []int
		args   func(prefix string) []string
		done   string // of the last command's output
	}{
		{"plan", []int{1, 2, 4, 6, 9, 20}, func(prefix string) []string {
			return []string{"plan", "--source", "s3://box/texts/", "--out", "s3://out/" + prefix + "/plan", "--try", "100ms"}
		}, all},
		{"run", []int{1, 3, 6, 10, 16, 24, 40, 60}, func(string) []string { return []string{"run", "--source", "s3://box/texts/"} }, "intents: "},
		{"publish", []int{2, 5, 8, 12}, func(string) []string { return []string{"run", "--source", "s3://box/texts/", "--topic", "refs"} }, all},
		{"reembed", []int{2, 8, 16, 24, 40, 64}, func(string) []string {
			return []string{"reembed", "--old", "intents", "--new", "intents-2", "--no-stream"}
		}, fmt.Sprintf("intents-2 has %d of %d planned references of intents, and 0 dead letters", haltObjects, haltObjects)},
	} {
		t.Run(k.name, func(t *testing.T) {
			interrupted := 0
			if k.name == "reembed" {
				l.compute(t, past)
			}
			for _, n := range k.points {
				prefix := fmt.Sprintf("%s-%d", k.name, n)
				conf := l.config(t, prefix)
				args := append(k.args(prefix), "--config", conf)
				stopped, code, out := l.stop(t, n, args...)
				switch {
				case code == 0 && strings.Contains(out, k.done): // the request was one of its last
				case !stopped || code != 1 || !strings.Contains(out, "interrupted"):
					t.Fatalf("told to stop at request %d: exit %d\n%s", n, code, out)
				default:
					interrupted++
					args = goesOn(t, out)
				}
				if code, out, stderr := call(backfiller, args...); code != 0 || !strings.Contains(out, k.done) {
					t.Fatalf("%q after request %d: exit %d, want %q\n%s%s", args, n, code, k.done, out, stderr)
				}
				if k.name == "run" || k.name == "reembed" {
					l.check(t, conf)
				}
			}
			if got := l.published(t, "refs"); k.name == "publish" && got != haltObjects*len(k.points) {
				t.Errorf("%d records are in the topic, want %d for each of %d plans", got, haltObjects, len(k.points))
			}
			if interrupted < len(k.points)/2 {
				t.Errorf("only %d of %d signals came before the end", interrupted, len(k.points))
			}
		})
	}
}

// published is the number of records in a topic.
func (l *lake) published(t *testing.T, topic string) (n int) {
	t.Helper()
	for part := range 2 {
		c, err := kafka.DialLeader(t.Context(), "tcp", l.broker.ListenAddrs()[0], topic, part)
		if err != nil {
			t.Fatal(err)
		}
		end, err := c.ReadLastOffset()
		if err != nil {
			t.Fatal(err)
		}
		n += int(end)
		_ = c.Close() // only asked
	}
	return n
}

// begun says whether a group has committed on all partitions of some topics.
func (l *lake) begun(t *testing.T, group string, topics ...string) bool {
	t.Helper()
	asked := kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{}}
	for _, topic := range topics {
		asked.Topics[topic] = []int{0, 1}
	}
	c := kafka.Client{Addr: kafka.TCP(l.broker.ListenAddrs()[0]), Timeout: 10 * time.Second}
	res, err := c.OffsetFetch(t.Context(), &asked)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, parts := range res.Topics {
		for _, p := range parts {
			if p.CommittedOffset >= 0 {
				n++
			}
		}
	}
	return n == 2*len(topics)
}

// compute runs the pipeline of a prefix over all texts.
func (l *lake) compute(t *testing.T, prefix string) (conf string) {
	t.Helper()
	conf = l.config(t, prefix)
	if code, out, stderr := call(backfiller, "run", "--source", "s3://box/texts/", "--config", conf); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out, stderr)
	}
	return conf
}

// check wants every reference in the outputs once.
func (l *lake) check(t *testing.T, conf string) {
	t.Helper()
	code, out, stderr := call(backfiller, "audit", "--config", conf, "--kafka=false")
	if code != 0 || strings.Count(out, fmt.Sprintf(`"computed":%d,`, haltObjects)) == 0 || strings.Count(out, `"faults":0`) != strings.Count(out, "\n") {
		t.Fatalf("audit: exit %d\n%s%s", code, out, stderr)
	}
}

// TestASecondSignalEndsADrain has a run that waits for an object that the store does not give. What was durable stays, and the rest is computed by the next run.
func TestASecondSignalEndsADrain(t *testing.T) {
	l := newLake(t)
	conf := l.config(t, "drain")
	reached, free := l.hold(haltObjects/2, "/box/texts/")
	defer free()
	c, stdout, stderr := child(t, "run", "--source", "s3://box/texts/", "--json", "--config", conf)
	lines := bufio.NewScanner(stdout)
	signalled, draining := false, false
	for lines.Scan() {
		var r progress.Report
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		select {
		case <-reached:
		default:
			continue
		}
		if draining = r.Phase == "draining"; draining || !signalled { // again with each report: two within a second are one
			signalled = true
			if err := c.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
	}
	rest, _ := io.ReadAll(stdout)
	exit, ok := errors.AsType[*exec.ExitError](c.Wait())
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM || !draining {
		t.Fatalf("it ended with %v, want SIGTERM in its drain\n%s%s", c.ProcessState, rest, stderr)
	}
	free()
	l.compute(t, "drain")
	l.check(t, conf)
}

// TestAQuestionThatIsToldToStopSaysSo is about the commands that change nothing.
func TestAQuestionThatIsToldToStopSaysSo(t *testing.T) {
	l := newLake(t)
	conf := l.compute(t, "asked")
	for _, args := range [][]string{{"status"}, {"audit"}} {
		for _, n := range []int{1, 4} {
			if stopped, code, out := l.stop(t, n, append(args, "--config", conf)...); !stopped || code != 1 || !strings.Contains(out, "backfill "+args[0]+": interrupted") {
				t.Errorf("%q, told to stop at request %d: %v, exit %d\n%s", args, n, stopped, code, out)
			}
		}
	}
}
