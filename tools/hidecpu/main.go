//go:build linux && amd64

// Command hidecpu runs a command on a processor that says it has AVX2, and neither AVX-512 nor instructions for products of bytes (VNNI, AMX): libraries that choose their
// kernels by the CPUID instruction then choose those of such a processor, which run as fast as they do here.
//
//	hidecpu COMMAND [ARGUMENT...]
//	go test -exec "$PWD/bin/hidecpu" ./embed/golden
//
// It traces the command's threads; in each CPUID is made to fault (arch_prctl, ARCH_SET_CPUID), and is answered here. A process that the command starts sees the processor as it is. It exits as the command does, with 125 if the machine
// cannot make CPUID fault (flag cpuid_fault in /proc/cpuinfo) or tracing is not allowed.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: hidecpu COMMAND [ARGUMENT...]")
		os.Exit(2)
	}
	runtime.LockOSThread() // a tracer is a thread
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "hidecpu:", err)
		os.Exit(125)
	}
	os.Exit(code)
}

// run starts a command and follows its threads to its end.
func run(args []string) (code int, err error) {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return 0, fmt.Errorf("finding the command: %w", err)
	}
	p, err := os.StartProcess(path, args, &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   &unix.SysProcAttr{Ptrace: true},
	})
	if err != nil {
		return 0, fmt.Errorf("starting %s: %w", path, err)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(p.Pid, &status, 0, nil); err != nil || !status.Stopped() {
		return 0, fmt.Errorf("waiting for %s to begin: %w", path, err)
	}
	if err := unix.PtraceSetOptions(p.Pid, unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL); err != nil {
		return 0, fmt.Errorf("tracing %s: %w", path, err)
	}
	if err := hide(p.Pid); err != nil {
		return 0, errors.Join(err, p.Kill())
	}
	return follow(p.Pid)
}

// hide makes CPUID fault in a process that has just begun: it runs a system call there, in the place of the first instructions.
func hide(pid int) error {
	const setCPUID, off = 0x1012, 0 // ARCH_SET_CPUID
	var before, regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(pid, &before); err != nil {
		return fmt.Errorf("reading registers: %w", err)
	}
	regs = before
	at := uintptr(regs.Rip)
	code := make([]byte, 2)
	if _, err := unix.PtracePeekText(pid, at, code); err != nil {
		return fmt.Errorf("reading code: %w", err)
	}
	regs.Rax, regs.Orig_rax, regs.Rdi, regs.Rsi = unix.SYS_ARCH_PRCTL, ^uint64(0), setCPUID, off
	var status unix.WaitStatus
	err := errors.Join(poke(pid, at, []byte{0x0f, 0x05}), unix.PtraceSetRegs(pid, &regs), unix.PtraceSingleStep(pid)) // syscall
	if err == nil {
		_, err = unix.Wait4(pid, &status, 0, nil)
	}
	if err = errors.Join(err, unix.PtraceGetRegs(pid, &regs), poke(pid, at, code), unix.PtraceSetRegs(pid, &before)); err != nil {
		return fmt.Errorf("running a system call in the command: %w", err)
	}
	if got := int64(regs.Rax); got != 0 {
		return fmt.Errorf("this machine cannot make CPUID fault (flag cpuid_fault in /proc/cpuinfo): %w", unix.Errno(-got))
	}
	return nil
}

func poke(pid int, at uintptr, code []byte) error {
	_, err := unix.PtracePokeText(pid, at, code)
	return err
}

// follow answers CPUID in all threads of a process until it ends.
func follow(pid int) (code int, err error) {
	known := map[int]bool{pid: true}
	if err := unix.PtraceCont(pid, 0); err != nil {
		return 0, fmt.Errorf("starting the command: %w", err)
	}
	for {
		var status unix.WaitStatus
		thread, err := unix.Wait4(-1, &status, unix.WALL, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, fmt.Errorf("waiting for the command: %w", err)
		case thread == pid && status.Exited():
			return status.ExitStatus(), nil
		case thread == pid && status.Signaled():
			return 128 + int(status.Signal()), nil
		case !status.Stopped():
			delete(known, thread)
			continue
		}
		signal := status.StopSignal()
		switch {
		case signal == unix.SIGTRAP && status.TrapCause() > 0: // a thread was made
			signal = 0
		case signal == unix.SIGSTOP && !known[thread]: // and stops once
			signal = 0
		case signal == unix.SIGSEGV:
			answered, err := answer(thread)
			if err != nil {
				return 0, err
			}
			if answered {
				signal = 0
			}
		}
		known[thread] = true
		if err := unix.PtraceCont(thread, int(signal)); err != nil && !errors.Is(err, unix.ESRCH) { // it may have been killed meanwhile
			return 0, fmt.Errorf("continuing the command: %w", err)
		}
	}
}

// answer gives a thread that has faulted at CPUID what a processor with AVX2 alone says; false if it has faulted elsewhere.
func answer(thread int) (bool, error) {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(thread, &regs); err != nil {
		return false, fmt.Errorf("reading registers: %w", err)
	}
	code := make([]byte, 2)
	if n, err := unix.PtracePeekText(thread, uintptr(regs.Rip), code); err != nil || n < 2 || code[0] != 0x0f || code[1] != 0xa2 {
		return false, nil // it may have jumped to where no code is
	}
	leaf, sub := uint32(regs.Rax), uint32(regs.Rcx)
	r := without(leaf, sub, cpuid(leaf, sub))
	regs.Rax, regs.Rbx, regs.Rcx, regs.Rdx = uint64(r.a), uint64(r.b), uint64(r.c), uint64(r.d)
	regs.Rip += 2
	if err := unix.PtraceSetRegs(thread, &regs); err != nil {
		return false, fmt.Errorf("answering CPUID: %w", err)
	}
	return true, nil
}
