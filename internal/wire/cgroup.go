package wire

import (
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// availableMemory is the container's limit, or the machine's memory if that is less; 0 if neither can be read.
func availableMemory(machine fs.FS) (bytes int64, from string) {
	bytes, from = machineMemory(machine), "this machine"
	for _, g := range cgroups(machine, "memory") {
		name := "memory.limit_in_bytes"
		if g.unified {
			name = "memory.max"
		}
		b, err := fs.ReadFile(machine, g.dir+"/"+name)
		if err != nil {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64) // or max
		if err == nil && n > 0 && (bytes == 0 || n < bytes) {
			bytes, from = n, "the container"
		}
	}
	return bytes, from
}

// quotaShare is the part of GOMAXPROCS processors' time that the container's CPU limit leaves, which may be no whole number of them, and less than the two that Go takes at least: 1 where there is no limit.
func quotaShare(machine fs.FS) float64 {
	share := 1.0
	for _, g := range cgroups(machine, "cpu") {
		var quota, period float64
		if g.unified {
			b, _ := fs.ReadFile(machine, g.dir+"/cpu.max") // no file, no limit
			_, _ = fmt.Sscan(string(b), &quota, &period)   // or max
		} else {
			quota, period = numberIn(machine, g.dir+"/cpu.cfs_quota_us"), numberIn(machine, g.dir+"/cpu.cfs_period_us")
		}
		if quota > 0 && period > 0 {
			share = min(share, quota/period/float64(runtime.GOMAXPROCS(0)))
		}
	}
	return share
}

// numberIn is what a file has, 0 if that is no number.
func numberIn(machine fs.FS, file string) (n float64) {
	b, _ := fs.ReadFile(machine, file) // there is none
	_, _ = fmt.Sscan(string(b), &n)
	return n
}

// cgroup is a control group's directory.
type cgroup struct {
	dir     string
	unified bool // of version 2
}

// cgroups are this process's control group and those above it, of both versions, for a controller. Inside a container its own group is the root of what is mounted, whatever /proc/self/cgroup calls it.
func cgroups(machine fs.FS, controller string) []cgroup {
	const unified = "sys/fs/cgroup"
	older := unified + "/" + controller
	all := []cgroup{{unified, true}, {older, false}}
	lines, _ := fs.ReadFile(machine, "proc/self/cgroup") // there are none
	for line := range strings.Lines(string(lines)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3) // number, controllers, path
		if len(fields) < 3 {
			continue
		}
		root := cgroup{unified, true}
		if slices.Contains(strings.Split(fields[1], ","), controller) {
			root = cgroup{older, false}
		} else if fields[1] != "" {
			continue // another controller's
		}
		for at := path.Clean("/" + fields[2]); at != "/"; at = path.Dir(at) {
			all = append(all, cgroup{root.dir + at, root.unified})
		}
	}
	return all
}
