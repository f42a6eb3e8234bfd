package bench

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// script runs tools/gpu-check.sh with programs of its own first on PATH.
func script(t *testing.T, bin string, env []string, args ...string) (code int, output string) {
	t.Helper()
	path, err := filepath.Abs("../../tools/gpu-check.sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = t.TempDir()
	own := slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "CUDA_") })
	cmd.Env = slices.Concat(own, env, []string{"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH")})
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// program writes a shell script.
func program(t *testing.T, dir, name, body string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestTheCheckSaysThatThereIsNoGPU(t *testing.T) {
	for name, smi := range map[string]string{"no driver": "exit 9", "no device": "exit 0"} {
		bin := t.TempDir()
		program(t, bin, "nvidia-smi", smi)
		if code, out := script(t, bin, nil); code != 3 || !strings.Contains(out, "there is no GPU on this machine") {
			t.Errorf("%s: exit code %d, %q, want 3", name, code, out)
		}
	}
	cache, _ := fetched(t)
	bin := t.TempDir()
	program(t, bin, "nvidia-smi", "echo 'NVIDIA L4, 550.54.15'")
	program(t, bin, "uname", "echo Linux x86_64")
	program(t, bin, "go", "exit 1")
	if code, out := script(t, bin, []string{"VECMILL_CACHE=" + cache, "GO=", "CUDA_VISIBLE_DEVICES="}); code != 3 || !strings.Contains(out, "CUDA_VISIBLE_DEVICES") {
		t.Errorf("with all GPUs hidden: exit code %d, %q, want 3", code, out)
	}
	for _, args := range [][]string{{"--provider", "rocm"}, {"--provider"}, {"fast"}} {
		if code, out := script(t, t.TempDir(), nil, args...); code != 2 {
			t.Errorf("%q: exit code %d, %q, want 2", args, code, out)
		}
	}
}

// fetched is a cache with a stand-in for the GPU's library.
func fetched(t *testing.T) (cache, lib string) {
	t.Helper()
	requirements, err := os.ReadFile("../../tools/ort-gpu/requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	cache = t.TempDir()
	lib = filepath.Join(cache, "onnxruntime-gpu", "1.24.4-"+fmt.Sprintf("%x", sha256.Sum256(requirements))[:12], "libonnxruntime.so.1.24.4")
	if err := os.MkdirAll(filepath.Join(filepath.Dir(lib), "licences"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lib, []byte("library"), 0o600); err != nil {
		t.Fatal(err)
	}
	return cache, lib
}

// GPUs are those that CUDA shows, in its order: what is hidden is neither counted nor named. The list ends where it names a GPU that is not there, as CUDA has it.
// A UUID may be as short as it is one device's alone, which may be a slice of a GPU (MIG).
func TestTheCheckIsOfTheGPUsThatAreVisible(t *testing.T) {
	cache, _ := fetched(t)
	bin := t.TempDir()
	program(t, bin, "nvidia-smi", `case "$*" in
"-i 0 "*) echo 'NVIDIA L4, 550.54.15' ;;
"-i 1 "*) echo 'NVIDIA T4, 550.54.15' ;;
"-i 2 "*) echo 'NVIDIA H100 80GB HBM3, 550.54.15' ;;
-i*) exit 6 ;;
-L) echo 'GPU 0: NVIDIA L4 (UUID: GPU-8932f937-d72c-4106-c12f-20bd9faed9f6)'
	echo 'GPU 1: NVIDIA T4 (UUID: GPU-8a7b1c02-53ba-4c9e-8f3f-0c9e1d2b3a44)'
	echo 'GPU 2: NVIDIA H100 80GB HBM3 (UUID: GPU-1f2e3d4c-0000-4c9e-8f3f-0c9e1d2b3a55)'
	echo '  MIG 1g.10gb     Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)'
	echo '  MIG 2g.20gb     Device  1: (UUID: MIG-0c757cd7-e942-5726-a0b8-0e8fb7067135)' ;;
*) echo 'NVIDIA L4, 550.54.15'; echo 'NVIDIA T4, 550.54.15' ;;
esac`)
	program(t, bin, "uname", "echo Linux x86_64")
	program(t, bin, "go", `echo "$CUDA_DEVICE_ORDER $VECMILL_DEVICE_COUNT $VECMILL_DEVICE_NAME" >"$VECMILL_DEVICE_REPORT"`)
	for visible, want := range map[string]string{
		"1,0": "2 NVIDIA T4", "1": "1 NVIDIA T4", "0,7,1": "1 NVIDIA L4",
		"GPU-8a7b1c02-53ba-4c9e-8f3f-0c9e1d2b3a44,0": "2 NVIDIA T4", "GPU-8932": "1 NVIDIA L4",
		"0,GPU-8,1": "1 NVIDIA L4", "0,GPU-7,1": "1 NVIDIA L4", // of two, and of none
		"MIG-0c757cd7-e942-5726-a0b8-0e8fb7067135": "1 NVIDIA H100 80GB HBM3 MIG 2g.20gb", "MIG-c6": "1 NVIDIA H100 80GB HBM3 MIG 1g.10gb",
	} {
		report := filepath.Join(t.TempDir(), "report.md")
		code, out := script(t, bin, []string{"VECMILL_CACHE=" + cache, "GO=", "CUDA_VISIBLE_DEVICES=" + visible}, "--report", report)
		got, err := os.ReadFile(report)
		if err != nil || code != 0 || strings.TrimSpace(string(got)) != "PCI_BUS_ID "+want {
			t.Errorf("%s: exit code %d, the check is told %q, want %q: %s, %v", visible, code, got, want, out, err)
		}
	}
}

// With a GPU the check gets its name and driver, the GPU's library, and corpora of many batches; its exit code is the check's, and a check without a report is none. Driver and
// check are stand-ins here.
func TestTheCheckIsToldOfTheGPU(t *testing.T) {
	cache, lib := fetched(t)
	bin := t.TempDir()
	program(t, bin, "nvidia-smi", "echo 'NVIDIA L4, 550.54.15'; echo 'NVIDIA T4, 550.54.15'")
	program(t, bin, "uname", "echo Linux x86_64")
	program(t, bin, "go", `[ -z "$SILENT" ] && echo "$VECMILL_DEVICE|$VECMILL_DEVICE_COUNT|$VECMILL_DEVICE_NAME|$VECMILL_DEVICE_DRIVER|$VECMILL_DEVICE_BATCH|$VECMILL_BENCH_TEXTS $VECMILL_BENCH_CLIPS $VECMILL_BENCH_PICTURES|$VECMILL_ORT_LIB|$LD_LIBRARY_PATH" >"$VECMILL_DEVICE_REPORT"; exit $CHECK`)
	want := "tensorrt|2|NVIDIA L4|550.54.15|16|19200 960 2560|" + lib + "|" + filepath.Dir(lib)
	for _, c := range []struct {
		env  []string
		code int
	}{{[]string{"CHECK=0", "SILENT="}, 0}, {[]string{"CHECK=7", "SILENT="}, 1}, {[]string{"CHECK=0", "SILENT=yes"}, 1}} {
		report := filepath.Join(t.TempDir(), "report.md")
		if err := os.WriteFile(report, []byte("of last week"), 0o600); err != nil {
			t.Fatal(err)
		}
		env := append([]string{"VECMILL_CACHE=" + cache, "LD_LIBRARY_PATH=", "VECMILL_DEVICE_BATCH=", "VECMILL_BENCH_TEXTS=", "VECMILL_BENCH_CLIPS=", "VECMILL_BENCH_PICTURES=", "GO="}, c.env...)
		code, out := script(t, bin, env, "--provider", "tensorrt", "--report", report)
		if code != c.code {
			t.Errorf("%v: exit code %d, want %d: %s", c.env, code, c.code, out)
		}
		if got, _ := os.ReadFile(report); c.env[1] == "SILENT=" && strings.TrimSpace(string(got)) != want {
			t.Errorf("the check is told %q, want %q", got, want)
		}
	}
}
