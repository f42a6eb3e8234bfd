package wire

import (
	"context"
	"errors"
	"log/slog"
	"math/bits"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	"vecmill/internal/status"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream/blobfetch"
)

// faults logs the troubles of the places that one pipeline writes to, and keeps the last of each, of the brokers that it reads from, and of the stores and hosts of its objects, for whoever looks at the worker.
type faults struct {
	log      *slog.Logger
	pipeline string
	mu       struct {
		sync.Mutex
		all     []status.Fault  // one for each place that had one
		leftOut map[string]bool // best-effort outputs that lack rows until they are said to be well: another request that succeeds does not make them so
		waiting int             // fetches that have failed fetchesFailed times or more, and have not ended
	}
}

func newFaults(log *slog.Logger, pipeline string) *faults {
	f := &faults{log: log, pipeline: pipeline}
	f.mu.leftOut = map[string]bool{}
	return f
}

// tries is told of the tries of an output that does not answer.
func (f *faults) tries(output string) tellTries {
	log := seldom(func(tries int, err error) {
		f.log.Warn("failed; trying again", "pipeline", f.pipeline, "output", output, "tries", tries, "err", err)
	})
	return func(tries int, err error) {
		log(tries, err)
		if err != nil {
			f.note(output, faultClass(err), tries, err)
		} else {
			f.over(output)
		}
	}
}

// reads is told of the tries of the source, which logs them itself.
func (f *faults) reads(tries int, err error) {
	if err != nil {
		f.note(status.PlaceKafka, faultClass(err), tries, err)
	} else {
		f.over(status.PlaceKafka)
	}
}

// fetchesFailed is how often a fetch fails until it is a trouble: once or twice is everyday's where objects come by the thousand.
const fetchesFailed = 3

// fetches is told of the tries of what gets objects. Many are under way at once, and one that fails for good says no more of the place than that it did: the trouble is over when none of
// them waits and one has got its object.
func (f *faults) fetches(t blobfetch.Try) {
	if !t.Last && t.Failed >= 8 && bits.OnesCount(uint(t.Failed)) == 1 {
		f.log.Warn("getting an object failed; trying again", "pipeline", f.pipeline, "tries", t.Failed, "err", t.Err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	lasting := t.Failed >= fetchesFailed
	switch {
	case lasting && !t.Last:
		if t.Failed == fetchesFailed {
			f.mu.waiting++
		}
		f.noteLocked(status.PlaceFetch, faultClass(t.Err), t.Failed, t.Anonymous())
	case lasting:
		f.mu.waiting--
	}
	if t.Last && t.Err == nil && f.mu.waiting == 0 {
		f.overLocked(status.PlaceFetch)
	}
}

// leftOut is told of best-effort outputs that have failed, are full, or have refused rows, and with a nil error of those that are well again. It is sinks.NewTee's observe.
func (f *faults) leftOut(output string, err error) {
	class := faultClass(err)
	if err != nil {
		f.log.Error("a best-effort output failed", "pipeline", f.pipeline, "output", output, "err", err)
		if class == status.FaultRefused { // it has what comes behind them
			f.once(output, class, err)
			return
		}
	}
	f.mu.Lock()
	f.mu.leftOut[output] = err != nil
	f.mu.Unlock()
	if err != nil {
		f.note(output, class, 0, err)
	} else {
		f.over(output)
	}
}

// once notes what has happened and does not last. It does not hide what lasts.
func (f *faults) once(output string, class status.FaultClass, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.ofLocked(output)
	if x.Since != 0 && x.Until == 0 {
		return
	}
	now := time.Now().UnixMilli()
	*x = status.Fault{Output: output, Class: class, Message: kept(err.Error()), Advice: status.FaultAdvice(output, class), Since: now, Last: now, Until: now}
}

// stopped is told what ended the pipeline.
func (f *faults) stopped(err error) { f.note("", status.FaultStopped, 0, err) }

// faultText is how much of a message is kept: some servers send pages.
const faultText = 1000

func kept(message string) string {
	return strings.ToValidUTF8(message[:min(len(message), faultText)], "")
}

func (f *faults) note(output string, class status.FaultClass, tries int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.noteLocked(output, class, tries, err.Error())
}

func (f *faults) noteLocked(output string, class status.FaultClass, tries int, message string) {
	now := time.Now().UnixMilli()
	x := f.ofLocked(output)
	if x.Since == 0 || x.Until != 0 { // a new one
		*x = status.Fault{Output: output, Since: now}
	}
	x.Class, x.Advice, x.Last = class, status.FaultAdvice(output, class), now
	x.Message = kept(message)
	x.Tries = max(x.Tries, tries) // several requests to one place may fail at once, each with its own count
}

func (f *faults) over(output string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.overLocked(output)
}

func (f *faults) overLocked(output string) {
	if x := f.ofLocked(output); x.Until == 0 && !f.mu.leftOut[output] {
		x.Until = time.Now().UnixMilli()
	}
}

// ofLocked is the fault of an output, a new one if it had none.
func (f *faults) ofLocked(output string) *status.Fault {
	i := slices.IndexFunc(f.mu.all, func(x status.Fault) bool { return x.Output == output })
	if i < 0 {
		i = len(f.mu.all)
		f.mu.all = append(f.mu.all, status.Fault{Output: output})
	}
	return &f.mu.all[i]
}

// last are the faults, those that are not over first.
func (f *faults) last() []status.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]status.Fault, 0, len(f.mu.all))
	for _, over := range []bool{false, true} {
		for _, x := range f.mu.all {
			if x.Since != 0 && (x.Until != 0) == over {
				all = append(all, x)
			}
		}
	}
	return all
}

// faultClass says what kind of trouble an error of a place is. What is tried again and is nothing else is the place's own answer.
func faultClass(err error) status.FaultClass {
	if class, ok := schemas.PlaceFaultOf(err); ok {
		return status.FaultClass(class)
	}
	if sinks.AsRefused(err) != nil {
		return status.FaultRefused
	}
	dial, isDial := errors.AsType[*net.OpError](err)
	_, isName := errors.AsType[*net.DNSError](err)
	timeout, isNet := errors.AsType[net.Error](err)
	code := codes.Unknown
	if s, ok := grpcstatus.FromError(err); ok {
		code = s.Code()
	}
	switch {
	case isName, isDial && dial.Op == "dial", code == codes.Unavailable:
		return status.FaultClass(schemas.PlaceUnreachable)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, sinks.ErrFull), errors.Is(err, blobfetch.ErrStalled), errors.Is(err, blobfetch.ErrSlow), isNet && timeout.Timeout(), code == codes.DeadlineExceeded:
		return status.FaultSlow
	}
	return status.FaultAnswer
}
