//go:build linux || darwin || freebsd || netbsd || openbsd

package model

import (
	"io/fs"
	"syscall"
)

// stampOf reads a stamp.
func stampOf(st fs.FileInfo) stamp {
	s := stamp{Bytes: st.Size(), Modified: st.ModTime().UnixNano()}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		s.Device, s.Inode = uint64(sys.Dev), uint64(sys.Ino) //nolint:unconvert // their types differ between systems
	}
	return s
}

// nameCount is the number of names that a file has, 0 if that is unknown.
func nameCount(st fs.FileInfo) uint64 {
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return uint64(sys.Nlink) //nolint:unconvert // its type differs between systems
	}
	return 0
}
