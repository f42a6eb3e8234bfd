package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Object is one object of a listing.
type Object struct {
	Name string // below the prefix, with slashes
	Size int64  // bytes
	ETag string // as the store gives it; "" is refused, since nothing could be pinned
}

// Objects is a prefix of an object store that holds a checkpoint. It is used by one goroutine. Errors are tried again unless they wrap
// ErrRefused.
type Objects interface {
	// List gives all objects below the prefix.
	List(ctx context.Context) ([]Object, error)
	// Get opens an object at offset. It fails if the object's ETag is no longer o.ETag. The caller closes the reader.
	Get(ctx context.Context, o Object, offset int64) (io.ReadCloser, error)
}

// ObjectSettings say where objects are kept, and how hard to try. Zero values of the last three mean their defaults, as in Settings.
type ObjectSettings struct {
	Cache    string        // directory; each model is a directory in it, named by its digest
	Log      *slog.Logger  // told of attempts that failed
	Decoder  bool          // see Settings
	Attempts int           // of one object without any progress
	Backoff  time.Duration // before the second attempt, doubled before each further one
}

// unfinished begins the names of directories that are still being filled.
const unfinished = ".fetching-"

// FetchObjects gives the path of a model in an object store for model.Open; name stands in errors and logs. The objects that a checkpoint
// needs are downloaded unless a model with the same names, sizes and ETags is in the cache, one process at a time. A broken read goes
// on where it stopped. The store must answer: only it knows which objects are current.
func FetchObjects(ctx context.Context, name string, store Objects, s ObjectSettings) (_ string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("fetching %s: %w", name, err)
		}
	}()
	if s.Cache == "" {
		return "", errors.New("no directory given for fetched models; set runtime.cache_dir")
	}
	if s.Log == nil {
		s.Log = slog.Default()
	}
	tries := Settings{Attempts: s.Attempts, Backoff: s.Backoff, Endpoint: publicEndpoint, Cache: s.Cache, Log: s.Log}
	if _, err := tries.check(); err != nil {
		return "", err
	}
	var all []Object
	if err := tries.again(ctx, func() (bool, error) {
		var err error
		if all, err = store.List(ctx); err != nil {
			return false, unlessRefused(fmt.Errorf("listing the store: %w", err))
		}
		return false, nil
	}); err != nil {
		return "", err
	}
	m := objectModel{name: name, store: store, tries: &tries, decoder: s.Decoder, objects: map[string]Object{}}
	want, err := m.choose(ctx, all)
	if err != nil {
		return "", err
	}
	digest, err := m.digest()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(s.Cache, digest)
	if exists(dir) {
		return filepath.Join(dir, want.open), nil
	}
	unlock, err := lock(ctx, filepath.Join(s.Cache, ".locks", digest+".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if !exists(dir) {
		if err := m.download(ctx, dir); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, want.open), nil
}

// objectModel is a checkpoint in a store.
type objectModel struct {
	name    string
	store   Objects
	tries   *Settings
	decoder bool
	objects map[string]Object // those that are needed
}

// choose fills in the objects that are needed.
func (m *objectModel) choose(ctx context.Context, all []Object) (choice, error) {
	byName := map[string]Object{}
	var names []string
	for _, o := range all {
		if safeName(o.Name) {
			byName[o.Name] = o
			names = append(names, o.Name)
		}
	}
	if len(names) == 0 {
		return choice{}, errors.New("there is nothing under this prefix; check the bucket and the prefix")
	}
	want, err := choose(names, m.decoder)
	if err != nil {
		return choice{}, err
	}
	needed := slices.Concat(want.companions, want.weights, []string{configFile})
	if want.index != "" {
		index := byName[want.index]
		if index.Size > maxIndex {
			return choice{}, fmt.Errorf("%s has %d bytes, more than an index of weights needs", want.index, index.Size)
		}
		var b strings.Builder
		if err := m.copy(ctx, index, &b); err != nil {
			return choice{}, err
		}
		parts, err := shards([]byte(b.String()), names)
		if err != nil {
			return choice{}, err
		}
		needed = append(append(needed, parts...), want.index)
	}
	for _, n := range needed {
		if byName[n].ETag == "" {
			return choice{}, fmt.Errorf("the store gives no ETag for %s: its content cannot be pinned", n)
		}
		m.objects[n] = byName[n]
	}
	return want, nil
}

// digest is the identity of the objects' contents, as far as the store tells it.
func (m *objectModel) digest() (string, error) {
	var all []Object
	for _, o := range m.objects {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b Object) int { return strings.Compare(a.Name, b.Name) })
	b, err := json.Marshal(struct {
		Model   string
		Objects []Object
	}{m.name, all})
	if err != nil {
		return "", fmt.Errorf("encoding the identity of the objects: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// download fills a directory beside its final place and renames it. The caller holds the lock.
func (m *objectModel) download(ctx context.Context, dir string) (err error) {
	root := filepath.Dir(dir)
	tmp := filepath.Join(root, unfinished+filepath.Base(dir))
	if err := os.RemoveAll(tmp); err != nil { // of a process that died: we hold the lock
		return fmt.Errorf("clearing an unfinished download: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	for n, o := range m.objects {
		m.tries.Log.Info("downloading a model's file", "model", m.name, "file", n, "bytes", o.Size)
		path := filepath.Join(tmp, filepath.FromSlash(n))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("writing the cache: %w", err)
		}
		f, err := os.Create(path)
		if err != nil {
			return fmt.Errorf("writing %s: %w", n, roomFor(o.Size, root, err))
		}
		err = m.copy(ctx, o, f)
		if err == nil {
			err = f.Sync()
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return roomFor(o.Size, root, err)
		}
	}
	if err := os.Rename(tmp, dir); err != nil {
		return fmt.Errorf("writing the cache: %w", err)
	}
	return nil
}

// copy writes an object's content to w, going on where a read broke.
func (m *objectModel) copy(ctx context.Context, o Object, w io.Writer) error {
	at := int64(0)
	return m.tries.again(ctx, func() (bool, error) {
		if at == o.Size && at > 0 {
			return false, nil
		}
		r, err := m.store.Get(ctx, o, at)
		if err != nil {
			return false, unlessRefused(fmt.Errorf("reading %s: %w", o.Name, err))
		}
		defer func() { _ = r.Close() }() // only read
		in := &source{r: io.LimitReader(r, o.Size-at+1)}
		n, err := io.CopyBuffer(struct{ io.Writer }{w}, in, make([]byte, 1<<20))
		at += n
		switch {
		case in.err != nil:
			return n > 0, unlessRefused(fmt.Errorf("reading %s: %w", o.Name, in.err))
		case err != nil:
			return false, fmt.Errorf("writing %s: %w", o.Name, err)
		case at > o.Size:
			return false, fmt.Errorf("reading %s: it is longer than the %d bytes in the listing", o.Name, o.Size)
		case at < o.Size:
			return n > 0, passing{fmt.Errorf("reading %s: it ended after %d of %d bytes", o.Name, at, o.Size)}
		}
		return false, nil
	})
}

func unlessRefused(err error) error {
	if errors.Is(err, ErrRefused) {
		return err
	}
	return passing{err}
}
