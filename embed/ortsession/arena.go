//go:build cgo

package ortsession

import ort "github.com/yalue/onnxruntime_go"

// firstRegion is how much address space the arena of sessions on the CPU begins with, in bytes. Only what was touched of it is resident. Without it the arena grows by regions of one megabyte, two, four
// and so on, between which free memory never joins.
const firstRegion = 256 << 20

// shareArena makes the arena that sessions on the CPU have in common. The library's own choice would be one for each.
func shareArena() error {
	const ofTheLibrary = -1 // and 0 for no limit
	c, err := ort.NewArenaCfg(0, ofTheLibrary, firstRegion, ofTheLibrary)
	if err != nil {
		return err
	}
	defer c.Destroy()
	info, err := ort.GetMemoryInfo()
	if err != nil {
		return err
	}
	return ort.CreateAndRegisterAllocator(info, c)
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
