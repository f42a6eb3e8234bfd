package resident

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Trim unmaps the pages of files that this process has mapped and cannot write to, of its program, of libraries and of weights, until they are touched again. Mappings that have pages of
// their own, as a debugger's breakpoints or addresses that the loader has filled in, stay as they are. It is advice: what the system refuses is left, and the error is of what could not be read.
func Trim() error {
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return fmt.Errorf("reading what is mapped: %w", err)
	}
	for _, m := range parse(maps) {
		if m.start == 0 || !m.file || !m.readOnly || m.own != 0 {
			continue
		}
		// The first is for kernels without huge pages nothing, and refused.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.bytes, unix.MADV_NOHUGEPAGE)
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.bytes, unix.MADV_DONTNEED)
	}
	return nil
}

// mapping is a part of a process' address space.
type mapping struct {
	start, bytes   uintptr
	file, readOnly bool // of a file, no device; private, and not to be written to
	own            int  // kB of pages that are not the file's any more
	resident       int  // kB
}

// parse reads /proc/PID/smaps as proc(5) has it. A mapping whose pages are not told has some of its own.
func parse(smaps []byte) (all []mapping) {
	for line := range bytes.Lines(smaps) {
		words := strings.Fields(string(line))
		if len(words) >= 5 && strings.Contains(words[0], "-") {
			from, to, _ := strings.Cut(words[0], "-")
			start, err1 := strconv.ParseUint(from, 16, 64)
			end, err2 := strconv.ParseUint(to, 16, 64)
			if err1 != nil || err2 != nil {
				start, end = 0, 0
			}
			all = append(all, mapping{
				start: uintptr(start), bytes: uintptr(end - start), own: -1,
				file:     len(words) > 5 && strings.HasPrefix(words[5], "/") && !strings.HasPrefix(words[5], "/dev/"),
				readOnly: words[1][0] == 'r' && words[1][1] == '-' && words[1][3] == 'p',
			})
			continue
		}
		if len(words) < 2 || len(all) == 0 {
			continue
		}
		m := &all[len(all)-1]
		kb, err := strconv.Atoi(words[1])
		if err != nil {
			continue
		}
		switch words[0] {
		case "Anonymous:":
			m.own = kb
		case "Rss:":
			m.resident = kb
		}
	}
	return all
}
