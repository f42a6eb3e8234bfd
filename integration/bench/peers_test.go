//go:build linux

package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
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
const patience = 30 * time.Minute

// peerPython in the environment names the Python that peers run in: one with tools/exports/requirements.txt and, by PYTHONPATH, peers/requirements.txt.
const peerPython = "VECMILL_BENCH_PEERS"

func BenchmarkPeersText(b *testing.B)   { peers(b, textSetup(texts(b, 300)), "") }
func BenchmarkPeersAudio(b *testing.B)  { peers(b, audioSetup(clips(b, 30)), "") }
func BenchmarkPeersImages(b *testing.B) { peers(b, imageSetup(pictures(b, 80)), "") }

// The same from a bucket to Parquet, with no broker. The default is about a minute of work for one processor.
func BenchmarkBackfillText(b *testing.B)   { peers(b, textSetup(texts(b, 3000)), "text/") }
func BenchmarkBackfillAudio(b *testing.B)  { peers(b, audioSetup(clips(b, 200)), "audio/") }
func BenchmarkBackfillImages(b *testing.B) { peers(b, imageSetup(pictures(b, 600)), "image/") }

// exportPeer is the contestant whose graph is what people have who have Python, torchPeer the one that has none.
const (
	exportPeer = "onnxruntime, torch's export"
	torchPeer  = "transformers, torch"
)

// contestant runs a line over a topic's first items references, and without any it ends once it has its partitions; or over the objects of a bucket.
type contestant struct {
	name string
	run  func(b *testing.B, topic string, items int) usage
	// strict wants what the first contestant gives, nearly; otherwise it is only told how near it is.
	strict bool
}

// peers runs the contestants in turns, each once without work and once with all, and prints a table. With a prefix the work is the objects under it, and there are no runs without.
func peers(b *testing.B, s setup, prefix string) {
	python := os.Getenv(peerPython)
	if python == "" {
		b.Skipf("%s is not set: make bench-peers", peerPython)
	}
	dir := checkpoint(b, filepath.Join(harness.ModuleRoot(b), "internal", "demo", "models"), s.modality, number(b, "VECMILL_BENCH_LAYERS", 4))
	items := corpus(b, s.modality, 1, s.items)
	if s.modality == schemas.Audio {
		items = encoded(b, python, items)
	}
	srv := startServers(b)
	srv.upload(b, items)
	l := &lines{srv: srv, s: s, prefix: prefix, dir: dir, cache: b.TempDir(), python: python, worker: harness.WorkerBinary(b), backfill: harness.BackfillBinary(b)}
	graph := l.compile(b, model.Single)
	l.compile(b, model.Int8)
	all := []contestant{
		{"vecmill fp32", l.ours(model.Single), true},
		{"vecmill int8", l.ours(model.Int8), false},
	}
	export := l.export(b)
	for _, c := range []contestant{
		{"onnxruntime, our graph", l.theirs("ort_peer.py", graph, s.batch.MaxItems), true},
		{exportPeer, l.theirs("ort_peer.py", export, s.batch.MaxItems), s.modality != schemas.Audio}, // its padding changes what it hears
		{"Bytewax, onnxruntime", l.theirs("bytewax_peer.py", graph, s.batch.MaxItems), true},
		{"Daft, onnxruntime", l.theirs("daft_peer.py", graph, s.batch.MaxItems), true},
		{"Ray Data, onnxruntime", l.theirs("ray_peer.py", graph, s.batch.MaxItems), true},
		l.tuned(b, items),
	} {
		if wanted(c.name) && (prefix == "" || !strings.HasPrefix(c.name, "Bytewax") && !strings.HasPrefix(c.name, "Daft")) { // these are for streams, or written for a topic here
			all = append(all, c)
		}
	}
	if s.modality == schemas.Audio {
		l.same(b, []contestant{
			all[0],
			{exportPeer + ", clip by clip", l.theirs("ort_peer.py", export, 1), true},
			{torchPeer + ", clip by clip", l.theirs("torch_peer.py", "", 1), true},
		}, items[:min(8, len(items))])
	}
	for b.Loop() {
		results := make([]result, len(all))
		for round := range number(b, "VECMILL_BENCH_ROUNDS", 3) {
			for i := range all {
				at := (i + round) % len(all)
				results[at].measure(b, l, all[at], fmt.Sprintf("%s-%d-%d-%d", s.modality, b.N, round, at), items)
			}
		}
		b.Log("\n" + table(b, l, all, results))
		b.ReportMetric(0, "ns/op")
	}
}

// tuned is torch with batches of the size that takes it the least CPU time, of one run of each size with some of the items. One by one is what its makers advise for processors. A batch of 32 clips would take 13 GB.
func (l *lines) tuned(b *testing.B, items []item) contestant {
	b.Helper()
	if !wanted(torchPeer) {
		return contestant{name: torchPeer}
	}
	sizes := []int{1, 8, 16, 32}
	if l.s.modality == schemas.Audio {
		sizes = sizes[:3]
	}
	some, try := items[:min(len(items), 96)], *l
	try.prefix = "" // by references, as of a bucket all would be taken
	best, least := 0, time.Duration(0)
	for _, size := range sizes {
		topic := fmt.Sprintf("tuned-%d", size)
		l.srv.publish(b, topic, some)
		cpu := try.theirs("torch_peer.py", "", size)(b, topic, len(some)).cpu
		b.Logf("%s, %d items in batches of %d: CPU %.2f s", torchPeer, len(some), size, cpu.Seconds())
		if best == 0 || cpu < least {
			best, least = size, cpu
		}
	}
	exact := best == 1 || l.s.modality != schemas.Audio // in a batch the reference's padding changes what it hears
	return contestant{fmt.Sprintf("%s, batches of %d", torchPeer, best), l.theirs("torch_peer.py", "", best), exact}
}

// wanted are contestants in whose name VECMILL_BENCH_ONLY is, as "Ray"; without it all are.
func wanted(name string) bool { return strings.Contains(name, os.Getenv("VECMILL_BENCH_ONLY")) }

// same wants those contestants that are wanted to give what the first one gives, and measures nothing.
func (l *lines) same(b *testing.B, all []contestant, items []item) {
	b.Helper()
	var first map[string]row
	for i, c := range all {
		if i > 0 && !wanted(c.name) {
			continue
		}
		topic := fmt.Sprintf("same-%d-%d", b.N, i)
		l.srv.publish(b, topic, items)
		c.run(b, topic, len(items))
		if rows := l.srv.rows(b, topic); i == 0 {
			first = rows
		} else {
			b.Logf("%s: %s", c.name, agreement(b, c, first, rows))
		}
	}
}

// lines starts contestants.
type lines struct {
	srv                      *servers
	s                        setup
	prefix                   string // of objects; "": a topic has the references
	dir, cache               string
	python, worker, backfill string // programs
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

// export makes torch's graph of the checkpoint, unless nobody asks for it.
func (l *lines) export(b *testing.B) string {
	b.Helper()
	if !wanted(exportPeer) {
		return ""
	}
	out := b.TempDir()
	cmd := exec.CommandContext(b.Context(), l.python, "-B", filepath.Join(harness.ModuleRoot(b), "tools", "exports", "export.py"), "--checkpoint", l.dir, out)
	if said, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("exporting by torch: %v\n%s", err, said)
	}
	return filepath.Join(out, "model.onnx")
}

// ours runs the worker until everything is committed.
func (l *lines) ours(p model.Precision) func(b *testing.B, topic string, items int) usage {
	return func(b *testing.B, topic string, items int) usage {
		b.Helper()
		c := configure(l.srv, l.s, l.dir, l.cache, topic)
		m := &c.Pipelines[0].Model
		m.Precision, m.Threads, m.Sessions = string(p), 0, 0 // the cores as a worker divides them by itself,
		c.Pipelines[0].Batch = config.Batch{}                // and batches as it then has them; the peers have those that suit them
		c.Pipelines[0].CommitInterval = config.Duration(200 * time.Millisecond)
		dir := b.TempDir()
		command := harness.Command{
			Name: topic, Path: l.worker, Args: []string{"run", "--config", fixture.WriteConfig(b, filepath.Join(dir, "worker.yaml"), c)}, Dir: dir, Log: filepath.Join(dir, "log"),
			Env: []string{"VECMILL_S3_ACCESS_KEY=bench", "VECMILL_S3_SECRET_KEY=bench-secret"},
		}
		if l.prefix != "" {
			command.Path, command.Args = l.backfill, append(command.Args, "--source", "s3://"+bucket+"/"+l.prefix, "--again")
			return finished(b, watch(b, command))
		}
		w := watch(b, command)
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
	Prefix   string   `json:"prefix"` // of objects, in place of a topic
	S3       string   `json:"s3"`
	CA       string   `json:"ca"`
	Bucket   string   `json:"bucket"`
	Out      string   `json:"out"`
	Scratch  string   `json:"scratch"` // a directory, with a short name because of sockets in it
	Modality string   `json:"modality"`
	Model    string   `json:"model"`
	Graph    string   `json:"graph"`
	Threads  int      `json:"threads"`
	Spinning bool     `json:"spinning"`
	Batch    int      `json:"batch"`
	Budget   int      `json:"budget"`
}

// peerEnv keeps the peers from what costs them time for nothing: looking for newer models, telling their makers, drawing bars.
var peerEnv = []string{
	"TOKENIZERS_PARALLELISM=false", "HF_HUB_OFFLINE=1", "DO_NOT_TRACK=true",
	"RAY_USAGE_STATS_ENABLED=0", "AWS_REQUEST_CHECKSUM_CALCULATION=when_required", "RAY_DATA_DISABLE_PROGRESS_BARS=1", "DAFT_ANALYTICS_ENABLED=0", "DAFT_PROGRESS_BAR=0",
}

// theirs runs a script of peers/ until it ends.
func (l *lines) theirs(script, graph string, batch int) func(b *testing.B, topic string, items int) usage {
	return func(b *testing.B, topic string, items int) usage {
		b.Helper()
		scratch, err := os.MkdirTemp("", "peer")
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(scratch) }()
		j := job{
			Brokers: l.srv.Brokers, Topic: topic, Items: items, Prefix: l.prefix, S3: "https://" + l.srv.S3, CA: l.srv.caFile, Bucket: bucket, Out: "out/" + topic, Scratch: scratch,
			Modality: string(l.s.modality), Model: l.dir, Graph: graph, Threads: threads(), Spinning: os.Getenv("VECMILL_BENCH_SPINNING") != "", Batch: batch, Budget: l.s.batch.MaxCost,
		}
		told, err := json.Marshal(j)
		if err != nil {
			b.Fatal(err)
		}
		here := filepath.Join(harness.ModuleRoot(b), "integration", "bench", "peers")
		w := watch(b, harness.Command{
			Name: topic, Path: l.python, Args: []string{"-B", filepath.Join(here, script), string(told)}, Log: filepath.Join(b.TempDir(), "log"),
			Env: append(
				slices.Clip(peerEnv), fmt.Sprintf("OMP_NUM_THREADS=%d", threads()),
				"SSL_CERT_FILE="+l.srv.caFile, // Daft's client of S3 looks there
				"PYTHONPATH="+here+string(filepath.ListSeparator)+os.Getenv("PYTHONPATH"), // for processes that peers start
			),
		})
		return finished(b, w)
	}
}

// finished waits for a good end.
func finished(b *testing.B, w *watched) usage {
	b.Helper()
	if state := w.Wait(b, patience); !state.Success() {
		b.Fatalf("%v; end of its log:\n%s", state, w.LogTail(20))
	}
	return w.usage(b)
}

// awaitCommitted waits until the group named as the topic has committed so many records.
func (s *servers) awaitCommitted(b *testing.B, topic string, records int, p *harness.Process) {
	b.Helper()
	for got := int64(0); got < int64(records); time.Sleep(20 * time.Millisecond) {
		got = s.committed(b, topic)
		select {
		case <-p.Exited():
			b.Fatalf("the worker ended with %d of %d records; end of its log:\n%s", got, records, p.LogTail(20))
		default:
		}
	}
}

// committed is how many records the group named as the topic has committed; none, if there is no such group yet.
func (s *servers) committed(b *testing.B, topic string) (n int64) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	client := &kafka.Client{Addr: kafka.TCP(s.Brokers...)}
	res, err := client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: topic, Topics: map[string][]int{topic: {0, 1}}})
	if err == nil {
		err = res.Error
	}
	if errors.Is(err, kafka.GroupIdNotFound) {
		return 0
	}
	if err != nil {
		b.Fatalf("reading the offsets of %s: %v", topic, err)
	}
	for _, part := range res.Topics[topic] {
		n += max(part.CommittedOffset, 0)
	}
	return n
}

// result is what a contestant took over the rounds, and what it gave in the last.
type result struct {
	empty, full []usage
	rows        map[string]row
}

func (r *result) measure(b *testing.B, l *lines, c contestant, topic string, items []item) {
	b.Helper()
	var empty usage
	if l.prefix == "" {
		l.srv.publish(b, topic+"-empty", nil)
		empty = c.run(b, topic+"-empty", 0)
		l.srv.publish(b, topic, items)
	}
	u := c.run(b, topic, len(items))
	r.empty, r.full = append(r.empty, empty), append(r.full, u)
	r.rows = l.srv.rows(b, topic)
	b.Logf("%s: CPU %.2f s (%.2f without work), wall %.2f s, resident %d MB", c.name, u.cpu.Seconds(), empty.cpu.Seconds(), u.wall.Seconds(), u.peak>>20)
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
func table(b *testing.B, l *lines, all []contestant, results []result) string {
	b.Helper()
	var t strings.Builder
	columns := []string{fmt.Sprintf("%s, %d items", l.s.modality, l.s.items), "CPU, s", "start-up", "wall, s", "start-up", "resident, MB", "results", "over fp32", "net", "over int8", "net"}
	line := func(cells []string) {
		for i, c := range cells {
			if l.prefix == "" || columns[i] != "start-up" && columns[i] != "net" {
				fmt.Fprintf(&t, "| %s ", c)
			}
		}
		t.WriteString("|\n")
	}
	line(columns)
	line(slices.Repeat([]string{"---"}, len(columns)))
	for i := range all {
		r := &results[i]
		at := func(of func(int) float64) string { return fmt.Sprintf("%.2f", median(len(r.full), of)) }
		cells := []string{
			all[i].name, at(r.cpu), at(r.start), at(func(k int) float64 { return r.full[k].wall.Seconds() }), at(func(k int) float64 { return r.empty[k].wall.Seconds() }),
			fmt.Sprintf("%.0f", median(len(r.full), func(k int) float64 { return float64(r.full[k].peak) / 1e6 })), agreement(b, all[i], results[0].rows, r.rows),
		}
		for _, ours := range results[:2] {
			cells = append(cells, at(func(k int) float64 { return r.cpu(k) / ours.cpu(k) }), at(func(k int) float64 { return r.net(k) / ours.net(k) }))
		}
		line(cells)
	}
	return t.String()
}
