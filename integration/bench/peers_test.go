package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/internal/config"
	"vecmill/model"
	"vecmill/schemas"
)

// patience is for one run on a machine that does much else.
const patience = 10 * time.Minute

// peerPython in the environment names the Python that peers run in: one with tools/exports/requirements.txt and, by PYTHONPATH, peers/requirements.txt.
const peerPython = "VECMILL_BENCH_PEERS"

func BenchmarkPeersText(b *testing.B) { peers(b, textSetup(number(b, "VECMILL_BENCH_TEXTS", 300))) }

func BenchmarkPeersAudio(b *testing.B) { peers(b, audioSetup(number(b, "VECMILL_BENCH_CLIPS", 30))) }

func BenchmarkPeersImages(b *testing.B) {
	peers(b, imageSetup(number(b, "VECMILL_BENCH_PICTURES", 80)))
}

// contestant runs a line over a topic's first items references; without any it ends once it has its partitions.
type contestant struct {
	name string
	run  func(b *testing.B, topic string, items int) usage
	// strict wants what the first contestant gives, nearly; otherwise it is only told how near it is.
	strict bool
}

// peers runs the contestants in turns, each once without work and once with all, and prints a table.
func peers(b *testing.B, s setup) {
	python := os.Getenv(peerPython)
	if python == "" {
		b.Skipf("%s is not set: make bench-peers", peerPython)
	}
	dir := checkpoint(b, filepath.Join(harness.ModuleRoot(b), "internal", "demo", "models"), s.modality, number(b, "VECMILL_BENCH_LAYERS", 4))
	items := corpus(b, s.modality, 1, s.items)
	srv := startServers(b)
	srv.upload(b, items)
	l := &lines{srv: srv, s: s, dir: dir, cache: b.TempDir(), python: python, worker: harness.WorkerBinary(b)}
	graph := l.compile(b, model.Single)
	l.compile(b, model.Int8)
	all := []contestant{
		{"vecmill fp32", l.ours(model.Single), true},
		{"vecmill int8", l.ours(model.Int8), false},
		{"onnxruntime", l.theirs("ort_peer.py", graph, s.batch.MaxItems), true},
		{"transformers, torch", l.theirs("torch_peer.py", graph, 16), s.modality != schemas.Audio}, // its padding changes what it hears
	}
	if s.modality == schemas.Audio {
		l.same(b, all[0], contestant{"torch, clip by clip", l.theirs("torch_peer.py", graph, 1), true}, items[:min(4, len(items))])
	}
	for b.Loop() {
		results := make([]result, len(all))
		for round := range number(b, "VECMILL_BENCH_ROUNDS", 3) {
			for i := range all {
				at := (i + round) % len(all)
				results[at].measure(b, l, all[at], fmt.Sprintf("%s-%d-%d-%d", s.modality, b.N, round, at), items)
			}
		}
		b.Log("\n" + table(b, s, all, results))
		b.ReportMetric(0, "ns/op")
	}
}

// same wants two contestants to give the same, and measures nothing.
func (l *lines) same(b *testing.B, x, y contestant, items []item) {
	b.Helper()
	var rows [2]map[string]row
	for i, c := range []contestant{x, y} {
		topic := fmt.Sprintf("same-%d-%d", b.N, i)
		l.srv.publish(b, topic, items)
		c.run(b, topic, len(items))
		rows[i] = l.srv.rows(b, topic)
	}
	b.Logf("%s: %s", y.name, agreement(b, y, rows[0], rows[1]))
}

// lines starts contestants.
type lines struct {
	srv                        *servers
	s                          setup
	dir, cache, python, worker string
}

func (l *lines) compile(b *testing.B, p model.Precision) string {
	b.Helper()
	spec, err := model.Open(l.dir)
	if err != nil {
		b.Fatal(err)
	}
	graph, err := spec.Compile(b.Context(), l.cache, model.CompileOptions{Precision: p})
	if err != nil {
		b.Fatal(err)
	}
	return graph.Path
}

// ours runs the worker until everything is committed.
func (l *lines) ours(p model.Precision) func(b *testing.B, topic string, items int) usage {
	return func(b *testing.B, topic string, items int) usage {
		b.Helper()
		c := configure(l.srv, l.s, l.dir, l.cache, topic)
		c.Pipelines[0].Model.Precision = string(p)
		c.Pipelines[0].CommitInterval = config.Duration(200 * time.Millisecond)
		dir := b.TempDir()
		w := watch(b, harness.Command{
			Name: topic, Path: l.worker, Args: []string{"run", "--config", fixture.WriteConfig(b, filepath.Join(dir, "worker.yaml"), c)}, Dir: dir, Log: filepath.Join(dir, "log"),
			Env: []string{"VECMILL_S3_ACCESS_KEY=bench", "VECMILL_S3_SECRET_KEY=bench-secret"},
		})
		w.WaitForLog(b, "msg=assigned", patience)
		l.srv.awaitCommitted(b, topic, items, w.Process)
		w.Terminate(b, patience)
		return w.usage(b)
	}
}

// job is what a peer is told.
type job struct {
	Brokers  []string `json:"brokers"`
	Topic    string   `json:"topic"` // and group
	Items    int      `json:"items"`
	S3       string   `json:"s3"`
	CA       string   `json:"ca"`
	Bucket   string   `json:"bucket"`
	Out      string   `json:"out"`
	Modality string   `json:"modality"`
	Model    string   `json:"model"`
	Graph    string   `json:"graph"`
	Threads  int      `json:"threads"`
	Spinning bool     `json:"spinning"`
	Batch    int      `json:"batch"`
	Budget   int      `json:"budget"`
}

// theirs runs a script of peers/ until it ends.
func (l *lines) theirs(script, graph string, batch int) func(b *testing.B, topic string, items int) usage {
	return func(b *testing.B, topic string, items int) usage {
		b.Helper()
		j := job{
			Brokers: l.srv.Brokers, Topic: topic, Items: items, S3: "https://" + l.srv.S3, CA: l.srv.caFile, Bucket: bucket, Out: "out/" + topic,
			Modality: string(l.s.modality), Model: l.dir, Graph: graph, Threads: threads(), Spinning: os.Getenv("VECMILL_BENCH_SPINNING") != "", Batch: batch, Budget: l.s.batch.MaxCost,
		}
		told, err := json.Marshal(j)
		if err != nil {
			b.Fatal(err)
		}
		w := watch(b, harness.Command{
			Name: topic, Path: l.python, Args: []string{"-B", filepath.Join(harness.ModuleRoot(b), "integration", "bench", "peers", script), string(told)}, Log: filepath.Join(b.TempDir(), "log"),
			Env: []string{"TOKENIZERS_PARALLELISM=false", "HF_HUB_OFFLINE=1", fmt.Sprintf("OMP_NUM_THREADS=%d", threads())},
		})
		if state := w.Wait(b, patience); !state.Success() {
			b.Fatalf("%s: %v; end of its log:\n%s", script, state, w.LogTail(20))
		}
		return w.usage(b)
	}
}

// awaitCommitted waits until the group named as the topic has committed so many records.
func (s *servers) awaitCommitted(b *testing.B, topic string, records int, p *harness.Process) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	client := &kafka.Client{Addr: kafka.TCP(s.Brokers...)}
	for got := int64(0); got < int64(records); time.Sleep(20 * time.Millisecond) {
		res, err := client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: topic, Topics: map[string][]int{topic: {0, 1}}})
		if err == nil {
			err = res.Error
		}
		if err != nil {
			b.Fatalf("reading the offsets of %s: %v", topic, err)
		}
		got = 0
		for _, part := range res.Topics[topic] {
			got += max(part.CommittedOffset, 0)
		}
		select {
		case <-p.Exited():
			b.Fatalf("the worker ended with %d of %d records; end of its log:\n%s", got, records, p.LogTail(20))
		default:
		}
	}
}

// usage is what a process and its children took.
type usage struct {
	cpu, wall time.Duration
	peak      int64 // bytes resident
}

// watched is a process under measurement.
type watched struct {
	*harness.Process
	began time.Time
	ended chan usage // wall and peak, one value
}

// watch starts a process and looks at its resident set until it ends.
func watch(b *testing.B, c harness.Command) *watched {
	b.Helper()
	w := &watched{began: time.Now(), ended: make(chan usage, 1)}
	w.Process = harness.Start(b, c)
	go func() {
		u := usage{}
		for {
			// The kernel's own maximum for a child counts the parent's memory from before exec; VmHWM begins at exec.
			u.peak = max(u.peak, highWater(w.PID()))
			select {
			case <-w.Exited():
				u.wall = time.Since(w.began)
				w.ended <- u
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return w
}

// usage is known once the process has ended.
func (w *watched) usage(b *testing.B) usage {
	b.Helper()
	state, u := w.Wait(b, patience), <-w.ended
	u.cpu = state.UserTime() + state.SystemTime()
	return u
}

// highWater is the most memory that a process had resident, 0 once it is gone.
func highWater(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(status) {
		var kb int64
		if n, _ := fmt.Sscanf(string(line), "VmHWM: %d kB", &kb); n == 1 {
			return kb << 10
		}
	}
	return 0
}

// result is what a contestant took over the rounds, and what it gave in the last.
type result struct {
	empty, full []usage
	rows        map[string]row
}

func (r *result) measure(b *testing.B, l *lines, c contestant, topic string, items []item) {
	b.Helper()
	l.srv.publish(b, topic+"-empty", nil)
	r.empty = append(r.empty, c.run(b, topic+"-empty", 0))
	l.srv.publish(b, topic, items)
	u := c.run(b, topic, len(items))
	r.full = append(r.full, u)
	r.rows = l.srv.rows(b, topic)
	b.Logf("%s: CPU %.2f s (%.2f without work), wall %.2f s, resident %d MB", c.name, u.cpu.Seconds(), r.empty[len(r.empty)-1].cpu.Seconds(), u.wall.Seconds(), u.peak>>20)
	if len(r.rows) != len(items) {
		b.Fatalf("%s gave %d rows for %d items", c.name, len(r.rows), len(items))
	}
}

// median of one number over the rounds.
func median(n int, of func(round int) float64) float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = of(i)
	}
	slices.Sort(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}

func (r *result) cpu(round int) float64   { return r.full[round].cpu.Seconds() }
func (r *result) start(round int) float64 { return r.empty[round].cpu.Seconds() }
func (r *result) net(round int) float64   { return r.cpu(round) - r.start(round) }

// table compares the contestants with the first two, which are ours.
func table(b *testing.B, s setup, all []contestant, results []result) string {
	b.Helper()
	var t strings.Builder
	fmt.Fprintf(&t, "| %s, %d items | CPU, s | start-up | wall, s | start-up | resident, MB | results | over fp32 | net | over int8 | net |\n|---|---|---|---|---|---|---|---|---|---|---|\n", s.modality, s.items)
	for i := range all {
		r := &results[i]
		n := len(r.full)
		at := func(of func(int) float64) float64 { return median(n, of) }
		fmt.Fprintf(&t, "| %s | %.2f | %.2f | %.2f | %.2f | %.0f | %s |", all[i].name, at(r.cpu), at(r.start),
			at(func(k int) float64 { return r.full[k].wall.Seconds() }), at(func(k int) float64 { return r.empty[k].wall.Seconds() }),
			at(func(k int) float64 { return float64(r.full[k].peak) / 1e6 }), agreement(b, all[i], results[0].rows, r.rows))
		for _, ours := range results[:2] {
			fmt.Fprintf(&t, " %.2f | %.2f |", at(func(k int) float64 { return r.cpu(k) / ours.cpu(k) }), at(func(k int) float64 { return r.net(k) / ours.net(k) }))
		}
		t.WriteByte('\n')
	}
	return t.String()
}
