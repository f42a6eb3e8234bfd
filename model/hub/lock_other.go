//go:build !(linux || darwin || freebsd || netbsd || openbsd)

package hub

import (
	"context"
	"errors"
)

// lock fails: without a lock that a dying process gives back, two workers could write one file.
func lock(context.Context, string) (func(), error) {
	return nil, errors.New("this system has no file locks that Vecmill can use: download the model yourself and give its directory")
}
