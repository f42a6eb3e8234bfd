package hugepages

import (
	"os"

	"golang.org/x/sys/unix"
)

// Ask begins this process again with the wish for large pages. It returns where it is not needed, and where the system refuses: pages are small then.
func Ask() {
	env, wanted := environment(os.Environ(), ModeOf(os.DirFS("/")))
	if !wanted {
		return
	}
	program, err := os.Executable()
	if err != nil {
		return
	}
	_ = unix.Exec(program, os.Args, env) // returns only where it was refused
}
