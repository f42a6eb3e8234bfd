//go:build cgo

package ortsession

import (
	"context"
	"errors"
	"fmt"

	ort "github.com/yalue/onnxruntime_go"

	"vecmill/embed"
	"vecmill/model"
)

// firstRegion is how much address space the arena of sessions on the CPU begins with, in bytes. Only what was touched of it is resident. Without it the arena grows by regions of one megabyte, two, four
// and so on, between which free memory never joins.
const firstRegion = 256 << 20

// How an arena grows.
const (
	asTheLibrary = -1 // its own choice: by powers of two
	asRequested  = 1
)

// shareArena makes the arena that sessions on the CPU have in common. The library's own choice would be one for each.
func shareArena() error { return register(asTheLibrary, firstRegion) }

// register makes an arena for sessions on the CPU that are opened from now on; first is the size of its first region.
func register(growth, first int) error {
	c, err := ort.NewArenaCfg(0, growth, first, asTheLibrary) // of no limit
	if err != nil {
		return fmt.Errorf("making an arena: %w", err)
	}
	defer c.Destroy()
	info, err := ort.GetMemoryInfo()
	if err == nil {
		err = ort.CreateAndRegisterAllocator(info, c)
	}
	if err != nil {
		return fmt.Errorf("making an arena: %w", err)
	}
	return nil
}

// unregister takes the arena away from sessions that are opened from now on; those that have it keep it.
func unregister() error {
	info, err := ort.GetMemoryInfo()
	if err == nil {
		err = ort.UnregisterAllocator(info)
	}
	if err != nil {
		return fmt.Errorf("giving up an arena: %w", err)
	}
	return nil
}

// arena are the settings of a session's arena: the common one, or none. Sessions on GPUs keep one of their own for what they do on the CPU, which has not been tried otherwise.
func (o Options) arena() setting {
	return func(so *ort.SessionOptions) error {
		if o.NoArena || o.Provider.OnGPU() {
			return so.SetCpuMemArena(!o.NoArena)
		}
		return entry("session.use_env_allocators", "1")(so)
	}
}

// Arena is how many bytes the arena of a new session holds after a run of a batch: what the session needs for such a batch beyond what it is opened with, but for the batch itself and its outputs, which are Go's.
// On a CPU the measured session has an arena of its own, which grows by what is asked for; the common one has a large region at first, of which the system gives what is used. Sessions that are opened meanwhile would share it: there must be none. On a GPU it is the device's memory, in an arena as
// the options have it; cuBLAS and cuDNN hold some beside it. The binding does not tell what an allocator holds, so this is read in the library's log, from standard error, as [Observe] does: one waits for the other.
// ErrUntold means that the log does not say: of TensorRT, which asks the device itself, and elsewhere than on Linux.
func Arena(ctx context.Context, g model.Graph, o Options, inputs []embed.Tensor) (bytes int64, err error) {
	observing.Lock()
	defer observing.Unlock()
	if o.Provider == TensorRT {
		return 0, fmt.Errorf("%w by TensorRT", ErrUntold)
	}
	if _, _, err := library(o.Library); err != nil {
		return 0, err
	}
	if o.Provider.OnGPU() {
		return arena(ctx, g, o, "Cuda", inputs)
	}
	err = measuringArena(func() error {
		bytes, err = arena(ctx, g, o, "Cpu", inputs)
		return err
	})
	return bytes, err
}

// arena runs a batch on a new session, and reads how the arena of that name grew.
func arena(ctx context.Context, g model.Graph, o Options, name string, inputs []embed.Tensor) (int64, error) {
	var lines []string
	err := once(ctx, g, o, func(s embed.Session) (err error) {
		lines, err = standardError(func() error {
			return aloud(ort.LoggingLevelInfo, func() error {
				_, err := s.Run(ctx, inputs)
				return err
			})
		}, informs)
		return err
	})
	if err != nil {
		return 0, err
	}
	return grown(lines, name)
}

// measuringArena runs do while sessions that are opened get an arena that grows by what is asked for.
func measuringArena(do func() error) (err error) {
	if err := unregister(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shareArena()) }()
	if err := register(asRequested, asTheLibrary); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unregister()) }()
	return do()
}
