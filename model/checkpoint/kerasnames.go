package checkpoint

import (
	"fmt"
	"strings"
)

// kerasParameters are Keras' names of a layer's parameters and torch's.
var kerasParameters = map[string]string{
	"kernel": "weight", "embeddings": "weight", "gamma": "weight", "beta": "bias",
	"moving_mean": "running_mean", "moving_variance": "running_var",
}

// kerasKernels give, by a kernel's rank, torch's order of its dimensions: Dense [in, out]; Conv1D [k, in, out]; Conv2D [h, w, in, out],
// and Conv2DTranspose [h, w, out, in], which torch stores as [in, out, h, w].
var kerasKernels = map[int][]int{2: {1, 0}, 3: {2, 1, 0}, 4: {3, 2, 0, 1}}

// scoped is a stored name without its first part, which names the Python class: MODEL/scope/.../parameter:0.
func scoped(stored string) string {
	if _, rest, ok := strings.Cut(stored, "/"); ok {
		return rest
	}
	return stored
}

// kerasName is torch's name of a weight scope/.../parameter:0, and the order that brings its dimensions into torch's layout (nil: they
// agree). An item of a list is spelled layer_._0.
func kerasName(stored string, rank int) (name string, order []int) {
	path := strings.Split(strings.TrimSuffix(stored, ":0"), "/")
	last := len(path) - 1
	if path[last] == "kernel" {
		order = kerasKernels[rank]
	}
	if torch, ok := kerasParameters[path[last]]; ok {
		path[last] = torch
	}
	return strings.ReplaceAll(strings.Join(path, "."), "_._", "."), order
}

// fromKerasNames gives tensors that TensorFlow stored in a safetensors file, under scope/.../parameter:0, torch's names and layouts.
func fromKerasNames(tensors []Tensor) ([]Tensor, error) {
	seen := make(map[string]string, len(tensors))
	for i, t := range tensors {
		name, order := kerasName(t.Name, len(t.Shape))
		if other, twice := seen[name]; twice {
			return nil, fmt.Errorf("the weights %s and %s are both %s", other, t.Name, name)
		}
		seen[name] = t.Name
		if order != nil {
			t = t.transposed(order...)
		}
		t.Name = name
		tensors[i] = t
	}
	return tensors, nil
}
