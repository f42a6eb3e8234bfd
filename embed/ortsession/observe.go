package ortsession

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Observed is what ONNX Runtime did with a graph: which provider computed which operators, and what it warned of.
type Observed struct {
	Nodes    []Node   // in the order in which they ran
	Warnings []string // lines of its log
}

// Node is one operator of one run.
type Node struct {
	Provider string // CPUExecutionProvider, CUDAExecutionProvider, ...
	Op       string // type of the operator, such as MatMul
	Name     string // in the graph
	Whole    bool   // it gives integers or truth values only: shapes, masks, positions
	Values   int    // of its largest output
}

// muchWhole is how many integers or truth values are too many for the CPU beside a GPU: a mask of pairs of steps has more, shapes and the steps of a batch have less.
const muchWhole = 1 << 16

// Strays are the nodes that compute on the CPU what a GPU was meant to: those that give floating-point numbers, or very many others. Shapes belong on the CPU, which
// needs them to run the rest.
func (o *Observed) Strays() (strays []Node) {
	for _, n := range o.Nodes {
		if n.Provider == "CPUExecutionProvider" && (!n.Whole || n.Values > muchWhole) {
			strays = append(strays, n)
		}
	}
	return strays
}

// Slow are the warnings that cuDNN runs without the algorithm that it should: ONNX Runtime says that a convolution falls back, or that a search found nothing.
func (o *Observed) Slow() (lines []string) {
	for _, l := range o.Warnings {
		low := strings.ToLower(l)
		if strings.Contains(low, "fallback mode") || strings.Contains(low, "cudnn") && (strings.Contains(low, "fail") || strings.Contains(low, "falling back")) {
			lines = append(lines, l)
		}
	}
	return lines
}

// readProfile takes the nodes of a profile as ONNX Runtime writes it: events in the format of Chrome's tracing.
func readProfile(raw []byte) ([]Node, error) {
	var events []struct {
		Cat  string `json:"cat"`
		Name string `json:"name"`
		Args struct {
			Provider string                 `json:"provider"`
			Op       string                 `json:"op_name"`
			Outputs  []map[string][]float64 `json:"output_type_shape"`
		} `json:"args"`
	}
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&events); err != nil {
		return nil, fmt.Errorf("reading the profile: %w", err)
	}
	var nodes []Node
	for _, e := range events {
		name, ok := strings.CutSuffix(e.Name, "_kernel_time")
		if e.Cat != "Node" || !ok || e.Args.Provider == "" {
			continue
		}
		n := Node{Provider: e.Args.Provider, Op: e.Args.Op, Name: name, Whole: len(e.Args.Outputs) > 0}
		for _, out := range e.Args.Outputs {
			for typ, shape := range out {
				n.Whole = n.Whole && !strings.Contains(typ, "float") && typ != "double"
				values := 1.0
				for _, d := range shape {
					values *= d
				}
				n.Values = max(n.Values, int(values))
			}
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}
