package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"vecmill/internal/config"
	"vecmill/model/hub"
)

// bucket is an in-process store with one bucket that holds files, and a client for it.
func bucket(t *testing.T, files map[string]string) *minio.Client {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("models"); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewTLSServer(gofakes3.New(backend, gofakes3.WithTimeSkewLimit(0)).Server())
	t.Cleanup(srv.Close)
	c, err := minio.New(srv.Listener.Addr().String(), &minio.Options{
		Creds: credentials.NewStaticV4("user", "password", ""), Secure: true, Transport: srv.Client().Transport, Region: "us-east-1", MaxRetries: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		put(t, c, name, content)
	}
	return c
}

func put(t *testing.T, c *minio.Client, name, content string) {
	t.Helper()
	if _, err := c.PutObject(context.Background(), "models", name, strings.NewReader(content), int64(len(content)), minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestAModelIsFetchedFromS3(t *testing.T) {
	client := bucket(t, map[string]string{
		"speech #1/a?b%41+c é/config.json": "{}", "speech #1/a?b%41+c é/model.safetensors": "weights", "speech #1/a?b%41+c é/alphabet.json": "{}", "speech #1/a?b%41+c é/language_model/lm.bin": "grams", "speech #1/a?b%41+c é0/vocab.json": "another model's", "speech /config.json": "another model's",
	})
	c := &config.Config{Runtime: config.Runtime{CacheDir: t.TempDir()}}
	s := &stores{cfg: c, client: client}
	dir, err := locateModel(context.Background(), c, s, "s3://models/speech #1/a?b%41+c é", false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "model.safetensors")); err != nil || string(b) != "weights" {
		t.Errorf("the weights are %q (%v)", b, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "vocab.json")); err == nil {
		t.Error("a file of another prefix was fetched")
	}
	if filepath.Dir(dir) != filepath.Join(c.Runtime.CacheDir, "models") {
		t.Errorf("the model is in %s", dir)
	}
	beams, err := locateModel(context.Background(), c, s, "s3://models/speech #1/a?b%41+c é", true, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(beams, "language_model", "lm.bin")); err != nil || string(b) != "grams" {
		t.Errorf("the language model for beams is %q (%v)", b, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "alphabet.json")); err == nil || dir == beams {
		t.Error("a beam decoder was fetched that nobody wants")
	}
	if _, err := locateModel(context.Background(), c, s, "s3://nowhere/speech", false, slog.New(slog.DiscardHandler)); !errors.Is(err, hub.ErrRefused) {
		t.Errorf("a bucket that is not there gave %v", err)
	}
}

func TestAnObjectIsReadFromAnOffsetAndOnlyAsItWasListed(t *testing.T) {
	client := bucket(t, map[string]string{"m/config.json": "0123456789"})
	m := &s3Model{client: client, bucket: "models", prefix: "m/"}
	all, err := m.List(context.Background())
	if err != nil || len(all) != 1 || all[0].Name != "config.json" || all[0].Size != 10 {
		t.Fatalf("listed %v (%v)", all, err)
	}
	r, err := m.Get(context.Background(), all[0], 4)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); err != nil || string(b) != "456789" {
		t.Errorf("read %q (%v)", b, err)
	}
	put(t, client, "m/config.json", "replaced..")
	if _, err := m.Get(context.Background(), all[0], 0); !errors.Is(err, hub.ErrRefused) || !strings.Contains(err.Error(), "replaced") {
		t.Errorf("an object that was replaced gave %v", err)
	}
}

func TestLocateModelAsksTheHubThatTheEnvironmentNames(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"`+strings.ReplaceAll(filepath.Base(r.URL.Path), ".", "-")+`"`) // no checksum: as of a mirror
		if strings.HasPrefix(r.URL.Path, "/api/models/acme/speech/revision/v1") {
			_, _ = io.WriteString(w, `{"sha":"abc","siblings":[{"rfilename":"config.json"},{"rfilename":"model.safetensors"}]}`)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader([]byte(r.URL.Path)))
	}))
	defer srv.Close()
	t.Setenv("HF_ENDPOINT", srv.URL)
	t.Setenv("HF_HUB_CACHE", t.TempDir())
	t.Setenv("HF_HUB_OFFLINE", "")
	dir, err := LocateModel(context.Background(), "hf://acme/speech@v1")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "config.json")); err != nil || string(b) != "/acme/speech/resolve/abc/config.json" {
		t.Errorf("config.json is %q (%v)", b, err)
	}
	t.Setenv("HF_HUB_OFFLINE", "1")
	if again, err := LocateModel(context.Background(), "hf://acme/speech@v1"); err != nil || again != dir {
		t.Errorf("offline: %s (%v), want %s", again, err, dir)
	}
	if path, err := LocateModel(context.Background(), "some/directory"); err != nil || path != "some/directory" {
		t.Errorf("a path became %s (%v)", path, err)
	}
}
