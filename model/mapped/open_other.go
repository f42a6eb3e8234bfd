//go:build !(linux || darwin || freebsd || netbsd || openbsd)

package mapped

import "os"

// Open reads the whole file where the system has no mmap in the standard library.
func Open(path string) ([]byte, func() error, error) {
	data, err := os.ReadFile(path)
	return data, func() error { return nil }, err
}
