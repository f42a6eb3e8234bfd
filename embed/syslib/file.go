package syslib

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// fileOf is the file that an address of the process is mapped from, "" where the system does not tell: the list of mappings is Linux's.
func fileOf(at uintptr) string {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		// from-to rights offset device inode path
		fields := strings.Fields(s.Text())
		if len(fields) < 6 {
			continue
		}
		from, to, _ := strings.Cut(fields[0], "-")
		lo, err1 := strconv.ParseUint(from, 16, 64)
		hi, err2 := strconv.ParseUint(to, 16, 64)
		if err1 == nil && err2 == nil && uint64(at) >= lo && uint64(at) < hi && strings.HasPrefix(fields[5], "/") {
			return strings.Join(fields[5:], " ")
		}
	}
	return ""
}
