//go:build linux || darwin || freebsd || netbsd || openbsd

package ledger

import "syscall"

// reserve asks the system for zeros; it says no where there are none.
func reserve(n int) (b []byte, ok bool) {
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	return b, err == nil
}

func release(b []byte) {
	if err := syscall.Munmap(b); err != nil {
		panic(err) // it is none of ours
	}
}
