package wire

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
)

// TestAPlanIsNotPublishedToPipelinesThatDoNotTakeIt has a list that names a pipeline for some of its references, which reads another topic. Nothing is connected to: the refusal comes before the first message.
func TestAPlanIsNotPublishedToPipelinesThatDoNotTakeIt(t *testing.T) {
	l := newLake(t, 0)
	list := filepath.Join(l.out, "refs.jsonl")
	if err := os.WriteFile(list, []byte(`{"v":1,"id":"a","inline_text":"a"}
{"v":1,"id":"b","inline_text":"b","route":"other"}
{"v":1,"id":"c","inline_text":"c","route":"nobody"}
not a reference
{"v":1,"id":"d","inline_text":"d","route":"other"}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	first := l.conf.Pipelines[0].Name
	other := l.beside("other")
	l.conf.Pipelines[0].Topics, other.Topics = []string{"live", "refs"}, []string{"slow"}
	p := l.plan(t, "all", PlanOptions{Source: list})
	if want := map[string]int64{first + ",other": 1, "other": 2}; p.Items != 5 || !maps.Equal(p.For, want) {
		t.Fatalf("%d references, for %v, want %v", p.Items, p.For, want)
	}
	at := filepath.Join(l.out, "all")
	_, err := Publish(t.Context(), l.conf, at, PublishOptions{Topic: "refs", MaxLag: 10})
	if err == nil || !strings.Contains(err.Error(), "no pipeline takes which reads refs: 2 for other (of slow); nothing was published") {
		t.Errorf("got %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(at, "publish-*")); err != nil || len(left) != 0 {
		t.Errorf("the publishing was begun: %v, %v", left, err)
	}
}

// TestAPlanIsNotPublishedBeforeThosePipelinesHaveBegunThatStartAtTheEnd has one that starts at the first record beside it. That it has begun is told by its group's commits, of each partition.
func TestAPlanIsNotPublishedBeforeThosePipelinesHaveBegunThatStartAtTheEnd(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "refs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	l := newLake(t, 3)
	late := l.beside("late")
	l.conf.Kafka.Brokers = broker.ListenAddrs()
	l.conf.Pipelines[0].Topics, late.Topics, late.StartAt = []string{"refs"}, []string{"refs"}, "last"
	l.plan(t, "all", PlanOptions{})
	at := filepath.Join(l.out, "all")
	client := kafka.Client{Addr: kafka.TCP(broker.ListenAddrs()...)}
	for i, want := range []string{"late has not begun with refs/0: start the workers", "late has not begun with refs/1: start the workers", ""} {
		far, err := Publish(t.Context(), l.conf, at, PublishOptions{Topic: "refs", MaxLag: 10})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Fatalf("%d: %+v, %v, want %q", i, far, err, want)
		}
		left, err := filepath.Glob(filepath.Join(at, "publish-*"))
		if err != nil || want != "" && len(left) != 0 || want == "" && far.Published != 3 {
			t.Errorf("%d: %+v, %v, %v", i, far, left, err)
		}
		if want == "" {
			break
		}
		got, err := client.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{GroupID: late.Group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{"refs": {{Partition: i, Offset: 0}}}})
		if err != nil || len(got.Topics["refs"]) != 1 || got.Topics["refs"][0].Error != nil {
			t.Fatalf("%+v, %v", got, err)
		}
	}
}

func TestAPlanIsPublishedToWhoeverTakesAllOfIt(t *testing.T) {
	c := &config.Config{Pipelines: []config.Pipeline{{Name: "a", Topics: []string{"x", "y"}}, {Name: "b", Topics: []string{"x"}}, {Name: "c", Topics: []string{"z"}}}}
	for _, k := range []struct {
		name  string
		of    map[string]int64
		topic string
		want  string // "": it is taken
	}{
		{"an earlier build's", nil, "x", ""},
		{"both read it", map[string]int64{"a": 1, "b": 1}, "x", ""},
		{"one of both reads it", map[string]int64{"a,b": 1}, "y", ""},
		{"the other one's alone", map[string]int64{"a": 1, "b": 3, "b,c": 2}, "y", "3 for b (of x), 2 for b and c (of x, z); nothing"},
		{"a pipeline that is not there any more", map[string]int64{"old": 7}, "x", "7 for old (of no topic of this configuration)"},
	} {
		err := forTopic(c, &plan.Plan{Name: "p", For: k.of}, k.topic)
		if (err == nil) != (k.want == "") || err != nil && !strings.Contains(err.Error(), k.want) {
			t.Errorf("%s: got %v, want %q", k.name, err, k.want)
		}
	}
}
