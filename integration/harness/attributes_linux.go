package harness

import (
	"os"

	"golang.org/x/sys/unix"
)

// keepsAttributes says whether the file system of a directory keeps extended attributes of users' own.
func keepsAttributes(dir string) bool {
	f, err := os.CreateTemp(dir, "attributes-*")
	if err != nil {
		return false
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}()
	return unix.Fsetxattr(int(f.Fd()), "user.vecmill", make([]byte, 2048), 0) == nil // as much as the metadata of an object may be
}
