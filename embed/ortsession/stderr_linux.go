//go:build cgo

package ortsession

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// standardError runs do and gives the lines that were written to the process' standard error meanwhile, which also go where they went before. ONNX Runtime
// writes its log there, and the binding has no other way to it.
func standardError(do func() error) (lines []string, err error) {
	before, err := unix.Dup(2)
	if err != nil {
		return nil, fmt.Errorf("reading standard error: %w", err)
	}
	old := os.NewFile(uintptr(before), "stderr")
	defer func() { err = errors.Join(err, old.Close()) }()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("reading standard error: %w", err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if err := unix.Dup3(int(w.Fd()), 2, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("reading standard error: %w", err), w.Close())
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for s := bufio.NewScanner(r); s.Scan(); {
			lines = append(lines, strings.TrimSpace(s.Text()))
			fmt.Fprintln(old, s.Text())
		}
	})
	err = do()
	err = errors.Join(err, unix.Dup3(before, 2, 0), w.Close()) // the last writer of the pipe: the reader ends
	reading.Wait()
	return lines, err
}
