package harness

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// The one account of every S3 server of the harness.
const (
	S3AccessKey = "vecmill-harness"
	S3SecretKey = "vecmill-harness-secret"
	S3Region    = "us-east-1"
)

// s3Ready is how long a server may take to answer its first request; versitygw takes under a second.
const s3Ready = 60 * time.Second

// S3 is an S3 server on a directory: versitygw, or MinIO where the environment variable VECMILL_MINIO names its binary.
type S3 struct {
	owner   testing.TB // whose end is the server's, also when a subtest restarts it
	command Command
	port    int
	caFile  string // of a server with TLS
	client  *minio.Client
	process *Process
}

// StartS3 starts an S3 server with its data in a directory that goes with the test, and returns when it answers.
func StartS3(tb testing.TB) *S3 {
	tb.Helper()
	return StartS3In(tb, tb.TempDir())
}

// StartS3In is StartS3 with the data in dir, which outlives the test and may hold an earlier server's data.
func StartS3In(tb testing.TB, dir string) *S3 {
	tb.Helper()
	return startS3(tb, &S3{owner: tb}, dir, Certificate{})
}

// StartSecureS3 is StartS3 with TLS and a certificate that the authority signs.
func StartSecureS3(tb testing.TB, a *Authority) *S3 {
	tb.Helper()
	return startS3(tb, &S3{owner: tb, caFile: a.CAFile}, tb.TempDir(), a.Issue(tb, "s3"))
}

// StartNotifyingS3 is StartS3 of a server that sends its bucket notifications to a topic. MinIO would want another set-up: it is versitygw always.
func StartNotifyingS3(tb testing.TB, broker, topic string) *S3 {
	tb.Helper()
	return startVersitygw(tb, tb.TempDir(), "VGW_EVENT_KAFKA_URL="+broker, "VGW_EVENT_KAFKA_TOPIC="+topic)
}

// StartVersioningS3 is StartS3 of a server whose buckets can keep versions: see [S3.KeepVersions]. It is versitygw always, as [StartNotifyingS3]'s is.
func StartVersioningS3(tb testing.TB) *S3 {
	tb.Helper()
	dir := tb.TempDir()
	versions := filepath.Join(dir, "versions")
	if err := os.Mkdir(versions, 0o755); err != nil {
		tb.Fatalf("preparing the S3 server's directory: %v", err)
	}
	return startVersitygw(tb, dir, "VGW_VERSIONING_DIR="+versions)
}

// StartS3For is StartS3 of a server that has a user beside its one account, who may do what policies of buckets allow ([S3.Allow]). It is versitygw always, as [StartNotifyingS3]'s is.
func StartS3For(tb testing.TB, accessKey, secretKey string) *S3 {
	tb.Helper()
	dir := tb.TempDir()
	s := startVersitygw(tb, dir, "VGW_IAM_DIR="+dir)
	add := exec.CommandContext(tb.Context(), s.command.Path, "admin", "--access", S3AccessKey, "--secret", S3SecretKey, "--region", S3Region, "--endpoint-url", s.URL(),
		"create-user", "--access", accessKey, "--secret", secretKey, "--role", "user")
	if out, err := add.CombinedOutput(); err != nil {
		tb.Fatalf("making user %s: %v\n%s", accessKey, err, out)
	}
	return s
}

func startVersitygw(tb testing.TB, dir string, env ...string) *S3 {
	tb.Helper()
	s := &S3{owner: tb, port: freePorts(tb, 1)[0]}
	s.command = versitygwCommand(fetched(tb, "fetch-versitygw.sh", "versitygw"), dir, s.port, Certificate{})
	s.command.Env = append(s.command.Env, env...)
	s.launch(tb)
	return s
}

func startS3(tb testing.TB, s *S3, dir string, cert Certificate) *S3 {
	tb.Helper()
	if binary := os.Getenv("VECMILL_MINIO"); binary != "" && s.caFile == "" { // MinIO wants its certificates in a directory of its own
		ports := freePorts(tb, 2)
		s.port = ports[0]
		s.command = minioCommand(binary, dir, ports[0], ports[1])
	} else {
		s.port = freePorts(tb, 1)[0]
		s.command = versitygwCommand(fetched(tb, "fetch-versitygw.sh", "versitygw"), dir, s.port, cert)
	}
	s.launch(tb)
	return s
}

// versitygwCommand keeps the attributes of objects with their files, and in a sidecar directory where the file system keeps none: that takes six
// files more for each object. The sidecar's name must differ from the root's.
func versitygwCommand(binary, dir string, port int, cert Certificate) Command {
	args := []string{"--port", loopback(port), "--region", S3Region, "--quiet"}
	if cert.CertFile != "" {
		args = append(args, "--cert", cert.CertFile, "--key", cert.KeyFile)
	}
	args = append(args, "posix")
	if !keepsAttributes(dir) {
		args = append(args, "--sidecar", filepath.Join(dir, "attributes"))
	}
	return Command{
		Name: "versitygw", Path: binary, Log: filepath.Join(dir, "s3.log"),
		Args: append(args, filepath.Join(dir, "objects")),
		Env:  []string{"ROOT_ACCESS_KEY=" + S3AccessKey, "ROOT_SECRET_KEY=" + S3SecretKey},
	}
}

func minioCommand(binary, dir string, port, consolePort int) Command {
	return Command{
		Name: "minio", Path: binary, Log: filepath.Join(dir, "s3.log"),
		Args: []string{
			"server", "--quiet", "--address", loopback(port), "--console-address", loopback(consolePort),
			filepath.Join(dir, "objects"),
		},
		Env: []string{
			"MINIO_ROOT_USER=" + S3AccessKey, "MINIO_ROOT_PASSWORD=" + S3SecretKey, "MINIO_REGION=" + S3Region,
			"MINIO_BROWSER=off", "MINIO_UPDATE=off",
		},
	}
}

func (s *S3) launch(tb testing.TB) {
	tb.Helper()
	dir := filepath.Dir(s.command.Log)
	for _, sub := range []string{"objects", "attributes"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			tb.Fatalf("preparing the S3 server's directory: %v", err)
		}
	}
	client, err := s.newClient()
	if err != nil {
		tb.Fatalf("making an S3 client: %v", err)
	}
	s.client = client
	s.process = startFor(s.owner, tb, s.command)
	s.AwaitReady(tb)
}

func (s *S3) newClient() (*minio.Client, error) {
	o := &minio.Options{
		Creds: credentials.NewStaticV4(S3AccessKey, S3SecretKey, ""), Region: S3Region, BucketLookup: minio.BucketLookupPath, Secure: s.caFile != "",
	}
	if s.caFile == "" {
		return minio.New(s.Endpoint(), o)
	}
	ca, err := os.ReadFile(s.caFile)
	if err != nil {
		return nil, err
	}
	transport, err := minio.DefaultTransport(true)
	if err != nil {
		return nil, err
	}
	transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(ca)
	s.owner.Cleanup(transport.CloseIdleConnections)
	o.Transport = transport
	return minio.New(s.Endpoint(), o)
}

// AwaitReady returns once the server answers a signed request; the test fails if it ends or takes too long.
func (s *S3) AwaitReady(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), s3Ready)
	defer cancel()
	for {
		_, err := s.client.ListBuckets(ctx)
		if err == nil {
			return
		}
		select {
		case <-s.process.Exited():
			tb.Fatalf("%s ended while starting: %v\n%s", s.command.Name, s.process.state, s.process.LogTail(40))
		case <-ctx.Done():
			tb.Fatalf("%s does not answer after %v: %v\n%s", s.command.Name, s3Ready, err, s.process.LogTail(40))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Endpoint is the server's host:port, the same over restarts.
func (s *S3) Endpoint() string { return loopback(s.port) }

// URL is Endpoint with the scheme that the server speaks.
func (s *S3) URL() string {
	if s.caFile != "" {
		return "https://" + s.Endpoint()
	}
	return "http://" + s.Endpoint()
}

// CAFile is the authority of a server with TLS, "" for one without.
func (s *S3) CAFile() string { return s.caFile }

// Process is the server's current process.
func (s *S3) Process() *Process { return s.process }

// Client is a minio-go client of the server, with path-style bucket names.
func (s *S3) Client() *minio.Client { return s.client }

// Kill ends the server with SIGKILL and keeps its data.
func (s *S3) Kill(tb testing.TB) { tb.Helper(); s.process.Kill(tb) }

// Pause freezes the server with SIGSTOP.
func (s *S3) Pause(tb testing.TB) { tb.Helper(); s.process.Pause(tb) }

// Resume lets a paused server go on.
func (s *S3) Resume(tb testing.TB) { tb.Helper(); s.process.Resume(tb) }

// Restart starts the server again on its port and data, after Kill, and returns when it answers.
func (s *S3) Restart(tb testing.TB) {
	tb.Helper()
	if !isClosed(s.process.Exited()) {
		tb.Fatalf("restarting %s: it is still running: Kill it first", s.command.Name)
	}
	s.launch(tb)
}

// CreateBucket creates a bucket.
func (s *S3) CreateBucket(tb testing.TB, bucket string) {
	tb.Helper()
	if err := s.client.MakeBucket(tb.Context(), bucket, minio.MakeBucketOptions{Region: S3Region}); err != nil {
		tb.Fatalf("creating bucket %s: %v", bucket, err)
	}
}

// Allow gives a user of a server that has one ([StartS3For]) rights to a bucket, such as s3:ListBucket, or to its objects, such as s3:GetObject, in place of those that it had.
func (s *S3) Allow(tb testing.TB, accessKey, bucket string, rights ...string) {
	tb.Helper()
	type statement struct{ Effect, Principal, Action, Resource string }
	policy := struct {
		Version   string
		Statement []statement
	}{Version: "2012-10-17"}
	for _, right := range rights {
		resource := "arn:aws:s3:::" + bucket
		if strings.HasSuffix(right, "Object") {
			resource += "/*"
		}
		policy.Statement = append(policy.Statement, statement{"Allow", accessKey, right, resource})
	}
	text, err := json.Marshal(policy)
	if err == nil {
		err = s.client.SetBucketPolicy(tb.Context(), bucket, string(text))
	}
	if err != nil {
		tb.Fatalf("allowing %s %q in %s: %v", accessKey, rights, bucket, err)
	}
}

// KeepVersions has a bucket of a server that can ([StartVersioningS3]) keep what is put over or removed from now on.
func (s *S3) KeepVersions(tb testing.TB, bucket string) {
	tb.Helper()
	if err := s.client.EnableVersioning(tb.Context(), bucket); err != nil {
		tb.Fatalf("enabling versions of bucket %s: %v", bucket, err)
	}
}

// Put stores an object and returns its ETag.
func (s *S3) Put(tb testing.TB, bucket, key string, body []byte) (etag string) {
	tb.Helper()
	etag, _ = s.PutVersion(tb, bucket, key, body)
	return etag
}

// PutVersion is Put that says which version it made, too; "" in a bucket that keeps none.
func (s *S3) PutVersion(tb testing.TB, bucket, key string, body []byte) (etag, version string) {
	tb.Helper()
	info, err := s.client.PutObject(tb.Context(), bucket, key, bytes.NewReader(body), int64(len(body)), minio.PutObjectOptions{})
	if err != nil {
		tb.Fatalf("putting s3://%s/%s: %v", bucket, key, err)
	}
	return info.ETag, info.VersionID
}

// Get is an object's bytes.
func (s *S3) Get(tb testing.TB, bucket, key string) []byte {
	tb.Helper()
	object, err := s.client.GetObject(tb.Context(), bucket, key, minio.GetObjectOptions{})
	if err != nil {
		tb.Fatalf("getting s3://%s/%s: %v", bucket, key, err)
	}
	defer object.Close()
	body, err := io.ReadAll(object)
	if err != nil {
		tb.Fatalf("getting s3://%s/%s: %v", bucket, key, err)
	}
	return body
}

// Keys lists the object keys below a prefix, in the server's order.
func (s *S3) Keys(tb testing.TB, bucket, prefix string) []string {
	tb.Helper()
	var keys []string
	for o := range s.client.ListObjectsIter(tb.Context(), bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			tb.Fatalf("listing s3://%s/%s: %v", bucket, prefix, o.Err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

// Download copies every object below a prefix into a new directory that goes with the test, under its key, for readers
// that work on files.
func (s *S3) Download(tb testing.TB, bucket, prefix string) (dir string) {
	tb.Helper()
	dir = tb.TempDir()
	for _, key := range s.Keys(tb, bucket, prefix) {
		if strings.HasSuffix(key, "/") {
			continue
		}
		path := filepath.Join(dir, filepath.FromSlash(key))
		if err := s.client.FGetObject(tb.Context(), bucket, key, path, minio.GetObjectOptions{}); err != nil {
			tb.Fatalf("downloading s3://%s/%s: %v", bucket, key, err)
		}
	}
	return dir
}

// Remove deletes an object, as a lifecycle rule would.
func (s *S3) Remove(tb testing.TB, bucket, key string) {
	tb.Helper()
	if err := s.client.RemoveObject(tb.Context(), bucket, key, minio.RemoveObjectOptions{}); err != nil {
		tb.Fatalf("removing s3://%s/%s: %v", bucket, key, err)
	}
}
