package wire

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"vecmill/embed/ortsession"
	"vecmill/embed/ortsession/orttest"
	"vecmill/internal/config"
)

func TestTheDoctorNamesIdleGPUs(t *testing.T) {
	two := fstest.MapFS{"dev/nvidia0": {}, "dev/nvidia1": {}, "dev/nvidiactl": {}}
	one := fstest.MapFS{"dev/nvidia0": {}, "dev/nvidiactl": {}}
	three := fstest.MapFS{"dev/nvidia0": {}, "dev/nvidia1": {}, "dev/nvidia2": {}}
	on := func(devices ...int) config.Pipeline {
		return config.Pipeline{Model: config.Model{Provider: "cuda", Devices: devices}}
	}
	cpu := config.Pipeline{Model: config.Model{Provider: "cpu"}}
	for _, c := range []struct {
		machine   fs.FS
		visible   string
		pipelines []config.Pipeline
		grade     Grade
		words     string
	}{
		{two, "", nil, Doubt, "the 2 GPUs of this machine stay idle"},
		{fstest.MapFS{"dev/null": {}}, "", nil, Sound, "CPUs"},
		{two, "", []config.Pipeline{cpu, on()}, Doubt, "on 1 of the 2 GPUs"},
		{two, "", []config.Pipeline{on(1), on(1)}, Doubt, "on 1 of the 2 GPUs"},
		{two, "", []config.Pipeline{on(), on(1)}, Sound, "on 2 GPUs"},
		{two, "", []config.Pipeline{on(0, 1)}, Sound, "on 2 GPUs"},
		{two, "1", []config.Pipeline{on()}, Sound, "on 1 GPUs"},
		{three, "0, 1,2", []config.Pipeline{on(0, 1)}, Doubt, "on 2 of the 3 GPUs"},
		{three, "GPU-1f2a,MIG-77", []config.Pipeline{on()}, Doubt, "on 1 of the 2 GPUs"},
		{fstest.MapFS{}, "0,1", nil, Doubt, "the 2 GPUs of this machine stay idle"}, // whose devices are called otherwise
		{two, "0,1,2", []config.Pipeline{on(0, 1)}, Sound, "on 2 GPUs"},             // there is no third
		{two, "-1", nil, Sound, "CPUs"},
		{two, "NoDevFiles", nil, Sound, "CPUs"},
		{three, "1,-1,2", []config.Pipeline{on()}, Sound, "on 1 GPUs"},
		{three, "1,,2", []config.Pipeline{on()}, Sound, "on 1 GPUs"},
		{one, "", []config.Pipeline{on(0, 1)}, Trouble, "compute on GPU 1, and this process sees 1, numbered from 0: give it more (nvidia.com/gpu in Kubernetes"},
		{two, "", []config.Pipeline{on(), on(3)}, Trouble, "compute on GPU 3, and this process sees 2, numbered from 0"},
		{two, "1", []config.Pipeline{on(1)}, Trouble, "compute on GPU 1, and CUDA_VISIBLE_DEVICES (1) leaves this process 1, numbered from 0"},
		{fstest.MapFS{"dev/dxg": {}}, "", []config.Pipeline{on(0, 1)}, Sound, "on 2 GPUs"}, // whose devices are called otherwise
		{fstest.MapFS{"dev/null": {}}, "", []config.Pipeline{on()}, Doubt, "compute on 1 GPUs, and none is seen under /dev: give this process its GPUs (nvidia.com/gpu in Kubernetes, --gpus in Docker)"},
		{fstest.MapFS{"dev/null": {}}, "0", []config.Pipeline{on()}, Doubt, "none is seen under /dev"},
		{fstest.MapFS{"dev/null": {}}, "0,1", []config.Pipeline{on()}, Doubt, "none is seen under /dev"},
		{two, "-1", []config.Pipeline{on()}, Trouble, "CUDA_VISIBLE_DEVICES (-1) leaves this process 0"},
		{three, "0,7,1", []config.Pipeline{on(0, 1)}, Trouble, "take the variable away, or name as many"},
	} {
		t.Setenv("CUDA_VISIBLE_DEVICES", c.visible)
		if c.visible == "" {
			if err := os.Unsetenv("CUDA_VISIBLE_DEVICES"); err != nil { // Setenv puts it back
				t.Fatal(err)
			}
		}
		var got Finding
		(&doctor{c: &config.Config{Pipelines: c.pipelines}, machine: c.machine, tell: func(f Finding) { got = f }}).devices()
		if got.Check != "devices" || got.Grade != c.grade || !strings.Contains(got.Text, c.words) {
			t.Errorf("%+v, want %s with %q", got, c.grade, c.words)
		}
	}
}

func TestTheDoctorTellsOfLargePages(t *testing.T) {
	const asks, some, none = "glibc.malloc.hugetlb=1", "Rss: 9 kB\nAnonHugePages:      4096 kB\n", "AnonHugePages:         0 kB\n"
	for _, c := range []struct {
		setting, tunables, rollup string
		loaded                    bool
		grade                     Grade
		words                     string
	}{
		{"[always] madvise never\n", "", some, true, Sound, "may lie in pages of 2 MiB"},
		{"always [madvise] never\n", asks, some, true, Sound, "may lie in pages of 2 MiB"},
		{"always [madvise] never\n", asks, none, false, Sound, "may lie in pages of 2 MiB"},
		{"always [madvise] never\n", asks, "", true, Sound, "may lie in pages of 2 MiB"},
		{"always [madvise] never\n", asks, none, true, Doubt, "glibc 2.35 or newer"},
		{"always [madvise] never\n", "glibc.malloc.hugetlb=0", none, true, Doubt, "leave glibc.malloc.hugetlb out of GLIBC_TUNABLES"},
		{"always madvise [never]\n", asks, none, true, Doubt, "write madvise to"},
		{"", "", none, true, Sound, "does not say"},
	} {
		t.Setenv("GLIBC_TUNABLES", c.tunables)
		var got Finding
		machine := fstest.MapFS{"sys/kernel/mm/transparent_hugepage/enabled": {Data: []byte(c.setting)}, "proc/self/smaps_rollup": {Data: []byte(c.rollup)}}
		(&doctor{machine: machine, tell: func(f Finding) { got = f }}).pages(c.loaded)
		if got.Check != "pages" || got.Grade != c.grade || !strings.Contains(got.Text, c.words) {
			t.Errorf("%+v: %+v", c, got)
		}
	}
}

// TestTheDoctorNamesALibraryThatIsTooOld examines in a process of its own: one process loads one library.
func TestTheDoctorNamesALibraryThatIsTooOld(t *testing.T) {
	if lib := os.Getenv("VECMILL_TEST_OLD_LIBRARY"); lib != "" {
		c := ward(t, 0)
		c.Runtime.Library = lib
		for _, f := range examine(t, c) {
			fmt.Printf("SAID %s %s %s\n", f.Check, f.Grade, f.Text)
		}
		return
	}
	lib := orttest.TooOld(t, t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestTheDoctorNamesALibraryThatIsTooOld$")
	cmd.Env = append(os.Environ(), "VECMILL_TEST_OLD_LIBRARY="+lib)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_, said, _ := strings.Cut(string(out), "SAID onnxruntime FAIL ")
	line, rest, _ := strings.Cut(said, "\n")
	for _, want := range []string{lib + " is version " + orttest.OldVersion, ortsession.MinVersion + " or newer is needed", "tools/fetch-ort.sh"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q does not say %q:\n%s", line, want, out)
		}
	}
	if !strings.Contains(rest, "SAID dead letters p ok") {
		t.Errorf("the last check is not made:\n%s", out)
	}
}

// Without an endpoint the store is Amazon's, whose clock is asked where anything names a bucket. The context has ended: nobody is asked here.
func TestAmazonsClockIsAsked(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	files := func(url string) config.Pipeline {
		return config.Pipeline{Outputs: []config.Output{{JSONL: &config.JSONL{}}, {Arrow: &config.Arrow{URL: url}}}}
	}
	tables := func(catalog config.Secret, warehouse string) config.Pipeline {
		return config.Pipeline{Outputs: []config.Output{{Iceberg: &config.Iceberg{Catalog: config.IcebergCatalog{URI: catalog, Warehouse: warehouse}}}}}
	}
	for _, c := range []struct {
		name     string
		buckets  []string
		pipeline config.Pipeline
		grade    Grade
		words    string
	}{
		{"buckets", []string{"box/in"}, config.Pipeline{}, Trouble, "asking https://s3.eu-central-1.amazonaws.com: "},
		{"an output", nil, files("s3://box/out"), Trouble, "asking https://s3.eu-central-1.amazonaws.com: "},
		{"dead letters", nil, config.Pipeline{DeadLetters: config.DeadLetters{URL: "s3://box/dead"}}, Trouble, "check s3.endpoint"},
		{"an output in capitals", nil, files("S3://box/out"), Trouble, "amazonaws.com"},
		{"the warehouse of tables", nil, tables("postgres://host/db", "s3://lake/tables"), Trouble, "amazonaws.com"},
		{"a warehouse in directories", nil, tables("sqlite:///db", "file:///tables"), Sound, "there is no object store"},
		{"a warehouse in directories, of a REST catalog", nil, tables("https://host", "file:///tables"), Sound, "there is no object store"},
		{"a warehouse that a REST catalog knows by its name", nil, tables("https://host", "lake"), Trouble, "amazonaws.com"},
		{"a REST catalog", nil, tables("https://host", ""), Trouble, "amazonaws.com"},
		{"a checkpoint", nil, config.Pipeline{Model: config.Model{Path: "s3://box/model"}}, Trouble, "amazonaws.com"},
		{"any bucket", []string{"*"}, files("file:///out"), Doubt, "fetch.buckets"},
		{"no store", nil, files("file:///out"), Sound, "there is no object store"},
	} {
		var got []Finding
		conf := &config.Config{S3: config.S3{Region: "eu-central-1"}, Fetch: config.Fetch{Buckets: c.buckets}, Pipelines: []config.Pipeline{c.pipeline}}
		newDoctor(conf, func(f Finding) { got = append(got, f) }).clock(over)
		if len(got) != 1 || got[0].Grade != c.grade || !strings.Contains(got[0].Text, c.words) {
			t.Errorf("%s: %+v, want %s with %q", c.name, got, c.grade, c.words)
		}
	}
	if got := amazonEndpoint("cn-north-1"); got != "https://s3.cn-north-1.amazonaws.com.cn" {
		t.Errorf("%s in China", got)
	}
}

// What ortsession reads is judged without a GPU, and without its libraries.
func TestTheDoctorJudgesTheLibrariesOfAGPU(t *testing.T) {
	cuda := ortsession.Dependency{Name: ortsession.CUDARuntime, File: "libcudart.so.12", Version: "12.9"}
	driver := func(version string) ortsession.Dependency {
		return ortsession.Dependency{Name: ortsession.Driver, File: "libcudart.so.12", Version: version}
	}
	cudnn := ortsession.Dependency{Name: ortsession.CuDNN, File: "libcudnn.so.9", Version: "9.10.2"}
	none, absent, without, unknown := driver(""), cudnn, cuda, driver("")
	none.Fault = ortsession.ErrNoDriver
	absent.Version, absent.Fault = "", errors.New("libcudnn.so.9: cannot open shared object file")
	without.Version, without.Fault = "", errors.New("libcudart.so.12: cannot open shared object file")
	unknown.Fault = without.Fault
	const remedy = "; fetch NVIDIA's libraries with tools/fetch-ort-gpu.sh (install TensorRT yourself), and set LD_LIBRARY_PATH to their directories; found: "
	for _, c := range []struct {
		found []ortsession.Dependency
		grade Grade
		text  string
	}{
		{[]ortsession.Dependency{cuda, driver("13.0"), cudnn}, Sound, "CUDA 12.9 (libcudart.so.12), a driver for CUDA 13.0, cuDNN 9.10.2 (libcudnn.so.9)"},
		{[]ortsession.Dependency{cuda, driver("12.2"), cudnn}, Sound, "CUDA 12.9 (libcudart.so.12), a driver for CUDA 12.2, cuDNN 9.10.2 (libcudnn.so.9)"}, // of one major version
		{[]ortsession.Dependency{cuda, driver("11.8"), cudnn}, Trouble, "the driver takes CUDA up to 11.8, and this is CUDA 12.9: install a driver for CUDA 12; found: CUDA 12.9 (libcudart.so.12), a driver for CUDA 11.8, cuDNN 9.10.2 (libcudnn.so.9)"},
		{[]ortsession.Dependency{cuda, none, cudnn}, Trouble, "there is no driver of NVIDIA's: install one for CUDA 12 or newer, and give a container its GPU (nvidia.com/gpu in Kubernetes, --gpus in Docker); found: CUDA 12.9 (libcudart.so.12), cuDNN 9.10.2 (libcudnn.so.9)"},
		{[]ortsession.Dependency{cuda, driver("13.0"), absent}, Trouble, "libcudnn.so.9 is needed, and cannot be used: libcudnn.so.9: cannot open shared object file" + remedy + "CUDA 12.9 (libcudart.so.12), a driver for CUDA 13.0"},
		{[]ortsession.Dependency{without, unknown, absent}, Trouble, "libcudart.so.12 is needed, and cannot be used: libcudart.so.12: cannot open shared object file; libcudnn.so.9 is needed, and cannot be used: libcudnn.so.9: cannot open shared object file" + remedy + "none"},
	} {
		if grade, text := judgeVersions(c.found); grade != c.grade || text != c.text {
			t.Errorf("%s %q\nwant %s %q", grade, text, c.grade, c.text)
		}
	}
}
