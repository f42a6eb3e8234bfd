package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"vecmill/internal/demo"
)

// TestTheDoctorSaysWhoHasWhatItNeeds: a worker refuses a file that a backfill takes.
func TestTheDoctorSaysWhoHasWhatItNeeds(t *testing.T) {
	dir := t.TempDir()
	if err := demo.WriteModels(dir); err != nil {
		t.Fatal(err)
	}
	brokers, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "texts"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(brokers.Close)
	conf := filepath.Join(dir, "vecmill.yaml")
	for kafka, want := range map[string]string{
		fmt.Sprintf("kafka: {brokers: [%q]}\n", brokers.ListenAddrs()[0]): "everything a worker needs is there; ",
		"": "everything a backfill needs is there; ",
	} {
		write(t, conf, kafka+fmt.Sprintf(`
telemetry: {listen: ""}
runtime: {cache_dir: %q}
pipelines:
- name: p
  topics: [texts]
  model: {path: %q, threads: 1, sessions: 1}
  heads: [{task: classification}]
  outputs: [{parquet: {url: "file://%s"}}]
  dead_letters: {url: "file://%s"}
`, filepath.Join(dir, "cache"), filepath.Join(dir, "text-intent"), t.TempDir(), t.TempDir()))
		code, stdout, stderr := call(worker, "doctor", "--config", conf)
		if code != 0 || !strings.Contains(stdout, want) {
			t.Errorf("exit %d, want %q: %s%s", code, want, stdout, stderr)
		}
	}
}
