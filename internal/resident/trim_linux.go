package resident

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Trim unmaps the pages of the program's and of libraries' files that this process cannot write to, until they are touched again. Other files, as weights, are left alone: what is mapped of them may be
// unmapped by somebody meanwhile, and the address then be memory, which would be lost. Mappings that have pages of
// their own, as a debugger's breakpoints or addresses that the loader has filled in, stay as they are. It is advice: what the system refuses is left, and the error is of what could not be read.
func Trim() error {
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return fmt.Errorf("reading what is mapped: %w", err)
	}
	all := parse(maps)
	code := map[string]bool{} // by file
	for _, m := range all {
		code[m.file] = code[m.file] || m.runs
	}
	for _, m := range all {
		if m.start == 0 || m.file == "" || !code[m.file] || !m.readOnly || m.own != 0 || m.swapped != 0 {
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
	file           string // "" of none, and of a device
	readOnly, runs bool   // private, and not to be written to; executable
	own, swapped   int    // kB of pages that are not the file's any more, in memory and not; negative if it is not told
	resident       int    // kB
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
			m := mapping{
				start: uintptr(start), bytes: uintptr(end - start), own: -1, swapped: -1,
				readOnly: words[1][0] == 'r' && words[1][1] == '-' && words[1][3] == 'p', runs: words[1][2] == 'x',
			}
			if len(words) > 5 && strings.HasPrefix(words[5], "/") && !strings.HasPrefix(words[5], "/dev/") {
				m.file = strings.Join(words[5:], " ")
			}
			all = append(all, m)
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
		case "Swap:":
			m.swapped = kb
		case "Rss:":
			m.resident = kb
		}
	}
	return all
}
