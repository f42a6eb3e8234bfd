//go:build integration

package backfill

import (
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"golang.org/x/sync/errgroup"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/internal/backfill/listing"
	"vecmill/internal/wire"
)

// names are ways to name objects; the listing learns each.
var names = []struct {
	prefix string
	name   func(i int) string
}{
	{"in/days/", func(i int) string { return fmt.Sprintf("days/2026/%02d/%02d/call-%d.flac", 1+i%12, 1+i/12%28, i) }},
	{"in/flat/", func(i int) string { return fmt.Sprintf("flat/%08d.jpg", i) }},
}

// BenchmarkListing lists a bucket on the real store: with minio-go's ListObjects, a page after the other, and with our listing by one and by sixteen requests at once; as it is, and with a time added to every
// request, for this store is on the machine that asks it. Store and client share its cores, so the first of these is about the store.
func BenchmarkListing(b *testing.B) {
	keys := setting(b, "VECMILL_BENCH_KEYS", 20_000)
	site := fixture.On(b, nil, harness.StartS3(b))
	var g errgroup.Group
	g.SetLimit(putters)
	for i := range keys {
		g.Go(func() error {
			for _, n := range names {
				site.Put(b, n.name(i), []byte("x"))
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	for _, n := range names {
		for _, delay := range []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond} {
			client, requests := delayed(b, site, delay)
			for _, way := range []struct {
				name string
				list func() (int, error)
			}{
				{"ListObjects", func() (int, error) { return plainListing(b, client, n.prefix) }},
				{"1 lister", func() (int, error) { return ourListing(b, client, n.prefix, 1) }},
				{"16 listers", func() (int, error) { return ourListing(b, client, n.prefix, 16) }},
			} {
				b.Run(fmt.Sprintf("%s/%v more/%s", n.prefix[len("in/"):len(n.prefix)-1], delay, way.name), func(b *testing.B) {
					before := requests.Load()
					for b.Loop() {
						if got, err := way.list(); err != nil || got != keys {
							b.Fatalf("%d keys, want %d: %v", got, keys, err)
						}
					}
					b.ReportMetric(float64(keys*b.N)/b.Elapsed().Seconds(), "keys/s")
					b.ReportMetric(float64(requests.Load()-before)/float64(b.N), "requests")
					b.ReportMetric(0, "ns/op") // it says nothing here
				})
			}
		}
	}
}

// delayed is a client whose every request takes so much longer, and a count of its requests.
func delayed(b *testing.B, site *fixture.Site, delay time.Duration) (*minio.Client, *atomic.Int64) {
	b.Helper()
	requests := &atomic.Int64{}
	at, err := url.Parse(site.Gate(b, fixture.Gate{Before: func(*http.Request) {
		requests.Add(1)
		time.Sleep(delay)
	}}))
	if err != nil {
		b.Fatal(err)
	}
	transport, err := minio.DefaultTransport(false)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(transport.CloseIdleConnections)
	client, err := minio.New(at.Host, &minio.Options{
		Creds: credentials.NewStaticV4(harness.S3AccessKey, harness.S3SecretKey, ""), Region: harness.S3Region, BucketLookup: minio.BucketLookupPath, Transport: transport,
	})
	if err != nil {
		b.Fatal(err)
	}
	return client, requests
}

func plainListing(b *testing.B, client *minio.Client, prefix string) (n int, err error) {
	for o := range client.ListObjectsIter(b.Context(), fixture.Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			return n, o.Err
		}
		n++
	}
	return n, nil
}

func ourListing(b *testing.B, client *minio.Client, prefix string, listers int) (n int, err error) {
	pages := wire.BucketPages(client, fixture.Bucket, prefix, nil)
	err = listing.All(b.Context(), pages, listers, listing.State{}, func(page []listing.Object, _ listing.State) error {
		n += len(page)
		return nil
	})
	return n, err
}
