package docs

import (
	"archive/zip"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"vecmill/integration/harness"
)

// TestLibrariesForGPUsAreFetchedAndNamed runs the command of models.md: the script and pip are the real ones, the list has the names and versions of the real one, and wheels stand in for
// theirs that have a library and a licence each, of a few bytes. So what the real ones hold is not proved here; tools/image-steps.sh fetches those.
func TestLibrariesForGPUsAreFetchedAndNamed(t *testing.T) {
	x := newIndex(t)
	command := span(t, "models.md", "eval ")
	lib, path := x.eval(t, command)
	if _, err := os.Stat(lib); err != nil || filepath.Base(lib) != "libonnxruntime.so."+x.version("onnxruntime-gpu") {
		t.Fatalf("VECMILL_ORT_LIB is %q: %v", lib, err)
	}
	if path != filepath.Dir(lib)+":/before" {
		t.Errorf("LD_LIBRARY_PATH is %q", path)
	}
	for _, p := range x.packages {
		project := strings.ReplaceAll(p[0], "-", "_")
		for _, name := range []string{"lib" + project + ".so.1", "licences/" + project + "@" + p[1] + "/License.txt"} {
			if b, err := os.ReadFile(filepath.Join(filepath.Dir(lib), name)); err != nil || string(b) != project {
				t.Errorf("%s: %q, %v", name, b, err)
			}
		}
	}

	if err := os.RemoveAll(x.wheels); err != nil {
		t.Fatal(err)
	}
	if again, _ := x.eval(t, command); again != lib {
		t.Errorf("what is there already is now %q", again)
	}
}

// TestAWheelThatIsAnotherIsRefused: nothing is set then, and nothing is kept.
func TestAWheelThatIsAnotherIsRefused(t *testing.T) {
	x := newIndex(t)
	x.write(t, x.packages[2], "another")
	if lib, path := x.eval(t, span(t, "models.md", "eval ")); lib != "" || path != "/before" {
		t.Errorf("VECMILL_ORT_LIB is %q, LD_LIBRARY_PATH %q", lib, path)
	}
	if !strings.Contains(x.said, "DO NOT MATCH THE HASHES") || !strings.Contains(x.said, "pip could not download the wheels") {
		t.Errorf("it says\n%s", x.said)
	}
	if left, err := os.ReadDir(filepath.Join(x.cache, "onnxruntime-gpu")); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

// index is a clone with the script and a list of wheels, which lie in a directory that pip is told of.
type index struct {
	dir, wheels, cache string
	packages           [][2]string // name and version
	said               string      // by the last command
}

// newIndex ends the test where the script could do nothing.
func newIndex(t *testing.T) *index {
	t.Helper()
	if runtime.GOOS+"/"+runtime.GOARCH != "linux/amd64" {
		t.Skip("the script says that the libraries are for Linux on x86_64")
	}
	if out, err := exec.CommandContext(t.Context(), "python3", "-m", "pip", "--version").CombinedOutput(); err != nil {
		harness.Missing(t, "pip ("+string(out)+")", "apt-get install python3-pip")
	}
	x := &index{dir: t.TempDir(), wheels: t.TempDir(), cache: t.TempDir()}
	real, err := os.ReadFile("../tools/ort-gpu/requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	list := ""
	for _, m := range regexp.MustCompile(`(?m)^([a-z0-9-]+)==(\S+) --hash=sha256:[0-9a-f]{64}$`).FindAllStringSubmatch(string(real), -1) {
		p := [2]string{m[1], m[2]}
		x.packages = append(x.packages, p)
		list += fmt.Sprintf("%s==%s --hash=sha256:%x\n", p[0], p[1], x.write(t, p, ""))
	}
	if len(x.packages) < 8 || x.version("onnxruntime-gpu") == "" {
		t.Fatalf("the list has %v", x.packages)
	}
	if err := os.MkdirAll(filepath.Join(x.dir, "tools/ort-gpu"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(root(t)+"/tools/fetch-ort-gpu.sh", filepath.Join(x.dir, "tools/fetch-ort-gpu.sh")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(x.dir, "tools/ort-gpu/requirements.txt"), list)
	return x
}

func (x *index) version(name string) string {
	for _, p := range x.packages {
		if p[0] == name {
			return p[1]
		}
	}
	return ""
}

// write makes a wheel, named as those for the platforms that the script asks for, and gives its sum.
func (x *index) write(t *testing.T, p [2]string, more string) [sha256.Size]byte {
	t.Helper()
	project := strings.ReplaceAll(p[0], "-", "_")
	about := project + "-" + p[1] + ".dist-info/"
	files := [][2]string{
		{project + "/lib" + project + ".so.1", project},
		{about + "License.txt", project + more},
		{about + "METADATA", "Metadata-Version: 2.1\nName: " + p[0] + "\nVersion: " + p[1] + "\n"},
		{about + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-manylinux_2_27_x86_64\n"},
		{about + "RECORD", ""},
	}
	if p[0] == "onnxruntime-gpu" {
		files = append(files, [2]string{"onnxruntime/capi/libonnxruntime.so." + p[1], project})
	}
	path := filepath.Join(x.wheels, project+"-"+p[1]+"-py3-none-manylinux_2_27_x86_64.whl")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for _, file := range files {
		w, err := z.Create(file[0])
		if err == nil {
			_, err = w.Write([]byte(file[1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(b)
}

// eval gives the command to a shell, and tells what it has set.
func (x *index) eval(t *testing.T, command string) (lib, path string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "bash", "-uc", command+"\n"+`printf '%s\n%s\n' "${VECMILL_ORT_LIB:-}" "$LD_LIBRARY_PATH"`)
	c.Dir = x.dir
	c.Env = append(os.Environ(), "VECMILL_CACHE="+x.cache, "PYTHON=python3", "VECMILL_ORT_LIB=", "LD_LIBRARY_PATH=/before",
		"PIP_CONFIG_FILE=/dev/null", "PIP_NO_INDEX=1", "PIP_FIND_LINKS="+x.wheels)
	var said strings.Builder
	c.Stderr = &said
	out, err := c.Output()
	x.said = said.String()
	lines := strings.Split(string(out), "\n")
	if err != nil || len(lines) != 3 {
		t.Fatalf("%s: %v\n%s\n%s", command, err, out, x.said)
	}
	return lines[0], lines[1]
}
