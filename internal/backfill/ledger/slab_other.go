//go:build !(linux || darwin || freebsd || netbsd || openbsd)

package ledger

// reserve leaves it to Go's heap where the standard library has no mmap.
func reserve(int) (b []byte, ok bool) { return nil, false }

func release([]byte) {}
