package archtest

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// runMake gives what make prints, and how it ends.
func runMake(t *testing.T, ci string, args ...string) (string, error) {
	t.Helper()
	bin, err := exec.LookPath("make")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	cmd := exec.Command(bin, args...)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "CI="+ci)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestModulesOfTheirOwnAreChecked holds that vet and check-tidy go into each directory with a go.mod of its own, which ./... passes by.
func TestModulesOfTheirOwnAreChecked(t *testing.T) {
	var modules []string
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != "..":
			return filepath.SkipDir
		case d.Name() == "go.mod" && path != filepath.Join("../..", "go.mod"):
			modules = append(modules, strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../../"))
		}
		return nil
	})
	if err != nil || len(modules) < 3 {
		t.Fatalf("%v, %q", err, modules)
	}
	for target, does := range map[string]string{"vet": `-C "$m" vet ./...`, "check-tidy": `-C "$m" mod tidy -diff`} {
		out, err := runMake(t, "", "-n", target)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		var into []string
		for line := range strings.Lines(out) {
			list, do, _ := strings.Cut(line, "; do ")
			if list, ok := strings.CutPrefix(list, "for m in "); ok && strings.Contains(do, does) {
				into = strings.Fields(list)
				slices.Sort(into)
			}
		}
		if !slices.Equal(into, modules) {
			t.Errorf("make %s goes into %q, want %q:\n%s", target, into, modules, out)
		}
	}
}

// TestAllThatShipsIsCompiledForArm64: images and archives are for amd64 and arm64, and nothing but make check-arm64 compiles for the latter before them. The real compiling is CI's.
func TestAllThatShipsIsCompiledForArm64(t *testing.T) {
	const there, c = "true", "CGO_ENABLED=1" // a program that does nothing stands for Go, and for the compiler
	out, err := runMake(t, "", "check-arm64", "GO=true", "CC_ARM64="+there)
	if err != nil || !strings.Contains(out, "GOARCH=arm64 CGO_ENABLED=0 true build -o /dev/null ./cmd/... ./embed/...") || !strings.Contains(out, c) || !strings.Contains(out, "./embed/ortsession\n") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := runMake(t, "", "check-arm64", "GO=true", "CC_ARM64=nowhere-gcc"); err != nil || strings.Contains(out, c) || !strings.Contains(out, "not done: embed/ortsession for arm64 needs nowhere-gcc") {
		t.Errorf("without a compiler: %v\n%s", err, out)
	}
	if out, err := runMake(t, "true", "check-arm64", "GO=true", "CC_ARM64=nowhere-gcc"); err == nil || !strings.Contains(out, "nowhere-gcc not found") {
		t.Errorf("without a compiler in CI: %v\n%s", err, out)
	}
	if ci, err := os.ReadFile("../../.ci/run"); err != nil || !strings.Contains(string(ci), "gcc-aarch64-linux-gnu libc6-dev-arm64-cross") {
		t.Errorf("CI does not install the compiler: %v", err)
	}
}
