package checkpoint

import "strings"

// kerasParameters are Keras' names of a layer's parameters and torch's.
var kerasParameters = map[string]string{
	"kernel": "weight", "embeddings": "weight", "gamma": "weight", "beta": "bias",
	"moving_mean": "running_mean", "moving_variance": "running_var",
}

// kerasKernels give, by a kernel's rank, torch's order of its dimensions: Dense [in, out]; Conv1D [k, in, out]; Conv2D [h, w, in, out],
// and Conv2DTranspose [h, w, out, in], which torch stores as [in, out, h, w].
var kerasKernels = map[int][]int{2: {1, 0}, 3: {2, 1, 0}, 4: {3, 2, 0, 1}}

// kerasName is torch's name of a weight, and the order that brings its dimensions into torch's layout (nil: they agree). A stored name
// is MODEL/scope/.../parameter:0, in which MODEL is the Python class and an item of a list is spelled layer_._0.
func kerasName(stored string, rank int) (name string, order []int) {
	path := strings.Split(strings.TrimSuffix(stored, ":0"), "/")
	if len(path) > 1 {
		path = path[1:]
	}
	last := len(path) - 1
	if path[last] == "kernel" {
		order = kerasKernels[rank]
	}
	if torch, ok := kerasParameters[path[last]]; ok {
		path[last] = torch
	}
	return strings.ReplaceAll(strings.Join(path, "."), "_._", "."), order
}
