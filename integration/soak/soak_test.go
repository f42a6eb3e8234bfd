//go:build integration

package soak

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/internal/config"
	"vecmill/schemas"
)

const (
	warmUp   = 0.2 // share of the time that counts for nothing: pools and caches fill
	tooShort = 5 * time.Minute
	looks    = time.Second // between two looks at the worker

	// steepest is what the resident set may grow by, in bytes a minute. A slope, of the means of minutes, counts when it is more than
	// three standard errors above that, since what is in flight goes up and down by the budgets: half an hour sees a leak of some MiB a minute.
	steepest = 128 << 10

	openRecords = 200 // in each topic, more than a pipeline takes at once
	moreFDs     = 8   // connections of pools
	moreRoutine = 24  // two of each pooled connection
)

// budgets are each pipeline's memory: enough for one large object of the mix, not for two.
var budgets = map[schemas.Modality]int{schemas.Audio: 128 << 20, schemas.Text: 48 << 20, schemas.Image: 384 << 20}

func TestSoak(t *testing.T) {
	length := time.Duration(environment(t, "SOAK_MINUTES", 0.5) * float64(time.Minute))
	r := rand.New(rand.NewPCG(uint64(environment(t, "VECMILL_SOAK_SEED", 1)), 0))
	site := fixture.Open(t)
	var lines []*line
	var pipelines []config.Pipeline
	for _, m := range mixes(t, site) {
		l := &line{site: site, mix: m, topic: "soak-" + string(m.modality), r: r}
		site.Kafka.CreateTopic(t, l.topic, 2)
		lines, pipelines = append(lines, l), append(pipelines, l.pipeline(t))
	}
	c := site.Config(pipelines...)
	c.Log.Level = "info"
	c.Telemetry.Listen = "127.0.0.1:0"
	c.Fetch.MaxObjectBytes = maxObject
	worker := site.StartWorker(t, "soak", c)
	metrics := metricsURL(t, worker)

	idle := func() vitals { // everything done, and a moment for connections to be given up
		for _, l := range lines {
			site.AwaitCommitted(t, l.topic, []string{l.topic}, 5*time.Minute, worker)
		}
		time.Sleep(2 * time.Second)
		return look(t, worker.PID(), metrics, 0)
	}
	for _, l := range lines {
		l.topUp(t)
	}
	before := idle()
	during := watch(t, worker, metrics, lines, length)
	after := idle()
	fixture.Stop(t, worker)

	account, faults := judge(during, length)
	for _, a := range account {
		t.Log(a)
	}
	for _, f := range faults {
		t.Error(f)
	}
	t.Logf("idle before and after: resident %.0f and %.0f MiB, descriptors %d and %d, goroutines %d and %d",
		before.rss/(1<<20), after.rss/(1<<20), before.fds, after.fds, before.goroutines, after.goroutines)
	if after.fds > before.fds+moreFDs || after.goroutines > before.goroutines+moreRoutine {
		t.Errorf("the idle worker has more than %d more descriptors or %d more goroutines than before", moreFDs, moreRoutine)
	}
	for _, l := range lines {
		l.check(t)
	}
	if _, code := site.AuditCommand(t, "soak-audit", c); code != 0 {
		t.Errorf("backfill audit has exit code %d, want 0", code)
	}
}

// watch keeps every line under load for so long and looks at the worker meanwhile.
func watch(t *testing.T, worker *harness.Process, metrics string, lines []*line, d time.Duration) (all []vitals) {
	t.Helper()
	began, published := time.Now(), time.Time{}
	for time.Since(began) < d {
		if time.Since(published) > 3*time.Second {
			for _, l := range lines {
				l.topUp(t)
			}
			published = time.Now()
		}
		select {
		case <-worker.Exited():
			t.Fatalf("the worker ended by itself after %v; end of its log:\n%s", time.Since(began), worker.LogTail(40))
		case <-time.After(looks):
		}
		v := look(t, worker.PID(), metrics, time.Since(began))
		for _, l := range lines {
			if held, most := v.held[l.topic], float64(budgets[l.mix.modality]); held > most {
				t.Errorf("after %v %s holds %.0f bytes of a budget of %.0f", v.at, l.topic, held, most)
			}
			if n := v.inFlight[l.topic]; n > maxInFlight {
				t.Errorf("after %v %s has %.0f records in flight, want at most %d", v.at, l.topic, n, maxInFlight)
			}
		}
		all = append(all, v)
		if len(all)%60 == 0 {
			t.Logf("after %v: resident %.0f MiB, descriptors %d, goroutines %d", v.at.Round(time.Second), v.rss/(1<<20), v.fds, v.goroutines)
		}
	}
	return all
}

// judge reports growth after the warm-up; shorter runs than tooShort cannot tell any.
func judge(all []vitals, d time.Duration) (account, faults []string) {
	kept := all[int(warmUp*float64(len(all))):]
	for _, c := range []struct {
		name, unit string
		most       float64 // a minute
		y          func(vitals) float64
	}{
		{"resident set", "KiB", steepest / 1024, func(v vitals) float64 { return v.rss / 1024 }},
		{"descriptors", "", 1, func(v vitals) float64 { return float64(v.fds) }},
		{"goroutines", "", 1, func(v vitals) float64 { return float64(v.goroutines) }},
	} {
		stretch := time.Minute
		if d < tooShort {
			stretch = looks
		}
		rise, err := means(kept, stretch, c.y).slope()
		least, most := span(kept, c.y)
		account = append(account, fmt.Sprintf("%s over %d looks in %v: %.0f to %.0f %s, slope %+.2f a minute, standard error %.2f", c.name, len(kept), d, least, most, c.unit, rise, err))
		if rise-3*err > c.most && d >= tooShort {
			faults = append(faults, fmt.Sprintf("%s: grows by %.2f (standard error %.2f) %s a minute, want at most %.2f", c.name, rise, err, c.unit, c.most))
		}
	}
	return account, faults
}

var startedLine = regexp.MustCompile(`msg=started .* metrics=(\S+)`)

// metricsURL waits for the worker to say where its metrics are.
func metricsURL(t *testing.T, worker *harness.Process) string {
	t.Helper()
	worker.WaitForLog(t, "msg=started", time.Minute)
	found := startedLine.FindStringSubmatch(worker.Log())
	if found == nil {
		t.Fatalf("the worker does not say where its metrics are:\n%s", worker.LogTail(10))
	}
	return "http://" + found[1] + "/metrics"
}

// environment is a number from the environment.
func environment(t *testing.T, name string, otherwise float64) float64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || n <= 0 {
		t.Fatalf("%s is %q, want a positive number", name, s)
	}
	return n
}

const maxInFlight = 64

// line is one pipeline with its topic.
type line struct {
	site  *fixture.Site
	mix   *mix
	topic string
	r     *rand.Rand
	n     int
	dead  int
}

func (l *line) pipeline(t *testing.T) config.Pipeline {
	t.Helper()
	p := l.site.Pipeline(t, l.topic, l.mix.modality, l.topic)
	p.MemoryBudget = config.Bytes(budgets[l.mix.modality])
	p.MaxInFlight = maxInFlight
	p.Audio.Long, p.Text.Long = "window", "window"
	p.Breaker.Window = new(0) // refusals are part of the mix
	p.Outputs[0].Parquet.RollBytes, p.Outputs[0].Parquet.MaxBuffered = 4<<20, 16<<20
	return p
}

// topUp publishes until so many records are open.
func (l *line) topUp(t *testing.T) {
	t.Helper()
	open := 0
	committed := l.site.Kafka.Committed(t, l.topic, l.topic)
	for part, end := range l.site.Kafka.EndOffsets(t, l.topic) {
		open += int(end - committed[part])
	}
	var values [][]byte
	for range openRecords - open {
		v, dead := l.mix.draw(t, l.r, l.n)
		l.n++
		if dead {
			l.dead++
		}
		values = append(values, v)
	}
	if len(values) > 0 {
		l.site.Publish(t, l.topic, values...)
	}
}

// check wants rows or a letter for every record, as the mix foresaw.
func (l *line) check(t *testing.T) {
	t.Helper()
	out := l.site.Audit(t, l.topic, l.topic)
	t.Logf("%s: %d records, %d with rows, %d dead", l.topic, l.n, len(out.Rows), len(out.Dead))
	if len(out.Dead) != l.dead || len(out.Rows) != l.n-l.dead {
		letters := l.site.Letters(t, l.topic, l.topic)
		why := map[string]int{}
		for _, x := range letters {
			why[fmt.Sprintf("%s: %s", x.Reason, x.Message)]++
		}
		t.Errorf("%s: %d records have rows and %d are dead, want %d and %d; letters: %v", l.topic, len(out.Rows), len(out.Dead), l.n-l.dead, l.dead, why)
	}
}
