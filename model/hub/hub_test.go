package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var speech = Ref{"acme", "speech", "main"}

// weights is large enough to be broken in the middle.
var weights = strings.Repeat("0123456789abcdef", 1<<16)

func checkpointFiles() map[string]string {
	return map[string]string{
		"config.json": "{}", "vocab.json": `{"a":0}`, "README.md": "words", "model.safetensors": weights, "pytorch_model.bin": "unwanted",
		"tf_model.h5": "unwanted", "training/optimizer.pt": "unwanted",
	}
}

// tree lists the files below dir.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			out = append(out, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func mustFetch(t *testing.T, c *Client, ref Ref) string {
	t.Helper()
	dir, err := c.Fetch(context.Background(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFetchLaysOutTheStandardCache(t *testing.T) {
	h := newFakeHub(t, checkpointFiles(), "model.safetensors")
	cache := t.TempDir()
	c, _ := h.client(t, cache)
	dir := mustFetch(t, c, speech)
	if want := filepath.Join(cache, "models--acme--speech", "snapshots", commit); dir != want {
		t.Errorf("got %s, want %s", dir, want)
	}
	if got, want := tree(t, dir), []string{"config.json", "model.safetensors", "vocab.json"}; !slices.Equal(got, want) {
		t.Errorf("the snapshot has %v, want %v", got, want)
	}
	target, err := os.Readlink(filepath.Join(dir, "model.safetensors"))
	if want := "../../blobs/" + etagOf([]byte(weights), true); err != nil || target != want {
		t.Errorf("the weights link to %s (%v), want %s", target, err, want)
	}
	for name, want := range map[string]string{"config.json": "{}", "model.safetensors": weights} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != want {
			t.Errorf("%s has %d bytes (%v), want %d", name, len(b), err, len(want))
		}
	}
	b, err := os.ReadFile(filepath.Join(cache, "models--acme--speech", "refs", "main"))
	if err != nil || string(b) != commit {
		t.Errorf("refs/main holds %q (%v)", b, err)
	}
	mustFetch(t, c, speech)
	if len(h.seen("resolve")) != 6 { // a HEAD and a GET for each of three files
		t.Errorf("the second fetch asked for files again: %v", h.seen("resolve"))
	}
}

func TestFetchTakesTheFilesThatACheckpointNeeds(t *testing.T) {
	index := `{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}`
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  []string
		open  string
	}{
		{"shards by their index", map[string]string{
			"config.json": "{}", "model.safetensors.index.json": index, "model-00001-of-00002.safetensors": "1",
			"model-00002-of-00002.safetensors": "2", "model-00003-of-00002.safetensors": "3",
		}, []string{"config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"}, ""},
		{"torch's if there is no safetensors", map[string]string{"config.json": "{}", "pytorch_model.bin": "1", "tf_model.h5": "2", "merges.txt": "3"}, []string{"config.json", "merges.txt", "pytorch_model.bin"}, ""},
		{"TensorFlow's if there is nothing else", map[string]string{"config.json": "{}", "tf_model.h5": "1"}, []string{"config.json", "tf_model.h5"}, ""},
		{"a ready-made graph with its data, below", map[string]string{"config.json": "{}", "onnx/model.onnx": "1", "onnx/model.onnx_data": "2", "onnx/model_fp16.onnx": "3"}, []string{"config.json", "onnx/model.onnx", "onnx/model.onnx_data"}, "onnx/model.onnx"},
		{"names that would leave the cache are no files", map[string]string{"config.json": "{}", "model.safetensors": "1", "../../vocab.json": "2"}, []string{"config.json", "model.safetensors"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newFakeHub(t, tc.files)
			c, _ := h.client(t, t.TempDir())
			path := mustFetch(t, c, speech)
			root, opens, _ := strings.Cut(filepath.ToSlash(path), commit)
			root += commit
			if got := tree(t, root); !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
			if opens = strings.TrimPrefix(opens, "/"); opens != tc.open {
				t.Errorf("opens %q, want %q", opens, tc.open)
			}
			for _, n := range tc.want {
				if b, err := os.ReadFile(filepath.Join(root, n)); err != nil || string(b) != tc.files[n] {
					t.Errorf("%s holds %q (%v)", n, b, err)
				}
			}
		})
	}
}

func TestABeamDecoderIsFetchedWhereItIsWanted(t *testing.T) {
	h := newFakeHub(t, map[string]string{
		"config.json": "{}", "model.safetensors": "1", "alphabet.json": "2", "language_model/attrs.json": "3", "language_model/unigrams.txt": "4", "language_model/5gram.bin": "5",
		"language_model/.cache": "6", "language_model/older/4gram.bin": "7",
	})
	cache := t.TempDir()
	c, _ := h.client(t, cache)
	dir := mustFetch(t, c, speech)
	if got, want := tree(t, dir), []string{"config.json", "model.safetensors"}; !slices.Equal(got, want) {
		t.Errorf("without it there are %v, want %v", got, want)
	}
	c.set.Decoder = true
	mustFetch(t, c, speech) // the cache is complete, but for the decoder
	if got, want := tree(t, dir), []string{"alphabet.json", "config.json", "language_model/5gram.bin", "language_model/attrs.json", "language_model/unigrams.txt", "model.safetensors"}; !slices.Equal(got, want) {
		t.Errorf("with it there are %v, want %v", got, want)
	}
	h = newFakeHub(t, map[string]string{"config.json": "{}", "model.safetensors": "1", "language_model/lm.bin": "2"})
	c, _ = h.client(t, t.TempDir())
	c.set.Decoder = true
	if got, want := tree(t, mustFetch(t, c, speech)), []string{"config.json", "model.safetensors"}; !slices.Equal(got, want) {
		t.Errorf("of a language model without an alphabet there are %v, want %v", got, want)
	}
}

func TestTokenGoesToTheHubOnlyAndIntoNoLog(t *testing.T) {
	h := newFakeHub(t, checkpointFiles(), "model.safetensors")
	h.token = secret
	c, log := h.client(t, t.TempDir(), func(s *Settings) { s.Token = secret })
	mustFetch(t, c, speech)
	if len(h.mu.leaked) > 0 || len(h.mu.ranges) == 0 {
		t.Errorf("the storage saw %v in %d requests", h.mu.leaked, len(h.mu.ranges))
	}
	h.storage.Close() // now its address stands in an error
	h.set(func() { h.mu.files["model.safetensors"] = []byte("other") })
	c, log2 := h.client(t, t.TempDir(), func(s *Settings) { s.Token = secret })
	_, err := c.Fetch(context.Background(), speech)
	if err == nil {
		t.Fatal("a storage that is gone was no error")
	}
	if all := log.String() + log2.String() + err.Error(); strings.Contains(all, secret) || strings.Contains(all, "signed") {
		t.Errorf("a credential was shown: %s", all)
	}
}

func TestFetchResumesABrokenBody(t *testing.T) {
	h := newFakeHub(t, checkpointFiles(), "model.safetensors")
	h.mu.breakAt = 100_000
	cache := t.TempDir()
	c, _ := h.client(t, cache)
	dir := mustFetch(t, c, speech)
	if b, _ := os.ReadFile(filepath.Join(dir, "model.safetensors")); string(b) != weights {
		t.Error("the weights are not whole")
	}
	if want := []string{"", "bytes=100000-"}; !slices.Equal(h.mu.ranges, want) {
		t.Errorf("the storage was asked for %q, want %q", h.mu.ranges, want)
	}
}

func TestFetchResumesWhatAnEarlierProcessLeft(t *testing.T) {
	for name, tc := range map[string]struct {
		left string
		want []string
	}{
		"the beginning of the content": {weights[:5000], []string{"bytes=5000-"}},
		"all of it":                    {weights, nil},
		"something else":               {"garbage", []string{"bytes=7-", ""}},
		"more than the content":        {weights + "x", []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newFakeHub(t, checkpointFiles(), "model.safetensors")
			cache := t.TempDir()
			part := filepath.Join(cache, "models--acme--speech", "blobs", etagOf([]byte(weights), true)+".incomplete")
			if err := os.MkdirAll(filepath.Dir(part), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(part, []byte(tc.left), 0o644); err != nil {
				t.Fatal(err)
			}
			c, _ := h.client(t, cache)
			dir := mustFetch(t, c, speech)
			if b, _ := os.ReadFile(filepath.Join(dir, "model.safetensors")); string(b) != weights {
				t.Error("the weights are not whole")
			}
			if !slices.Equal(h.mu.ranges, tc.want) {
				t.Errorf("the storage was asked for %q, want %q", h.mu.ranges, tc.want)
			}
			if exists(part) {
				t.Error("the partial file is still there")
			}
		})
	}
}

func TestWrongContentNeverEntersTheCache(t *testing.T) {
	for name, file := range map[string]string{"a small file, by git's blob id": "vocab.json", "a large file, by its sha256": "model.safetensors"} {
		t.Run(name, func(t *testing.T) {
			h := newFakeHub(t, checkpointFiles(), "model.safetensors")
			wrong := etagOf([]byte("other content"), file == "model.safetensors")
			h.mu.announced[file] = wrong
			cache := t.TempDir()
			c, _ := h.client(t, cache)
			_, err := c.Fetch(context.Background(), speech)
			if !errors.Is(err, errChecksum) || !strings.Contains(err.Error(), file) {
				t.Errorf("got %v, want a checksum fault that names %s", err, file)
			}
			blobs := filepath.Join(cache, "models--acme--speech", "blobs")
			if exists(filepath.Join(blobs, wrong)) || exists(filepath.Join(blobs, wrong+".incomplete")) {
				t.Error("the wrong content stayed in the cache")
			}
			off, _ := h.client(t, cache, func(s *Settings) { s.Offline = true })
			if _, err := off.Fetch(context.Background(), speech); !errors.Is(err, ErrNotCached) {
				t.Errorf("offline, the unfinished snapshot gave %v, want ErrNotCached", err)
			}
		})
	}
}

func TestABodyLongerThanAnnouncedIsCutOffAndRefused(t *testing.T) {
	h := newFakeHub(t, checkpointFiles(), "model.safetensors")
	h.mu.short = 1000
	cache := t.TempDir()
	c, _ := h.client(t, cache)
	if _, err := c.Fetch(context.Background(), speech); !errors.Is(err, errChecksum) || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("got %v", err)
	}
	if n := sizeOf(filepath.Join(cache, "models--acme--speech", "blobs", etagOf([]byte(weights), true)+".incomplete")); n != 0 {
		t.Errorf("%d bytes were left", n)
	}
}

func TestAFullDiskIsSaidWithWhatIsNeeded(t *testing.T) {
	err := roomFor(4096, "/cache", &fs.PathError{Op: "write", Path: "/cache/x", Err: syscall.ENOSPC})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "4096 bytes are needed in /cache") {
		t.Errorf("got %v", err)
	}
	if other := errors.New("other"); !errors.Is(roomFor(1, "/cache", other), other) || strings.Contains(roomFor(1, "/cache", other).Error(), "needed") {
		t.Error("another fault is said to be the disk's")
	}
}

func TestAServerThatAlwaysBreaksIsGivenUp(t *testing.T) {
	h := newFakeHub(t, checkpointFiles(), "model.safetensors")
	sent := []int{200, 100, 200, 100, 200, 100}
	asked := 0
	h.storage.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { // knows no ranges
		w.Header().Set("Content-Length", fmt.Sprint(len(weights)))
		_, _ = w.Write([]byte(weights[:sent[asked%len(sent)]]))
		asked++
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	c, _ := h.client(t, t.TempDir())
	if _, err := c.Fetch(context.Background(), speech); err == nil || !mayPass(err) && !errors.Is(err, ErrNotCached) {
		t.Errorf("got %v", err)
	}
	if asked != 3 { // the first got on; two more did not
		t.Errorf("asked %d times, want 3", asked)
	}
}

func TestACompleteCacheMayBeReadOnly(t *testing.T) {
	h := newFakeHub(t, checkpointFiles(), "model.safetensors")
	cache := t.TempDir()
	c, _ := h.client(t, cache)
	mustFetch(t, c, speech)
	at := filepath.Join(cache, "models--acme--speech", "refs", "main")
	before, err := os.Stat(at)
	if err != nil {
		t.Fatal(err)
	}
	mustFetch(t, c, speech)
	if after, err := os.Stat(at); err != nil || !os.SameFile(before, after) {
		t.Errorf("the revision was written again (%v)", err)
	}
}

func TestTwoDownloadsAtOnceLoadEachFileOnce(t *testing.T) {
	h := newFakeHub(t, checkpointFiles(), "model.safetensors")
	cache := t.TempDir()
	var wg sync.WaitGroup
	var dirs [4]string
	for i := range dirs {
		c, _ := h.client(t, cache)
		wg.Go(func() {
			dir, err := c.Fetch(context.Background(), speech)
			if err != nil {
				t.Error(err)
			}
			dirs[i] = dir
		})
	}
	wg.Wait()
	if b, _ := os.ReadFile(filepath.Join(dirs[3], "model.safetensors")); string(b) != weights || dirs[0] != dirs[3] {
		t.Error("the downloads disagree")
	}
	if len(h.mu.ranges) != 1 {
		t.Errorf("the weights were loaded %d times, want once", len(h.mu.ranges))
	}
}

func TestALockThatIsHeldIsWaitedForAsLongAsTheContextAllows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locks", "a.lock")
	unlock, err := lock(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := lock(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a held lock gave %v", err)
	}
	unlock()
	again, err := lock(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestOffline(t *testing.T) {
	h := newFakeHub(t, checkpointFiles(), "model.safetensors")
	cache := t.TempDir()
	off, _ := h.client(t, cache, func(s *Settings) { s.Offline = true })
	_, err := off.Fetch(context.Background(), speech)
	if !errors.Is(err, ErrNotCached) || !strings.Contains(err.Error(), "HF_HUB_OFFLINE") {
		t.Errorf("an empty cache gave %v", err)
	}
	if n := len(h.seen("")); n != 0 {
		t.Fatalf("offline, the Hub was asked %d times", n)
	}
	on, _ := h.client(t, cache)
	want := mustFetch(t, on, speech)
	before := len(h.seen(""))
	for _, rev := range []string{"main", commit} {
		if got := mustFetch(t, off, Ref{"acme", "speech", rev}); got != want {
			t.Errorf("%s is %s offline, want %s", rev, got, want)
		}
	}
	if n := len(h.seen("")); n != before {
		t.Errorf("offline, the Hub was asked %d times", n-before)
	}
	if err := os.Remove(filepath.Join(cache, "models--acme--speech", "blobs", etagOf([]byte(weights), true))); err != nil {
		t.Fatal(err)
	}
	if _, err := off.Fetch(context.Background(), speech); !errors.Is(err, ErrNotCached) {
		t.Errorf("a link to weights that are gone gave %v", err)
	}
}

func TestAHubThatCannotBeReachedLeavesTheCache(t *testing.T) {
	h := newFakeHub(t, checkpointFiles())
	cache := t.TempDir()
	c, log := h.client(t, cache)
	want := mustFetch(t, c, speech)
	h.Close()
	if got := mustFetch(t, c, speech); got != want || !strings.Contains(log.String(), "cannot be reached") {
		t.Errorf("got %s, logged %s", got, log)
	}
	_, err := c.Fetch(context.Background(), Ref{"acme", "other", "main"})
	if !errors.Is(err, ErrNotCached) || !strings.Contains(err.Error(), "HF_ENDPOINT") {
		t.Errorf("a model that is nowhere gave %v", err)
	}
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		code   string
		token  string
		want   string
		asked  int
	}{
		{"no token", 401, "RepoNotFound", "", "set HF_TOKEN", 1},
		{"a bad token", 401, "", secret, "not valid", 1},
		{"a gated model", 403, "GatedRepo", secret, "accept its terms", 1},
		{"no permission", 403, "", secret, "ask for access", 1},
		{"no such model", 404, "RepoNotFound", secret, "no such model", 1},
		{"no such revision", 404, "RevisionNotFound", "", "no such branch", 1},
		{"too many requests, tried again", 429, "", "", "too many requests", 3},
		{"a broken Hub, tried again", 503, "", "", "answered 503", 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newFakeHub(t, checkpointFiles())
			h.mu.status, h.mu.code = tc.status, tc.code
			c, _ := h.client(t, t.TempDir(), func(s *Settings) { s.Token = tc.token })
			_, err := c.Fetch(context.Background(), speech)
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "hf://acme/speech@main") || strings.Contains(err.Error(), secret) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if n := len(h.seen("")); n != tc.asked {
				t.Errorf("asked %d times, want %d", n, tc.asked)
			}
		})
	}
}

func TestFetchRefusesWhatIsNoCheckpoint(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(map[string]string)
		want   string
	}{
		"no configuration": {func(f map[string]string) { delete(f, "config.json") }, "no config.json"},
		"no weights": {func(f map[string]string) {
			maps.DeleteFunc(f, func(n, _ string) bool { return strings.Contains(n, "model") })
		}, "no weights"},
		"a shard is missing": {func(f map[string]string) {
			delete(f, "model.safetensors")
			f["model.safetensors.index.json"] = `{"weight_map":{"a":"gone.safetensors"}}`
		}, "gone.safetensors"},
		"an index of nothing": {func(f map[string]string) { delete(f, "model.safetensors"); f["model.safetensors.index.json"] = `{}` }, "names 0 files"},
	} {
		t.Run(name, func(t *testing.T) {
			files := checkpointFiles()
			tc.change(files)
			c, _ := newFakeHub(t, files).client(t, t.TempDir())
			if _, err := c.Fetch(context.Background(), speech); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestARevisionWithSlashesIsAskedForAndRecorded(t *testing.T) {
	h := newFakeHub(t, checkpointFiles())
	cache := t.TempDir()
	c, _ := h.client(t, cache)
	mustFetch(t, c, Ref{"acme", "speech", "refs/pr/1"})
	if b, err := os.ReadFile(filepath.Join(cache, "models--acme--speech", "refs", "refs", "pr", "1")); err != nil || string(b) != commit {
		t.Errorf("recorded %q (%v)", b, err)
	}
	if got := h.seen("refs%2Fpr%2F1"); len(got) != 1 {
		t.Errorf("asked %v", h.seen(""))
	}
}

func TestATransferThatStallsIsBroken(t *testing.T) {
	h := newFakeHub(t, checkpointFiles())
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	h.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release })
	c, _ := h.client(t, t.TempDir(), func(s *Settings) { s.Stall, s.Attempts = 20*time.Millisecond, 2 })
	if _, err := c.Fetch(context.Background(), speech); !errors.Is(err, errStalled) {
		t.Errorf("got %v, want a stall", err)
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	h := newFakeHub(t, checkpointFiles())
	h.mu.status = 503
	c, _ := h.client(t, t.TempDir(), func(s *Settings) { s.Backoff = time.Hour })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Fetch(ctx, speech); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
