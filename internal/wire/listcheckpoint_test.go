package wire

import (
	"errors"
	"log/slog"
	"testing"

	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/sinks/dirstore"
	"vecmill/stream"
)

// TestAnOutputThatTakesOtherColumnsIsAnotherOne: rows that it was given without a column have to be given again.
func TestAnOutputThatTakesOtherColumnsIsAnotherOne(t *testing.T) {
	c := &config.Config{Kafka: config.Kafka{Brokers: []string{"b:9092", "a:9092"}}}
	for _, k := range []struct {
		kind              string
		one, same, others config.Output
	}{
		{
			"qdrant",
			config.Output{Qdrant: &config.Qdrant{URL: "http://qdrant:6334", Collection: "rows", Columns: []string{"text", "label"}}},
			config.Output{Qdrant: &config.Qdrant{URL: "http://qdrant:6334", Collection: "rows", Columns: []string{"label", "text"}}},
			config.Output{Qdrant: &config.Qdrant{URL: "http://qdrant:6334", Collection: "rows"}},
		},
		{
			"milvus",
			config.Output{Milvus: &config.Milvus{URL: "http://milvus:19530", Collection: "rows"}},
			config.Output{Milvus: &config.Milvus{URL: "http://milvus:19530", Collection: "rows"}},
			config.Output{Milvus: &config.Milvus{URL: "http://milvus:19530", Collection: "rows", Columns: []string{"text"}}},
		},
		{
			"opensearch",
			config.Output{OpenSearch: &config.OpenSearch{URL: "http://search:9200", Index: "rows", Columns: []string{"text"}}},
			config.Output{OpenSearch: &config.OpenSearch{URL: "http://search:9200", Index: "rows", Columns: []string{"text"}}},
			config.Output{OpenSearch: &config.OpenSearch{URL: "http://search:9200", Index: "rows", Columns: []string{"text", "uri"}}},
		},
		{
			"kafka",
			config.Output{Kafka: &config.KafkaOutput{Topic: "rows", Format: "json"}},
			config.Output{Kafka: &config.KafkaOutput{Topic: "rows", Format: "json", Compression: "zstd"}},
			config.Output{Kafka: &config.KafkaOutput{Topic: "rows", Format: "avro"}},
		},
	} {
		one, before := unaware(c, &k.one)
		same, _ := unaware(c, &k.same)
		others, was := unaware(c, &k.others)
		if one == "" || one != same || one == others || one == before || before != was {
			t.Errorf("%s: called %q and %q, with others %q; before %q and %q", k.kind, one, same, others, before, was)
		}
	}
}

// TestWhatABuildBeforeKeptIsFoundOnce has an index whose columns were not in its name: by the first checkpoint that is kept, they are.
func TestWhatABuildBeforeKeptIsFoundOnce(t *testing.T) {
	store, err := dirstore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	work := plan.Work{List: "l", Shares: 1}
	open := func(columns ...string) *listCheckpoint {
		p := &config.Pipeline{Name: "p", Outputs: []config.Output{{Qdrant: &config.Qdrant{URL: "http://qdrant:6334", Collection: "rows", Columns: columns}}}}
		k := &listCheckpoint{place: plan.Place{Store: store}, work: work, pipeline: p, next: []int64{-1}, log: slog.New(slog.DiscardHandler)}
		k.outputs, k.before = keptOutputs(&config.Config{}, p)
		return k
	}
	next := func(k *listCheckpoint) int64 {
		t.Helper()
		n, _, _, err := k.last(t.Context(), 0, work)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	old := `{"work": {"list": "l", "made": "0001-01-01T00:00:00Z", "share": 0, "shares": 1}, "pipeline": "p", "next": 9, "outputs": {"qdrant 11651af8f86fedbe": ""}}`
	if err := store.Put(t.Context(), "checkpoint-p-0-of-1.json", []byte(old), ""); err != nil {
		t.Fatal(err)
	}
	k := open("text")
	if n := next(k); n != 9 {
		t.Fatalf("of the build before it has %d", n)
	}
	if err := k.keep(t.Context(), 12); err != nil {
		t.Fatal(err)
	}
	if n := next(open("text")); n != 12 {
		t.Errorf("with the same columns it has %d", n)
	}
	for length, want := range map[int64]error{11: stream.ErrBeyondEnd, 12: nil, 13: nil} {
		if err := open("text").within(t.Context(), length); !errors.Is(err, want) {
			t.Errorf("a list of %d references: %v", length, err)
		}
	}
	if n := next(open("text", "label")); n != -1 {
		t.Errorf("with other columns it has %d", n)
	}
}
