package helm

import (
	"net"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// composition is what is looked at of deploy/compose.yaml.
type composition struct {
	Services map[string]struct {
		Environment map[string]string
		Volumes     []string
		Ports       []string
	}
	Volumes map[string]struct{}
}

// kept are the directories of a service that outlive its container.
func (c *composition) kept(service string) (dirs []string) {
	for _, v := range c.Services[service].Volumes {
		name, rest, _ := strings.Cut(v, ":")
		if _, ok := c.Volumes[name]; ok {
			dir, _, _ := strings.Cut(rest, ":")
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// TestTheTopicsOutliveTheirContainerAsTheRowsDo holds the two together: after `docker compose down` a worker would find rows behind the end of topics that were made again, and stop for good. That the image's user may write to the
// volume is not shown.
func TestTheTopicsOutliveTheirContainerAsTheRowsDo(t *testing.T) {
	b, err := os.ReadFile("../deploy/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c composition
	if err := yaml.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(c.kept("s3"), "/data") {
		t.Errorf("of the rows' store only %q is kept", c.kept("s3"))
	}
	log := c.Services["kafka"].Environment["KAFKA_LOG_DIRS"]
	if log == "" || !slices.Contains(c.kept("kafka"), path.Clean(log)) {
		t.Errorf("the broker's log is in %q, and %q is kept", log, c.kept("kafka"))
	}
}

// TestThePageOfTheCompositionIsNotOfWebSites: the worker's port is published on the machine's loopback, and comes to the container as from anywhere, so that the worker has to be told the names that are meant: all that Prometheus asks for.
func TestThePageOfTheCompositionIsNotOfWebSites(t *testing.T) {
	var c composition
	var worker struct{ Telemetry struct{ Hosts []string } }
	var prometheus struct {
		Scrapes []struct {
			Static []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	for path, into := range map[string]any{"../deploy/compose.yaml": &c, "../deploy/compose/worker.yaml": &worker, "../deploy/compose/prometheus.yaml": &prometheus} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(b, into); err != nil {
			t.Fatal(err)
		}
	}
	if p := c.Services["worker"].Ports; len(p) != 1 || !strings.HasPrefix(p[0], "127.0.0.1:") {
		t.Errorf("others reach the worker at %q", p)
	}
	targets := 0
	for _, s := range prometheus.Scrapes {
		for _, group := range s.Static {
			for _, target := range group.Targets {
				targets++
				if host, _, err := net.SplitHostPort(target); err != nil || !slices.Contains(worker.Telemetry.Hosts, host) {
					t.Errorf("Prometheus asks for %s, and the worker takes %q", target, worker.Telemetry.Hosts)
				}
			}
		}
	}
	if targets == 0 {
		t.Error("Prometheus asks for nothing")
	}
}
