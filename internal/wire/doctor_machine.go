package wire

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"vecmill/embed/ortsession"
	"vecmill/internal/config"
	"vecmill/internal/hugepages"
)

func (d *doctor) runtime() bool {
	path, version, err := ortsession.LibraryAt(d.c.Runtime.Library)
	if err != nil {
		d.fault("onnxruntime", err)
		return false
	}
	d.say("onnxruntime", Sound, "version %s, %s", version, path)
	return true
}

// visibleDevices is the variable that hides GPUs from a process.
const visibleDevices = "CUDA_VISIBLE_DEVICES"

// devices tells of GPUs that are left idle, of those that are hidden, and of those that are not there. Each model says itself where it is computed.
func (d *doctor) devices() {
	numbers, gpus := usedGPUs(d.c), d.gpus()
	used, last := len(numbers), -1
	if used > 0 {
		last = numbers[used-1]
	}
	list, limited := os.LookupEnv(visibleDevices)
	switch {
	case gpus == 0 && used == 0:
		d.say("devices", Sound, "sessions compute on %d CPUs", runtime.GOMAXPROCS(0))
	case used == 0:
		d.say("devices", Doubt, "sessions compute on %d CPUs, and the %d GPUs of this machine stay idle: model.provider is cpu; a machine without a GPU costs less", runtime.GOMAXPROCS(0), gpus)
	case last >= gpus && limited:
		d.say("devices", Trouble, "pipelines compute on GPU %d, and CUDA_VISIBLE_DEVICES (%s) leaves this process %d, numbered from 0: CUDA ends its list at the first entry that names no GPU of this machine; take the variable away, or name as many", last, list, gpus)
	case last >= gpus && gpus > 0: // else they are called otherwise here
		d.say("devices", Trouble, "pipelines compute on GPU %d, and this process sees %d, numbered from 0: give it more (nvidia.com/gpu in Kubernetes, --gpus in Docker), or name fewer in model.devices", last, gpus)
	case !d.seesGPU():
		d.say("devices", Doubt, "pipelines compute on %d GPUs, and none is seen under /dev: give this process its GPUs (nvidia.com/gpu in Kubernetes, --gpus in Docker)", used)
	case gpus > used:
		d.say("devices", Doubt, "sessions compute on %d of the %d GPUs that this process sees: name the others in model.devices, or hide them with CUDA_VISIBLE_DEVICES if other workers have them", used, gpus)
	default:
		d.say("devices", Sound, "sessions compute on %d GPUs", used)
	}
}

// seesGPU says whether a GPU is seen under /dev, by NVIDIA's names or as the one device that Windows gives to a Linux in it.
func (d *doctor) seesGPU() bool {
	for _, pattern := range []string{"dev/nvidia[0-9]*", "dev/dxg"} {
		if found, _ := fs.Glob(d.machine, pattern); len(found) > 0 { // the patterns are sound
			return true
		}
	}
	return false
}

// gpus is how many GPUs this process sees. CUDA takes the list of CUDA_VISIBLE_DEVICES up to the first entry that names no device of the machine, so that -1 or
// NoDevFiles hides all of them: https://docs.nvidia.com/cuda/cuda-c-programming-guide/#cuda-environment-variables.
func (d *doctor) gpus() int {
	found, _ := fs.Glob(d.machine, "dev/nvidia[0-9]*") // the pattern is sound
	list, ok := os.LookupEnv(visibleDevices)
	if !ok {
		return len(found)
	}
	n := 0
	for id := range strings.SplitSeq(list, ",") {
		id = strings.TrimSpace(id)
		index, err := strconv.Atoi(id)
		named := strings.HasPrefix(id, "GPU-") || strings.HasPrefix(id, "MIG-")
		if !named && (err != nil || index < 0 || len(found) > 0 && index >= len(found)) {
			break
		}
		n++
	}
	return n
}

// pages tells whether models lie in large pages: the reference's do already, if a library is loaded.
func (d *doctor) pages(loaded bool) {
	const cost = "models take 5 to 20 % of CPU time on top"
	switch mode := hugepages.ModeOf(d.machine); {
	case mode == hugepages.Never:
		d.say("pages", Doubt, "this kernel gives pages of 2 MiB to nobody, and in pages of 4 KiB %s: write madvise to /sys/kernel/mm/transparent_hugepage/enabled", cost)
	case mode == hugepages.Madvise && !hugepages.Asked():
		d.say("pages", Doubt, "this process does not ask for pages of 2 MiB, and in pages of 4 KiB %s: leave glibc.malloc.hugetlb out of GLIBC_TUNABLES, or set it to 1 where a program may not begin itself again", cost)
	case mode == hugepages.Unknown:
		d.say("pages", Sound, "this system does not say whether there are large ones")
	case loaded && hugePages(d.machine) == 0:
		d.say("pages", Doubt, "this process asks for pages of 2 MiB and has none, and in pages of 4 KiB %s: a C library that can ask is glibc 2.35 or newer; or memory lies in pieces too small for them", cost)
	default:
		d.say("pages", Sound, "models may lie in pages of 2 MiB")
	}
}

// hugePages is how much of this process' memory lies in large pages, in kB; -1 if the system does not tell.
func hugePages(machine fs.FS) int64 {
	return inKB(machine, "proc/self/smaps_rollup", "AnonHugePages:", -1)
}

func machineMemory(machine fs.FS) int64 { return inKB(machine, "proc/meminfo", "MemTotal:", 0) << 10 }

// inKB is a number of a file of /proc that has lines such as "MemTotal: 12 kB"; otherwise where it is not there.
func inKB(machine fs.FS, file, name string, otherwise int64) int64 {
	b, err := fs.ReadFile(machine, file)
	if err != nil {
		return otherwise
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			if kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64); err == nil {
				return kb
			}
		}
	}
	return otherwise
}

// Signatures are refused by S3 when the clocks are 15 minutes apart.
const (
	skewDoubt   = 30 * time.Second
	skewTrouble = 10 * time.Minute
)

// clock compares this machine's clock with the object store's.
func (d *doctor) clock(ctx context.Context) {
	endpoint := d.c.S3.Endpoint
	switch {
	case endpoint == "" && !namesStore(d.c) && slices.Contains(d.c.Fetch.Buckets, "*"):
		d.say("clock", Doubt, "not compared with a store's, since no bucket is named: if references name s3:// objects, list their buckets in fetch.buckets")
		return
	case endpoint == "" && !namesStore(d.c):
		d.say("clock", Sound, "there is no object store to compare it with")
		return
	case endpoint == "":
		endpoint = amazonEndpoint(d.c.S3.Region)
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	transport, err := s3Transport(d.c.S3.CAFile, strings.HasPrefix(endpoint, "https:"))
	if err != nil {
		d.fault("clock", err)
		return
	}
	defer transport.CloseIdleConnections()
	theirs, err := timeAt(ctx, transport, endpoint)
	switch {
	case err != nil:
		d.fault("clock", fmt.Errorf("asking %s: %w; check s3.endpoint", endpoint, err))
		return
	case theirs.IsZero():
		d.say("clock", Doubt, "%s does not say what time it is; see that both clocks are set by NTP", endpoint)
		return
	}
	switch skew := time.Since(theirs).Abs(); {
	case skew > skewTrouble:
		d.say("clock", Trouble, "this clock and that of %s are %v apart; the store will refuse signatures: set this machine's clock", endpoint, skew.Round(time.Second))
	case skew > skewDoubt:
		d.say("clock", Doubt, "this clock and that of %s are %v apart: set this machine's clock", endpoint, skew.Round(time.Second))
	default:
		d.say("clock", Sound, "within %v of %s", skew.Round(time.Second)+time.Second, endpoint)
	}
}

// timeAt is what a store says that the time is; zero if it does not. It may send us elsewhere, whose clock is of no interest.
func timeAt(ctx context.Context, transport *http.Transport, endpoint string) (time.Time, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, endpoint, nil)
	if err != nil {
		return time.Time{}, err
	}
	here := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := (&http.Client{Transport: transport, CheckRedirect: here}).Do(req)
	if err != nil {
		return time.Time{}, err
	}
	_ = res.Body.Close() // a HEAD has none
	theirs, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		return time.Time{}, nil
	}
	return theirs, nil
}

// namesStore says whether a bucket is named anywhere.
func namesStore(c *config.Config) bool {
	named := func(url string) bool {
		at, err := config.ParsePlace(url)
		return err == nil && at.Bucket != ""
	}
	return slices.ContainsFunc(c.Fetch.Buckets, func(b string) bool { return b != "*" }) || slices.ContainsFunc(c.Pipelines, func(p config.Pipeline) bool {
		return named(p.Model.Path) || named(p.DeadLetters.URL) || slices.ContainsFunc(p.Outputs, func(o config.Output) bool {
			if o.Iceberg != nil { // a REST catalog may have a name for its warehouse, or a default, and chooses the bucket itself
				at, err := config.ParsePlace(o.Iceberg.Catalog.Warehouse)
				return err != nil || at.Bucket != ""
			}
			files, _ := o.Files()
			return files != nil && named(files.URL)
		})
	})
}

// amazonEndpoint is where a client without s3.endpoint goes.
func amazonEndpoint(region string) string {
	domain := "amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		domain += ".cn"
	}
	return "https://s3." + region + "." + domain
}
