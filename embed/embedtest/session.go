package embedtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"vecmill/embed"
)

// ErrPoison is what a run over a poisoned batch returns.
var ErrPoison = errors.New("poisoned input")

// ErrBroken is what every run of a session returns that has broken.
var ErrBroken = errors.New("the fake device is lost")

// ErrClosed is what Run answers after Close.
var ErrClosed = errors.New("the fake session is closed")

// Config says what a fake session computes and how it misbehaves. The zero value gives `last_hidden_state` [B, T, 1], one step per value.
type Config struct {
	Output  string  // name of the output, default last_hidden_state
	Width   int     // size of its last axis, default 1
	Hop     int     // values per step, default 1: n values make n/Hop steps, as audio convolutions whose kernels equal their strides do
	PerItem bool    // [B, Width], the sum over the steps, instead of [B, T, Width]
	Garbage float32 // what fills the output behind an item's own steps

	Delay     time.Duration // every run takes this long; a run under way ends with ctx
	StepTime  time.Duration // and this for each padded step of the batch
	Poison    []float64     // a batch with one of these among its values fails with ErrPoison
	Panic     []float64     // a batch with one of these among its values panics
	Fail      func() error  // asked at every run, e.g. for faults that pass; nil means never
	NoNumbers func() bool   // asked at every run: whether its output is NaN throughout, without a fault; nil means never
	Breaks    int           // every run from this one on, counted from 1, fails with ErrBroken, as those of a device that is lost do; 0 means never
}

// Session is an embed.Session made of arithmetic. With x the values of an item (samples, token ids or pixels) and
//
//	v(t) = x[t*Hop] + ... + x[t*Hop+Hop-1]
//
// step t of the output holds v(t)*(d+1) at place d, and PerItem outputs hold the sum over the item's steps. Sums are taken
// in float64 and rounded once, so results do not depend on the batch.
//
// It understands input_values with lengths, input_ids with attention_mask, and pixel_values.
type Session struct {
	cfg     Config
	runs    atomic.Int64
	rows    atomic.Int64
	running sync.WaitGroup
	mu      struct {
		sync.Mutex
		closed bool
	}
}

// NewSession makes a fake session.
func NewSession(cfg Config) *Session {
	if cfg.Output == "" {
		cfg.Output = "last_hidden_state"
	}
	cfg.Width, cfg.Hop = max(cfg.Width, 1), max(cfg.Hop, 1)
	return &Session{cfg: cfg}
}

// Runs counts the runs so far, failed ones included.
func (s *Session) Runs() int { return int(s.runs.Load()) }

// Rows counts the items of all runs so far.
func (s *Session) Rows() int { return int(s.rows.Load()) }

// Step is what the fake computes for one step of an item, before the multiplication by d+1: the sum of the values.
func Step(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum
}

// Run computes the output; see Session and Config.
func (s *Session) Run(ctx context.Context, inputs []embed.Tensor) (*embed.Output, error) {
	s.mu.Lock()
	if s.mu.closed {
		s.mu.Unlock()
		return nil, ErrClosed
	}
	s.running.Add(1) // under the lock, so that Close waits for every call that passed the check
	s.mu.Unlock()
	defer s.running.Done()
	run := s.runs.Add(1)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b, err := parse(inputs)
	if err != nil {
		return nil, err
	}
	s.rows.Add(int64(len(b.valid)))
	if s.cfg.Breaks > 0 && run >= int64(s.cfg.Breaks) {
		return nil, ErrBroken // at once, whatever a run takes
	}
	if err := s.misbehave(ctx, b); err != nil {
		return nil, err
	}
	out := s.compute(b)
	if s.cfg.NoNumbers != nil && s.cfg.NoNumbers() {
		for i := range out.F32 {
			out.F32[i] = float32(math.NaN())
		}
	}
	return &embed.Output{Tensors: []embed.Tensor{out}}, nil
}

func (s *Session) misbehave(ctx context.Context, b *rows) error {
	if d := s.cfg.Delay + time.Duration(len(b.valid)*(b.longest/s.cfg.Hop))*s.cfg.StepTime; d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if s.cfg.Fail != nil {
		if err := s.cfg.Fail(); err != nil {
			return err
		}
	}
	for _, p := range s.cfg.Panic {
		if i := b.find(p); i >= 0 {
			panic(fmt.Sprintf("row %d holds %g", i, p))
		}
	}
	for _, p := range s.cfg.Poison {
		if i := b.find(p); i >= 0 {
			return fmt.Errorf("row %d holds %g: %w", i, p, ErrPoison)
		}
	}
	return nil
}

func (s *Session) compute(b *rows) embed.Tensor {
	n, width, steps := len(b.valid), s.cfg.Width, b.longest/s.cfg.Hop
	t := embed.Tensor{Name: s.cfg.Output, Shape: []int64{int64(n), int64(steps), int64(width)}}
	if s.cfg.PerItem {
		t.Shape = []int64{int64(n), int64(width)}
		for i := range n {
			total := Step(b.values[i][:b.valid[i]/s.cfg.Hop*s.cfg.Hop])
			for d := range width {
				t.F32 = append(t.F32, float32(total*float64(d+1)))
			}
		}
		return t
	}
	t.F32 = make([]float32, 0, n*steps*width)
	for i := range n {
		own := b.valid[i] / s.cfg.Hop
		for at := range steps {
			for d := range width {
				v := s.cfg.Garbage
				if at < own {
					v = float32(Step(b.values[i][at*s.cfg.Hop:(at+1)*s.cfg.Hop]) * float64(d+1))
				}
				t.F32 = append(t.F32, v)
			}
		}
	}
	return t
}

// Close waits for running calls. Closing twice is fine.
func (s *Session) Close() error {
	s.mu.Lock()
	s.mu.closed = true
	s.mu.Unlock()
	s.running.Wait()
	return nil
}
