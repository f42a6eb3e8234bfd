package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"vecmill/internal/demo"
	"vecmill/internal/pace"
	"vecmill/internal/publish"
	"vecmill/internal/wire"
	"vecmill/schemas"
)

// TestAPlanIsPublishedOnceAsFastAsTheWorkersReadIt has workers that are not there: no more is published than they may have before them. The next command publishes the rest.
func TestAPlanIsPublishedOnceAsFastAsTheWorkersReadIt(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "refs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	dir := t.TempDir()
	if err := demo.WriteModels(filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	const n = 300
	var refs strings.Builder
	for i := range n {
		fmt.Fprintf(&refs, `{"v":1,"id":"s%d","inline_text":"Will it rain in city %d tomorrow?"}`+"\n", i, i)
	}
	refs.WriteString("not a reference\n")
	write(t, filepath.Join(dir, "refs.jsonl"), refs.String())
	write(t, filepath.Join(dir, "empty.jsonl"), "")
	conf, plan := filepath.Join(dir, "vecmill.yaml"), filepath.Join(dir, "plan")
	pipeline := func(format string) {
		write(t, conf, fmt.Sprintf(`
log: {level: error}
telemetry: {listen: ""}
runtime: {cache_dir: %q}
kafka: {brokers: [%q]}
pipelines:
- name: intents
  topics: [refs]
  group: embedders
  input: {format: %s}
  model: {path: %q}
  heads: [{task: classification}]
  outputs: [{parquet: {url: "%s"}}]
  dead_letters: {url: "%s"}
`, filepath.Join(dir, "cache"), cluster.ListenAddrs()[0], format, filepath.Join(dir, "models", "text-intent"), fileURL(dir, "out"), fileURL(dir, "dead")))
	}
	run := func(args ...string) []string {
		return append([]string{"run", "--config", conf, "--plan", plan}, args...)
	}
	for _, c := range []struct {
		format string
		args   []string
		code   int
		want   []string
	}{
		{"ref", []string{"plan", "--config", conf, "--source", filepath.Join(dir, "refs.jsonl"), "--out", plan, "--name", "plan", "--try", "0", "--rate", "text=50/s", "--machines", "3"}, 0, []string{"301 of 301"}},
		{"json", run("--topic", "refs"), 1, []string{"pipeline intents reads refs as json"}},
		{"ref", run("--topic", "others"), 1, []string{"no pipeline of the configuration reads topic others"}},
		{"ref", []string{"plan", "--config", conf, "--source", filepath.Join(dir, "empty.jsonl"), "--out", plan + "0"}, 0, []string{"0 of 0 references", "the source has nothing"}},
		{"ref", []string{"run", "--config", conf, "--plan", plan + "0", "--topic", "refs"}, 0, []string{"refs: 0 of 0 references are in the topic"}},
		{"ref", run("--topic", "refs", "--max-lag", "0"), exitUsage, []string{"--max-lag must be"}},
		{"ref", []string{"run", "--manifest", "x", "--topic", "refs"}, exitUsage, []string{"--topic goes with --plan"}},
		{"ref", run("--topic", "refs", "--max-lag", "50", "--until", "3s"), 1, []string{
			" of 301 references are in the topic", "as --until says", "go on with: " + shellWords(os.Args[0]) + " run --config " + conf + " --topic refs --max-lag 50 --plan " + plan,
		}},
		{"ref", []string{"status", "--config", conf, "--plan", plan}, 0, []string{"intents: manifest plan through topic refs in ", ": 0 written of 301 (0.0 %)\n", " of 301 published, 0 records of others between them\n"}},
		{"ref", run("--topic", "refs", "--json"), 0, []string{`"event":"end","published":301,"total":301,"lag":286,"began":"`, `"against_plan":{"references":15,"of":301,"machines":3,"planned_seconds":0.`, `"counted":"published","stated":true}`}},
		{"ref", run("--topic", "refs"), 0, []string{"301 of 301 references are in the topic, 0 of them by this run"}},
		{"ref", []string{"status", "--config", conf, "--plan", plan, "--json"}, 0, []string{`"manifest":"plan","written":0,`, `"topic":"refs","published":301,"records":301,"total":301,"finished":false`}},
	} {
		pipeline(c.format)
		code, out, stderr := call(backfiller, c.args...)
		if code == 1 && strings.Contains(out, "refs: ") {
			commit(t, cluster.ListenAddrs(), 15)
		}
		var sent int
		if _, err := fmt.Sscanf(out, "refs: %d of 301", &sent); code == 1 && err == nil && sent > 50 {
			t.Errorf("%d are published, and 50 may be", sent)
		}
		for _, want := range c.want {
			if code != c.code || !strings.Contains(out+stderr, want) {
				t.Fatalf("%q: exit %d, want %d and %q\n%s%s", c.args, code, c.code, want, out, stderr)
			}
		}
	}
	checkPublished(t, cluster.ListenAddrs(), n)
}

// commit has the group read so many records, of the first partition.
func commit(t *testing.T, brokers []string, n int64) {
	t.Helper()
	c := kafka.Client{Addr: kafka.TCP(brokers...)}
	got, err := c.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{GroupID: "embedders", GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{"refs": {{Partition: 0, Offset: n}}}})
	if err != nil || len(got.Topics["refs"]) != 1 || got.Topics["refs"][0].Error != nil {
		t.Fatalf("committing: %+v, %v", got, err)
	}
}

// checkPublished checks that each reference is in the topic once, with its id as key, and the line that is none among them.
func checkPublished(t *testing.T, brokers []string, n int) {
	t.Helper()
	seen, bad := map[string]int{}, 0
	for part := range 3 {
		r := kafka.NewReader(kafka.ReaderConfig{Brokers: brokers, Topic: "refs", Partition: part, MaxWait: 50_000_000})
		end, err := r.ReadLag(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range end {
			m, err := r.ReadMessage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ref, err := schemas.ParseRef(m.Value)
			if err != nil {
				bad++
			} else if string(m.Key) != ref.ID || len(m.Headers) != 1 || m.Headers[0].Key != publish.Header {
				t.Errorf("key %q, headers %v of %s", m.Key, m.Headers, ref.ID)
			}
			seen[ref.ID]++
		}
		if err := r.Close(); err != nil && !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	}
	if bad != 1 || len(seen) != n+1 {
		t.Errorf("%d references, %d that are none", len(seen)-1, bad)
	}
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%s is there %d times", id, times)
		}
	}
}

// TestAPublishingGoesByTheGateOfItsCommand has one that was shut before the publishing began.
func TestAPublishingGoesByTheGateOfItsCommand(t *testing.T) {
	gate := &pace.Gate{}
	gate.Shut()
	began := false
	do := func(_ context.Context, o wire.PublishOptions) (wire.Publication, error) {
		if began = true; !o.Gate.IsShut() {
			t.Error("it is paused, and the publishing has an open gate")
		}
		return wire.Publication{}, nil
	}
	if err := (&runOptions{topic: "refs"}).publishPlan(t.Context(), &env{stdout: io.Discard, err: io.Discard}, nil, gate, do); err != nil || !began {
		t.Errorf("%v, %v", began, err)
	}
}
