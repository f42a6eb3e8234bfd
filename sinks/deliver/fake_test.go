package deliver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/sinktest"
)

var errAway = errors.New("connection refused")

// poison is the label of rows that the fake refuses.
const poison = "poison"

// memory is a store of rows by id, in memory.
type memory struct {
	lostEvery int           // every so many-th Put is lost, before or after it landed in turn
	takes     time.Duration // of a Put
	mu        struct {
		sync.Mutex
		away   int
		puts   int
		sizes  []int
		rows   map[string]schemas.Row
		ends   map[schemas.SourceID]int64
		errs   []string // broken promises of the sink
		closed int
	}
}

func newMemory() *memory {
	m := &memory{}
	m.mu.rows, m.mu.ends = map[string]schemas.Row{}, map[schemas.SourceID]int64{}
	return m
}

func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.closed++
	return nil
}

func (m *memory) put(ctx context.Context, b Batch, progress bool) error {
	if m.takes > 0 && !retry.Sleep(ctx, m.takes) {
		return ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.puts++
	m.mu.sizes = append(m.mu.sizes, b.Len())
	if m.mu.away > 0 {
		m.mu.away--
		return errAway
	}
	lost := m.lostEvery > 0 && m.mu.puts%m.lostEvery == 0
	if lost && m.mu.puts/m.lostEvery%2 == 0 {
		return errAway
	}
	if err := m.applyLocked(&b, progress); err != nil {
		return err
	}
	if lost {
		return errAway
	}
	return nil
}

func (m *memory) applyLocked(b *Batch, progress bool) error {
	for _, r := range b.Rows() {
		if r.Label == poison {
			return Refused(fmt.Errorf("row %s is poison", r.RowID))
		}
	}
	for _, p := range b.Parts {
		stored := int64(-1)
		if end, known := m.mu.ends[p.Source]; known && progress {
			if stored = end; p.First > end {
				return Final(fmt.Errorf("a gap: %d is stored, the part begins at %d", end, p.First))
			}
		}
		for _, it := range p.Items {
			if it.Offset < p.First || it.Offset >= p.Next {
				m.mu.errs = append(m.mu.errs, "an item outside of its part")
			}
			if it.Offset >= stored {
				m.itemLocked(p.Source, it)
			}
		}
		if progress {
			m.mu.ends[p.Source] = max(stored, p.Next)
		}
	}
	return nil
}

func (m *memory) itemLocked(src schemas.SourceID, it Item) {
	if it.Row != nil {
		m.mu.rows[it.Row.RowID] = *it.Row
		return
	}
	for id, r := range m.mu.rows {
		if r.Topic == src.Topic && r.Partition == src.Partition && r.RefID == it.Delete && r.Offset < it.Offset {
			delete(m.mu.rows, id)
		}
	}
}

// client is one sink's connection to a memory.
type client struct {
	*memory
	busy map[schemas.SourceID]bool // guarded by memory.mu
}

func (c client) Put(ctx context.Context, b Batch) error {
	c.begin(&b)
	defer c.finish(&b)
	return c.put(ctx, b, false)
}

// begin holds the sink to D1.
func (c client) begin(b *Batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range b.Parts {
		if c.busy[p.Source] {
			c.mu.errs = append(c.mu.errs, fmt.Sprintf("two batches of %s at once", p.Source))
		}
		c.busy[p.Source] = true
	}
}

func (c client) finish(b *Batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range b.Parts {
		c.busy[p.Source] = false
	}
}

// ledger is a client that keeps progress.
type ledger struct{ client }

func (l ledger) Put(ctx context.Context, b Batch) error {
	l.begin(&b)
	defer l.finish(&b)
	return l.put(ctx, b, true)
}

func (l ledger) Next(_ context.Context, src schemas.SourceID) (int64, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	end, known := l.mu.ends[src]
	return end, known, nil
}

func (m *memory) client() client { return client{m, map[schemas.SourceID]bool{}} }

func config() Config {
	c := NewDefaultConfig()
	c.Name = "memory"
	c.Retry = retry.Policy{Attempts: 8, Base: 10 * time.Millisecond, Max: time.Second}
	return c
}

func fixture(t testing.TB, m *memory, progress bool, change func(*Config)) sinktest.Fixture {
	t.Cleanup(func() {
		for _, e := range m.mu.errs {
			t.Error(e)
		}
	})
	return sinktest.Fixture{
		Open: func(t testing.TB) sinks.Sink {
			c := config()
			change(&c)
			var store Store = m.client()
			if progress {
				store = ledger{m.client()}
			}
			return open(t, c, store)
		},
		Read: func(_ testing.TB, src schemas.SourceID) (a sinktest.Account) {
			m.mu.Lock()
			defer m.mu.Unlock()
			for _, r := range m.mu.rows {
				if r.Topic == src.Topic && r.Partition == src.Partition {
					a.Rows = append(a.Rows, r)
				}
			}
			slices.SortFunc(a.Rows, func(x, y schemas.Row) int { return int(x.Offset - y.Offset) })
			return a
		},
		Chained: progress, Upserts: true, Deletes: true,
		Poison: func(r *schemas.Row) { r.Label = poison },
		Break: func(n int) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.mu.away = n
		},
	}
}

func open(t testing.TB, c Config, store Store) *Sink {
	t.Helper()
	s, err := New(c, store)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
