//go:build !linux

package hugepages

// Ask does nothing: only Linux has to be asked.
func Ask() {}
