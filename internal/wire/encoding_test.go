package wire

import (
	"net/http"
	"strings"
	"testing"

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
