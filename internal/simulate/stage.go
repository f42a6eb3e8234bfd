package simulate

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// Stage is a process set up for worlds: one order of goroutines, whatever the machine does. Many become ready in one instant of virtual time, and one processor runs them in
// the order in which they became it, unless real time comes between, in one of two ways. The collector may: so garbage is collected between worlds, which are small and short.
// And Go takes the processor from a goroutine that has had it for 10 ms, which pass on a busy machine while it stands still: so a world begins when the thread that does
// this has gone to sleep (see watch), and a run says whether any other thread of the process has run before its end ([Result].Disturbed).
type Stage struct {
	w    *watch
	idle time.Duration // what lets the other threads fall asleep on this machine
}

// most is the memory at which garbage is collected during a world, too: none comes near it that is not out of hand.
const most = 2 << 30

// NewStage sets the process up; no more than one goroutine may use it, and the rest of the process should do nothing meanwhile.
func NewStage() *Stage {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(most)
	_ = os.Setenv("GODEBUG", strings.TrimPrefix(os.Getenv("GODEBUG")+",tracebacklabels=1", ",")) // the trace of a panic says which world it was
	return &Stage{w: newWatch(), idle: shortest}
}

// How long a process idles before a world. An idle machine needs the shortest, the longest is for one with dozens of programs to a processor.
const (
	shortest = 2 * time.Millisecond
	longest  = 256 * time.Millisecond
)

// tries is how often a world is played until nothing comes between.
const tries = 12

// Run plays a plan once. logs, which may be nil, gets the workers' own logs.
func (s *Stage) Run(t *testing.T, plan Plan, logs io.Writer) Result {
	runtime.GC() // what earlier worlds have left
	s.w.begin(s.idle)
	return run(t, &plan, logs, s.w.disturbed)
}

// Exactly plays a plan until nothing has come between: the run that is the same each time, on any machine with this program. It gives up after some tries, and says so
// ([Result].Disturbed); over kafka, whose runs differ anyway, it plays once.
func (s *Stage) Exactly(t *testing.T, plan Plan, logs io.Writer) Result {
	for try := 1; ; try++ {
		res := s.Run(t, plan, logs)
		switch {
		case !res.Disturbed:
			s.idle = max(shortest, s.idle-s.idle/8)
			return res
		case try == tries || !s.w.knows() || plan.Source == Kafka:
			return res
		}
		s.idle = min(longest, 2*s.idle)
		if logs != nil {
			fmt.Fprintln(logs, "other threads of the process ran meanwhile: played again")
		}
	}
}
