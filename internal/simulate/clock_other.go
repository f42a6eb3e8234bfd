//go:build !linux

package simulate

import "time"

// realTime is not known here: every run may have been disturbed.
func realTime() time.Duration { return -1 }
