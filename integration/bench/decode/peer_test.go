package decode

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"vecmill/integration/harness"
)

// rounds is odd: the median is one of them.
const rounds = 9

// contestant does one thing n times and says how much CPU time that took.
type contestant struct {
	name string
	run  func(n int) time.Duration
}

// ours is a contestant in this process.
func ours(b *testing.B, name string, item func() error) contestant {
	return contestant{name, func(n int) time.Duration {
		before := cpuTime(b)
		for range n {
			if err := item(); err != nil {
				b.Fatal(err)
			}
		}
		return cpuTime(b) - before
	}}
}

// cpuTime is what this process has used so far, garbage collection included.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peer is a running peer.py.
type peer struct {
	in  io.WriteCloser
	out *bufio.Scanner
}

// startPeer runs the script with arguments; it is stopped when the benchmark ends.
func startPeer(b *testing.B, script string, args ...string) *peer {
	b.Helper()
	packages := harness.DecodePeers(b)
	cmd := exec.Command("python3", append([]string{script}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+packages, "TOKENIZERS_PARALLELISM=false", "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatalf("starting %s: %v", script, err)
	}
	b.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	return &peer{in, bufio.NewScanner(out)}
}

// wait lets the peer end, which it does when its input does.
func (p *peer) wait(b *testing.B) {
	if err := p.in.Close(); err != nil {
		b.Fatal(err)
	}
	if p.out.Scan() {
		b.Fatalf("the peer says %q", p.out.Text())
	}
}

// theirs is a contestant in the peer.
func (p *peer) theirs(b *testing.B, name string) contestant {
	return contestant{name, func(n int) time.Duration {
		if _, err := fmt.Fprintln(p.in, name, n); err != nil {
			b.Fatal(err)
		}
		var seconds float64
		if !p.out.Scan() {
			b.Fatalf("the peer ended in %s", name)
		}
		if _, err := fmt.Sscan(p.out.Text(), &seconds); err != nil {
			b.Fatalf("the peer answers %q to %s: %v", p.out.Text(), name, err)
		}
		return time.Duration(seconds * float64(time.Second))
	}}
}

// race runs all contestants n items a round and reports each one's least time an item, and for each pair the median of theirs over ours. A pair is
// "ours/theirs" by name.
func race(b *testing.B, n int, all []contestant, pairs ...string) {
	b.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, c := range all {
		c.run(max(n/4, 1)) // warm
	}
	times := map[string][]time.Duration{}
	for b.Loop() {
		for round := range rounds {
			for i := range all {
				c := all[(i+round)%len(all)]
				times[c.name] = append(times[c.name], c.run(n))
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	for _, c := range all {
		b.Logf("%-32s %8.3f ms/item", c.name, float64(slices.Min(times[c.name]))/float64(n)/1e6)
	}
	for _, pair := range pairs {
		mine, other, ok := strings.Cut(pair, "/")
		if !ok || times[mine] == nil || times[other] == nil {
			b.Fatalf("no such pair: %s", pair)
		}
		ratios := make([]float64, len(times[mine]))
		for i := range ratios {
			ratios[i] = float64(times[other][i]) / float64(times[mine][i])
		}
		slices.Sort(ratios)
		b.ReportMetric(ratios[len(ratios)/2], strings.ReplaceAll(other+"/"+mine, " ", "-"))
	}
}
