package wire

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"vecmill/internal/audit"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/parquetsink"
)

// TestTheAuditAsksKafkaAndTheLetters has an output, a topic and letters that agree in partition 0, and in partition 1 a commit before it was durable and a dead offset
// whose letter is missing; of partition 2 there is nothing yet.
func TestTheAuditAsksKafkaAndTheLetters(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "refs"), kfake.SeedTopics(1, "dead"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	dir := t.TempDir()
	conf := config.NewDefaultConfig()
	conf.Kafka.Brokers = cluster.ListenAddrs()
	pipeline := config.NewDefaultPipeline()
	pipeline.Name, pipeline.Group, pipeline.Topics = "p", "g", []string{"refs"}
	pipeline.DeadLetters = config.DeadLetters{Topic: "dead"}
	pipeline.Outputs = []config.Output{{Parquet: &config.Parquet{URL: "file://" + dir}}}
	conf.Pipelines = []config.Pipeline{pipeline}

	output(t, dir, "refs")
	letters, err := newDeadLetters(t.Context(), conf, &pipeline, &stores{cfg: conf}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []struct {
		partition int
		offset    int64
	}{{0, 8}, {0, 9}, {1, 7}, {1, 3}} { // and 1/8 is missing; 1/3 is a stray
		if err := letters.Put(t.Context(), sinks.Letter{Source: schemas.SourceID{Pipeline: "p", Topic: "refs", Partition: at.partition}, Offset: at.offset, Reason: schemas.ReasonDecode}); err != nil {
			t.Fatal(err)
		}
	}
	if err := letters.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	fill(t, cluster)

	all, err := Audit(t.Context(), conf, AuditOptions{Kafka: true, Letters: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil || len(all) != 3 {
		t.Fatalf("%+v, %v", all, err)
	}
	for _, r := range all {
		offences := strings.Join(r.Offences, "; ")
		switch r.Partition {
		case 0:
			if !r.OK() || r.Log.End != 12 || r.Log.Committed != 10 || r.Log.Lag != 2 || r.Letters.Found != 2 {
				t.Errorf("partition 0: %+v, %+v, %s", r.Log, r.Letters, offences)
			}
		case 1:
			if r.Faults != 2 || !strings.Contains(offences, "offsets 9 to 9 are committed") || !strings.Contains(offences, "offsets 8 to 8 are dead") || r.Letters.Stray != 1 {
				t.Errorf("partition 1: %+v, %s", r.Letters, offences)
			}
		case 2:
			if !r.OK() || r.Files != 0 || r.Log.Lag != 12 || r.Log.Committed != -1 {
				t.Errorf("partition 2: %+v, %s", r.Log, offences)
			}
		}
	}
	alone, err := Audit(t.Context(), conf, AuditOptions{})
	if err != nil || len(alone) != 2 || alone[0].Log != nil || alone[1].Letters != nil || !alone[1].OK() {
		t.Errorf("the output alone: %+v, %v", alone, err)
	}
}

// TestATopicThatDoesNotExistHoldsUpOnlyTheAuditOfItsRows has rows of refs, and a configuration that names two topics.
func TestATopicThatDoesNotExistHoldsUpOnlyTheAuditOfItsRows(t *testing.T) {
	for _, c := range []struct {
		name, topic string // that exists
		want        string // of the error; "" for none
	}{
		{"a topic that nothing was read from", "refs", ""},
		{"a topic whose rows are there", "unused", "topic refs, which does not exist any more; --kafka=false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, c.topic))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(cluster.Close)
			dir := t.TempDir()
			output(t, dir, "refs")
			conf := config.NewDefaultConfig()
			conf.Kafka.Brokers = cluster.ListenAddrs()
			pipeline := config.NewDefaultPipeline()
			pipeline.Name, pipeline.Group, pipeline.Topics = "p", "g", []string{"unused", "refs"}
			pipeline.Outputs = []config.Output{{Parquet: &config.Parquet{URL: "file://" + dir}}}
			conf.Pipelines = []config.Pipeline{pipeline}
			var log strings.Builder
			all, err := Audit(t.Context(), conf, AuditOptions{Kafka: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %q", err, c.want)
				}
				return
			}
			if err != nil || len(all) != 3 || !strings.Contains(log.String(), "topic=unused") {
				t.Errorf("%d reports, %v, log %s", len(all), err, &log)
			}
		})
	}
}

// TestAListThatWasComputedInTwoWaysIsAFault has partitions 0 and 1 of a manifest, of which one is the list as a whole and the other a share of it.
func TestAListThatWasComputedInTwoWaysIsAFault(t *testing.T) {
	for topic, faults := range map[string]int64{"manifest:m": 1, "refs": 0} {
		dir := t.TempDir()
		output(t, dir, topic)
		conf := config.NewDefaultConfig()
		pipeline := config.NewDefaultPipeline()
		pipeline.Name, pipeline.Outputs = "p", []config.Output{{Parquet: &config.Parquet{URL: "file://" + dir}}}
		conf.Pipelines = []config.Pipeline{pipeline}
		all, err := Audit(t.Context(), conf, AuditOptions{})
		if err != nil || len(all) != 2 || all[0].Faults != faults || len(all[0].Offences) != int(faults) || !all[1].OK() {
			t.Errorf("%s: %+v, %v", topic, all, err)
		}
	}
}

// output writes partition 0 up to offset 10 and partition 1 up to 9; the last two of each are dead.
func output(t *testing.T, dir, topic string) {
	t.Helper()
	store, err := dirstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	cfg := parquetsink.NewDefaultConfig()
	cfg.Store, cfg.Tasks = store, []schemas.Task{schemas.TaskEmbedding}
	sink, err := parquetsink.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for partition, next := range []int64{10, 9} {
		src := schemas.SourceID{Pipeline: "p", Topic: topic, Partition: partition}
		if _, _, err := sink.Resume(t.Context(), src, 0); err != nil {
			t.Fatal(err)
		}
		r := schemas.Range{Source: src, Span: schemas.Span{Next: next}, Skipped: []schemas.Span{{Next: next - 2}}, Dead: []schemas.Span{{First: next - 2, Next: next}}}
		if err := sink.Write(t.Context(), r, nil, func(err error) {
			if err != nil {
				t.Error(err)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := sink.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// fill produces twelve records to each partition, and commits 10 for the first two.
func fill(t *testing.T, cluster *kfake.Cluster) {
	t.Helper()
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := &kafka.Client{Addr: kafka.TCP(cluster.ListenAddrs()...), Transport: transport}
	for p := range 3 {
		var recs []kafka.Record
		for range 12 {
			recs = append(recs, kafka.Record{Value: kafka.NewBytes([]byte("{}"))})
		}
		res, err := client.Produce(t.Context(), &kafka.ProduceRequest{Topic: "refs", Partition: p, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(recs...)})
		if err != nil || res.Error != nil {
			t.Fatal(err, res)
		}
	}
	res, err := client.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{GroupID: "g", GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{"refs": {{Partition: 0, Offset: 10}, {Partition: 1, Offset: 10}}}})
	if err != nil || res.Topics["refs"][0].Error != nil {
		t.Fatal(err, res)
	}
}

func TestWhatAnAuditComesToIsALineForEachOutput(t *testing.T) {
	report := func(next, rows, computed, untold, faults int64, deleted bool) audit.Report {
		return audit.Report{Covered: []audit.Span{{First: 0, Next: next}}, Rows: rows, Computed: computed, Dead: 1, Lost: 2, Untold: untold, Faults: faults, Deleted: deleted}
	}
	all := []Audited{
		{"calls", "s3://lake/rows", report(10, 14, 7, 0, 0, false), 0, false},
		{"calls", "s3://lake/rows", report(5, 2, 2, 0, 0, false), 0, false},
		{"calls", "s3://lake/rows", report(3, 0, 0, 0, 2, false), 1, false}, // another one of that name
		{"texts", "table", report(40, 30, 30, 7, 0, true), 0, false},
	}
	want := []string{
		"calls in s3://lake/rows: 15 offsets of 2 sources: 9 with rows (16 rows), 2 dead letters, 0 skipped, 4 lost; no offences",
		"calls in s3://lake/rows: 3 offsets of 1 sources: 0 with rows (0 rows), 1 dead letters, 0 skipped, 2 lost; OFFENCES: 2",
		"texts in table: 40 offsets of 1 sources: 30 with rows (30 rows; some are deleted since), 1 dead letters, 0 skipped, 2 lost, and 7 of which nobody knows any more what became of them; no offences",
	}
	var got []string
	for _, total := range Totals(all) {
		got = append(got, total.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}
