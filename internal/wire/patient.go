package wire

import (
	"context"
	"errors"

	"vecmill/internal/retry"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/s3store"
)

// patientStore asks again while the store is busy: one answer of 503 among ten thousand files ends neither a plan nor what reads it.
type patientStore struct {
	writableStore
	patience
}

// patience asks again while a store is busy. told may be nil.
type patience struct{ told tellTries }

// patient is a store with patience. A directory has none: what it answers once it answers again.
func (s *stores) patient(store writableStore) writableStore {
	if _, remote := store.(*s3store.Store); !remote {
		return store
	}
	return patientStore{store, patience{s.told}}
}

// openPatient is open, for what is read or written without an output's own retries.
func (s *stores) openPatient(ctx context.Context, rawURL string) (writableStore, string, error) {
	store, prefix, err := s.open(ctx, rawURL)
	if err != nil {
		return nil, "", err
	}
	return s.patient(store), prefix, nil
}

// List implements objectstore.Store.
func (p patientStore) List(ctx context.Context, prefix, after string) (names []string, err error) {
	err = p.again(ctx, func(ctx context.Context) error {
		names, err = p.writableStore.List(ctx, prefix, after)
		return err
	})
	return names, err
}

// Stat implements objectstore.Store.
func (p patientStore) Stat(ctx context.Context, name string) (o objectstore.Info, err error) {
	err = p.again(ctx, func(ctx context.Context) error {
		o, err = p.writableStore.Stat(ctx, name)
		return err
	})
	return o, err
}

// Read implements objectstore.Store.
func (p patientStore) Read(ctx context.Context, name string, off, n int64) (b []byte, err error) {
	err = p.again(ctx, func(ctx context.Context) error {
		b, err = p.writableStore.Read(ctx, name, off, n)
		return err
	})
	return b, err
}

// PutIfAbsent implements objectstore.Store: ErrExists may be the answer to a try of its own that landed.
func (p patientStore) PutIfAbsent(ctx context.Context, name string, body []byte, meta map[string]string) error {
	return p.again(ctx, func(ctx context.Context) error { return p.writableStore.PutIfAbsent(ctx, name, body, meta) })
}

// Put implements objectstore.Putter.
func (p patientStore) Put(ctx context.Context, name string, body []byte, contentType string) error {
	return p.again(ctx, func(ctx context.Context) error { return p.writableStore.Put(ctx, name, body, contentType) })
}

// again repeats a request.
func (p patience) again(ctx context.Context, ask func(context.Context) error) error {
	final := func(err error) bool {
		return errors.Is(err, objectstore.ErrRefused) || errors.Is(err, objectstore.ErrNotFound) || errors.Is(err, objectstore.ErrExists) || errors.Is(err, objectstore.ErrChanged)
	}
	policy := retry.Patient()
	policy.Told = p.told
	_, err := retry.Do(ctx, policy, final, ask)
	return err
}
