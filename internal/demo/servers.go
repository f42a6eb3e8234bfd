package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"vecmill/schemas"
)

const (
	topic      = "references"
	partitions = 3
	inputs     = "samples"
	outputs    = "lake"
)

// servers are the in-process broker and object store.
type servers struct {
	broker *kfake.Cluster
	s3     *httptest.Server
	caFile string
	client *minio.Client
}

// startServers starts both on loopback. The S3 server speaks TLS, since plain HTTP makes clients sign bodies in a way that it
// does not understand.
func startServers(ctx context.Context, dir string) (_ *servers, err error) {
	s := &servers{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.broker, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topic)); err != nil {
		return nil, fmt.Errorf("starting the broker: %w", err)
	}
	fake := gofakes3.New(s3mem.New(), gofakes3.WithLogger(gofakes3.DiscardLog()))
	s.s3 = httptest.NewUnstartedServer(fake.Server())
	s.s3.Config.ErrorLog = log.New(discard{}, "", 0)
	s.s3.StartTLS()
	s.caFile = filepath.Join(dir, "ca.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.s3.Certificate().Raw})
	if err := os.WriteFile(s.caFile, cert, 0o600); err != nil {
		return nil, fmt.Errorf("starting the object store: %w", err)
	}
	s.client, err = minio.New(s.s3.Listener.Addr().String(), &minio.Options{
		Creds: credentials.NewStaticV4("demo", "demo-secret", ""), Secure: true, Region: "us-east-1",
		BucketLookup: minio.BucketLookupPath, Transport: s.s3.Client().Transport.(*http.Transport).Clone(),
	})
	if err != nil {
		return nil, fmt.Errorf("starting the object store: %w", err)
	}
	for _, b := range []string{inputs, outputs} {
		if err := s.client.MakeBucket(ctx, b, minio.MakeBucketOptions{}); err != nil {
			return nil, fmt.Errorf("creating bucket %s: %w", b, err)
		}
	}
	return s, nil
}

func (s *servers) close() {
	if s.broker != nil {
		s.broker.Close()
	}
	if s.s3 != nil {
		s.s3.Close()
	}
}

// upload puts the samples into the store.
func (s *servers) upload(ctx context.Context, samples []Sample) error {
	for _, x := range samples {
		_, err := s.client.PutObject(ctx, inputs, x.File, bytes.NewReader(x.Data), int64(len(x.Data)), minio.PutObjectOptions{})
		if err != nil {
			return fmt.Errorf("uploading %s: %w", x.File, err)
		}
	}
	return nil
}

// publish sends one reference per sample, and one that points nowhere: a dead letter to look at.
func (s *servers) publish(ctx context.Context, samples []Sample) error {
	w := &kafka.Writer{
		Addr: kafka.TCP(s.broker.ListenAddrs()...), Topic: topic, Balancer: &kafka.RoundRobin{},
		RequiredAcks: kafka.RequireAll, BatchTimeout: 10 * time.Millisecond,
	}
	defer func() { _ = w.Close() }() // WriteMessages has waited for every acknowledgement
	var batch []kafka.Message
	add := func(file, modality string) error {
		b, err := json.Marshal(schemas.Ref{ID: file, URI: "s3://" + inputs + "/" + file, Modality: schemas.Modality(modality)})
		batch = append(batch, kafka.Message{Key: []byte(file), Value: b})
		return err
	}
	for _, x := range samples {
		if err := add(x.File, x.Modality); err != nil {
			return fmt.Errorf("publishing: %w", err)
		}
	}
	if err := add(missing, "image"); err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	if err := w.WriteMessages(ctx, batch...); err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	return nil
}

// missing is a reference to an object that is not there.
const missing = "image/not-there.png"

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
