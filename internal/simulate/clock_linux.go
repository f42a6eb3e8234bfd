package simulate

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// realTime is the machine's own clock, which package time does not show in a bubble. The raw system call never gives the processor away: a clock that did would change
// what it measures.
func realTime() time.Duration {
	var ts unix.Timespec
	if _, _, e := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&ts)), 0); e != 0 {
		return -1 // not known: every run may have been disturbed
	}
	return time.Duration(ts.Nano())
}
