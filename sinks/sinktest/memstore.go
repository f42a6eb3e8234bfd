package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"vecmill/internal/retry"
	"vecmill/sinks/objectstore"
)

// ErrFault is the error of a request that a fault made fail. It is neither ErrExists nor ErrRefused: it says nothing about what happened.
var ErrFault = errors.New("injected fault")

// Op is one request to a MemStore.
type Op struct {
	Kind OpKind
	Name string
	Seq  int // number of the request at this store, from 0
}

// OpKind is what a request does.
type OpKind string

// The kinds.
const (
	OpList OpKind = "list"
	OpStat OpKind = "stat"
	OpRead OpKind = "read"
	OpPut  OpKind = "put"
)

// Fault is what happens to a request. The zero Fault lets it pass.
type Fault struct {
	Delay     time.Duration // the request takes this long; if its context ends first, it fails, and lands only if Land is set
	Err       error         // the answer, instead of the true one
	Land      bool          // it is carried out although the answer is Err or lost
	LandAfter time.Duration // with Land: it is carried out this long after the answer, as a request that hung in the network is
}

// MemStore is an object store in memory. Faults, if set before use, decides about each request; it is called with no lock held and must be safe for
// concurrent use. DropMeta makes it a store that keeps no metadata.
type MemStore struct {
	Faults   func(Op) Fault
	DropMeta bool

	mu struct {
		sync.Mutex
		seq     int
		objects map[string]memObject
	}
}

type memObject struct {
	body []byte
	meta map[string]string
}

// NewMemStore is an empty store without faults.
func NewMemStore() *MemStore {
	m := &MemStore{}
	m.mu.objects = map[string]memObject{}
	return m
}

// List gives the names under prefix after `after`.
func (m *MemStore) List(ctx context.Context, prefix, after string) (names []string, err error) {
	err = m.do(ctx, OpList, prefix, func() error {
		for _, n := range slices.Sorted(maps.Keys(m.mu.objects)) {
			if strings.HasPrefix(n, prefix) && n > after {
				names = append(names, n)
			}
		}
		return nil
	})
	return names, err
}

// Stat describes an object.
func (m *MemStore) Stat(ctx context.Context, name string) (info objectstore.Info, err error) {
	err = m.do(ctx, OpStat, name, func() error {
		o, ok := m.mu.objects[name]
		if !ok {
			return objectstore.ErrNotFound
		}
		info = objectstore.Info{Name: name, Size: int64(len(o.body)), Meta: maps.Clone(o.meta)}
		return nil
	})
	return info, err
}

// Read gives a part of an object.
func (m *MemStore) Read(ctx context.Context, name string, off, n int64) (b []byte, err error) {
	err = m.do(ctx, OpRead, name, func() error {
		o, ok := m.mu.objects[name]
		if !ok {
			return objectstore.ErrNotFound
		}
		size := int64(len(o.body))
		b = bytes.Clone(o.body[min(off, size):min(off+n, size)])
		return nil
	})
	return b, err
}

// PutIfAbsent creates an object.
func (m *MemStore) PutIfAbsent(ctx context.Context, name string, body []byte, meta map[string]string) error {
	o := memObject{body: bytes.Clone(body), meta: maps.Clone(meta)}
	if m.DropMeta {
		o.meta = nil
	}
	return m.do(ctx, OpPut, name, func() error {
		if _, ok := m.mu.objects[name]; ok {
			return objectstore.ErrExists
		}
		m.mu.objects[name] = o
		return nil
	})
}

// Put creates or replaces an object.
func (m *MemStore) Put(ctx context.Context, name string, body []byte, _ string) error {
	o := memObject{body: bytes.Clone(body)}
	return m.do(ctx, OpPut, name, func() error {
		m.mu.objects[name] = o
		return nil
	})
}

// do carries a request out under the lock, with whatever fault befalls it.
func (m *MemStore) do(ctx context.Context, kind OpKind, name string, act func() error) error {
	m.mu.Lock()
	op := Op{Kind: kind, Name: name, Seq: m.mu.seq}
	m.mu.seq++
	m.mu.Unlock()
	var f Fault
	if m.Faults != nil {
		f = m.Faults(op)
	}
	locked := func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		return act()
	}
	answered := ctx.Err() == nil && (f.Delay == 0 || retry.Sleep(ctx, f.Delay))
	switch {
	case answered && f.Err == nil:
		if err := locked(); err != nil {
			return fmt.Errorf("%s %s: %w", kind, name, err)
		}
		return nil
	case f.Land && f.LandAfter > 0:
		time.AfterFunc(f.LandAfter, func() { _ = locked() }) // its answer is lost
	case f.Land:
		_ = locked() // its answer is lost
	}
	if !answered {
		return fmt.Errorf("%s %s: %w", kind, name, ctx.Err())
	}
	return fmt.Errorf("%s %s: %w", kind, name, f.Err)
}
