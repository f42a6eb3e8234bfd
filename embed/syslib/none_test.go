//go:build nosyslib || !(linux || darwin) || !(amd64 || arm64)

package syslib_test

import (
	"errors"
	"testing"

	"vecmill/embed/syslib"
)

func TestNoLibraryIsLoadedInThisBuild(t *testing.T) {
	if _, err := syslib.Open("libm.so.6"); !errors.Is(err, syslib.ErrMissing) || !errors.Is(err, syslib.ErrNoLoader) {
		t.Errorf("got %v", err)
	}
}
