package embed

import (
	"context"
	"math"
	"time"

	"vecmill/internal/waiting"
)

// balance says how many objects are decoded at once while sessions have enough to do: as many as keep up with them, and no more, since on one processor decoding takes the sessions' cores.
// It is a pure state machine.
type balance struct {
	most   int // workers there are
	active int
	less   int // looks in a row that fewer would have done for
	enough int // the most that these asked for
}

const (
	headroom   = 1.25        // decoding does so much more than sessions take, so that lengths and sizes may vary
	lessAfter  = 5           // looks that agree before there are fewer
	lookPeriod = time.Second // of busy sessions, at least, from one look to the next
)

// newBalance begins with as many as an earlier run ended with, 0: with all there are.
func newBalance(most, begin int) balance {
	if begin <= 0 {
		begin = most
	}
	return balance{most: most, active: min(begin, most)}
}

// look takes the time that decoding and sessions were busy since the last look, each added up over those that are there, and gives how many may decode. More are let in at once, fewer when several looks have said so.
func (b *balance) look(decoding, inferring time.Duration, sessions int) int {
	if inferring <= 0 {
		return b.active
	}
	each := inferring.Seconds() / float64(sessions) // while all of them are busy
	want := min(max(int(math.Ceil(headroom*decoding.Seconds()/each)), 1), b.most)
	switch {
	case want >= b.active:
		b.active, b.less, b.enough = want, 0, 0
	default:
		b.less, b.enough = b.less+1, max(b.enough, want)
		if b.less == lessAfter {
			b.active, b.less, b.enough = b.enough, 0, 0
		}
	}
	return b.active
}

// decoders lets workers decode: all of them while no sample waits for a batch, and else as many as the balance says, in the order of their coming: a recording asks
// anew for each of its windows, and would else be done before others begin. Live objects do not wait for the backfill's, and go first. Its fields are under the engine's lock.
type decoders struct {
	balance
	line              waiting.Line // ranks are priorities
	busy              [priorities]int
	decoded, inferred time.Duration // totals at the last look
}

// room says whether one more of a priority may decode while samples wait for a batch.
func (d *decoders) room(p Priority) bool {
	busy := d.busy[Live]
	if p == Backfill {
		busy += d.busy[Backfill]
	}
	return busy < d.active
}

// begin waits until the worker may decode; false means that ctx has ended.
func (e *Engine) begin(ctx context.Context, p Priority) bool {
	e.mu.Lock()
	place := e.mu.decoders.line.Enter(int(p))
	e.letLocked()
	e.mu.Unlock()
	select {
	case <-place.Granted():
		return true
	case <-ctx.Done():
	}
	e.mu.Lock()
	left := e.mu.decoders.line.Leave(place)
	e.mu.Unlock()
	return !left
}

// end is a worker's that no longer decodes: it is done, waits for something, or is given up.
func (e *Engine) end(p Priority) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.decoders.busy[p]--
	e.letLocked()
}

// letLocked lets workers decode that wait for it. While several priorities wait, the backfill's alms (waiting.Line) are above what the balance says, since live objects do not wait for them.
func (e *Engine) letLocked() {
	d := &e.mu.decoders
	for first, waits := d.line.First(); waits && (d.room(Priority(first)) || e.mu.batcher.Len() == 0); first, waits = d.line.First() {
		p := Priority(d.line.Grant())
		d.busy[p]++
	}
}

// lookLocked has the balance look at the stages' times, if there is something to see.
func (e *Engine) lookLocked() {
	d := &e.mu.decoders
	decoded, inferred := time.Duration(e.stats.preprocess.Load()), time.Duration(e.stats.infer.Load())
	if !e.cfg.Balance || inferred-d.inferred < lookPeriod*time.Duration(len(e.sessions)) {
		return
	}
	d.look(decoded-d.decoded, inferred-d.inferred, len(e.sessions))
	d.decoded, d.inferred = decoded, inferred
	e.letLocked()
}
