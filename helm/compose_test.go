package helm

import (
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
