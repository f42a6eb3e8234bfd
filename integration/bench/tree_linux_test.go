package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vecmill/integration/harness"
)

// usage is what a process and all that descend from it took.
type usage struct {
	cpu, wall time.Duration
	peak      int64 // bytes resident
}

const (
	lookEvery  = 20 * time.Millisecond // at the first process' memory
	countEvery = 5                     // looks: at the whole tree
	shareEvery = 25                    // looks: at the whole tree's memory
	outliving  = 30 * time.Second      // is as long as descendants may
)

// watched is a process under measurement, with its descendants, also those that leave its session or outlive their parents: this process is their subreaper, so that
// who loses a parent becomes a child of it. The kernel adds a process' time to that of who waits for it. It is added to nobody's if the parent ignores SIGCHLD, as Ray's raylet
// does; then it is what the last look has seen. One process is watched at a time.
type watched struct {
	*harness.Process
	began   time.Time
	others  map[int]bool // children of this process that were there before
	seen    map[life]*sight
	adopted time.Duration // of descendants that this process has waited for
	peak    int64
	grace   time.Duration // for those that outlive the first process
	left    []string      // names of those that had to be killed then
	ended   chan usage
}

// life is a process, whose number may come again.
type life struct {
	pid   int
	start string // clock ticks since boot
}

// sight is what was last seen of a process.
type sight struct {
	stat
	unwaited bool // its parent ignores SIGCHLD
	waited   bool // by this process
}

// stat is part of /proc/PID/stat.
type stat struct {
	life
	name   string
	parent int
	cpu    time.Duration // with that of the children it has waited for
}

// watch starts a process, and looks at it and its descendants until all have ended.
func watch(tb testing.TB, c harness.Command) *watched {
	tb.Helper()
	return watchFor(tb, c, outliving)
}

func watchFor(tb testing.TB, c harness.Command, grace time.Duration) *watched {
	tb.Helper()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		tb.Fatalf("becoming a subreaper: %v", err)
	}
	w := &watched{others: map[int]bool{}, seen: map[life]*sight{}, grace: grace, ended: make(chan usage, 1)} // one value
	for _, s := range processes() {
		w.others[s.pid] = s.parent == os.Getpid()
	}
	w.began = time.Now()
	w.Process = harness.Start(tb, c)
	go w.follow()
	return w
}

func (w *watched) follow() {
	for n := 0; ; n++ {
		// The kernel's own maximum for a child counts the parent's memory from before exec; VmHWM begins at exec.
		w.peak = max(w.peak, resident(w.PID(), "status", "VmHWM"))
		if n%countEvery == 0 {
			w.look(n%shareEvery == 0)
		}
		select {
		case <-w.Exited():
			u := usage{wall: time.Since(w.began)}
			w.outlive()
			u.cpu, u.peak = w.adopted+w.unwaited(), w.peak
			w.ended <- u
			return
		case <-time.After(lookEvery):
		}
	}
}

// usage is known once the process and its descendants have ended.
func (w *watched) usage(tb testing.TB) usage {
	tb.Helper()
	state, u := w.Wait(tb, patience), <-w.ended
	u.cpu += state.UserTime() + state.SystemTime()
	if len(w.left) > 0 {
		tb.Errorf("%v later these were still there, and were killed: %s", w.grace, strings.Join(w.left, ", "))
	}
	return u
}

// look takes down the living, waits for children that have come to this process and have ended, and gives the living. The memory of a tree is the sum of what each
// process has resident, where a page that several have counts once (the kernel's proportional set size).
func (w *watched) look(share bool) (living []stat) {
	all := processes()
	children := map[int][]stat{}
	for _, s := range all {
		children[s.parent] = append(children[s.parent], s)
	}
	var sum int64
	var walk func(s *stat, unwaited bool)
	walk = func(s *stat, unwaited bool) {
		living = append(living, *s)
		w.seen[s.life] = &sight{stat: *s, unwaited: unwaited}
		if share {
			sum += resident(s.pid, "smaps_rollup", "Pss")
		}
		below := children[s.pid]
		unwaited = len(below) > 0 && ignoresChildren(s.pid)
		for i := range below {
			walk(&below[i], unwaited)
		}
	}
	for _, s := range children[os.Getpid()] {
		if s.pid == w.PID() {
			walk(&s, false)
			continue
		}
		if w.others[s.pid] {
			continue
		}
		var ru unix.Rusage
		if got, err := unix.Wait4(s.pid, nil, unix.WNOHANG, &ru); err == nil && got == s.pid {
			w.adopted += time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
			w.seen[s.life] = &sight{stat: s, waited: true}
			continue
		}
		walk(&s, false)
	}
	w.peak = max(w.peak, sum)
	return living
}

// outlive waits for those that are left when the first process has ended, and kills them if that takes too long.
func (w *watched) outlive() {
	for deadline := time.Now().Add(w.grace); ; time.Sleep(lookEvery) {
		living := w.look(false)
		if len(living) == 0 {
			return
		}
		if time.Now().Before(deadline) {
			continue
		}
		for _, s := range living {
			w.left = append(w.left, s.name)
			_ = unix.Kill(s.pid, unix.SIGKILL) // one that has just ended
		}
		deadline = time.Now().Add(w.grace)
	}
}

// unwaited is the time that the kernel has added to nobody's.
func (w *watched) unwaited() (sum time.Duration) {
	for _, s := range w.seen {
		if s.unwaited && !s.waited {
			sum += s.cpu
		}
	}
	return sum
}

// clockTick is the unit of times in /proc/PID/stat: USER_HZ, 100 on all that Linux runs on.
const clockTick = 10 * time.Millisecond

func processes() (all []stat) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		if s, ok := parseStat(string(b)); ok {
			all = append(all, s)
		}
	}
	return all
}

// parseStat reads a line as proc(5) has it; the name may have anything in it.
func parseStat(line string) (s stat, ok bool) {
	open, end := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return s, false
	}
	s.name = line[open+1 : end]
	rest := strings.Fields(line[end+1:]) // from the third field on
	var err error
	if s.pid, err = strconv.Atoi(strings.TrimSpace(line[:open])); err != nil || len(rest) < 20 {
		return s, false
	}
	s.start = rest[19]
	numbers := [5]int{}
	for i, at := range []int{1, 11, 12, 13, 14} { // parent; user and system time, its own and its children's
		if numbers[i], err = strconv.Atoi(rest[at]); err != nil {
			return s, false
		}
	}
	s.parent = numbers[0]
	s.cpu = time.Duration(numbers[1]+numbers[2]+numbers[3]+numbers[4]) * clockTick
	return s, true
}

// resident is a number of a file of /proc/PID that is in kB there, in bytes; 0 once the process is gone.
func resident(pid int, file, name string) int64 {
	kb, err := strconv.ParseInt(strings.TrimSuffix(field(pid, file, name), " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}

// ignoresChildren says whether a process ignores SIGCHLD: its children then end without being waited for.
func ignoresChildren(pid int) bool {
	mask, err := strconv.ParseUint(field(pid, "status", "SigIgn"), 16, 64)
	return err == nil && mask&(1<<(unix.SIGCHLD-1)) != 0
}

func field(pid int, file, name string) string {
	body, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return ""
	}
	for line := range bytes.Lines(body) {
		if value, ok := strings.CutPrefix(string(line), name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
