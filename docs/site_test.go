package docs

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"vecmill/internal/cli"
	"vecmill/internal/demo"
	"vecmill/schemas"
)

// TestMain makes this test's binary both programs, by the name that it is started under.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "worker":
		os.Exit(cli.Worker("test", os.Args[1:], os.Stdout, os.Stderr))
	case "backfill":
		os.Exit(cli.Backfill("test", os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// site is what configurations of the documents are run on. Names of topics and buckets are those of the documents.
type site struct {
	broker *kfake.Cluster
	s3     *s3mem.Backend
	redis  *miniredis.Miniredis
	models string
	cache  string            // of compiled graphs
	env    map[string]string // settings that stand in for those of the files

	configured string // vecmill.yaml of the document, also before its reader has come to it

	letters  int               // that a worker makes before it is stopped
	releases map[string]string // of Helm: namespace and name, with the chart
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{s3: s3mem.New(), redis: miniredis.RunT(t), models: t.TempDir(), cache: t.TempDir(), releases: map[string]string{}}
	var err error
	s.broker, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3,
		"references", "documents", "messages", "documents-dead", "messages-dead"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.broker.Close)
	for _, b := range []string{"lake", "calls", "documents", "pictures"} {
		if err := s.s3.CreateBucket(b); err != nil {
			t.Fatal(err)
		}
	}
	// TLS: without it clients sign bodies in a way that this server does not understand.
	srv := httptest.NewTLSServer(gofakes3.New(s.s3, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
	t.Cleanup(srv.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})))
	key := filepath.Join(t.TempDir(), "key")
	write(t, key, "secret\n")
	if err := demo.WriteModels(s.models); err != nil {
		t.Fatal(err)
	}
	s.env = map[string]string{
		"VECMILL_KAFKA_BROKERS": s.broker.ListenAddrs()[0], "VECMILL_TELEMETRY_LISTEN": "", "VECMILL_LOG_LEVEL": "warn",
		"VECMILL_S3_ENDPOINT": srv.URL, "VECMILL_S3_CA_FILE": ca, "VECMILL_S3_SECRET_KEY_FILE": key,
	}
	return s
}

// pipeline gives a pipeline one of the bundled models, one thread, and files that are closed soon.
func (s *site) pipeline(name, model string) {
	maps.Copy(s.env, map[string]string{
		"VECMILL_PIPELINES_" + name + "_MODEL_PATH":    filepath.Join(s.models, model),
		"VECMILL_PIPELINES_" + name + "_MODEL_THREADS": "1",
	})
}

// withoutBuckets is a store as it is before somebody makes buckets.
func (s *site) withoutBuckets(t *testing.T) {
	t.Helper()
	all, err := s.s3.ListBuckets()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range all {
		if err := s.s3.DeleteBucket(b.Name); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *site) getenv(name string) (string, bool) { v, ok := s.env[name]; return v, ok }

func (s *site) put(t *testing.T, bucket, key string, data []byte) {
	t.Helper()
	meta := map[string]string{"Last-Modified": time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")}
	if _, err := s.s3.PutObject(bucket, key, meta, bytes.NewReader(data), int64(len(data)), nil); err != nil {
		t.Fatal(err)
	}
}

// upload puts the bundled samples of one modality into a bucket, and gives a reference to each.
func (s *site) upload(t *testing.T, modality schemas.Modality, bucket, prefix string) (refs []schemas.Ref) {
	t.Helper()
	samples, err := demo.Samples()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range samples {
		if x.Modality == string(modality) {
			key := prefix + filepath.Base(x.File)
			s.put(t, bucket, key, x.Data)
			refs = append(refs, schemas.Ref{ID: key, URI: "s3://" + bucket + "/" + key, Modality: modality})
		}
	}
	return refs
}

func (s *site) publish(t *testing.T, topic string, refs ...schemas.Ref) {
	t.Helper()
	var values [][]byte
	for _, ref := range refs {
		b, err := json.Marshal(ref)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, b)
	}
	s.produce(t, topic, values...)
}

func (s *site) produce(t *testing.T, topic string, values ...[]byte) {
	t.Helper()
	w := &kafka.Writer{Addr: kafka.TCP(s.broker.ListenAddrs()...), Topic: topic, RequiredAcks: kafka.RequireAll, BatchTimeout: 10 * time.Millisecond, Balancer: &kafka.RoundRobin{}}
	defer func() { _ = w.Close() }() // WriteMessages has waited for every acknowledgement
	var all []kafka.Message
	for _, v := range values {
		all = append(all, kafka.Message{Value: v})
	}
	if err := w.WriteMessages(t.Context(), all...); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
