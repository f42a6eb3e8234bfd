//go:build unix && !linux

package harness

import "syscall"

// ownGroup puts a child into a process group of its own. Only Linux kills it when the test binary is killed.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
