package simulate

import (
	"bytes"
	"flag"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"testing"
)

var (
	replays = flag.Uint64("replays", 25, "number of seeds that are played twice")
	hashes  = flag.Bool("hashes", false, "print the traces' hashes of these")
	busy    = flag.Int("busy", 2, "programs to a processor that keep the machine busy while a fifth of these are played")
)

// asLoad makes this test's binary a program that only takes time, until its standard input ends.
const asLoad = "VECMILL_TEST_AS_LOAD"

func beLoad() {
	go func() {
		for n := 0; ; n++ {
			_ = n
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// load keeps the machine busy for the rest of a test.
func load(t *testing.T, programs int) {
	t.Helper()
	for range programs {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), asLoad+"=1", "GOMAXPROCS=2")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = in.Close()
			_ = cmd.Wait()
		})
	}
}

// TestASeedRepeatsItself does so on a machine as it is and on one with several programs to a processor, on which Go takes the processor from goroutines that have stood still.
func TestASeedRepeatsItself(t *testing.T) {
	for _, c := range []struct {
		name     string
		seeds    uint64
		programs int
	}{{"alone", *replays, 0}, {"on a busy machine", *replays / 5, *busy * runtime.NumCPU()}} {
		t.Run(c.name, func(t *testing.T) {
			load(t, c.programs)
			disturbed := uint64(0)
			for seed := *first; seed < *first+c.seeds; seed++ {
				a, b := stage.Exactly(t, Draw(seed), nil), stage.Exactly(t, Draw(seed), nil)
				if *hashes {
					t.Logf("seed %d: trace %s", seed, a.Hash)
				}
				switch {
				case a.Disturbed || b.Disturbed:
					disturbed++
				case a.Hash != b.Hash:
					t.Errorf("seed %d goes two ways although nothing else ran in this process: %s", seed, difference(&a, &b))
				}
			}
			t.Logf("%d of %d seeds could not be played undisturbed", disturbed, c.seeds)
			if stage.w.knows() && disturbed > c.seeds/2 {
				t.Errorf("other threads of this process ran during %d of %d seeds, in %d tries each: what wakes them?", disturbed, c.seeds, tries)
			}
		})
	}
}

// TestTheTraceOfAPanicSaysWhichWorldItWas looks at the header of a goroutine's trace, which a panic would print.
func TestTheTraceOfAPanicSaysWhichWorldItWas(t *testing.T) {
	c := Campaign{}
	plan, err := c.Plan(7)
	if err != nil {
		t.Fatal(err)
	}
	var trace []byte
	run(t, &plan, nil, func() bool { trace = debug.Stack(); return false })
	if want := `"reproduce": "` + c.Command(7) + `"`; !bytes.Contains(trace, []byte(want)) {
		t.Errorf("no %s in\n%s", want, trace)
	}
}
