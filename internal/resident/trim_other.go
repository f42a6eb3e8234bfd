//go:build !linux

package resident

// Trim does nothing here.
func Trim() error { return nil }
