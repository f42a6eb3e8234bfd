//go:build linux || darwin || freebsd || netbsd || openbsd

package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockPoll is how often a held lock is tried again: the call that waits cannot be cancelled.
const lockPoll = 100 * time.Millisecond

// lock holds path exclusively among all processes until unlock, or until this process ends. It waits as long as ctx allows.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil && sameFile(f, path) {
			return func() { _ = f.Close() }, nil // closing releases; the file stays for whoever waits on it
		}
		_ = f.Close()
		if err != nil && !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, fmt.Errorf("locking %s: %w; the cache needs a file system that can lock", path, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the download of another process (%s): %w", path, ctx.Err())
		case <-time.After(lockPoll):
		}
	}
}

// sameFile says whether the locked file still has its name: other tools delete their lock files.
func sameFile(f *os.File, path string) bool {
	held, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(held, named)
}
