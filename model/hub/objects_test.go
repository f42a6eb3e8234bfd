package hub

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeStore is a prefix of an object store in memory, with faults.
type fakeStore struct {
	mu      sync.Mutex
	files   map[string]string
	tags    map[string]string // names' ETags; what is missing is the content's
	breakAt int               // the next body ends after so many bytes
	refuse  error             // of every Get
	gets    []string
	offsets []int64
}

func (s *fakeStore) tag(name string) string {
	if t, ok := s.tags[name]; ok {
		return t
	}
	return etagOf([]byte(s.files[name]), false)
}

func (s *fakeStore) List(context.Context) ([]Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Object
	for n, b := range s.files {
		out = append(out, Object{n, int64(len(b)), s.tag(n)})
	}
	return out, nil
}

func (s *fakeStore) Get(_ context.Context, o Object, offset int64) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gets, s.offsets = append(s.gets, o.Name), append(s.offsets, offset)
	if s.refuse != nil {
		return nil, s.refuse
	}
	body := s.files[o.Name][offset:]
	if s.breakAt > 0 && len(body) > s.breakAt {
		body, s.breakAt = body[:s.breakAt], 0
	}
	return io.NopCloser(strings.NewReader(body)), nil
}

func fetchObjects(cache string, s *fakeStore) (string, error) {
	return FetchObjects(context.Background(), "s3://bucket/model", s, ObjectSettings{Cache: cache, Attempts: 3, Backoff: time.Millisecond})
}

func TestFetchObjectsIsOneDirectoryForEachContent(t *testing.T) {
	s := &fakeStore{files: checkpointFiles(), breakAt: 1000}
	cache := t.TempDir()
	dir, err := fetchObjects(cache, s)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tree(t, dir), []string{"config.json", "model.safetensors", "vocab.json"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "model.safetensors")); string(b) != weights || !slices.Contains(s.offsets, 1000) {
		t.Errorf("the weights have %d bytes, read from %v", len(b), s.offsets)
	}
	before := len(s.gets)
	if again, err := fetchObjects(cache, s); err != nil || again != dir || len(s.gets) != before {
		t.Errorf("again: %s (%v), %d reads", again, err, len(s.gets)-before)
	}
	s.files["vocab.json"] = `{"b":0}`
	if other, err := fetchObjects(cache, s); err != nil || other == dir {
		t.Errorf("another content is in %s (%v), as before", other, err)
	}
	if got := tree(t, dir); len(got) != 3 {
		t.Errorf("the first directory has become %v", got)
	}
}

func TestFetchObjectsByTwoAtOnceReadsOnce(t *testing.T) {
	s := &fakeStore{files: checkpointFiles()}
	cache := t.TempDir()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := fetchObjects(cache, s); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(s.gets) != 3 {
		t.Errorf("read %v, want each of three once", s.gets)
	}
}

func TestFetchObjectsClearsWhatADeadProcessLeft(t *testing.T) {
	s := &fakeStore{files: checkpointFiles()}
	cache := t.TempDir()
	dir, err := fetchObjects(cache, s)
	if err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(cache, unfinished+filepath.Base(dir))
	if err := errors.Join(os.Rename(dir, left), os.WriteFile(filepath.Join(left, "tf_model.h5"), []byte("left"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if again, err := fetchObjects(cache, s); err != nil || again != dir || len(tree(t, dir)) != 3 || exists(left) {
		t.Errorf("got %s (%v) with %v", again, err, tree(t, dir))
	}
}

func TestFetchObjectsRefuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*fakeStore)
		want   string
		gets   int
	}{
		{"an empty prefix", func(s *fakeStore) { s.files = nil }, "check the bucket", 0},
		{"no configuration", func(s *fakeStore) { delete(s.files, "config.json") }, "no config.json", 0},
		{"no ETag", func(s *fakeStore) { s.tags = map[string]string{"model.safetensors": ""} }, "no ETag", 0},
		{"no permission, at once", func(s *fakeStore) { s.refuse = ErrRefused }, "refused", 1},
		{"a store that breaks, after three attempts", func(s *fakeStore) { s.refuse = errors.New("broken") }, "broken", 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &fakeStore{files: checkpointFiles()}
			tc.change(s)
			cache := t.TempDir()
			if _, err := fetchObjects(cache, s); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "s3://bucket/model") {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if len(s.gets) != tc.gets {
				t.Errorf("read %v, want %d reads", s.gets, tc.gets)
			}
			if left, _ := filepath.Glob(filepath.Join(cache, unfinished+"*")); len(left) > 0 {
				t.Errorf("left %v", left)
			}
		})
	}
}

func TestFetchObjectsTakesShardsByTheirIndex(t *testing.T) {
	s := &fakeStore{files: map[string]string{
		"config.json": "{}", "pytorch_model.bin.index.json": `{"weight_map":{"a":"x.bin"}}`, "x.bin": "1", "y.bin": "2",
	}}
	dir, err := fetchObjects(t.TempDir(), s)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tree(t, dir), []string{"config.json", "pytorch_model.bin.index.json", "x.bin"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
