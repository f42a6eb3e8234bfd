package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"vecmill/internal/config"
	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/s3store"
)

// stores opens object stores by URL; one client serves them all.
type stores struct {
	cfg    *config.Config
	client *minio.Client
	creds  *credentials.Credentials
	told   tellTries // hears of requests that patient stores repeat; may be nil
}

// writableStore is a store that both kinds of output need.
type writableStore interface {
	objectstore.Store
	objectstore.Putter
}

// open gives the store of a URL and the prefix inside it, having checked that it is there.
func (s *stores) open(ctx context.Context, rawURL string) (store writableStore, prefix string, err error) {
	at, err := config.ParsePlace(rawURL)
	if err != nil {
		return nil, "", err
	}
	if at.Dir != "" {
		store, err := dirstore.Open(at.Dir)
		return store, "", err
	}
	bucket, err := s.bucket(at.Bucket)
	if err != nil {
		return nil, "", err
	}
	prefix = strings.Trim(at.Prefix, "/")
	err = atStart(ctx, func(ctx context.Context) error { return bucket.Check(ctx, prefix) })
	switch {
	case errors.Is(err, s3store.ErrNoBucket):
		return nil, "", fmt.Errorf("there is no bucket %s at %s; create it first", at.Bucket, s.client.EndpointURL())
	case err != nil:
		remedy := "check s3.endpoint and the credentials"
		if _, no := denied(err); no {
			remedy += ", and give these the right to list it (s3:ListBucket)"
		}
		return nil, "", fmt.Errorf("looking for bucket %s at %s: %w; %s", at.Bucket, s.client.EndpointURL(), err, remedy)
	}
	return bucket, prefix, nil
}

// atStart repeats a question to a store until it is answered: with the patience of a person who waits, not of a pipeline that runs.
func atStart(ctx context.Context, ask func(context.Context) error) error {
	final := func(err error) bool {
		_, cert := errors.AsType[*tls.CertificateVerificationError](err)
		return cert || errors.Is(err, objectstore.ErrRefused) || errors.Is(err, objectstore.ErrUnconditional)
	}
	_, err := retry.Do(ctx, retry.Default(), final, ask)
	return schemas.Unreachable(err, final)
}

// checkConditionalPut asks a store whether it keeps the promise that exactly-once output needs.
func checkConditionalPut(ctx context.Context, s objectstore.Store, prefix string) error {
	err := atStart(ctx, func(ctx context.Context) error { return objectstore.CheckConditionalPut(ctx, s, prefix) })
	if errors.Is(err, objectstore.ErrRefused) {
		return fmt.Errorf("%w; give these credentials the right to put objects there (s3:PutObject)", err)
	}
	return err
}

// rightToGet is what to do about objects that may not be got.
const rightToGet = "give these credentials the right to get objects there (s3:GetObject, and kms:Decrypt where a key of KMS encrypts them)"

// archived says of an error that the object lies in an archive, which only those are told who may get it.
func archived(err error) bool {
	answer, _ := errors.AsType[minio.ErrorResponse](err)
	return answer.Code == minio.InvalidObjectState
}

// askWritten asks a store, by objectstore.CheckFound or CheckRead, for what checkConditionalPut has written, perhaps long ago: the next start asks an output where it ends.
func askWritten(ctx context.Context, s objectstore.Store, prefix string, check func(context.Context, objectstore.Store, string) error) error {
	err := atStart(ctx, func(ctx context.Context) error { return check(ctx, s, prefix) })
	switch {
	case archived(err):
		return nil
	case errors.Is(err, objectstore.ErrRefused):
		return fmt.Errorf("%w; %s", err, rightToGet)
	}
	return err
}

// bucket is a bucket that was not looked at yet.
func (s *stores) bucket(name string) (*s3store.Store, error) {
	if err := s3utils.CheckValidBucketName(name); err != nil { // the client says the same of each request, as if the store might be busy
		return nil, fmt.Errorf("%q is no bucket's name: %w", name, err)
	}
	client, err := s.s3()
	if err != nil {
		return nil, err
	}
	return s3store.New(client, name, s3store.Options{Renew: s.creds.Expire}), nil
}

// s3 is the one client, made when it is first needed.
func (s *stores) s3() (*minio.Client, error) {
	if s.client != nil {
		return s.client, nil
	}
	c := &s.cfg.S3
	endpoint, secure := "s3.amazonaws.com", true
	if c.Endpoint != "" {
		u, err := url.Parse(c.Endpoint)
		if err != nil {
			return nil, fmt.Errorf("s3.endpoint: %w", err)
		}
		endpoint, secure = u.Host, u.Scheme == "https"
	}
	transport, err := s3Transport(c.CAFile, secure)
	if err != nil {
		return nil, err
	}
	lookup := minio.BucketLookupAuto
	if c.PathStyle {
		lookup = minio.BucketLookupPath
	}
	s.creds = s3Credentials(c)
	s.client, err = minio.New(endpoint, &minio.Options{
		Creds: s.creds, Secure: secure, Transport: transport, Region: c.Region, BucketLookup: lookup,
		MaxRetries: 1, // retries are ours: they know what may be repeated
	})
	if err != nil {
		return nil, fmt.Errorf("s3.endpoint: %w", err)
	}
	return s.client, nil
}

func s3Credentials(c *config.S3) *credentials.Credentials {
	if c.AccessKey != "" {
		return credentials.NewStaticV4(c.AccessKey, c.SecretKey.Reveal(), "")
	}
	return credentials.New(newAmbient())
}

func s3Transport(caFile string, secure bool) (*http.Transport, error) {
	t, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, fmt.Errorf("setting up the connection to S3: %w", err)
	}
	t.MaxIdleConnsPerHost = 64 // fetchers of all pipelines share it
	// A store behind which nobody answers is to be told from an object that does not come: both take the time of a fetch by minio's own dialer.
	t.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	if caFile == "" {
		return t, nil
	}
	pool, err := trusted(caFile)
	if err != nil {
		return nil, fmt.Errorf("s3.ca_file: %w", err)
	}
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	return t, nil
}

// trusted reads certificate authorities.
func trusted(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no PEM certificate", file)
	}
	return pool, nil
}
