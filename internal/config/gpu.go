package config

import "slices"

// GPU is how the providers cuda and tensorrt use their devices.
type GPU struct {
	MemoryLimit Bytes  `yaml:"memory_limit" doc:"most memory of a device that one session's arena may take; 0 means no limit"`
	Arena       string `yaml:"arena" doc:"how the arena grows: as_requested, or doubling, which asks the device less often and holds more"`
	Search      string `yaml:"search" doc:"how cuDNN's algorithms for convolutions are chosen: heuristic, exhaustive (takes longer for each new shape), or auto: the faster of the two with this model, measured when it loads, on each device where they are not known to be of one kind"`
	TF32        bool   `yaml:"tf32" doc:"let fp32 products round to 10 bits of fraction: faster, and no longer equal to the reference; worker doctor fails then"`
	EngineCache string `yaml:"engine_cache" doc:"tensorrt: directory for built engines, with a directory for each graph in it; empty means engines in runtime.cache_dir"`
	Shapes      string `yaml:"shapes" doc:"fixed: batches are padded to a small set of lengths and numbers of items, so that memory is asked for once and convolutions are planned anew less often; free: to their longest item"`
}

// fill sets defaults.
func (g *GPU) fill() {
	set(&g.Arena, "as_requested")
	set(&g.Search, "heuristic")
	set(&g.Shapes, "fixed")
}

// OnGPU says whether a pipeline's model is computed on GPUs.
func (m *Model) OnGPU() bool { return m.Provider == "cuda" || m.Provider == "tensorrt" }

// OnDevices are the numbers of the GPUs that a model is computed on, if it is on any.
func (m *Model) OnDevices() []int {
	if len(m.Devices) == 0 {
		return []int{0}
	}
	return m.Devices
}

func (m *Model) validateGPU(f *faults, path string) {
	f.oneOf(path+".provider", m.Provider, "cpu", "cuda", "tensorrt")
	f.oneOf(path+".gpu.arena", m.GPU.Arena, "as_requested", "doubling")
	f.oneOf(path+".gpu.search", m.GPU.Search, "auto", "heuristic", "exhaustive")
	f.oneOf(path+".gpu.shapes", m.GPU.Shapes, "fixed", "free")
	if m.GPU.MemoryLimit < 0 {
		f.add(path+".gpu.memory_limit", "%s is negative", m.GPU.MemoryLimit)
	}
	for i, d := range m.Devices {
		if d < 0 || slices.Contains(m.Devices[:i], d) {
			f.add(path+".devices", "%d is negative, or named twice", d)
		}
	}
	silent := GPU{}
	silent.fill()
	switch {
	case m.OnGPU() && m.Precision == "int8":
		f.add(path+".precision", "int8 is for processors: its operators have no GPU kernels; use fp16, auto or fp32")
	case m.Provider == "cpu" && len(m.Devices) > 0:
		f.add(path+".devices", "means GPUs, and provider is cpu")
	case m.Provider == "cpu" && m.GPU != silent:
		f.add(path+".gpu", "has no effect with provider cpu")
	}
	if m.GPU.EngineCache != "" && m.Provider != "tensorrt" {
		f.add(path+".gpu.engine_cache", "is of provider tensorrt alone")
	}
}
