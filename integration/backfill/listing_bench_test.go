//go:build integration

package backfill

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
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
	"vecmill/sinks/s3store"
)

// names are ways to name objects; the listing learns each.
var names = []struct {
	prefix string
	name   func(i int) string
}{
	{"in/days/", func(i int) string { return fmt.Sprintf("days/2026/%02d/%02d/call-%d.flac", 1+i%12, 1+i/12%28, i) }},
	{"in/flat/", func(i int) string { return fmt.Sprintf("flat/%08d.jpg", i) }},
}

// fewer is a hundredth of as many keys with -short, with which a benchmark shows that it runs.
func fewer(keys int) int {
	if testing.Short() {
		return keys / 100
	}
	return keys
}

// BenchmarkListing lists a bucket on the real store, with a time added to every request, for this store is on the machine that asks it: with minio-go's ListObjects, a page after the other, and with our listing by one
// and by sixteen requests at once. The store walks a directory for each page and shares the cores with the client, so these are about its processor time more than about anything else.
func BenchmarkListing(b *testing.B) {
	keys := setting(b, "VECMILL_BENCH_KEYS", fewer(20_000))
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
		for _, delay := range []time.Duration{0, 100 * time.Millisecond} {
			gate := &gate{delay: delay}
			client := clientOf(b, site.Gate(b, fixture.Gate{Before: gate.pass}))
			benchListings(b, client, gate, n.prefix, keys)
		}
	}
}

// BenchmarkListingOfAnIndex is BenchmarkListing of a store that answers from a sorted index in memory, as stores do that are made for billions of keys: what is left is the client's time, and the time added to every request.
func BenchmarkListingOfAnIndex(b *testing.B) {
	keys := setting(b, "VECMILL_BENCH_INDEX_KEYS", fewer(200_000))
	for _, n := range names {
		all := make(index, keys)
		for i := range all {
			all[i] = "in/" + n.name(i)
		}
		slices.Sort(all)
		for _, delay := range []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond} {
			gate := &gate{delay: delay}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				gate.pass(r)
				all.ServeHTTP(w, r)
			}))
			benchListings(b, clientOf(b, server.URL), gate, n.prefix, keys)
			server.Close()
		}
	}
}

// index answers ListObjectsV2.
type index []string

func (x index) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	at, found := slices.BinarySearch(x, cmp.Or(q.Get("continuation-token"), q.Get("start-after"), q.Get("prefix")))
	if found {
		at++
	}
	page := x[at:min(at+1000, len(x))]
	var b bytes.Buffer
	fmt.Fprintf(&b, `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>%s</Name><MaxKeys>1000</MaxKeys><KeyCount>%d</KeyCount><IsTruncated>%t</IsTruncated>`, fixture.Bucket, len(page), at+len(page) < len(x))
	for _, key := range page {
		fmt.Fprintf(&b, `<Contents><Key>%s</Key><LastModified>2026-11-29T08:00:00.000Z</LastModified><ETag>&quot;9dd4e461268c8034f5c8564e155c67a6&quot;</ETag><Size>1</Size><StorageClass>STANDARD</StorageClass></Contents>`, key)
	}
	if len(page) > 0 {
		fmt.Fprintf(&b, `<NextContinuationToken>%s</NextContinuationToken>`, page[len(page)-1])
	}
	b.WriteString(`</ListBucketResult>`)
	w.Header().Set("Content-Type", "application/xml")
	_, _ = w.Write(b.Bytes()) // whoever has gone does not need it
}

// gate adds a time to every request, and counts them.
type gate struct {
	delay    time.Duration
	requests atomic.Int64
}

func (g *gate) pass(*http.Request) {
	g.requests.Add(1)
	time.Sleep(g.delay)
}

// benchListings lists a prefix in each way.
func benchListings(b *testing.B, client *minio.Client, g *gate, prefix string, keys int) {
	b.Helper()
	for _, way := range []struct {
		name string
		list func() (int, error)
	}{
		{"ListObjects", func() (int, error) { return plainListing(b, client, prefix) }},
		{"1 lister", func() (int, error) { return ourListing(b, client, prefix, 1) }},
		{"16 listers", func() (int, error) { return ourListing(b, client, prefix, 16) }},
	} {
		b.Run(fmt.Sprintf("%s/%v more/%s", path.Base(prefix), g.delay, way.name), func(b *testing.B) {
			before := g.requests.Load()
			for b.Loop() {
				if got, err := way.list(); err != nil || got != keys {
					b.Fatalf("%d keys, want %d: %v", got, keys, err)
				}
			}
			b.ReportMetric(float64(keys*b.N)/b.Elapsed().Seconds(), "keys/s")
			b.ReportMetric(float64(g.requests.Load()-before)/float64(b.N), "requests")
			b.ReportMetric(0, "ns/op") // it says nothing here
		})
	}
}

func clientOf(b *testing.B, address string) *minio.Client {
	b.Helper()
	at, err := url.Parse(address)
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
	return client
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
	pages := wire.BucketPages(s3store.New(client, fixture.Bucket, s3store.Options{}), prefix, nil)
	err = listing.All(b.Context(), pages, listers, listing.State{}, func(page []listing.Object, _ listing.State) error {
		n += len(page)
		return nil
	})
	return n, err
}
