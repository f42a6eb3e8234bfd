//go:build !linux

package simulate

import (
	"io"
	"time"
)

// watch is not known here: every run may have been disturbed.
type watch struct{}

func newWatch() *watch { return &watch{} }

func (*watch) knows() bool { return false }

func (*watch) begin(time.Duration) {}

func (*watch) disturbed() bool { return true }

func unseen(w io.Writer) io.Writer { return w }
