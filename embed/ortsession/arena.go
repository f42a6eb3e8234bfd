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

// Arena is how many bytes the arena of a new session holds after a run of a batch: what the session needs for such a batch beyond what it is opened with, but for the batch itself and its outputs, which are Go's.
// On a CPU the arena of the measured session grows by what is asked for; that of others grows by powers of two, of which the system gives what is used. On a GPU it is the device's memory, in an arena as
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
	err = ownArena(func() error {
		o.common = true
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

// ownArena runs do while the process has an arena for the CPU that grows by what is asked for, for sessions that share it.
func ownArena(do func() error) (err error) {
	cfg, err := ort.NewArenaCfg(0, 1, -1, -1) // kSameAsRequested
	if err != nil {
		return fmt.Errorf("making an arena: %w", err)
	}
	defer cfg.Destroy()
	info, err := ort.GetMemoryInfo()
	if err != nil {
		return fmt.Errorf("making an arena: %w", err)
	}
	if err := ort.CreateAndRegisterAllocator(info, cfg); err != nil {
		return fmt.Errorf("making an arena: %w", err)
	}
	defer func() { err = errors.Join(err, ort.UnregisterAllocator(info)) }()
	return do()
}

// share is the setting of a session that takes the process' arena.
func (o Options) share(so *ort.SessionOptions) error {
	if !o.common {
		return nil
	}
	return so.AddSessionConfigEntry("session.use_env_allocators", "1")
}
