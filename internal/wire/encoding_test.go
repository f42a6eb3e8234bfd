package wire

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"vecmill/internal/config"
	"vecmill/sinks/sinktest"
)

func TestAnOutputInAvroRegistersItsSchemaUnderTheTopicsName(t *testing.T) {
	fake := srfake.New()
	t.Cleanup(fake.Close)
	c := &config.KafkaOutput{Topic: "rows", Format: "avro", Registry: config.Registry{URLs: []string{fake.URL()}}}
	if _, err := kafkaEncoding(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	r, err := http.Get(fake.URL() + "/subjects/rows-value/versions/1")
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close() // its status says it
	if r.StatusCode != http.StatusOK {
		t.Errorf("the registry answers %s for the subject", r.Status)
	}
	c.Registry.CAFile = "/nowhere"
	if _, err := kafkaEncoding(t.Context(), c); err == nil {
		t.Error("a file of authorities that is not there is no mistake")
	}
}

// TestAnOutputsRegistryThatIsAwayIsNamed: nothing is read before the schema is registered, so nothing waits for it.
func TestAnOutputsRegistryThatIsAwayIsNamed(t *testing.T) {
	t.Parallel() // most of it is waiting between tries
	c := &config.KafkaOutput{Topic: "rows", Format: "avro", Registry: config.Registry{URLs: []string{"http://127.0.0.1:1"}}}
	_, err := kafkaEncoding(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "registering the schema of subject rows-value with the registry at [http://127.0.0.1:1]") || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
	sinktest.CheckClass(t, "no server", err)
}

// TestAStartTellsOfATopicWhoseLimitIsAssumed has brokers that do not let this user describe the topic's configuration.
func TestAStartTellsOfATopicWhoseLimitIsAssumed(t *testing.T) {
	conf := ward(t, 0)
	guarded(may(kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTopic, "rows"))(t, newDoctor(conf, nil), &conf.Pipelines[0])
	out := conf.Pipelines[0].Outputs[len(conf.Pipelines[0].Outputs)-1]
	var said bytes.Buffer
	sink, err := newOutput(t.Context(), &conf.Pipelines[0], &out, nil, &stores{cfg: conf}, Options{Log: slog.New(slog.NewTextHandler(&said, nil))}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"level=WARN", "right to describe its configuration", "topic=rows default=1048588", "Topic Authorization Failed"} {
		if strings.Count(said.String(), want) != 1 {
			t.Errorf("%q is not once in\n%s", want, &said)
		}
	}
}
