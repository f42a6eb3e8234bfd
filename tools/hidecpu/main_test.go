//go:build linux && amd64

package main

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"
)

// asked has this binary say by its exit status what processor it sees, from several threads.
const asked = "VECMILL_HIDECPU_ASKED"

const sawAVX2, sawMore, crashed = 1, 2, 4

func TestMain(m *testing.M) {
	if os.Getenv(asked) == "" {
		os.Exit(m.Run())
	}
	seen := 0
	if cpu.X86.HasAVX2 {
		seen |= sawAVX2
	}
	var threads sync.WaitGroup
	var mu sync.Mutex
	for range 8 {
		threads.Go(func() {
			runtime.LockOSThread()
			more, crash := cpuid(7, 0).b&hidden[[2]uint32{7, 0}].b != 0 || cpu.X86.HasAVX512F || cpu.X86.HasAVX512VNNI, faults()
			mu.Lock()
			defer mu.Unlock()
			if more {
				seen |= sawMore
			}
			if !crash {
				seen |= crashed
			}
		})
	}
	threads.Wait()
	os.Exit(seen)
}

// faults says whether a fault of the process's own still reaches it.
func faults() (fault bool) {
	defer func() { fault = recover() != nil }()
	var none *[1 << 20]byte
	return none[1<<10] == 1
}

func TestAProcessSeesAProcessorWithAVX2Alone(t *testing.T) {
	runtime.LockOSThread()
	t.Setenv(asked, "yes")
	seen, err := run([]string{os.Args[0]})
	if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EPERM) {
		t.Skip(err) // a property of the machine, no tool that is missing
	}
	want := 0
	if cpu.X86.HasAVX2 {
		want = sawAVX2
	}
	if err != nil || seen != want {
		t.Errorf("status %b, %v, want %b", seen, err, want)
	}
}

func TestACommandThatIsNotThereIsSaid(t *testing.T) {
	if _, err := run([]string{"./no-such-command"}); err == nil || !strings.Contains(err.Error(), "finding the command") {
		t.Errorf("%v", err)
	}
}

// What is hidden is hidden in each answer that has it, and nothing else is.
func TestBitsAreClearedWhereTheyMeanIt(t *testing.T) {
	all := registers{^uint32(0), ^uint32(0), ^uint32(0), ^uint32(0)}
	if got := without(1, 0, all); got != all {
		t.Errorf("leaf 1: %+v", got)
	}
	const avx2, avx512f, vnni = 1 << 5, 1 << 16, 1 << 11
	if got := without(7, 0, all); got.a != all.a || got.b&avx2 == 0 || got.b&avx512f != 0 || got.c&vnni != 0 {
		t.Errorf("leaf 7: %+v", got)
	}
}
