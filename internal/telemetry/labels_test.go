package telemetry

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"vecmill/embed"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
)

// TestLabelsAreBounded: a series costs whoever stores it, so labels are those that docs/metrics.md names before its table and their values are of the configuration and of enumerations, whatever comes by.
// Each label is there, so that nothing passes for want of series.
func TestLabelsAreBounded(t *testing.T) {
	tel, err := Start(t.Context(), Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer tel.Shutdown(context.Background())
	reading := Reading{
		Stream:  stream.Stats{Partitions: 1, Dead: map[schemas.Reason]int64{schemas.ReasonDecode: 2, "s3://box/what a server said": 1}},
		Embed:   embed.Stats{Devices: []embed.DeviceCosts{{Device: "cpu"}, {Device: "1"}}},
		Cost:    Cost{PerMillion: number(1), DevicePerMillion: number(1), PricePerMillion: number(1), Used: number(1)},
		Slowest: "infer",
		Workers: []StageWorkers{{"fetch", 16}, {"infer", 1}},
		Outputs: []sinks.MemberStats{{Name: "outputs[0]"}, {Name: "outputs[1]"}},
	}
	if err := Begin(tel.Meter(), "p", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := Observe(tel.Meter(), "p", func() Reading { return reading }); err != nil {
		t.Fatal(err)
	}
	timers, err := NewTimers(tel.Meter(), "p")
	if err != nil {
		t.Fatal(err)
	}
	timers.Record.Took(t.Context(), time.Second)
	timers.Session.Took(t.Context(), time.Second)
	_, body := get(t, "http://"+tel.Addr()+"/metrics")

	values := map[string]map[string]bool{}
	named := 0
	for line := range strings.Lines(body) {
		series, _, ok := strings.Cut(line, "} ")
		name, labels, labelled := strings.Cut(series, "{")
		if !strings.HasPrefix(name, "vecmill_") {
			continue
		}
		if named++; !ok || !labelled {
			t.Errorf("%s has no label", line)
		}
		for _, l := range regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`).FindAllStringSubmatch(labels, -1) {
			if values[l[1]] == nil {
				values[l[1]] = map[string]bool{}
			}
			values[l[1]][l[2]] = true
		}
	}
	documented := []string{"le"} // Prometheus's own, of buckets
	introduction, _, _ := strings.Cut(read(t, "../../docs/metrics.md"), "\n| metric |")
	for _, m := range regexp.MustCompile(`\blabel (\w+)`).FindAllStringSubmatch(introduction, -1) {
		documented = append(documented, m[1])
	}
	if named < len(Metrics()) {
		t.Errorf("%d series only", named)
	}
	reasons := map[string]bool{}
	for _, r := range schemas.Reasons() {
		reasons[string(r)] = true
	}
	bounds := map[string]map[string]bool{"pipeline": {"p": true}, "reason": reasons, "stage": {"fetch": true, "infer": true}, "device": {"cpu": true, "1": true}, "output": {"outputs[0]": true, "outputs[1]": true}}
	for label, want := range bounds {
		if !maps.Equal(values[label], want) {
			t.Errorf("values of %s are %q", label, slices.Sorted(maps.Keys(values[label])))
		}
	}
	for label, got := range values {
		if !slices.Contains(documented, label) {
			t.Errorf("docs/metrics.md does not name the label %s before its table", label)
		}
		if bounds[label] == nil && label != "le" {
			t.Errorf("nothing here knows which values %s may have, such as %q", label, slices.Sorted(maps.Keys(got)))
		}
	}
	if n := len(values["le"]); n > 64 {
		t.Errorf("%d buckets", n)
	}
}
