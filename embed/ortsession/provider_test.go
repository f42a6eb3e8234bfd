package ortsession

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestProvidersAreToldWhatIsConfigured(t *testing.T) {
	for _, c := range []struct {
		name string
		got  map[string]string
		want map[string]string
	}{
		{"cuda, nothing said", GPU{}.cuda(), map[string]string{
			"device_id": "0", "arena_extend_strategy": "kSameAsRequested", "cudnn_conv_algo_search": "HEURISTIC", "cudnn_conv1d_pad_to_nc1d": "1",
			"enable_skip_layer_norm_strict_mode": "1", "use_tf32": "0",
		}},
		{"cuda, all said", GPU{Device: 3, MemoryLimit: 1 << 33, Doubling: true, Search: Exhaustive, TF32: true}.cuda(), map[string]string{
			"device_id": "3", "arena_extend_strategy": "kNextPowerOfTwo", "cudnn_conv_algo_search": "EXHAUSTIVE", "cudnn_conv1d_pad_to_nc1d": "1",
			"enable_skip_layer_norm_strict_mode": "1", "use_tf32": "1", "gpu_mem_limit": "8589934592",
		}},
		{"tensorrt, nothing said", GPU{}.tensorRT(), map[string]string{"device_id": "0", "trt_fp16_enable": "0", "trt_int8_enable": "0"}},
		{"tensorrt, engines kept", GPU{Device: 1, Engines: "/e"}.tensorRT(), map[string]string{
			"device_id": "1", "trt_fp16_enable": "0", "trt_int8_enable": "0", "trt_engine_cache_enable": "1", "trt_engine_cache_path": "/e",
			"trt_timing_cache_enable": "1", "trt_timing_cache_path": "/e",
		}},
	} {
		if !maps.Equal(c.got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestOptionsThatMakeNoSenseAreNamed(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{}, ""},
		{Options{Provider: "cpu"}, ""},
		{Options{Provider: TensorRT, GPU: GPU{Engines: "/e", Search: "heuristic"}}, ""},
		{Options{Provider: "rocm"}, `"rocm" is not one of cpu, cuda, tensorrt`},
		{Options{GPU: GPU{Device: 1}}, "options for a GPU without provider"},
		{Options{Provider: CUDA, GPU: GPU{Device: -1}}, "device: -1"},
		{Options{Provider: CUDA, GPU: GPU{MemoryLimit: -1}}, "memory limit: -1"},
		{Options{Provider: CUDA, GPU: GPU{Engines: "/e"}}, "only provider tensorrt"},
		{Options{Provider: CUDA, GPU: GPU{Search: "best"}}, `search: "best"`},
		{Options{Provider: CUDA, GPU: GPU{Search: "default"}}, `search: "default" is not one of heuristic, exhaustive`}, // cuDNN's fall-back mode
	} {
		if err := c.o.Validate(); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
		}
	}
}

// Lines are ONNX Runtime's own, of its release 1.24 and of reports of its users.
func TestWarningsOfSlowConvolutionsAreFound(t *testing.T) {
	slow := []string{
		"2026-03-01 10:00:00.1 [W:onnxruntime:, conv.cc:425 UpdateState] OP Conv(Conv_7) running in Fallback mode. May be extremely slow.",
		"[W:onnxruntime:, cudnn_common.cc] CUDNN failure 8: CUDNN_STATUS_EXECUTION_FAILED; falling back to the default algorithm",
	}
	others := []string{
		"[W:onnxruntime:, transformer_memcpy.cc:111 ApplyImpl] 4 Memcpy nodes are added to the graph main_graph for CUDAExecutionProvider.",
		"[W:onnxruntime:, cuda_execution_provider.cc] Falling back to default BFCArena with CUDA allocator.",
	}
	o := Observed{Warnings: slices.Concat(slow, others)}
	if got := o.Slow(); !slices.Equal(got, slow) {
		t.Errorf("%q", got)
	}
}

func TestOnlyWhatComputesNumbersOrMuchIsAStray(t *testing.T) {
	const profile = `[
{"cat":"Session","name":"session_initialization","args":{}},
{"cat":"Node","name":"a_fence_before","args":{"op_name":"Add"}},
{"cat":"Node","name":"a_kernel_time","args":{"op_name":"MatMul","provider":"CUDAExecutionProvider","output_type_shape":[{"float16":[2,3]}]}},
{"cat":"Node","name":"b_kernel_time","args":{"op_name":"Shape","provider":"CPUExecutionProvider","output_type_shape":[{"int64":[2]}]}},
{"cat":"Node","name":"c_kernel_time","args":{"op_name":"Less","provider":"CPUExecutionProvider","output_type_shape":[{"bool":[2]}]}},
{"cat":"Node","name":"d_kernel_time","args":{"op_name":"Gelu","provider":"CPUExecutionProvider","output_type_shape":[{"float":[2,3]}]}},
{"cat":"Node","name":"e_kernel_time","args":{"op_name":"Odd","provider":"CPUExecutionProvider","output_type_shape":[]}},
{"cat":"Node","name":"f_kernel_time","args":{"op_name":"Less","provider":"CPUExecutionProvider","output_type_shape":[{"bool":[1,1,300,300]},{"bool":[2]}]}},
{"cat":"Node","name":"g_kernel_time","args":{"op_name":"Less","provider":"CUDAExecutionProvider","output_type_shape":[{"bool":[1,1,300,300]}]}}]`
	nodes, err := readProfile([]byte(profile))
	if err != nil || len(nodes) != 7 {
		t.Fatalf("%d nodes, %v", len(nodes), err)
	}
	var names []string
	for _, n := range (&Observed{Nodes: nodes}).Strays() {
		names = append(names, n.Name)
	}
	if !slices.Equal(names, []string{"d", "e", "f"}) {
		t.Errorf("strays %v, want d and e, and the large mask of f", names)
	}
	if nodes[5].Values != 90000 || nodes[1].Values != 2 {
		t.Errorf("%d and %d values", nodes[5].Values, nodes[1].Values)
	}
	if _, err := readProfile([]byte("[{")); err == nil {
		t.Error("a torn profile is read")
	}
}
