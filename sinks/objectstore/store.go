package objectstore

import (
	"context"
	"errors"
)

// ErrExists says that PutIfAbsent found an object of that name. It may be the caller's own, from an earlier try that landed.
var ErrExists = errors.New("object exists already")

// ErrNotFound says that there is no object of that name.
var ErrNotFound = errors.New("no such object")

// ErrChanged says that the object of that name is another one than was looked at.
var ErrChanged = errors.New("it has changed since it was looked at")

// ErrRefused says that the store understood the request and will not do it (access denied, no such bucket, invalid
// name): nothing was written and repeating it will not help.
var ErrRefused = errors.New("the store refuses")

// Info describes an object.
type Info struct {
	Name string
	Size int64             // bytes
	Meta map[string]string // the metadata given at PutIfAbsent, lower-case keys; nil if the store keeps none
}

// Store is an object store. It is safe for concurrent use. Errors wrap ErrExists, ErrNotFound or ErrRefused where these apply, and say what was done with which object.
type Store interface {
	// List gives the names that begin with prefix and sort after `after` ("" for all), in byte order.
	List(ctx context.Context, prefix, after string) ([]string, error)

	// Stat describes an object.
	Stat(ctx context.Context, name string) (Info, error)

	// Read gives the n bytes of an object from off on; fewer only where the object ends.
	Read(ctx context.Context, name string, off, n int64) ([]byte, error)

	// PutIfAbsent creates an object, atomically and durably, if there is none of that name, and otherwise fails with ErrExists. It does not
	// keep body. meta has lower-case keys of letters, digits and hyphens and ASCII values, 2 KB in all; a store may drop it.
	PutIfAbsent(ctx context.Context, name string, body []byte, meta map[string]string) error
}

// Putter replaces objects: the weaker promise that idempotent output needs.
type Putter interface {
	// Put creates or replaces an object, atomically and durably. It does not keep body.
	Put(ctx context.Context, name string, body []byte, contentType string) error
}
