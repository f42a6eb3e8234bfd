//go:build !cgo

package ortsession

import (
	"context"
	"errors"

	"vecmill/embed"
	"vecmill/model"
)

// ErrNoCgo is what Open and Library answer in a build without cgo.
var ErrNoCgo = errors.New("this binary was built without cgo and cannot run ONNX Runtime: install a C compiler and build again with CGO_ENABLED=1")

// Session runs nothing in a build without cgo: Open never gives one.
type Session struct{}

// Open always fails with ErrNoCgo in a build without cgo.
func Open(context.Context, model.Graph, Options) (*Session, error) { return nil, ErrNoCgo }

// Library always fails with ErrNoCgo in a build without cgo.
func Library() (path, version string, err error) { return "", "", ErrNoCgo }

// LibraryAt fails: there is nothing to load a library with.
func LibraryAt(string) (path, version string, err error) { return "", "", ErrNoCgo }

// askVersion fails with ErrNoCgo.
func askVersion([]string, string, form) (int, error) { return 0, ErrNoCgo }

// Observe fails with ErrNoCgo.
func Observe(context.Context, model.Graph, Options, func(embed.Session) error) (*Observed, error) {
	return nil, ErrNoCgo
}

// Arena fails with ErrNoCgo.
func Arena(context.Context, model.Graph, Options, []embed.Tensor) (int64, error) { return 0, ErrNoCgo }

// Run fails with ErrNoCgo.
func (*Session) Run(context.Context, []embed.Tensor) (*embed.Output, error) { return nil, ErrNoCgo }

// Close does nothing.
func (*Session) Close() error { return nil }
