package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"vecmill/internal/demo"
	"vecmill/internal/dlq"
	"vecmill/internal/retry"
	"vecmill/internal/wire"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/kafkaletters"
	"vecmill/sinks/objectletters"
)

// letterStores puts the same letters into a topic and into a directory, and gives the flags of both.
func letterStores(t *testing.T) (c *kfake.Cluster, flags map[string][]string) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "refs", "dead"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := &kafka.Client{Addr: kafka.TCP(c.ListenAddrs()...), Transport: transport}
	for p := range 3 { // the records that the letters are of, and others
		var recs []kafka.Record
		for i := range 6 {
			recs = append(recs, kafka.Record{Value: kafka.NewBytes(fmt.Appendf(nil, `{"v":1,"id":"%d"}`, i))})
		}
		res, err := client.Produce(t.Context(), &kafka.ProduceRequest{Topic: "refs", Partition: p, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(recs...)})
		if err != nil || res.Error != nil {
			t.Fatal(err, res)
		}
	}
	topic, err := kafkaletters.New(kafkaletters.Config{Brokers: c.ListenAddrs(), Topic: "dead", Transport: transport, Retry: retry.Default()})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	store, err := dirstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	objects := objectletters.New(store, "", retry.Policy{})
	for i := range int64(6) {
		l := sinks.Letter{
			Source: schemas.SourceID{Pipeline: "speech", Topic: "refs", Partition: int(i % 3)}, Offset: i, Reason: schemas.ReasonDecode, Message: "not a WAV file",
			Attempts: 2, Key: []byte{1}, Value: fmt.Appendf(nil, `{"v":1,"id":"%d"}`, i), Headers: []sinks.Header{{Key: "trace", Value: []byte("x")}},
		}
		if i == 5 {
			l.Reason = schemas.ReasonFetchMissing
		}
		for _, s := range []sinks.DeadLetters{topic, topic, objects} { // twice in the topic, as an unclear answer leaves it
			if err := s.Put(t.Context(), l); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := topic.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	brokers := "--brokers=" + strings.Join(c.ListenAddrs(), ",")
	return c, map[string][]string{"a topic": {"--dead-letter-topic=dead", brokers}, "objects": {"--url=file://" + dir, brokers}}
}

func TestDeadLettersAreListedShownAndReplayedOnce(t *testing.T) {
	c, stores := letterStores(t)
	ends := func() (n int64) {
		for _, p := range c.PartitionInfos("refs") {
			n += p.HighWatermark
		}
		return n
	}
	for _, name := range []string{"a topic", "objects"} {
		t.Run(name, func(t *testing.T) {
			at := stores[name]
			dlq := func(args ...string) (int, string, string) {
				return call(worker, append(append([]string{"dlq"}, args...), at...)...)
			}
			code, out, stderr := dlq("list", "--json")
			var listing struct {
				Groups []struct {
					Reason          string
					Count, Replayed int
				}
			}
			if err := json.Unmarshal([]byte(out), &listing); err != nil || code != 0 || len(listing.Groups) != 2 || listing.Groups[0].Count != 5 || listing.Groups[1].Reason != "fetch-missing" {
				t.Fatalf("list: exit %d, %v\n%s%s", code, err, out, stderr)
			}
			code, out, _ = dlq("show", "speech/refs/1/4")
			for _, want := range []string{`"error": "not a WAV file"`, `"attempts": 2`, `{\"v\":1,\"id\":\"4\"}`, `"key": "trace"`, `"replayed": false`} {
				if code != 0 || !strings.Contains(out, want) {
					t.Errorf("show: exit %d, no %s in\n%s", code, want, out)
				}
			}
			if code, _, stderr := dlq("show", "speech/refs/1/5"); code != 1 || !strings.Contains(stderr, "no such dead letter") {
				t.Errorf("show of a letter that is not there: exit %d, %s", code, stderr)
			}
			if code, _, stderr := dlq("replay", "speech/refs/1/5"); code != 1 || !strings.Contains(stderr, "no such dead letter: speech/refs/1/5") {
				t.Errorf("replay of a letter that is not there: exit %d, %s", code, stderr)
			}
			if code, out, _ := dlq("list", "--reason", "panic"); code != 0 || !strings.HasSuffix(out, "\n  no such dead letters\n") {
				t.Errorf("a list of none: exit %d, %s", code, out)
			}
			before := ends()
			if name == "objects" { // the same letters as the topic's: the log says that they were replayed
				if code, _, stderr = dlq("replay"); code != 0 || !strings.Contains(stderr, "0 replayed, 0 would be, 6 skipped") || ends() != before {
					t.Errorf("exit %d, %s", code, stderr)
				}
				return
			}
			if code, out, stderr = dlq("replay", "--dry-run"); code != 0 || strings.Count(out, "would-replay") != 6 || strings.Contains(out, " \n") || ends() != before {
				t.Errorf("a dry run: exit %d, %d records more\n%s%s", code, ends()-before, out, stderr)
			}
			if code, out, stderr = dlq("replay", "--reason", "fetch-missing"); code != 0 || ends() != before+1 || !strings.Contains(out, "refs/2") {
				t.Errorf("exit %d\n%s%s", code, out, stderr)
			}
			if code, out, stderr = dlq("replay", "--json"); code != 0 || ends() != before+6 || !strings.Contains(stderr, "5 replayed, 0 would be, 1 skipped, 0 failed") {
				t.Errorf("exit %d\n%s%s", code, out, stderr)
			}
			if code, _, stderr = dlq("replay"); code != 0 || ends() != before+6 || !strings.Contains(stderr, "6 skipped") {
				t.Errorf("exit %d, %s", code, stderr)
			}
			if _, out, _ = dlq("list"); !strings.Contains(out, "fetch-missing  1      1") {
				t.Errorf("replayed letters are not listed as such:\n%s", out)
			}
		})
	}
}

func TestLettersOfAManifestBecomeOne(t *testing.T) {
	_, stores := letterStores(t)
	file := filepath.Join(t.TempDir(), "again.jsonl")
	none := append([]string{"dlq", "replay", "--manifest", file, "--pipeline", "another"}, stores["objects"]...)
	if code, out, stderr := call(worker, none...); code != 0 || !strings.Contains(stderr, "0 replayed") {
		t.Fatalf("exit %d\n%s%s", code, out, stderr)
	}
	args := append([]string{"dlq", "replay", "--manifest", file, "speech/refs/2/5"}, stores["objects"]...)
	if code, out, stderr := call(worker, args...); code != 0 || !strings.Contains(stderr, "1 replayed") {
		t.Fatalf("exit %d\n%s%s", code, out, stderr)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "{\"v\":1,\"id\":\"5\"}\n" {
		t.Errorf("%q, %v", b, err)
	}
	if code, _, stderr := call(worker, args...); code != exitUsage || !strings.Contains(stderr, "is there already") {
		t.Errorf("a manifest is overwritten: exit %d, %s", code, stderr)
	}
}

// TestAManifestThatIsNotWrittenWholeIsNotLeft has an output that is away when it is asked which letters have rows: the next try is not to be refused for what this one left.
func TestAManifestThatIsNotWrittenWholeIsNotLeft(t *testing.T) {
	_, stores := letterStores(t)
	store, err := dirstore.Open(strings.TrimPrefix(stores["objects"][0], "--url=file://"))
	if err != nil {
		t.Fatal(err)
	}
	errAway := errors.New("the output is away")
	o := dlq.ReplayOptions{Settled: func(context.Context, schemas.SourceID, schemas.Span) ([]schemas.Span, error) { return nil, errAway }}
	from := wire.LetterStore{LetterReader: objectletters.NewReader(store, "", retry.Policy{})}
	file := filepath.Join(t.TempDir(), "again.jsonl")
	if _, err := replayToFile(t.Context(), from, o, file, func(dlq.Outcome) {}); !errors.Is(err, errAway) {
		t.Fatal(err)
	}
	o.Settled = nil
	if sum, err := replayToFile(t.Context(), from, o, file, func(dlq.Outcome) {}); err != nil || sum.Replayed != 6 {
		t.Errorf("%+v, %v", sum, err)
	}
}

func TestFaultsOfTheDLQCommandLineHaveAStatusOfTheirOwn(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"dlq"}, "list, show or replay"},
		{[]string{"dlq", "purge"}, `no command "purge"`},
		{[]string{"dlq", "list"}, "--config FILE is missing"},
		{[]string{"dlq", "list", "--url", "file:///x", "--dead-letter-topic", "y"}, "not both"},
		{[]string{"dlq", "list", "--url", "file:///x", "--reason", "decoed"}, "is not a reason"},
		{[]string{"dlq", "show", "--url", "file:///x"}, "name one letter"},
		{[]string{"dlq", "show", "--url", "file:///x", "a/b"}, "not pipeline/topic/partition/offset"},
		{[]string{"dlq", "list", "--url", "file:///nowhere"}, "there is no directory /nowhere"},
		{[]string{"dlq", "list", "--dead-letter-topic", "dead"}, "--brokers HOST:PORT is missing"},
		{[]string{"dlq", "list", "--url", "http://x"}, "is not s3://"},
		{[]string{"dlq", "replay", "--url", "file:///x", "--to", "a", "--manifest", "b"}, "not both"},
	} {
		if code, _, stderr := call(worker, c.args...); code != exitUsage || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: exit %d: %s\nwant %d and %q", c.args, code, stderr, exitUsage, c.want)
		}
	}
}

// TestARowThatIsNoReferenceIsADeadLetterWithItsLine has lists of both kinds, read straight and by way of a plan, in which the rows before it that are left out do not count.
func TestARowThatIsNoReferenceIsADeadLetterWithItsLine(t *testing.T) {
	dir := t.TempDir()
	if err := demo.WriteModels(filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"refs.jsonl": {"{\"v\":1,\"id\":\"a\",\"inline_text\":\"Will it rain?\"}\n\n\nnot a reference\n", "line 4"},
		"refs.csv":   {"id,inline_text\na,Will it rain?\n\n\nb,c,d\n", "line 5"},
	} {
		list := filepath.Join(dir, name)
		write(t, list, c.text)
		for _, way := range []string{"--manifest", "--source"} {
			at := strings.Trim(way, "-") + "-" + name
			conf := filepath.Join(dir, at+".yaml")
			write(t, conf, intents(dir, `
  heads: [{task: classification}]
  outputs: [{parquet: {url: "%s"}}]
  dead_letters: {url: "%s"}
`, fileURL(dir, at+"/rows"), fileURL(dir, at+"/dead")))
			if code, out, stderr := call(backfiller, "run", "--config", conf, way, list); code != 0 || !strings.Contains(out, "1 rows, ") || !strings.Contains(out, "1 dead letters (schema 1)") {
				t.Fatalf("%s: exit %d\n%s%s", at, code, out, stderr)
			}
			if code, out, stderr := call(worker, "dlq", "list", "--config", conf); code != 0 || !strings.Contains(out, c.want) {
				t.Errorf("%s: exit %d, want %q\n%s%s", at, code, c.want, out, stderr)
			}
		}
	}
}
