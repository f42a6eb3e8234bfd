//go:build !(linux || darwin || freebsd || netbsd || openbsd)

package model

import "io/fs"

// stampOf reads a stamp: size and time alone, where the standard library gives no more.
func stampOf(st fs.FileInfo) stamp {
	return stamp{Bytes: st.Size(), Modified: st.ModTime().UnixNano()}
}

// nameCount is the number of names that a file has, 0 if that is unknown.
func nameCount(fs.FileInfo) uint64 { return 0 }
