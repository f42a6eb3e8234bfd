package manifestsource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"vecmill/internal/pace"
	"vecmill/stream"
)

// A chunk is handed over when it has so many lines or bytes.
const (
	chunkLines = 32 // few: what is handed over is not held back by the gate
	chunkBytes = 1 << 20
)

// List is what a manifest comes down to: values by number, none of which changes. It is for one goroutine at a time.
type List interface {
	// Len is the number of values.
	Len() int64

	// From gives the values from number n on, one at each call, and io.EOF behind the last. A value is valid until the next call; nil is a tombstone.
	From(ctx context.Context, n int64) (next func() ([]byte, error), err error)

	// Changed is when the list was made.
	Changed() time.Time

	Close() error
}

// growing is a list to whose file lines may be appended: whoever does may be in the middle of one.
type growing interface {
	// Whole is the number of values without those at the end that may be a part of what is being written.
	Whole(ctx context.Context) (int64, error)
}

// Source reads one manifest. It implements stream.Source.
type Source struct {
	// DrainTimeout is how long work in flight may take to be finished once Run's context has ended. It may be changed before Run.
	DrainTimeout time.Duration

	// Rate is the most values a second that are handed over; 0 means as many as are taken. It may be changed before Run.
	Rate float64

	// Gate holds values back while it is shut; nil is always open. What was handed over before is finished. It may be changed before Run.
	Gate *pace.Gate

	// Sum is that of the list's content (File), which Run refuses if it is another; "" is any: the name is a promise then, and the list may grow. It may be changed before Run.
	Sum string

	// Cut is told that of a list that may grow so many values are delivered, since those behind them may be half written; nil: nobody. It may be changed before Run.
	Cut func(whole int64)

	// Same refuses a list that is not the one which the output has something of, as far as it can be told: one that ends before it with stream.ErrBeyondEnd. nil asks nobody. It is called before the outputs are resumed, which gives some of them what others have. It may be changed before Run.
	Same func(ctx context.Context, list List) error

	// Kept is told, as often as the pipeline commits, up to where all is durable; nil: nobody. It may be changed before Run.
	Kept func(ctx context.Context, next int64) error

	// ID is the partition's: of a list that several runs divide, the share that this one reads; 0 is all of it. It may be changed before Run.
	ID int

	open func(ctx context.Context) (List, error)
	name string // of the manifest in the output
	from string // for errors

	start, durable, total atomic.Int64
}

// Covered says where the run began, up to where the output is durable, and how many values there are: -1 until the output was asked where it ends. It may be called at any time, also
// when Run has returned.
func (s *Source) Covered() (start, durable, total int64) {
	total = s.total.Load() // first: Run stores it last
	return s.start.Load(), s.durable.Load(), total
}

// New takes the manifest's place, the name that its output's lineage carries, and the columns of a table (Open). The list is opened by Run.
func New(at Place, name string, c Columns) (*Source, error) {
	if at.At == "" || name == "" {
		return nil, errors.New("manifest: path and name must be given")
	}
	var s *Source
	s = NewList(func(ctx context.Context) (List, error) { return OpenSame(ctx, at, s.Sum, c) }, name, at.At)
	return s, nil
}

// NewList takes a list that Run opens, twice at once if a sink refuses rows, and names: the one that its output's lineage carries, and the one for errors.
func NewList(open func(ctx context.Context) (List, error), name, from string) *Source {
	s := &Source{DrainTimeout: 30 * time.Second, open: open, name: name, from: from}
	s.total.Store(-1)
	return s
}

// Partition is the only partition that it delivers.
func (s *Source) Partition() stream.Partition {
	return stream.Partition{Topic: "manifest:" + s.name, ID: s.ID}
}

// Run implements stream.Source: it delivers the values from where Assigned says to the last, waits until all of them are settled, and returns nil.
func (s *Source) Run(ctx context.Context, a stream.Assignments) error {
	list, err := s.open(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return s.fault(err)
	}
	defer func() { _ = list.Close() }() // only read
	end, err := Whole(ctx, list, s.Sum)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return s.fault(err)
	}
	p, c := s.Partition(), &committer{source: s, length: list.Len()}
	defer c.ended.Store(true)
	if s.Same != nil {
		err = s.Same(ctx, list)
	}
	var start map[stream.Partition]int64
	if err == nil {
		start, err = a.Assigned(ctx, c, map[stream.Partition]stream.Bounds{p: {Committed: 0, First: 0, End: end}}) // not -1, for which start_at would decide: it is about topics
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, stream.ErrBeyondEnd) {
			err = Unfit(fmt.Errorf("it has %d references, and the output has more of %q already: the list shrank, or is another one; give it another name", list.Len(), s.name))
		}
		return s.fault(err)
	}
	end = max(end, start[p]) // builds before this one gave what may be half written its number
	if end < list.Len() && s.Cut != nil {
		s.Cut(end)
	}
	s.start.Store(start[p])
	s.advance(start[p])
	s.total.Store(end) // last: whoever sees it sees the others
	err = s.deliver(ctx, a, list, start[p], end)
	s.drain(ctx, a)
	if ctx.Err() != nil { // it was told to stop
		err = nil
	}
	if c.unkept != nil {
		err = errors.Join(err, fmt.Errorf("how far the outputs are that do not know it could not be kept, and the next run writes to them again what came since: %w", c.unkept))
	}
	if err != nil {
		return s.fault(err)
	}
	return nil
}

// fault names the list.
func (s *Source) fault(err error) error {
	if errors.Is(err, ErrChanged) {
		err = fmt.Errorf("%w; give the command again", err)
	}
	return fmt.Errorf("manifest %s: %w", s.from, err)
}

// Whole is how many values of a list are delivered: all of one that is told by its sum, else those that nobody can be in the middle of writing.
func Whole(ctx context.Context, list List, sum string) (int64, error) {
	if g, ok := list.(growing); ok && sum == "" {
		return g.Whole(ctx)
	}
	return list.Len(), nil
}

// advance notes what is durable. Commits may begin before Run knows where it starts.
func (s *Source) advance(next int64) {
	for {
		at := s.durable.Load()
		if next <= at || s.durable.CompareAndSwap(at, next) {
			return
		}
	}
}

// deliver hands the values from number next up to end over, in chunks, at a pace, while the gate is open.
func (s *Source) deliver(ctx context.Context, a stream.Assignments, list List, next, end int64) error {
	at := pace.New(s.Rate, chunkLines)
	if next < 0 || next > list.Len() {
		return fmt.Errorf("cannot start at line %d of %d", next, list.Len())
	}
	values, err := list.From(ctx, next)
	if err != nil {
		return fmt.Errorf("line %d: %w", next, err)
	}
	var chunk []stream.Record
	held := 0
	for next < end && ctx.Err() == nil {
		value, err := values()
		if errors.Is(err, io.EOF) {
			err = errors.New("the file was cut while it was being read")
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", next, err)
		}
		chunk = append(chunk, stream.Record{Offset: next, Time: list.Changed(), Value: bytes.Clone(value)})
		held += len(value)
		next++
		if len(chunk) == at.Most() || held >= chunkBytes || next == end {
			if err := at.Wait(ctx, len(chunk)); err != nil {
				return err
			}
			if err := s.Gate.Wait(ctx); err != nil {
				return err
			}
			if err := a.Records(ctx, s.Partition(), chunk, next); err != nil {
				return err
			}
			chunk, held = nil, 0 // the receiver owns the old one
		}
	}
	return ctx.Err()
}

// drain waits for what is in flight: without a limit after the last line, for DrainTimeout once ctx has ended.
func (s *Source) drain(ctx context.Context, a stream.Assignments) {
	drain, cancel := context.WithCancel(context.WithoutCancel(ctx))
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-drain.Done():
			return
		case <-ctx.Done():
		}
		t := time.NewTimer(s.DrainTimeout)
		defer t.Stop()
		select {
		case <-drain.Done():
		case <-t.C:
			cancel()
		}
	}()
	a.Revoked(drain)
	cancel()
	<-watched
}

// committer tells Kept alone: where an output ends that knows it is the truth, and a manifest has no other reader.
type committer struct {
	source *Source
	length int64 // of the list, with what may be half written
	ended  atomic.Bool
	unkept error // of the last Kept. Commits are made one after the other, and none when the assignment has ended
}

// End implements stream.EndFinder: an output may have what may be half written, too.
func (c *committer) End(context.Context, stream.Partition) (int64, error) { return c.length, nil }

// Reread implements stream.Rereader. The list that is being delivered is its goroutine's alone, so this one is opened again: refusals are rare.
func (c *committer) Reread(ctx context.Context, p stream.Position) (stream.Record, error) {
	list, err := c.source.open(ctx)
	if err != nil {
		return stream.Record{}, err
	}
	defer func() { _ = list.Close() }() // only read
	values, err := list.From(ctx, p.Offset)
	if err != nil {
		return stream.Record{}, fmt.Errorf("line %d: %w", p.Offset, err)
	}
	value, err := values()
	if err != nil {
		return stream.Record{}, fmt.Errorf("line %d: %w", p.Offset, err)
	}
	return stream.Record{Offset: p.Offset, Time: list.Changed(), Value: bytes.Clone(value)}, nil
}

// Commit implements stream.Committer.
func (c *committer) Commit(ctx context.Context, next map[stream.Partition]int64) error {
	if c.ended.Load() {
		return errors.New("manifest: the assignment has ended")
	}
	n, ok := next[c.source.Partition()]
	if !ok {
		return nil
	}
	c.source.advance(n)
	if c.source.Kept == nil {
		return nil
	}
	c.unkept = c.source.Kept(ctx, n)
	return c.unkept
}
