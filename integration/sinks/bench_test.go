//go:build integration

package sinks

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

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
	"vecmill/sinks/opensearchsink"
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

// bulk runs bulk.py over the rows of Pour and gives the time that it says.
func bulk(files string, args ...string) func(*testing.B) time.Duration {
	return func(b *testing.B) time.Duration {
		cmd := exec.Command("python3", append([]string{"-B", "bulk.py", files}, args...)...)
		cmd.Env, cmd.Stderr = append(cmd.Environ(), "PYTHONPATH="+harness.Packages(b)), os.Stderr
		out, err := cmd.Output()
		if err != nil {
			b.Fatalf("bulk.py %v: %v", args, err)
		}
		seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
		if err != nil {
			b.Fatal(err)
		}
		return time.Duration(seconds * float64(time.Second))
	}
}

// BenchmarkFiles writes to files of this machine.
func BenchmarkFiles(b *testing.B) {
	files := fixture.PourFiles(b)
	for format, codec := range map[parquetsink.Format]parquetsink.Compression{parquetsink.Parquet: parquetsink.Zstd, parquetsink.ArrowStream: parquetsink.LZ4} {
		b.Run(string(format), func(b *testing.B) {
			fixture.Pour(b, func() sinks.Sink {
				store, err := dirstore.Open(b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
				c := parquetsink.NewDefaultConfig()
				c.Store, c.Tasks, c.Single, c.Format, c.Compression = store, []schemas.Task{schemas.TaskEmbedding}, true, format, codec
				s, err := parquetsink.New(c)
				return opened(b, s, err)
			})
			fixture.Bulk(b, "pyarrow", bulk(files, string(format), filepath.Join(b.TempDir(), "out")))
		})
	}
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
	files := fixture.PourFiles(b)
	for format, size := range map[string]string{"json": "9400", "avro": "3700", "arrow": "13000"} { // about what the messages of each have
		k.CreateTopic(b, "bulk-"+format, 4)
		fixture.Bulk(b, "librdkafka, as large as "+format, bulk(files, "kafka", strings.Join(k.Brokers(), ","), "bulk-"+format, size))
	}
}

// BenchmarkRedis writes to a real server that syncs its log at each write.
func BenchmarkRedis(b *testing.B) {
	s := startRedis(b)
	n, prefix := 0, ""
	fixture.Pour(b, func() sinks.Sink {
		n++
		prefix = fmt.Sprint("poured", n)
		c := redissink.NewDefaultConfig()
		c.URL, c.ModelDigest, c.Prefix = "redis://127.0.0.1:"+s.port, "m", prefix
		sink, err := redissink.Open(b.Context(), c)
		return opened(b, sink, err)
	})
	text, _ := s.dump(b, prefix, fixture.PourRows())
	fixture.Bulk(b, "redis-cli --pipe", func(b *testing.B) time.Duration { return s.pipe(b, text) })
}

// BenchmarkOpenSearch indexes by Lucene's HNSW.
func BenchmarkOpenSearch(b *testing.B) {
	s := startOpenSearch(b)
	fixture.Pour(b, func() sinks.Sink {
		c := s.config(fmt.Sprintf("bench-%d", s.n.Add(1)))
		c.Index.Dimension, c.Deliver = fixture.PourDim, opensearchsink.NewDefaultConfig().Deliver
		sink, err := opensearchsink.Open(b.Context(), c)
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
	c := s.config("bulk")
	c.Index.Dimension = fixture.PourDim
	sink, err := milvussink.Open(b.Context(), c) // makes the collection
	if err := opened(b, sink, err).Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	fixture.Bulk(b, "pymilvus", bulk(fixture.PourFiles(b), "milvus", s.url, "bulk"))
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
	fixture.Bulk(b, "pyarrow", bulk(fixture.PourFiles(b), "flight", port))
}
