package telemetry

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"vecmill/embed"
	"vecmill/internal/status"
	"vecmill/sinks"
	"vecmill/stream"
)

// served are the names of the metrics as Prometheus sees them.
func served(t *testing.T) map[string]bool {
	t.Helper()
	tel, err := Start(t.Context(), Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer tel.Shutdown(context.Background())
	if err := Begin(tel.Meter(), "p", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := Observe(tel.Meter(), "p", func() Reading {
		return Reading{Stream: stream.Stats{Partitions: 1}, Outputs: []sinks.MemberStats{{Name: "outputs[0]"}}, Slowest: "infer", Workers: []StageWorkers{{"infer", 1}}}
	}); err != nil {
		t.Fatal(err)
	}
	timers, err := NewTimers(tel.Meter(), "p")
	if err != nil {
		t.Fatal(err)
	}
	timers.Record.Took(t.Context(), time.Second) // a histogram of nothing is not served
	timers.Session.Took(t.Context(), time.Second)
	names := map[string]bool{}
	_, body := get(t, "http://"+tel.Addr()+"/metrics")
	for line := range strings.Lines(body) {
		if name, _, ok := strings.Cut(line, "{"); ok && !strings.HasPrefix(line, "#") {
			names[name] = true
		}
	}
	return names
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDashboardAndAlertsAskForWhatIsServed(t *testing.T) {
	names := served(t)
	for path, least := range map[string]int{"../../deploy/grafana/vecmill.json": 25, "../../deploy/prometheus/alerts.yaml": 8, "../../deploy/prometheus/alerts_test.yaml": 8} {
		asked := map[string]bool{}
		for _, name := range regexp.MustCompile(`\bvecmill_[a-z_]+`).FindAllString(read(t, path), -1) {
			asked[name] = true
			if !names[name] {
				t.Errorf("%s asks for %s, which is not served", path, name)
			}
		}
		if len(asked) < least {
			t.Errorf("%s asks for %d metrics only", path, len(asked))
		}
	}
	if n := len(panels(t)); n < 10 {
		t.Errorf("%d panels", n)
	}
}

// panel is one of the dashboard, and what it asks for.
type panel struct {
	ID      int
	Title   string
	Targets []struct{ Expr, LegendFormat string }
}

func panels(t *testing.T) []panel {
	t.Helper()
	var dashboard struct{ Panels []panel }
	if err := json.Unmarshal([]byte(read(t, "../../deploy/grafana/vecmill.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	return dashboard.Panels
}

// Stages have different numbers of workers, so that the seconds a second of one say nothing beside those of another: what is drawn is what the live page draws, of every stage that it has.
func TestTheDashboardDrawsHowBusyTheWorkersOfEachStageAre(t *testing.T) {
	ids, drawn := map[int]string{}, map[string]string{}
	bottleneck := false
	for _, p := range panels(t) {
		if ids[p.ID] != "" {
			t.Errorf("%s and %s have one id", ids[p.ID], p.Title)
		}
		ids[p.ID] = p.Title
		for _, x := range p.Targets {
			if !strings.Contains(x.Expr, "vecmill_") {
				t.Errorf("%s is of every process of a namespace: %s", p.Title, x.Expr)
			}
			bottleneck = bottleneck || strings.Contains(x.Expr, "(vecmill_bottleneck{")
			if p.Title == "Busy stages" {
				drawn[strings.TrimPrefix(x.LegendFormat, "{{pipeline}} ")] = x.Expr
			}
		}
	}
	if !bottleneck {
		t.Error("vecmill_bottleneck is not drawn")
	}
	stages := 0
	for _, s := range status.Of(status.About{Fetchers: 1, Preparers: 1, Sessions: 1}, stream.Stats{Writers: 1}, embed.Stats{}, nil).Stages {
		if s.Workers == 0 {
			continue
		}
		stages++
		counter := s.Name
		if s.Name == "batch" {
			counter = "collate"
		}
		if expr := drawn[s.Name]; !strings.Contains(expr, "rate(vecmill_"+counter+"_busy_seconds_total{") || !strings.Contains(expr, `) / sum by (pipeline) (vecmill_stage_workers{stage="`+s.Name+`", `) {
			t.Errorf("how busy %s is is drawn by %q", s.Name, expr)
		}
	}
	if len(drawn) != stages {
		t.Errorf("%d stages are drawn, and %d have workers", len(drawn), stages)
	}
}

// The chart can only read what lies within it.
func TestTheChartHasTheSameAlertsAndDashboard(t *testing.T) {
	for ours, charts := range map[string]string{"prometheus/alerts.yaml": "alerts.yaml", "grafana/vecmill.json": "dashboard.json"} {
		if read(t, "../../deploy/"+ours) != read(t, "../../helm/vecmill/files/"+charts) {
			t.Errorf("deploy/%s is not what the chart has: run make generate", ours)
		}
	}
}

// Where work waits is what the dashboard is looked at for: each wait that docs/metrics.md knows is drawn, as a time or as a number.
func TestTheDashboardShowsEveryWait(t *testing.T) {
	dashboard, waits := read(t, "../../deploy/grafana/vecmill.json"), 0
	for _, m := range regexp.MustCompile("(?m)^\\| `(vecmill_\\w+_(?:wait_seconds|waiting|waiting_cost))` \\| \\S+ \\| (counter|gauge) ").FindAllStringSubmatch(read(t, "../../docs/metrics.md"), -1) {
		name := m[1]
		if m[2] == "counter" {
			name += "_total"
		}
		waits++
		if !strings.Contains(dashboard, name+"{") {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
	if waits < 10 {
		t.Errorf("docs/metrics.md has %d waits only", waits)
	}
}

func TestEveryAlertIsExplainedTestedAndHasARunbook(t *testing.T) {
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert       string
				Annotations struct{ Summary, Description string }
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "../../deploy/prometheus/alerts.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Groups) != 1 || len(file.Groups[0].Rules) < 8 {
		t.Fatalf("%+v", file)
	}
	tests, runbook := read(t, "../../deploy/prometheus/alerts_test.yaml"), read(t, "../../docs/operations.md")
	for _, a := range file.Groups[0].Rules {
		if a.Annotations.Summary == "" || a.Annotations.Description == "" {
			t.Errorf("%s says %+v", a.Alert, a.Annotations)
		}
		if n := strings.Count(tests, "alertname: "+a.Alert); n < 2 {
			t.Errorf("%s: %d tests, want one that fires and one that does not", a.Alert, n)
		}
		if !strings.Contains(runbook, "\n### "+a.Alert+"\n") { // where the chart's runbookUrl leads
			t.Errorf("docs/operations.md says nothing of %s", a.Alert)
		}
	}
}

// What the dashboard shows beside its curves is nowhere unless Prometheus is told to keep it; docs/metrics.md says so, and the compose file does.
func TestThePrometheusOfComposeKeepsTheExamplesThatTheDashboardAsksFor(t *testing.T) {
	var compose struct {
		Services map[string]struct {
			Image   string
			Command []string
			Volumes []string
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "../../deploy/compose.yaml")), &compose); err != nil {
		t.Fatal(err)
	}
	const keeps = "--enable-feature=exemplar-storage"
	if !strings.Contains(read(t, "../../deploy/grafana/vecmill.json"), `"exemplar": true`) || !strings.Contains(read(t, "../../docs/metrics.md"), keeps) {
		t.Fatal("nobody asks for examples, or the documents do not say who keeps them")
	}
	p := compose.Services["prometheus"]
	if !slices.Contains(p.Command, keeps) {
		t.Errorf("%s is begun with %q", p.Image, p.Command)
	}
	// A command stands in place of the image's own, which names the configuration.
	file, named := "", false
	for _, arg := range p.Command {
		if at, ok := strings.CutPrefix(arg, "--config.file="); ok {
			file, named = at, true
		}
	}
	if !named || !slices.ContainsFunc(p.Volumes, func(v string) bool { return strings.HasSuffix(v, ":"+file+":ro") }) {
		t.Errorf("its configuration is %q, of the files %q", file, p.Volumes)
	}
}
