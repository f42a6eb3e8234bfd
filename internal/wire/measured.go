package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"vecmill/embed"
	"vecmill/embed/ortsession"
	"vecmill/internal/config"
)

const (
	measuredFile = "measured.json" // in the cache of graphs: one for all of them
	measuredMost = 256             // of sessions, of costs, and of bytes; the oldest make room
	learntFrom   = 33              // batches: about as many as costs are made of, see embed.CostModel

	lockTries, lockPause = 100, 20 * time.Millisecond // to change it
)

// measurements are what was measured of graphs on kinds of machines. They are advice: a worker without them computes the same.
type measurements struct {
	Sessions map[string]splits      `json:"sessions,omitempty"` // by splitKey
	Costs    map[string]measurement `json:"costs,omitempty"`    // of batches, seconds; by batchKey
	Bytes    map[string]measurement `json:"bytes,omitempty"`    // that a session holds after a batch, beyond what it is opened with; by batchKey
}

// measurement is what batches were measured to need.
type measurement struct {
	embed.Costs
	Batches  int64     `json:"batches"`            // that it is made of
	Decoders int       `json:"decoders,omitempty"` // with costs: that kept up with the sessions; 0: not known
	At       time.Time `json:"at"`
}

// measured is what is known of all graphs of a cache. A file that cannot be read says nothing.
func measured(cache string) measurements {
	all, _ := readMeasured(cache)
	return all
}

// readMeasured is measured for who replaces the file: one that is missing or damaged says nothing, and any other error is one, for what is in the file may be sound.
func readMeasured(cache string) (all measurements, err error) {
	b, err := os.ReadFile(filepath.Join(cache, measuredFile))
	if errors.Is(err, fs.ErrNotExist) {
		return measurements{}, nil
	}
	if err != nil || json.Unmarshal(b, &all) != nil {
		return measurements{}, err
	}
	return all, nil
}

// keepMeasured changes what is known, one process at a time. The file appears by rename, so that nobody reads half of it.
func keepMeasured(cache string, change func(*measurements)) error {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return fmt.Errorf("keeping what was measured: %w", err)
	}
	unlock, err := lockMeasured(cache)
	if err != nil {
		return fmt.Errorf("keeping what was measured: %w", err)
	}
	defer unlock()
	all, err := readMeasured(cache)
	if err != nil {
		return fmt.Errorf("keeping what was measured: %w", err)
	}
	if all.Sessions == nil {
		all.Sessions = map[string]splits{}
	}
	for _, of := range []*map[string]measurement{&all.Costs, &all.Bytes} {
		if *of == nil {
			*of = map[string]measurement{}
		}
	}
	change(&all)
	forget(all.Sessions, func(s splits) time.Time { return s.At })
	forget(all.Costs, func(m measurement) time.Time { return m.At })
	forget(all.Bytes, func(m measurement) time.Time { return m.At })
	b, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(cache, ".building-")
	if err != nil {
		return fmt.Errorf("keeping what was measured: %w", err)
	}
	_, err = tmp.Write(b)
	if err = errors.Join(err, tmp.Chmod(0o644), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(cache, measuredFile))
	}
	if err != nil {
		return fmt.Errorf("keeping what was measured: %w", errors.Join(err, os.Remove(tmp.Name())))
	}
	return nil
}

// lockMeasured has other processes wait that would change what is known. Nobody waits for long: it is advice. Where there are no locks, as on some network file systems, or the file is another user's, there is none:
// of two that write at once one's measurements may be lost.
func lockMeasured(cache string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(cache, measuredFile+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return func() {}, nil
	}
	for range lockTries {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		time.Sleep(lockPause)
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("locking %s: %w", f.Name(), errors.Join(err, f.Close()))
	}
	return func() { _ = f.Close() }, nil // which unlocks it
}

// forget drops the oldest of too many.
func forget[M any](all map[string]M, at func(M) time.Time) {
	keys := slices.SortedFunc(maps.Keys(all), func(a, b string) int { return at(all[b]).Compare(at(all[a])) })
	for _, k := range keys[min(len(keys), measuredMost):] {
		delete(all, k)
	}
}

// batchKey names what decides what batches of a model need: the graph, which the precision and the packing are part of, in the form in which the cache has it, its outputs, how many sessions of how many threads and callers are
// beside each other, the library, its provider with the options that change what it needs, and the kind of device; "" where that is not known. Sessions must be open, and the digest known.
func (m *loadedModel) batchKey(cache string, p *config.Pipeline, machine fs.FS) string {
	device := deviceName(p, machine)
	if device == "" || len(m.devices) == 0 {
		return ""
	}
	var outputs []string
	for _, o := range m.narrow.Outputs {
		outputs = append(outputs, o.Name)
	}
	_, version, err := ortsession.Library()
	if err != nil {
		return ""
	}
	by := p.Model.Provider
	if gpu := m.devices[0].GPU; p.Model.OnGPU() {
		by = fmt.Sprintf("%s (%s, doubling %t, TF32 %t)", by, searchesOf(m.devices), gpu.Doubling, gpu.TF32)
	}
	beside := fmt.Sprintf("%d sessions of %d threads", len(m.sessions)/len(m.devices), m.devices[0].Threads)
	if m.division.Callers > 1 {
		beside += fmt.Sprintf(" with %d callers", m.division.Callers)
	}
	return fmt.Sprintf("%s as %s, %s, %s, %s of ONNX Runtime %s on %s", m.digest, graphName(cache, m.graph), strings.Join(outputs, "+"), beside, by, version, device)
}

// deviceName is the kind of device that a pipeline computes on; "" where the system does not tell.
func deviceName(p *config.Pipeline, machine fs.FS) string {
	if !p.Model.OnGPU() {
		return fmt.Sprintf("%d of %s", runtime.GOMAXPROCS(0), processor())
	}
	return strings.Join(gpuNames(machine), " and ")
}

// gpuNames are the kinds of the machine's GPUs, as their driver names them (https://download.nvidia.com/XFree86/Linux-x86_64/580.65.06/README/procinterface.html). Not run beside a GPU.
func gpuNames(machine fs.FS) (names []string) {
	files, _ := fs.Glob(machine, "proc/driver/nvidia/gpus/*/information") // the pattern is sound
	for _, f := range files {
		b, err := fs.ReadFile(machine, f)
		if err != nil {
			return nil // one that is not known could be the one
		}
		if name := field(b, "Model"); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// processor is the model of the machine's processors, as far as the system tells.
func processor() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if name := field(b, "model name"); err == nil && name != "" {
		return name
	}
	return runtime.GOARCH
}

// field is the value of the first line that has a name and a colon before it, as the kernel writes them.
func field(b []byte, name string) string {
	for line := range strings.Lines(string(b)) {
		if at, rest, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(at) == name {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// recall looks for what is known of a model's batches. Sessions must be open, and the digest known.
func (m *loadedModel) recall(c *config.Config, p *config.Pipeline) {
	cache, err := cacheDir(c)
	if err != nil {
		return
	}
	if m.key = m.batchKey(cache, p, os.DirFS("/")); m.key == "" {
		return
	}
	all := measured(cache)
	m.costs, m.bytes = all.Costs[m.key], all.Bytes[m.key]
}

// warnOfBytes says where batch.max_bytes bounds nothing by what is known, or leaves no batch.
func (m *loadedModel) warnOfBytes(p *config.Pipeline, log *slog.Logger) {
	switch need := m.bytes.Batch(2, 1); {
	case p.Batch.MaxBytes == 0:
	case !m.bytes.Sound():
		log.Warn("batch.max_bytes bounds nothing: what memory batches take is not known; run worker doctor once on such a machine, with this cache", "pipeline", p.Name)
	case need > float64(p.Batch.MaxBytes):
		log.Warn("batch.max_bytes leaves every item alone: two of the shortest need more", "pipeline", p.Name, "bytes", int64(need))
	}
}

// keepCosts keeps what engines have learnt, for the next start. Those that ran few batches, or failed, have nothing to tell.
func (w *Worker) keepCosts(faults []error) {
	learnt := map[string]measurement{}
	for i, l := range w.lines {
		s := l.engine.Stats()
		costs := s.Devices[0].Costs // of one of a kind; where there are several, a wrong one is unlearnt in a batch
		if faults[i] == nil && l.model != nil && l.model.key != "" && s.Batches >= int64(learntFrom*len(s.Devices)) && costs.Sound() {
			decoders := l.model.costs.Decoders
			if l.balanced {
				decoders = s.Decoders
			}
			learnt[l.model.key] = measurement{Costs: costs, Batches: s.Batches, Decoders: decoders, At: time.Now().UTC().Truncate(time.Second)}
		}
	}
	if len(learnt) == 0 {
		return
	}
	if err := keepMeasured(w.cache, func(all *measurements) { maps.Copy(all.Costs, learnt) }); err != nil {
		w.log.Info("the costs of batches are not kept: the next start learns them again", "err", err) // as with a cache that is read-only
	}
}
