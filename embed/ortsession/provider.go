package ortsession

import (
	"errors"
	"fmt"
	"strconv"
)

// Provider is the part of ONNX Runtime that computes a session's graph.
type Provider string

// The providers. The last two need the GPU build of ONNX Runtime and NVIDIA's libraries.
const (
	CPU      Provider = "" // or "cpu"
	CUDA     Provider = "cuda"
	TensorRT Provider = "tensorrt" // what TensorRT does not take, CUDA computes
)

// OnGPU says whether the provider computes on a GPU.
func (p Provider) OnGPU() bool { return p == CUDA || p == TensorRT }

// GPU are options of the providers CUDA and TensorRT. The zero value is device 0 with all of its memory.
type GPU struct {
	Device      int    // number of the GPU among those that the process sees
	MemoryLimit int64  // bytes of the arena on the device; 0: no limit
	Doubling    bool   // let the arena grow by powers of two, which asks the device less often, instead of by what is asked for
	Search      Search // how cuDNN's algorithms for convolutions are chosen
	TF32        bool   // products of float32 by 10 bits of fraction: faster, and no longer equal to the reference
	Engines     string // TensorRT: directory that built engines and their timings are kept in, each graph's in one of its own; empty: built at every start
}

// Search is how algorithms for convolutions are chosen: for every shape that comes, so that it costs most where shapes keep changing.
type Search string

// The searches. ONNX Runtime's third, DEFAULT, is cuDNN's fall-back mode since its release 1.20, which is for what no other mode computes
// (github.com/microsoft/onnxruntime/issues/22705), and of which it warns.
const (
	Heuristic  Search = ""           // or "heuristic": cuDNN's heuristic mode A, quick
	Exhaustive Search = "exhaustive" // its mode B, which takes longer and guesses better
)

// Searches are all there are, the one that is taken first where others are no faster.
func Searches() []Search { return []Search{Heuristic, Exhaustive} }

// ErrNoProvider means that a provider was asked for that cannot be had. Nothing is computed by another one in its place.
var ErrNoProvider = errors.New("no usable GPU provider")

const gpuRemedy = "fetch the GPU build with tools/fetch-ort-gpu.sh, set VECMILL_ORT_LIB (or runtime.library) to it and LD_LIBRARY_PATH to its directory, and see that nvidia-smi lists the device; or set model.provider: cpu"

// noProvider says what to do where a provider's options, or its library, are refused.
func noProvider(p Provider, path, version string, err error) error {
	return fmt.Errorf("%w: ONNX Runtime %s in %s does not give provider %s: %w; %s", ErrNoProvider, version, path, p, err, gpuRemedy)
}

// validate names the first field that cannot be used.
func (g GPU) validate(p Provider) error {
	switch {
	case p != CPU && p != "cpu" && !p.OnGPU():
		return fmt.Errorf("provider: %q is not one of cpu, %s, %s", string(p), CUDA, TensorRT)
	case !p.OnGPU() && g != (GPU{}):
		return fmt.Errorf("provider: options for a GPU without provider %s or %s", CUDA, TensorRT)
	case g.Device < 0:
		return fmt.Errorf("device: %d is negative", g.Device)
	case g.MemoryLimit < 0:
		return fmt.Errorf("memory limit: %d is negative", g.MemoryLimit)
	case g.Engines != "" && p != TensorRT:
		return fmt.Errorf("engines: only provider %s builds any", TensorRT)
	}
	if _, ok := cudnnNames[g.Search]; !ok {
		return fmt.Errorf("search: %q is not one of heuristic, %s", string(g.Search), Exhaustive)
	}
	return nil
}

// cudnnNames are ONNX Runtime's words for the searches.
var cudnnNames = map[Search]string{Heuristic: "HEURISTIC", "heuristic": "HEURISTIC", Exhaustive: "EXHAUSTIVE"}

// cuda are the options in ONNX Runtime's words, as its documentation of the CUDA provider lists them.
func (g GPU) cuda() map[string]string {
	o := map[string]string{
		"device_id":                          strconv.Itoa(g.Device),
		"arena_extend_strategy":              "kSameAsRequested",
		"cudnn_conv_algo_search":             cudnnNames[g.Search],
		"cudnn_conv1d_pad_to_nc1d":           "1", // one-dimensional convolutions, audio's, as two-dimensional ones of height 1
		"enable_skip_layer_norm_strict_mode": "1", // its sums in single precision
		"use_tf32":                           bit(g.TF32),
	}
	if g.Doubling {
		o["arena_extend_strategy"] = "kNextPowerOfTwo"
	}
	if g.MemoryLimit > 0 {
		o["gpu_mem_limit"] = strconv.FormatInt(g.MemoryLimit, 10)
	}
	return o
}

// tensorRT are the options of the TensorRT provider. Precision is the graph's own, never TensorRT's choice.
func (g GPU) tensorRT() map[string]string {
	o := map[string]string{"device_id": strconv.Itoa(g.Device), "trt_fp16_enable": "0", "trt_int8_enable": "0"}
	if g.Engines != "" {
		o["trt_engine_cache_enable"], o["trt_engine_cache_path"] = "1", g.Engines
		o["trt_timing_cache_enable"], o["trt_timing_cache_path"] = "1", g.Engines
	}
	return o
}

func bit(v bool) string {
	if v {
		return "1"
	}
	return "0"
}
