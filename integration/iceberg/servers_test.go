//go:build integration && iceberg

package iceberg

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/sinks/icebergsink"
	"vecmill/sinks/s3store"
)

const bucket = "lake"

// site is a REST catalog, an S3 server, and the Python packages that judge.
type site struct {
	home string // of what tools/fetch-iceberg.sh fetched
	s3   *harness.S3
	rest string // URL of the catalog
	dir  string
	n    atomic.Int64

	t      testing.TB // of all cases
	opened sync.Once
	shared *fixture.Site
}

func startSite(t testing.TB) *site {
	t.Helper()
	out, err := exec.Command("bash", filepath.Join(harness.ModuleRoot(t), "tools", "fetch-iceberg.sh"), "--check").Output()
	if err != nil {
		harness.Missing(t, "an Iceberg REST catalog and pyiceberg", "run tools/fetch-iceberg.sh")
	}
	s := &site{home: strings.TrimSpace(string(out)), s3: harness.StartS3(t), dir: t.TempDir(), t: t}
	s.s3.CreateBucket(t, bucket)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close() // it carried no data
	harness.Start(t, harness.Command{
		Name: "catalog", Path: "java", Log: filepath.Join(s.dir, "catalog.log"),
		Args: []string{"-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", s.home + "/classes:" + s.home + "/lib/*", "Main", port, filepath.Join(s.dir, "rest.db"), "s3://" + bucket + "/rest", s.s3.URL()},
		Env:  []string{"AWS_ACCESS_KEY_ID=" + harness.S3AccessKey, "AWS_SECRET_ACCESS_KEY=" + harness.S3SecretKey, "AWS_REGION=" + harness.S3Region},
	})
	s.rest = "http://127.0.0.1:" + port
	for deadline := time.Now().Add(2 * time.Minute); ; {
		if r, err := http.Get(s.rest + "/v1/config"); err == nil {
			_ = r.Body.Close() // the server answers, and that is all
			return s
		}
		if time.Now().After(deadline) {
			t.Fatal("the catalog does not answer")
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// table gives every case a table of its own.
func (s *site) table() string { return fmt.Sprintf("ns.rows_%d", s.n.Add(1)) }

// open opens the store of a file's URL.
func (s *site) open(_ context.Context, rawURL string) (icebergsink.Store, string, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "s3" {
		return nil, "", fmt.Errorf("%q is not s3://: %w", rawURL, err)
	}
	return s3store.New(s.s3.Client(), u.Host, s3store.Options{}), strings.TrimPrefix(strings.TrimPrefix(rawURL, "s3://"), u.Host+"/"), nil
}

// seen is what judge.py prints.
type seen struct {
	Rows, Duck [][]any
	Files      int
	Numbered   int
	Wrong      []string
	Partitions int
	Snapshots  int
	Untold     int // snapshots that do not say the offsets
	Pruned     map[string]int
	Columns    []string
	Vector     [][]float64
	Half       [][]float64
	Words      [][]map[string]any
	Attributes [][][]string
	File       string
	Deletes    int // files of deleted rows, once for each data file that they are about
}

func (s *site) judge(t testing.TB, catalog map[string]string, table, act string, args ...string) (v seen) {
	t.Helper()
	out := s.says(t, catalog, table, act, args...)
	if act != "read" {
		return v
	}
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return v
}

// says is what judge.py prints.
func (s *site) says(t testing.TB, catalog map[string]string, table, act string, args ...string) []byte {
	t.Helper()
	return s.python(t, "judge.py", nil, catalog, table, act, args...)
}

// python runs a script of this directory on a table.
func (s *site) python(t testing.TB, script string, in io.Reader, catalog map[string]string, table, act string, args ...string) []byte {
	t.Helper()
	props := map[string]string{
		"s3.endpoint": s.s3.URL(), "s3.access-key-id": harness.S3AccessKey, "s3.secret-access-key": harness.S3SecretKey, "s3.region": harness.S3Region,
	}
	for k, v := range catalog {
		props[k] = v
	}
	text, err := json.Marshal(props)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("python3", append([]string{"-B", script, string(text), table, act}, args...)...)
	cmd.Stdin = in
	cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join(s.home, "python"), "PYTHONNOUSERSITE=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, stderr.String())
	}
	return out
}

func (s *site) restCatalog() map[string]string {
	return map[string]string{"type": "rest", "uri": s.rest}
}

// forgetful stands before the catalog and, by turns, lets a commit through, loses its answer, and drops it before the catalog sees it.
type forgetful struct {
	url     string
	off     atomic.Bool
	commits atomic.Int64
}

func startForgetful(t testing.TB, upstream string) *forgetful {
	t.Helper()
	target, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	f := &forgetful{}
	pass := httputil.NewSingleHostReverseProxy(target)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		commit := r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/tables/") && !f.off.Load()
		if !commit {
			pass.ServeHTTP(w, r)
			return
		}
		switch f.commits.Add(1) % 3 {
		case 1:
			pass.ServeHTTP(w, r)
		case 2:
			pass.ServeHTTP(discard{http.Header{}}, r)
			panic(http.ErrAbortHandler) // it happened, and nobody hears of it
		default:
			panic(http.ErrAbortHandler)
		}
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }() // it ends by Close
	t.Cleanup(func() { _ = srv.Close(); <-done })
	f.url = "http://" + l.Addr().String()
	return f
}

// discard is an answer that goes nowhere.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}
