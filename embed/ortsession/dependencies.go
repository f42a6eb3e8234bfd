package ortsession

import (
	"debug/elf"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// Dependency is a library of NVIDIA's whose version matters to a GPU provider.
type Dependency struct {
	Name    string // CUDA, driver, cuDNN, TensorRT
	File    string // as the provider's library asks for it, such as libcudnn.so.9
	Version string // such as 9.10.2; of the driver the newest CUDA that it takes; empty with a Fault
	Fault   error  // why it cannot be loaded, or says nothing
}

// What a Dependency is called.
const (
	CUDARuntime = "CUDA"
	Driver      = "driver"
	CuDNN       = "cuDNN"
	TensorRTLib = "TensorRT"
)

// asked are the libraries, and the functions of theirs that tell versions, as the documentation of the CUDA runtime, cuDNN and TensorRT has them. The driver is
// asked through the runtime, which says 0 where there is none. cuDNN is asked by the part of it that answers: the whole aborts the process if that is not there.
var asked = []struct {
	name, prefix, part, function string
	form                         form
	read                         func(int) string
}{
	{CUDARuntime, "libcudart.so.", "", "cudaRuntimeGetVersion", stored, cudaVersion},
	{Driver, "libcudart.so.", "", "cudaDriverGetVersion", stored, cudaVersion},
	{CuDNN, "libcudnn.so.", "libcudnn_graph.so.", "cudnnGetVersion", returnedSize, dottedVersion},
	{TensorRTLib, "libnvinfer.so.", "", "getInferLibVersion", returnedInt, dottedVersion},
}

// form is how a function gives its number.
type form int

const (
	stored       form = iota // int f(int *version), which returns 0
	returnedSize             // size_t f(void)
	returnedInt              // int f(void)
)

// cudaVersion reads 1000 * major + 10 * minor.
func cudaVersion(n int) string { return fmt.Sprintf("%d.%d", n/1000, n%1000/10) }

// dottedVersion reads 10000 * major + 100 * minor + patch, which cuDNN has since 9 and TensorRT since 10.
func dottedVersion(n int) string { return fmt.Sprintf("%d.%d.%d", n/10000, n/100%100, n%100) }

// ErrNoDriver means that the machine, or the container, has no driver for NVIDIA's GPUs.
var ErrNoDriver = errors.New("there is no driver")

// Dependencies are the libraries that the loaded ONNX Runtime's provider p asks for, with the versions of those that the dynamic linker finds for it. They are loaded, and
// stay so. It needs neither GPU nor driver. ErrNoProvider means that p is no part of this ONNX Runtime. Not run beside a GPU.
func Dependencies(p Provider) ([]Dependency, error) {
	path, version, err := LibraryAt("")
	if err != nil {
		return nil, err
	}
	var all []Dependency
	for _, name := range map[Provider][]string{CUDA: {"cuda"}, TensorRT: {"cuda", "tensorrt"}}[p] {
		found, err := dependencies(filepath.Join(filepath.Dir(path), "libonnxruntime_providers_"+name+".so"))
		if err != nil {
			return nil, noProvider(p, path, version, err)
		}
		for _, d := range found {
			if name == "cuda" || d.Name == TensorRTLib { // the others are the same again
				all = append(all, d)
			}
		}
	}
	return all, nil
}

// dependencies are those of the provider's library at path.
func dependencies(path string) ([]Dependency, error) {
	lib, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = lib.Close() }() // it was only read
	files, err := lib.ImportedLibraries()
	if err != nil {
		return nil, fmt.Errorf("reading what %s needs: %w", path, err)
	}
	var all []Dependency
	for _, a := range asked {
		for _, file := range files {
			if !strings.HasPrefix(file, a.prefix) {
				continue
			}
			d := Dependency{Name: a.name, File: file}
			var n int
			if a.part != "" {
				_, d.Fault = askVersion(candidates(lib, path, file), "", stored)
				file = a.part + strings.TrimPrefix(file, a.prefix)
			}
			if d.Fault == nil {
				n, d.Fault = askVersion(candidates(lib, path, file), a.function, a.form)
			}
			switch {
			case d.Fault != nil:
			case n == 0 && a.name == Driver:
				d.Fault = ErrNoDriver
			default:
				d.Version = a.read(n)
			}
			all = append(all, d)
		}
	}
	return all, nil
}

// candidates are where the dynamic linker looks for a file that lib, which lies at path, needs: its own places, which LD_LIBRARY_PATH is one of, and those that lib names.
func candidates(lib *elf.File, path, file string) []string {
	all := []string{file}
	for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
		lists, _ := lib.DynString(tag) // none is no fault
		for _, list := range lists {
			for dir := range strings.SplitSeq(list, ":") {
				dir = strings.NewReplacer("${ORIGIN}", filepath.Dir(path), "$ORIGIN", filepath.Dir(path)).Replace(dir)
				all = append(all, filepath.Join(dir, file))
			}
		}
	}
	return all
}
