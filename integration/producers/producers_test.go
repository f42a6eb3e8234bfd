//go:build integration

package producers

import (
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/sr/srfake"

	"vecmill/integration/harness"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
	"vecmill/stream/refcodec"
	"vecmill/stream/refcodec/celmap"
	"vecmill/stream/refcodec/registry"
)

func TestReferencesAsOthersWriteThem(t *testing.T) {
	fake := srfake.New()
	t.Cleanup(fake.Close)
	r, err := registry.New(registry.Config{URLs: []string{fake.URL()}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	photos, err := celmap.NewMapping("map", `{"id": "order-" + string(value.number), "uri": "s3://shop/" + value.photo}`)
	if err != nil {
		t.Fatal(err)
	}
	ref := schemas.Ref{ID: "süß/1", URI: "s3://lake/a b.flac", Modality: schemas.Audio, Attributes: map[string]string{"tenant": "ä"}}
	ranged, event := ref, ref
	ranged.Range = &schemas.ByteRange{Off: 5, N: 7}
	event.Attributes = map[string]string{"tenant": "ä", "ce_id": "7", "ce_source": "/shop", "ce_type": "com.example.made", "ce_subject": "ü"}
	messages := produced(t, fake.URL())
	for name, c := range map[string]struct {
		decoder stream.Decoder
		want    schemas.Ref
	}{
		"cloudevents binary":     {refcodec.CloudEvents{}, event},
		"cloudevents structured": {refcodec.CloudEvents{}, event},
		"avro":                   {registry.Avro(r, nil), ranged},
		"avro of another schema": {registry.Avro(r, photos), schemas.Ref{ID: "order-42", URI: "s3://shop/photos/42.jpg"}},
		"protobuf":               {registry.Protobuf(r, nil), ranged},
		"protobuf deletion":      {registry.Protobuf(r, nil), schemas.Ref{ID: "süß/1", Deleted: true}},
	} {
		rec, ok := messages[name]
		if !ok {
			t.Errorf("%s was not produced", name)
			continue
		}
		refs, err := c.decoder.Decode(t.Context(), "topic", &rec)
		if err != nil || len(refs) != 1 {
			t.Errorf("%s: %d references, %v", name, len(refs), err)
			continue
		}
		if !reflect.DeepEqual(refs[0], c.want) {
			t.Errorf("%s: got %+v, want %+v", name, refs[0], c.want)
		}
	}
}

// produced are the messages that produce.py makes, by name.
func produced(t *testing.T, registryURL string) map[string]stream.Record {
	t.Helper()
	dir := filepath.Join(harness.ModuleRoot(t), "schemas")
	cmd := exec.Command("python3", "produce.py", registryURL, filepath.Join(dir, "ref.v1.avsc"), filepath.Join(dir, "ref.v1.proto"))
	cmd.Env, cmd.Stderr = append(cmd.Environ(), "PYTHONPATH="+harness.Packages(t)), os.Stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var messages []struct {
		Name       string
		Key, Value []byte
		Headers    map[string][]byte
	}
	if err := json.Unmarshal(text, &messages); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	out := map[string]stream.Record{}
	for _, m := range messages {
		rec := stream.Record{Key: m.Key, Value: m.Value}
		for k, v := range m.Headers {
			rec.Headers = append(rec.Headers, sinks.Header{Key: k, Value: v})
		}
		out[m.Name] = rec
	}
	return out
}
