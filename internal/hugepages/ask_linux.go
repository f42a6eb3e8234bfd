package hugepages

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Ask begins this process again with the wish for large pages. It returns where it is not needed, and where the system refuses: pages are small then.
func Ask() { ask(os.DirFS("/")) }

func ask(machine fs.FS) {
	env, wanted := environment(os.Environ(), ModeOf(machine))
	if !wanted {
		_ = os.Unsetenv(marker) // it is for one beginning, and not for what this process starts; the name is a sound one
		return
	}
	program, err := os.Executable()
	if err != nil {
		return
	}
	_ = unix.Exec(program, os.Args, env) // returns only where it was refused
}
