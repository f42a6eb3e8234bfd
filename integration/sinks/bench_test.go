//go:build integration

package sinks

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/segmentio/kafka-go"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/flightsink"
	"vecmill/sinks/jsonlsink"
	"vecmill/sinks/kafkasink"
	"vecmill/sinks/milvussink"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/redissink"
	"vecmill/sinks/webhooksink"
)

// opened is a sink that had to open.
func opened[S sinks.Sink](b *testing.B, s S, err error) sinks.Sink {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkFiles writes to files of this machine.
func BenchmarkFiles(b *testing.B) {
	b.Run("parquet", func(b *testing.B) {
		fixture.Pour(b, func() sinks.Sink {
			store, err := dirstore.Open(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			c := parquetsink.NewDefaultConfig()
			c.Store, c.Tasks = store, []schemas.Task{schemas.TaskEmbedding}
			s, err := parquetsink.New(c)
			return opened(b, s, err)
		})
	})
	b.Run("jsonl", func(b *testing.B) {
		fixture.Pour(b, func() sinks.Sink {
			c := jsonlsink.NewDefaultConfig()
			c.Path = filepath.Join(b.TempDir(), "rows.jsonl")
			s, err := jsonlsink.Open(c)
			return opened(b, s, err)
		})
	})
}

// BenchmarkWebhook posts to a server in the same process that reads and answers 200; its processor time counts, too.
func BenchmarkWebhook(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // a request that ends early is the client's to say
	}))
	defer server.Close()
	fixture.Pour(b, func() sinks.Sink {
		c := webhooksink.NewDefaultConfig()
		c.URL, c.Secret = server.URL, "secret"
		s, err := webhooksink.New(c)
		return opened(b, s, err)
	})
}

// BenchmarkKafka produces to a real broker with one replica.
func BenchmarkKafka(b *testing.B) {
	k := harness.StartKafka(b)
	n := 0
	for format, encoding := range map[string]kafkasink.Encoding{"json": kafkasink.JSON(), "avro": kafkasink.Avro(1), "arrow": kafkasink.Arrow()} {
		b.Run(format, func(b *testing.B) {
			fixture.Pour(b, func() sinks.Sink {
				n++
				topic := fmt.Sprint(format, n)
				k.CreateTopic(b, topic, 4)
				transport := &kafka.Transport{}
				b.Cleanup(transport.CloseIdleConnections)
				c := kafkasink.NewDefaultConfig()
				c.Brokers, c.Topic, c.Transport, c.Encoding = k.Brokers(), topic, transport, encoding
				s, err := kafkasink.Open(b.Context(), c)
				return opened(b, s, err)
			})
		})
	}
}

// BenchmarkRedis writes to a real server that syncs its log at each write.
func BenchmarkRedis(b *testing.B) {
	s := startRedis(b)
	fixture.Pour(b, func() sinks.Sink {
		c := redissink.NewDefaultConfig()
		c.URL, c.ModelDigest = "redis://127.0.0.1:"+s.port, "m"
		sink, err := redissink.Open(b.Context(), c)
		return opened(b, sink, err)
	})
}

// BenchmarkMilvus writes to milvus-lite.
func BenchmarkMilvus(b *testing.B) {
	s := startMilvus(b)
	fixture.Pour(b, func() sinks.Sink {
		c := s.config(fmt.Sprintf("bench_%d", s.n.Add(1)))
		c.Index.Dimension, c.Deliver = fixture.PourDim, milvussink.NewDefaultConfig().Deliver
		sink, err := milvussink.Open(b.Context(), c)
		return opened(b, sink, err)
	})
}

// BenchmarkFlight writes to a server of pyarrow.
func BenchmarkFlight(b *testing.B) {
	port := fmt.Sprint(harness.FreePort(b))
	server := startJudge(b, harness.Packages(b), "serve_flight.py", port)
	server.ask(b, map[string]any{"path": []string{}}, &[]any{}) // it answers: so it serves
	fixture.Pour(b, func() sinks.Sink {
		c := flightsink.NewDefaultConfig()
		c.URL, c.Tasks = "http://127.0.0.1:"+port, []schemas.Task{schemas.TaskEmbedding}
		sink, err := flightsink.Open(c)
		return opened(b, sink, err)
	})
}
