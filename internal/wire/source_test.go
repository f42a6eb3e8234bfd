package wire

import (
	"crypto/md5"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"vecmill/sinks/objectstore"
)

// session is credentials of which a provider gives others each time that it is asked; they never say that they expire.
type session struct{ asked int }

func (s *session) Retrieve() (credentials.Value, error) {
	s.asked++
	return credentials.Value{AccessKeyID: fmt.Sprint("key", s.asked), SecretAccessKey: "secret", SignerType: credentials.SignatureV4}, nil
}

func (s *session) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	return s.Retrieve()
}

func (*session) IsExpired() bool { return false }

// TestAListingOutlastsATokenThatExpires has a store that refuses the first credentials, or the first request whatever its credentials, and serves what comes then; a refusal for good is not asked about again.
func TestAListingOutlastsATokenThatExpires(t *testing.T) {
	for _, c := range []struct {
		code    string
		status  int
		renewed bool
		ends    bool
	}{
		{"ExpiredToken", 400, true, false},
		{"ExpiredToken", 403, true, false},
		{"RequestTimeTooSkewed", 403, false, false},
		{"AccessDenied", 403, false, true},
	} {
		t.Run(fmt.Sprint(c.status, " ", c.code), func(t *testing.T) {
			l := newLake(t, 3)
			fake, asked, last := gofakes3.New(l.backend).Server(), 0, ""
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked++
				if last = r.Header.Get("Authorization"); asked == 1 || c.renewed && strings.Contains(last, "Credential=key1/") {
					w.Header().Set("Content-Type", "application/xml")
					w.WriteHeader(c.status)
					fmt.Fprintf(w, "<Error><Code>%s</Code><Message>m</Message></Error>", c.code)
					return
				}
				fake.ServeHTTP(w, r)
			}))
			t.Cleanup(srv.Close)
			s := &stores{cfg: l.conf, creds: credentials.New(&session{})}
			var err error
			if s.client, err = minio.New(strings.TrimPrefix(srv.URL, "http://"), &minio.Options{Creds: s.creds, Region: "us-east-1", BucketLookup: minio.BucketLookupPath, MaxRetries: 1}); err != nil {
				t.Fatal(err)
			}
			bucket, err := s.bucket("box")
			if err != nil {
				t.Fatal(err)
			}
			page, more, err := BucketPages(bucket, "texts/", nil).Page(t.Context(), "texts/000 ü.txt")
			want := 2
			if c.ends {
				want = 1
				if !errors.Is(err, objectstore.ErrRefused) || !strings.Contains(err.Error(), "s3://box/texts/") {
					t.Errorf("%v", err)
				}
			} else if err != nil || more || len(page) != 2 || page[0].Key != "texts/001 ü.txt" || page[0].Size != 8 || page[0].ETag == "" || page[0].Changed.IsZero() {
				t.Errorf("%+v, %v, %v", page, more, err)
			}
			if asked != want || c.renewed != strings.Contains(last, "Credential=key2/") {
				t.Errorf("%d requests, want %d; the last with %s", asked, want, last)
			}
		})
	}
}

// TestABucketThatCannotBeIsRefusedAtOnce has a name that no store would have, of which nobody is asked.
func TestABucketThatCannotBeIsRefusedAtOnce(t *testing.T) {
	l := newLake(t, 0)
	o := PlanOptions{Source: "s3://in/texts/", Out: l.out + "/plan", Listers: 1, Log: slog.New(slog.DiscardHandler), Trying: func(int, error) { t.Error("it is asked again") }}
	if _, err := Plan(t.Context(), l.conf, o); err == nil || !strings.Contains(err.Error(), `"in" is no bucket's name: `) {
		t.Errorf("got %v", err)
	}
}

// TestAParquetFileOfAnInventoryHasTheSumThatItIsSaidToHave reads columns of it alone: its entity tag tells another sum.
func TestAParquetFileOfAnInventoryHasTheSumThatItIsSaidToHave(t *testing.T) {
	l := newLake(t, 2)
	file := columnar(t, []string{"bucket", "key", "e_tag"}, [][]string{{"box", "texts/000 ü.txt", "e"}, {"box", "texts/001 ü.txt", "e"}})
	l.put(t, "inv/1.parquet", file)
	for name, c := range map[string]struct{ sum, want string }{
		"its own":   {fmt.Sprintf("%X", md5.Sum([]byte(file))), ""},
		"none":      {"", ""},
		"another's": {strings.Repeat("0", 32), "the inventory's file inv/1.parquet: its MD5 is "},
	} {
		l.put(t, "inv/manifest.json", fmt.Sprintf(`{"sourceBucket":"box","destinationBucket":"arn:aws:s3:::box","fileFormat":"Parquet","fileSchema":"message","files":[{"key":"inv/1.parquet","size":%d,"MD5checksum":%q}]}`, len(file), c.sum))
		p, err := Plan(t.Context(), l.conf, PlanOptions{Source: "s3://box/inv/manifest.json", Out: t.TempDir(), Listers: 1, Again: true, Log: quiet})
		if c.want == "" && (err != nil || p.Items != 2) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %+v, %v, want %q", name, p, err, c.want)
		}
	}
}
