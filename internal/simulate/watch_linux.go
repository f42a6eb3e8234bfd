package simulate

import (
	"io"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// watch sees to it that no thread of this process but one runs.
//
// The thread that takes processors away ("sysmon") looks at them every 20 us to 10 ms, but when it finds them all idle it sleeps: until a goroutine makes a system call, until
// the world was stopped and goes on, until the next timer (of real time), or for a minute. Neither a goroutine that the network wakes is among these nor what happens
// in a bubble. So the process idles, a timer that is a file wakes it, and from then on it makes no system call but raw ones, of which Go's scheduler knows nothing. Whether
// another thread has run is told by the kernel, which counts how often each gave its processor back: the scheduler's ways may change, and the count will say so.
type watch struct {
	alarm   *os.File // nil: it could not be made, or the kernel does not count
	conn    syscall.RawConn
	thread  uintptr // that plays
	counted int64   // how often the others had given a processor back when the world began
}

func newWatch() *watch {
	if usage(unix.RUSAGE_SELF) == 0 { // a kernel in a sandbox may give zeros, or refuse to answer; a program that has started has given processors back
		return &watch{}
	}
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return &watch{}
	}
	w := &watch{alarm: os.NewFile(uintptr(fd), "timerfd")}
	if w.conn, err = w.alarm.SyscallConn(); err != nil {
		return &watch{}
	}
	return w
}

// knows says whether disturbed can tell.
func (w *watch) knows() bool { return w.alarm != nil }

// begin idles for a while, and counts from then on.
func (w *watch) begin(idle time.Duration) {
	if !w.knows() {
		return
	}
	in := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(idle))}
	_ = w.conn.Read(func(fd uintptr) bool {
		if in.Value != (unix.Timespec{}) {
			_, _, e := unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&in)), 0, 0, 0)
			in.Value = unix.Timespec{}
			return e != 0 // nothing would end the wait
		}
		return true
	})
	w.thread, w.counted = others()
}

// disturbed says whether another thread may have run since begin. It says no only if none has.
func (w *watch) disturbed() bool {
	thread, counted := others()
	return !w.knows() || thread != w.thread || counted != w.counted
}

// others is the thread that asks, and how often all others of the process have given their processors back, of themselves or not.
func others() (thread uintptr, switches int64) {
	for {
		before, all, after := usage(unix.RUSAGE_THREAD), usage(unix.RUSAGE_SELF), usage(unix.RUSAGE_THREAD)
		if before == after { // else this one has given its own back meanwhile
			thread, _, _ = unix.RawSyscall(unix.SYS_GETTID, 0, 0, 0)
			return thread, all - after
		}
	}
}

func usage(who int) int64 {
	var u unix.Rusage
	_, _, _ = unix.RawSyscall(unix.SYS_GETRUSAGE, uintptr(who), uintptr(unsafe.Pointer(&u)), 0)
	return u.Nvcsw + u.Nivcsw
}

// unseen writes to a file, if w is one, with system calls that wake nobody.
func unseen(w io.Writer) io.Writer {
	f, ok := w.(*os.File)
	if !ok {
		return w
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return w
	}
	return rawFile{conn}
}

type rawFile struct{ conn syscall.RawConn }

// Write implements io.Writer.
func (f rawFile) Write(p []byte) (int, error) {
	n := 0
	var failed error
	err := f.conn.Control(func(fd uintptr) {
		for n < len(p) && failed == nil {
			m, _, e := unix.RawSyscall(unix.SYS_WRITE, fd, uintptr(unsafe.Pointer(&p[n])), uintptr(len(p)-n))
			switch e {
			case 0:
				n += int(m)
			case unix.EINTR:
			case unix.EAGAIN:
				ready := unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT}
				_, _, _ = unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&ready)), 1, 0, 0, 0, 0)
			default:
				failed = e
			}
		}
	})
	if failed == nil {
		failed = err
	}
	return n, failed
}
