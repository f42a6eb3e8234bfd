package bench

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/internal/config"
)

// starts is how often each start is measured.
const starts = 9

// BenchmarkStart starts the worker's program, with its graph in the cache, on a topic that has references already, and reports medians of the time from there to: started (its log says so: sessions are open), batch (its metrics have one that a session has computed),
// row (the first file lies in the store), commit (its group has an offset); and the CPU time of the process when it has started. A file is closed with its first row and offsets are committed every 50 ms; as they are by default, roll_age and
// commit_interval are what a row waits for. The broker joins a group at once, where Kafka waits for group.initial.rebalance.delay.ms, 3 s by default.
func BenchmarkStart(b *testing.B) {
	for name, s := range map[string]setup{"text": textSetup(8), "audio": audioSetup(8), "images": imageSetup(8)} {
		b.Run(name, func(b *testing.B) {
			items := corpus(b, s.modality, 1, s.items)
			l := &lines{srv: startServers(b), s: s, dir: checkpoint(b, demoModels(b), s.modality, number(b, "VECMILL_BENCH_LAYERS", 4)), cache: b.TempDir(), worker: harness.WorkerBinary(b)}
			l.srv.upload(b, items)
			for b.Loop() {
				var seen shares
				for i := range number(b, "VECMILL_BENCH_ROUNDS", starts) + 1 {
					topic := fmt.Sprintf("start-%d-%d", b.N, i)
					l.srv.publish(b, topic, items)
					at := l.start(b, topic)
					b.Logf("started %v (CPU %v), batch %v, row %v, commit %v", at.started, at.cpu, at.batch, at.row, at.commit)
					if i == 0 {
						continue // compiles
					}
					for _, n := range []struct {
						name string
						at   time.Duration
					}{{"ms-commit", at.commit}, {"ms-row", at.row}, {"ms-batch", at.batch}, {"ms-started", at.started}, {"cpu-ms-started", at.cpu}} {
						seen.add(n.name, 1e3*n.at.Seconds())
					}
				}
				seen.report(b)
			}
		})
	}
}

// milestones are times since a process was started.
type milestones struct {
	started, batch, row, commit time.Duration
	cpu                         time.Duration // that the process had taken when it had started
}

var (
	metricsAt = regexp.MustCompile(`msg=started .* metrics=(\S+)`)
	someBatch = regexp.MustCompile(`(?m)^vecmill_session_seconds_count\{[^}]*\} [1-9]`)
)

// start starts the worker and ends it once it has committed something.
func (l *lines) start(b *testing.B, topic string) (at milestones) {
	b.Helper()
	c := configure(l.srv, l.s, l.dir, l.cache, topic)
	c.Telemetry.Listen = "127.0.0.1:0"
	p := &c.Pipelines[0]
	p.CommitInterval, p.Outputs[0].Parquet.RollRows = config.Duration(50*time.Millisecond), 1
	dir := b.TempDir()
	command := harness.Command{
		Name: topic, Path: l.worker, Args: []string{"run", "--config", fixture.WriteConfig(b, filepath.Join(dir, "worker.yaml"), c)}, Dir: dir, Log: filepath.Join(dir, "log"),
		Env: []string{"VECMILL_S3_ACCESS_KEY=bench", "VECMILL_S3_SECRET_KEY=bench-secret"},
	}
	began := time.Now()
	w := harness.Start(b, command)
	var metrics string
	reach := func(d *time.Duration, is func() bool) {
		if *d == 0 && is() {
			*d = time.Since(began)
		}
	}
	for at.row == 0 || at.commit == 0 {
		select {
		case <-w.Exited():
			b.Fatalf("the worker ended; end of its log:\n%s", w.LogTail(20))
		case <-time.After(2 * time.Millisecond):
		}
		if at.started == 0 {
			m := metricsAt.FindStringSubmatch(w.Log())
			if m == nil {
				continue
			}
			at.started, metrics = time.Since(began), m[1]
			if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.PID())); err == nil {
				s, _ := parseStat(string(line))
				at.cpu = s.cpu
			}
		}
		reach(&at.batch, func() bool { return someBatch.MatchString(scrape(metrics)) })
		reach(&at.row, func() bool { return l.srv.wrote(b, topic) })
		reach(&at.commit, func() bool { return l.srv.committed(b, topic) > 0 })
	}
	reach(&at.batch, func() bool { return true }) // between two looks
	w.Terminate(b, patience)
	return at
}

// scrape reads a process' metrics, "" if it has none to give yet.
func scrape(addr string) string {
	res, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		return ""
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return ""
	}
	return string(body)
}

// wrote says whether there is a file of a topic's rows.
func (s *servers) wrote(b *testing.B, topic string) bool {
	b.Helper()
	for o := range s.client.ListObjects(b.Context(), bucket, minio.ListObjectsOptions{Prefix: "out/" + topic + "/", Recursive: true}) {
		if o.Err != nil {
			b.Fatal(o.Err)
		}
		if strings.HasSuffix(o.Key, ".parquet") {
			return true
		}
	}
	return false
}
