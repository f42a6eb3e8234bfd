//go:build unix && !linux

package harness

// keepsAttributes is asked on Linux only: a directory beside the objects serves everywhere.
func keepsAttributes(string) bool { return false }
