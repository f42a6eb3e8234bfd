//go:build cgo

package ortsession

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// standardError runs do and gives the lines that were written to the process' standard error meanwhile, which also go where they went before, but for
// those that own names as the caller's alone (nil: none). ONNX Runtime writes its log there, and the binding has no other way to it.
func standardError(do func() error, own func(line string) bool) (lines []string, err error) {
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
		from := bufio.NewReader(r) // lines of any length: who writes would wait for a pipe that nobody reads any more
		for {
			line, err := from.ReadString('\n')
			if line != "" {
				lines = append(lines, strings.TrimSpace(line))
			}
			if line != "" && (own == nil || !own(line)) {
				_, _ = io.WriteString(old, line) // as whoever wrote it: there is nowhere else to say so
			}
			if err != nil {
				return
			}
		}
	})
	err = do()
	err = errors.Join(err, unix.Dup3(before, 2, 0), w.Close()) // the last writer of the pipe: the reader ends
	reading.Wait()
	return lines, err
}
