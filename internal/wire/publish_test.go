package wire

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/internal/publish"
	"vecmill/sinks/sinktest"
)

// lakeBeside is a lake of n texts with a broker beside it that has topics.
func lakeBeside(t *testing.T, n int, topics ...kfake.Opt) *lake {
	t.Helper()
	broker, err := kfake.NewCluster(append(topics, kfake.NumBrokers(1))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	l := newLake(t, n)
	l.conf.Kafka.Brokers = broker.ListenAddrs()
	return l
}

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
	l := lakeBeside(t, 3, kfake.SeedTopics(2, "refs"))
	late := l.beside("late")
	l.conf.Pipelines[0].Topics, late.Topics, late.StartAt = []string{"refs"}, []string{"refs"}, "last"
	l.plan(t, "all", PlanOptions{})
	at := filepath.Join(l.out, "all")
	client := kafka.Client{Addr: kafka.TCP(l.conf.Kafka.Brokers...)}
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

// TestAPlanThatDeletesIsPublishedToOnePartition has a topic of two, of which a deletion would come to another than what it deletes, and one of one, to which another comes when all is published.
func TestAPlanThatDeletesIsPublishedToOnePartition(t *testing.T) {
	l := lakeBeside(t, 0, kfake.SeedTopics(2, "refs"), kfake.SeedTopics(1, "one"))
	l.conf.Pipelines[0].Topics = []string{"refs", "one"}
	list := filepath.Join(l.out, "refs.jsonl")
	if err := os.WriteFile(list, []byte(`{"v":1,"id":"a","inline_text":"a"}`+"\n"+`{"v":1,"id":"a","deleted":true}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.plan(t, "all", PlanOptions{Source: list})
	at := filepath.Join(l.out, "all")
	far, err := Publish(t.Context(), l.conf, at, PublishOptions{Topic: "refs", MaxLag: 10})
	if err == nil || !strings.Contains(err.Error(), "has 1 references that delete others, and a deletion takes the rows of its own partition alone, of which refs has 2") {
		t.Errorf("%+v, %v", far, err)
	}
	for _, left := range []string{"publish-*", plan.SettledName} {
		if found, err := filepath.Glob(filepath.Join(at, left)); err != nil || len(found) != 0 {
			t.Errorf("the publishing was begun: %v, %v", found, err)
		}
	}
	client := kafka.Client{Addr: kafka.TCP(l.conf.Kafka.Brokers...)}
	for _, partitions := range []int32{1, 2} {
		if partitions > 1 {
			grown, err := client.CreatePartitions(t.Context(), &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: "one", Count: partitions}}})
			if err != nil || grown.Errors["one"] != nil {
				t.Fatal(err, grown)
			}
		}
		if far, err := Publish(t.Context(), l.conf, at, PublishOptions{Topic: "one", MaxLag: 10}); err != nil || far.Published != 2 {
			t.Errorf("to %d partitions: %+v, %v", partitions, far, err)
		}
	}
}

// TestAPlanThatDeletesIsGoneOnWithAsAnEarlierBuildBegan has a topic of two partitions, to which such a build has published one of two references, or all.
func TestAPlanThatDeletesIsGoneOnWithAsAnEarlierBuildBegan(t *testing.T) {
	l := lakeBeside(t, 0, kfake.SeedTopics(2, "refs"))
	l.conf.Pipelines[0].Topics = []string{"refs"}
	list := filepath.Join(l.out, "refs.jsonl")
	if err := os.WriteFile(list, []byte(`{"v":1,"id":"a","inline_text":"a"}`+"\n"+`{"v":1,"id":"a","deleted":true}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.plan(t, "all", PlanOptions{Source: list})
	at := filepath.Join(l.out, "all")
	place, err := planPlace(t.Context(), &stores{cfg: l.conf}, at)
	if err != nil {
		t.Fatal(err)
	}
	state := stateOf(place, "refs")
	for _, s := range []*publish.State{{Run: "run", Ends: []int64{0, 0}}, {Run: "run", Next: 1, Ends: []int64{0, 0}}} {
		if err := state.save(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	for _, warned := range []int{1, 0} { // the second one finds all of it there
		var said bytes.Buffer
		far, err := Publish(t.Context(), l.conf, at, PublishOptions{Topic: "refs", MaxLag: 10, Log: slog.New(slog.NewTextHandler(&said, nil))})
		if err != nil || far.Published != 2 || strings.Count(said.String(), "a deletion takes the rows of its own partition alone") != warned {
			t.Errorf("%+v, %v: %s", far, err, said.String())
		}
	}
}

// TestLargeReferencesArePublished has a topic that takes a megabyte at once, as a broker does unless it is told otherwise: small references of 240 KiB in a plan, where data is base64, a large one of 800, and a line that is no reference and has more than a message may. One that is
// too large by itself is named.
func TestLargeReferencesArePublished(t *testing.T) {
	l := lakeBeside(t, 0, kfake.SeedTopics(1, "refs"))
	l.conf.Pipelines[0].Topics = []string{"refs"}
	text := func(id string, n int) string {
		return fmt.Sprintf(`{"v":1,"id":%q,"inline_text":%q}`+"\n", id, strings.Repeat("a ", n/2))
	}
	var small strings.Builder
	for i := range 10 {
		small.WriteString(text(fmt.Sprint("small-", i), 18<<10))
	}
	for name, c := range map[string]struct {
		lines string
		items int64
		want  string // "": all is published
	}{
		"large":     {small.String() + text("large", 600<<10) + "no reference" + strings.Repeat("!", 3<<20) + "\n", 12, ""},
		"too-large": {small.String() + text("too large", 1<<20), 10, "reference 10 has 1398"},
	} {
		list := filepath.Join(l.out, name+".jsonl")
		if err := os.WriteFile(list, []byte(c.lines), 0o600); err != nil {
			t.Fatal(err)
		}
		l.plan(t, name, PlanOptions{Source: list})
		far, err := Publish(t.Context(), l.conf, filepath.Join(l.out, name), PublishOptions{Topic: "refs", MaxLag: 100})
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "raise max.message.bytes of refs")) || far.Published != c.items {
			t.Errorf("%s: %+v, %v, want %q", name, far, err, c.want)
		}
	}
}

// TestHowFarAPublishingIsIsReadWhileItIsSaved has the publisher save a longer state whenever it is about to be read.
func TestHowFarAPublishingIsIsReadWhileItIsSaved(t *testing.T) {
	store := sinktest.NewMemStore()
	state := stateOf(plan.Place{Store: store, Prefix: "plans/x"}, "refs")
	for next := range int64(2) {
		if err := state.save(t.Context(), &publish.State{Run: "r", Next: next * 9, Ends: []int64{9}}); err != nil {
			t.Fatal(err)
		}
	}
	store.Faults = func(op sinktest.Op) sinktest.Fault {
		if op.Kind == sinktest.OpRead {
			if err := state.save(t.Context(), &publish.State{Run: "r", Next: 10_000, Ends: []int64{10_000}}); err != nil {
				t.Error(err)
			}
		}
		return sinktest.Fault{}
	}
	if got, err := state.load(t.Context()); err != nil || got.Next != 10_000 {
		t.Errorf("%+v, %v", got, err)
	}
}
