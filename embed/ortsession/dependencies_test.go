//go:build cgo && linux

package ortsession

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/embed/ortsession/orttest"
)

// TestVersionsOfTheLibrariesThatAProviderNeeds has libraries with the functions of NVIDIA's, found as the dynamic linker finds them. A name that is loaded stays so:
// each case has its own. That NVIDIA's own answer so is their documentation's word.
func TestVersionsOfTheLibrariesThatAProviderNeeds(t *testing.T) {
	runtime := func(code, version, driver int) string {
		return fmt.Sprintf("int cudaRuntimeGetVersion(int *v) { *v = %d; return %d; }\nint cudaDriverGetVersion(int *v) { *v = %d; return 0; }\n", version, code, driver)
	}
	const cudnn, tensorRT = "#include <stddef.h>\nsize_t cudnnGetVersion(void) { return 91002; }\n", "int getInferLibVersion(void) { return 101303; }\n"
	for i, c := range []struct {
		name   string
		cudart string
		cudnn  string // code of the part of it that answers; "": all of cuDNN is missing; "part": that part is
		link   string // how the provider's library says where they lie; "": not at all
		want   string
	}{
		{"all is there", runtime(0, 12090, 13010), cudnn, "-Wl,-rpath,$ORIGIN", "CUDA 12.9, driver 13.1, cuDNN 9.10.2, TensorRT 10.13.3"},
		{"a path in the older form", runtime(0, 12090, 13010), cudnn, "-Wl,-rpath,/nowhere:${ORIGIN},--disable-new-dtags", "CUDA 12.9, driver 13.1, cuDNN 9.10.2, TensorRT 10.13.3"},
		{"no driver", runtime(0, 12080, 0), cudnn, "-Wl,-rpath,$ORIGIN", "CUDA 12.8, driver: there is no driver, cuDNN 9.10.2, TensorRT 10.13.3"},
		{"cuDNN lacks a part", runtime(0, 12080, 12080), "part", "-Wl,-rpath,$ORIGIN", "CUDA 12.8, driver 12.8, cuDNN: libcudnn_graph.so.NUMBER: cannot open shared object file: No such file or directory, TensorRT 10.13.3"},
		{"cuDNN lies elsewhere", runtime(0, 12080, 12080), "", "-Wl,-rpath,$ORIGIN", "CUDA 12.8, driver 12.8, cuDNN: libcudnn.so.NUMBER: cannot open shared object file: No such file or directory, TensorRT 10.13.3"},
		{"a library that fails", runtime(35, 12080, 12080), cudnn, "-Wl,-rpath,$ORIGIN", "CUDA: cudaRuntimeGetVersion of DIR/libcudart.so.NUMBER: it answers with an error (35), driver 12.8, cuDNN 9.10.2, TensorRT 10.13.3"},
		{"a library that is another", runtime(0, 12080, 12080), "int other;", "-Wl,-rpath,$ORIGIN", "CUDA 12.8, driver 12.8, cuDNN: cudnnGetVersion of DIR/libcudnn_graph.so.NUMBER: DIR/libcudnn_graph.so.NUMBER: undefined symbol: cudnnGetVersion (-2), TensorRT 10.13.3"},
		{"nothing says where they lie", runtime(0, 12080, 12080), cudnn, "", "libcudart.so.NUMBER: cannot open shared object file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, number := t.TempDir(), 700+i
			args := []string{"-Wl,--no-as-needed"}
			for name, code := range map[string]string{"libcudart": c.cudart, "libcudnn": "int whole;", "libnvinfer": tensorRT, "libother": "int other;"} {
				file := fmt.Sprintf("%s.so.%d", name, number)
				orttest.Compile(t, filepath.Join(dir, file), code, "-Wl,-soname,"+file)
				args = append(args, filepath.Join(dir, file))
			}
			if c.link != "" {
				args = append(args, c.link)
			}
			provider := filepath.Join(dir, "libonnxruntime_providers_cuda.so")
			orttest.Compile(t, provider, "int provider;", args...)
			if c.cudnn != "part" { // which the provider does not ask for
				orttest.Compile(t, filepath.Join(dir, fmt.Sprintf("libcudnn_graph.so.%d", number)), c.cudnn)
			}
			if c.cudnn == "" {
				if err := os.Remove(filepath.Join(dir, fmt.Sprintf("libcudnn.so.%d", number))); err != nil {
					t.Fatal(err)
				}
			}
			all, err := dependencies(provider)
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			for _, d := range all {
				if d.Fault != nil {
					said = append(said, d.Name+": "+d.Fault.Error())
					continue
				}
				said = append(said, d.Name+" "+d.Version)
			}
			want := strings.NewReplacer("NUMBER", fmt.Sprint(number), "DIR", dir).Replace(c.want)
			if got := strings.Join(said, ", "); !strings.Contains(got, want) || c.link != "" && got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// The library that tests run on is the CPU's build.
func TestDependenciesOfAProviderThatIsNotThere(t *testing.T) {
	for _, p := range []Provider{CUDA, TensorRT} {
		all, err := Dependencies(p)
		if !errors.Is(err, ErrNoProvider) || !strings.Contains(err.Error(), "libonnxruntime_providers_cuda.so") || !strings.Contains(err.Error(), "tools/fetch-ort-gpu.sh") {
			t.Errorf("%s: %v, %v", p, all, err)
		}
	}
	if _, err := dependencies(os.Args[0] + ".none"); err == nil {
		t.Error("a file that is not there needs nothing")
	}
}
