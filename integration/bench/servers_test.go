package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"vecmill/integration/harness"
	"vecmill/internal/hugepages"
	"vecmill/schemas"
)

// serve in the environment, with the file of a certificate, makes this binary a broker and a store until its standard input ends; serveKey has the certificate's key.
const (
	serve    = "VECMILL_BENCH_SERVE"
	serveKey = "VECMILL_BENCH_SERVE_KEY"
)

const bucket = "bench"

func TestMain(m *testing.M) {
	if os.Getenv(serve) != "" {
		if err := runServers(); err != nil {
			log.Fatal(err)
		}
		return
	}
	hugepages.Ask() // as the worker's program does
	os.Exit(m.Run())
}

// addresses is what the child says when it is ready.
type addresses struct {
	Brokers []string
	S3      string // host:port, TLS
}

func runServers() error {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		return fmt.Errorf("starting the broker: %w", err)
	}
	defer broker.Close()
	cert, err := tls.LoadX509KeyPair(os.Getenv(serve), os.Getenv(serveKey))
	if err != nil {
		return fmt.Errorf("the store's certificate: %w", err)
	}
	store := httptest.NewUnstartedServer(gofakes3.New(s3mem.New(), gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
	store.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	store.StartTLS()
	defer store.Close()
	if err := json.NewEncoder(os.Stdout).Encode(addresses{broker.ListenAddrs(), store.Listener.Addr().String()}); err != nil {
		return fmt.Errorf("telling the addresses: %w", err)
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// servers is the child and a client of its store.
type servers struct {
	addresses
	caFile string
	client *minio.Client
}

// startServers starts the child; it ends with the benchmark.
func startServers(tb testing.TB) *servers {
	tb.Helper()
	authority := harness.NewAuthority(tb, "bench") // some clients take no certificate that is its own authority
	cert := authority.Issue(tb, "store")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serve+"="+cert.CertFile, serveKey+"="+cert.KeyFile)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatalf("starting the servers: %v", err)
	}
	tb.Cleanup(func() {
		_ = in.Close() // ends the child
		_ = cmd.Wait() // how does not matter any more
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		tb.Fatalf("starting the servers: %v", err)
	}
	s := &servers{caFile: authority.CAFile}
	if err := json.Unmarshal(line, &s.addresses); err != nil {
		tb.Fatalf("starting the servers: %v", err)
	}
	s.connect(tb)
	return s
}

func (s *servers) connect(tb testing.TB) {
	tb.Helper()
	transport, err := minio.DefaultTransport(true)
	if err != nil {
		tb.Fatal(err)
	}
	ca, err := os.ReadFile(s.caFile)
	if err != nil {
		tb.Fatal(err)
	}
	transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(ca)
	tb.Cleanup(transport.CloseIdleConnections)
	s.client, err = minio.New(s.S3, &minio.Options{
		Creds: credentials.NewStaticV4("bench", "bench-secret", ""), Secure: true, Region: "us-east-1", BucketLookup: minio.BucketLookupPath, Transport: http.RoundTripper(transport),
	})
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.client.MakeBucket(tb.Context(), bucket, minio.MakeBucketOptions{}); err != nil {
		tb.Fatalf("creating bucket %s: %v", bucket, err)
	}
}

func (s *servers) upload(tb testing.TB, items []item) {
	tb.Helper()
	for _, it := range items {
		if _, err := s.client.PutObject(tb.Context(), bucket, it.name, bytes.NewReader(it.body), int64(len(it.body)), minio.PutObjectOptions{}); err != nil {
			tb.Fatalf("uploading %s: %v", it.name, err)
		}
	}
}

// publish makes a topic with a reference to every item.
func (s *servers) publish(tb testing.TB, topic string, items []item) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	client := &kafka.Client{Addr: kafka.TCP(s.Brokers...)}
	made, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}}})
	if err == nil {
		err = made.Errors[topic]
	}
	if err != nil {
		tb.Fatalf("creating topic %s: %v", topic, err)
	}
	if err := s.send(ctx, topic, items); err != nil {
		tb.Fatal(err)
	}
}

// send adds a reference to every item to a topic.
func (s *servers) send(ctx context.Context, topic string, items []item) error {
	messages := make([]kafka.Message, len(items))
	for i, it := range items {
		value, err := json.Marshal(schemas.Ref{ID: it.name, URI: "s3://" + bucket + "/" + it.name})
		if err != nil {
			return err
		}
		messages[i].Value = value
	}
	w := &kafka.Writer{Addr: kafka.TCP(s.Brokers...), Topic: topic, Balancer: &kafka.RoundRobin{}, RequiredAcks: kafka.RequireAll, BatchTimeout: 5 * time.Millisecond}
	if err := errors.Join(w.WriteMessages(ctx, messages...), w.Close()); err != nil {
		return fmt.Errorf("publishing to %s: %w", topic, err)
	}
	return nil
}
