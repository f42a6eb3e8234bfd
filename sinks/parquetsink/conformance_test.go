package parquetsink_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/s3store"
	"vecmill/sinks/sinktest"
)

// config is small enough to roll often and patient enough for the faults of these tests.
func config(st objectstore.Store) parquetsink.Config {
	c := parquetsink.NewDefaultConfig()
	c.Store, c.Prefix, c.Tasks = st, "out/rows", schemas.Tasks()
	c.Retry = retry.Policy{Attempts: 8, Base: 10 * time.Millisecond, Max: time.Second}
	c.Metadata = map[string]string{"model-digest": "sha256:abc"}
	c.Writer = "test"
	return c
}

func open(t testing.TB, c parquetsink.Config) *parquetsink.Sink {
	t.Helper()
	s, err := parquetsink.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// read is the account of a source's chain, which must be whole.
func read(t testing.TB, st objectstore.Store, src schemas.SourceID) sinktest.Account {
	t.Helper()
	return readIn(t, parquetsink.Plain, st, src)
}

func readIn(t testing.TB, layout parquetsink.Layout, st objectstore.Store, src schemas.SourceID) sinktest.Account {
	t.Helper()
	files, err := layout.Chain(t.Context(), st, "out/rows", src, 0)
	if err != nil {
		t.Fatal(err)
	}
	var a sinktest.Account
	for _, f := range files {
		rows, err := parquetsink.ReadRows(t.Context(), st, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(rows)) != f.Rows {
			t.Fatalf("%s has %d rows and says %d", f.Name, len(rows), f.Rows)
		}
		a.Rows = append(a.Rows, rows...)
		a.Dead, a.Skipped, a.Lost = append(a.Dead, f.Range.Dead...), append(a.Skipped, f.Range.Skipped...), append(a.Lost, f.Range.Lost...)
	}
	return a
}

func fixture(st objectstore.Store, change func(*parquetsink.Config)) sinktest.Fixture {
	return sinktest.Fixture{
		Open: func(t testing.TB) sinks.Sink {
			c := config(st)
			change(&c)
			return open(t, c)
		},
		OpenFewer: func(t testing.TB) sinks.Sink {
			c := config(st)
			change(&c)
			c.Tasks = []schemas.Task{schemas.TaskEmbedding}
			return open(t, c)
		},
		Read:         func(t testing.TB, src schemas.SourceID) sinktest.Account { return read(t, st, src) },
		Chained:      true,
		RecordsFates: true,
	}
}

// The library's zstd decoder is one per process and would tie a bubble to the next one, so bubbles write uncompressed files.
func uncompressed(c *parquetsink.Config) { c.Compression = parquetsink.None }

func TestSinkConformsOnAStoreWithMetadata(t *testing.T) {
	sinktest.Run(t, sinktest.Options{Bubble: true}, func(testing.TB) sinktest.Fixture {
		return fixture(sinktest.NewMemStore(), uncompressed)
	})
}

func TestSinkConformsOnAStoreWithoutMetadata(t *testing.T) {
	sinktest.Run(t, sinktest.Options{Bubble: true}, func(testing.TB) sinktest.Fixture {
		st := sinktest.NewMemStore()
		st.DropMeta = true
		return fixture(st, uncompressed)
	})
}

func TestSinkConformsWithTinyFilesAndBuffers(t *testing.T) {
	sinktest.Run(t, sinktest.Options{Bubble: true}, func(testing.TB) sinktest.Fixture {
		return fixture(sinktest.NewMemStore(), func(c *parquetsink.Config) {
			c.Compression, c.RollRows, c.MaxBuffered, c.Uploads = parquetsink.None, 3, 4096, 1
		})
	})
}

func TestSinkConformsInADirectory(t *testing.T) {
	sinktest.Run(t, sinktest.Options{}, func(t testing.TB) sinktest.Fixture {
		st, err := dirstore.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return fixture(st, func(c *parquetsink.Config) { c.Compression = parquetsink.Snappy })
	})
}

func TestSinkConformsInTheHiveLayout(t *testing.T) {
	stores := map[string]func(testing.TB) objectstore.Store{
		"in a directory": func(t testing.TB) objectstore.Store {
			st, err := dirstore.Open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			return st
		},
		"on S3": fakeS3,
	}
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, sinktest.Options{}, func(t testing.TB) sinktest.Fixture {
				st := store(t)
				f := fixture(st, func(c *parquetsink.Config) { c.Compression, c.Layout = parquetsink.Snappy, parquetsink.Hive })
				f.Read = func(t testing.TB, src schemas.SourceID) sinktest.Account { return readIn(t, parquetsink.Hive, st, src) }
				return f
			})
		})
	}
}

func TestSinkConformsWithStreams(t *testing.T) {
	t.Run("on a store without metadata", func(t *testing.T) {
		sinktest.Run(t, sinktest.Options{Bubble: true}, func(testing.TB) sinktest.Fixture {
			st := sinktest.NewMemStore()
			st.DropMeta = true
			return fixture(st, func(c *parquetsink.Config) {
				c.Format, c.Compression, c.RollRows = parquetsink.ArrowStream, parquetsink.None, 7
			})
		})
	})
	t.Run("on S3", func(t *testing.T) {
		sinktest.Run(t, sinktest.Options{}, func(t testing.TB) sinktest.Fixture {
			return fixture(fakeS3(t), func(c *parquetsink.Config) { c.Format, c.Compression = parquetsink.ArrowStream, parquetsink.LZ4 })
		})
	})
}

func TestSinkConformsOnS3(t *testing.T) {
	sinktest.Run(t, sinktest.Options{}, func(t testing.TB) sinktest.Fixture {
		return fixture(fakeS3(t), func(c *parquetsink.Config) { c.Compression = parquetsink.Zstd })
	})
}

// fakeS3 is a bucket of an in-process server behind TLS: over plain HTTP it would store the framing of signed chunks.
func fakeS3(t testing.TB) objectstore.Store {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("bucket"); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewTLSServer(gofakes3.New(backend, gofakes3.WithTimeSkewLimit(0)).Server())
	client, err := minio.New(srv.Listener.Addr().String(), &minio.Options{
		Creds: credentials.NewStaticV4("user", "password", ""), Secure: true, Transport: srv.Client().Transport,
		Region: "us-east-1", MaxRetries: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		srv.Client().CloseIdleConnections()
		srv.Close()
	})
	return s3store.New(client, "bucket", s3store.Options{})
}
