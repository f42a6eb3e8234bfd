package hugepages

import (
	"io/fs"
	"os"
	"strings"
)

// Mode is to whom the kernel gives large pages.
type Mode string

// The modes of Linux. Unknown is that of a kernel without them, and of other systems.
const (
	Always  Mode = "always"
	Madvise Mode = "madvise" // who asks
	Never   Mode = "never"
	Unknown Mode = ""
)

// ModeOf reads the setting of a machine, whose root is given.
func ModeOf(machine fs.FS) Mode {
	setting, err := fs.ReadFile(machine, "sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil {
		return Unknown
	}
	_, rest, _ := strings.Cut(string(setting), "[") // always [madvise] never
	chosen, _, _ := strings.Cut(rest, "]")
	return Mode(chosen)
}

const (
	variable = "GLIBC_TUNABLES"
	tunable  = "glibc.malloc.hugetlb"

	// marker says that this process has begun again: a loader takes GLIBC_TUNABLES from a program with more rights than its user's.
	marker = "VECMILL_ASKED_FOR_PAGES"
)

// Asked says whether the C library of this process asks the kernel for large pages.
func Asked() bool {
	value, named := named(os.Getenv(variable))
	return named && value != "0"
}

// named is what tunables say of large pages. The last one counts.
func named(tunables string) (value string, is bool) {
	for one := range strings.SplitSeq(tunables, ":") {
		if name, v, ok := strings.Cut(one, "="); ok && name == tunable {
			value, is = v, true
		}
	}
	return value, is
}

// environment is env with the wish for large pages; false if there is none to add.
func environment(env []string, mode Mode) ([]string, bool) {
	if mode != Madvise {
		return nil, false
	}
	wish := tunable + "=1"
	wanted := make([]string, 0, len(env)+1)
	for _, one := range env {
		name, value, _ := strings.Cut(one, "=")
		if name == marker {
			return nil, false
		}
		if name != variable {
			wanted = append(wanted, one)
			continue
		}
		if _, is := named(value); is {
			return nil, false
		}
		if value != "" {
			wish = value + ":" + wish
		}
	}
	return append(wanted, variable+"="+wish, marker+"=1"), true
}
