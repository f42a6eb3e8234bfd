package wire

import (
	"io/fs"
	"os"
	"runtime"
	"testing"
	"testing/fstest"

	"vecmill/internal/config"
)

func TestTheLeastLimitOfMemoryCounts(t *testing.T) {
	const none = "9223372036854771712\n" // what the older kind says without a limit
	total := &fstest.MapFile{Data: []byte("MemTotal:        1000 kB\n")}
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for _, c := range []struct {
		name    string
		machine fstest.MapFS
		want    int64
		from    string
	}{
		{"no limit at all", fstest.MapFS{"proc/meminfo": total, "sys/fs/cgroup/memory.max": file("max\n")}, 1000 << 10, "this machine"},
		{"no limit of the older kind", fstest.MapFS{"proc/meminfo": total, "sys/fs/cgroup/memory/memory.limit_in_bytes": file(none)}, 1000 << 10, "this machine"},
		{"a limit above what there is", fstest.MapFS{"proc/meminfo": total, "sys/fs/cgroup/memory.max": file("2000000\n")}, 1000 << 10, "this machine"},
		{"a container", fstest.MapFS{"proc/meminfo": total, "sys/fs/cgroup/memory.max": file("5000\n"), "proc/self/cgroup": file("0::/\n")}, 5000, "the container"},
		{"a container that sees its name outside", fstest.MapFS{"proc/meminfo": total, "sys/fs/cgroup/memory.max": file("5000\n"), "proc/self/cgroup": file("0::/kubepods/pod1/c1\n")}, 5000, "the container"},
		{"a service, and the slice that it is in", fstest.MapFS{
			"proc/meminfo": total, "proc/self/cgroup": file("0::/system.slice/vecmill.service\n"),
			"sys/fs/cgroup/system.slice/vecmill.service/memory.max": file("max\n"), "sys/fs/cgroup/system.slice/memory.max": file("7000\n"),
		}, 7000, "the container"},
		{"a group of the older kind", fstest.MapFS{
			"proc/meminfo": total, "proc/self/cgroup": file("4:cpu,cpuacct:/docker/a\n3:memory:/docker/a\n1:name=systemd:/docker/a\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": file(none), "sys/fs/cgroup/memory/docker/a/memory.limit_in_bytes": file("6000\n"), "sys/fs/cgroup/docker/a/memory.max": file("1\n"),
		}, 6000, "the container"},
		{"nothing to be read", fstest.MapFS{"proc/meminfo": file("MemTotal: many\n"), "proc/self/cgroup": file("what is this\n"), "sys/fs/cgroup/memory.max": file("-1\n")}, 0, "this machine"},
	} {
		if got, from := availableMemory(c.machine); got != c.want || from != c.from {
			t.Errorf("%s: %d of %s, want %d of %s", c.name, got, from, c.want, c.from)
		}
	}
	if n, _ := availableMemory(os.DirFS("/")); n < 1<<20 {
		t.Errorf("this machine has %d bytes", n)
	}
}

// TestThePeakIsWhatAQuotaLeaves has two processors for Go, as it takes at least, and limits below and above them.
func TestThePeakIsWhatAQuotaLeaves(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	files := func(all ...string) fs.FS {
		m := fstest.MapFS{}
		for i := 0; i < len(all); i += 2 {
			m[all[i]] = &fstest.MapFile{Data: []byte(all[i+1] + "\n")}
		}
		return m
	}
	const older, inside = "sys/fs/cgroup/cpu", "/kubepods/pod1/c1"
	for _, c := range []struct {
		name    string
		machine fs.FS
		want    float64
	}{
		{"no files", files(), 1},
		{"no limit", files("sys/fs/cgroup/cpu.max", "max 100000"), 1},
		{"half a processor", files("sys/fs/cgroup/cpu.max", "50000 100000"), 0.25},
		{"one and a half", files("sys/fs/cgroup/cpu.max", "150000 100000"), 0.75},
		{"more than Go takes", files("sys/fs/cgroup/cpu.max", "400000 100000"), 1},
		{"a pod's, above the container's", files("proc/self/cgroup", "0::"+inside, "sys/fs/cgroup"+inside+"/cpu.max", "max 100000", "sys/fs/cgroup/kubepods/pod1/cpu.max", "100000 100000"), 0.5},
		{"the older kind without a limit", files(older+"/cpu.cfs_quota_us", "-1", older+"/cpu.cfs_period_us", "100000"), 1},
		{"the older kind", files("proc/self/cgroup", "4:cpu,cpuacct:"+inside+"\n3:memory:/m", older+inside+"/cpu.cfs_quota_us", "60000", older+inside+"/cpu.cfs_period_us", "50000"), 0.6},
		{"no numbers", files("sys/fs/cgroup/cpu.max", "many", older+"/cpu.cfs_quota_us", "", older+"/cpu.cfs_period_us", "0"), 1},
	} {
		if got := quotaShare(c.machine); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	whole, err := peak(t.Context(), &config.Config{}, files())
	if err != nil {
		t.Fatal(err)
	}
	part, err := peak(t.Context(), &config.Config{}, files("sys/fs/cgroup/cpu.max", "1 100000"))
	if err != nil {
		t.Fatal(err)
	}
	if part > whole/1000 || part <= 0 { // however unevenly they are measured
		t.Errorf("%g operations a second, and %g with a hundred-thousandth of a processor", whole, part)
	}
}
