package bench

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"vecmill/internal/hugepages"
	"vecmill/model"
	"vecmill/schemas"
)

// computes in the environment, with a modality, makes TestComputes a bare session that computes its corpus at every line that it is sent.
const computes = "VECMILL_BENCH_COMPUTES"

// BenchmarkPages runs the same bare session in two processes in turns (VECMILL_BENCH_TURNS), one of whose C libraries asks the kernel for pages of 2 MiB, as the worker's does. x-small is the CPU time in pages of 4 KiB over
// that in large ones, of the fastest quarter of the turns; MB-small and MB-large are what is resident at the end, and MB-huge what of the latter is in large pages.
func BenchmarkPages(b *testing.B) {
	if mode := hugepages.ModeOf(os.DirFS("/")); mode != hugepages.Madvise {
		b.Skipf("this kernel's large pages are for %q, not for who asks", mode)
	}
	for name, m := range map[string]schemas.Modality{"text": schemas.Text, "audio": schemas.Audio, "images": schemas.Image} {
		b.Run(name, func(b *testing.B) {
			small, large := startComputing(b, m, 0), startComputing(b, m, 1)
			for b.Loop() {
				b.ReportMetric(contest(b, turnsOf(b), small.run, large.run), "x-small")
			}
			b.ReportMetric(float64(resident(small.pid, "status", "VmRSS"))/1e6, "MB-small")
			b.ReportMetric(float64(resident(large.pid, "status", "VmRSS"))/1e6, "MB-large")
			b.ReportMetric(float64(resident(large.pid, "smaps_rollup", "AnonHugePages"))/1e6, "MB-huge")
		})
	}
}

// TestComputes is the process that BenchmarkPages starts, and nothing by itself.
func TestComputes(t *testing.T) {
	m := schemas.Modality(os.Getenv(computes))
	setups := map[schemas.Modality]setup{schemas.Text: textSetup(24), schemas.Audio: audioSetup(2), schemas.Image: imageSetup(8)}
	s, ok := setups[m]
	if !ok {
		t.Skip("it is started by BenchmarkPages")
	}
	dir := checkpoint(t, demoModels(t), s.modality, number(t, "VECMILL_BENCH_LAYERS", 4))
	x := openBare(t, dir, t.TempDir(), model.Single, s, corpus(t, s.modality, 1, s.items))
	x.run(t) // the first runs of a session are slower
	lines := bufio.NewScanner(os.Stdin)
	for fmt.Println(); lines.Scan(); {
		fmt.Println("took", x.run(t).Nanoseconds())
	}
}

// computing is a process with a bare session.
type computing struct {
	pid int
	ask io.Writer
	say *bufio.Scanner
}

func startComputing(b *testing.B, m schemas.Modality, large int) *computing {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestComputes$", "-test.timeout", "0")
	cmd.Env = append(os.Environ(), fmt.Sprintf("GLIBC_TUNABLES=glibc.malloc.hugetlb=%d", large), computes+"="+string(m), fmt.Sprint("VECMILL_BENCH_LAYERS=", number(b, "VECMILL_BENCH_LAYERS", 4)))
	cmd.Stderr = os.Stderr
	ask, err1 := cmd.StdinPipe()
	say, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		b.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = ask.Close() // ends it
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	return &computing{cmd.Process.Pid, ask, bufio.NewScanner(say)}
}

// run has it compute its corpus once.
func (c *computing) run(tb testing.TB) time.Duration {
	tb.Helper()
	if _, err := io.WriteString(c.ask, "\n"); err != nil {
		tb.Fatal(err)
	}
	for c.say.Scan() {
		if ns, ok := strings.CutPrefix(c.say.Text(), "took "); ok {
			n, err := strconv.ParseInt(ns, 10, 64)
			if err != nil {
				tb.Fatal(err)
			}
			return time.Duration(n)
		}
	}
	tb.Fatal("the process that computes has ended: ", c.say.Err())
	return 0
}
