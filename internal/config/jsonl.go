package config

import (
	"fmt"
	"path/filepath"
)

// JSONL is a file of lines of JSON.
type JSONL struct {
	Path  string   `yaml:"path" doc:"file to append to, one for each worker; - is standard output"`
	Batch Delivery `yaml:"batch" doc:"how lines are gathered; each batch is one write and one fsync"`
}

func (o *JSONL) fill() { o.Batch.fill() }

func (o *JSONL) buffered() Bytes { return o.Batch.MaxBuffered }

func (o *JSONL) validate(f *faults, at string) {
	if o.Path == "" {
		f.add(at+".path", "missing; want a file, or - for standard output")
	}
	o.Batch.validate(f, at+".batch")
}

// validateLines refuses a file that an output before writes, of this pipeline or of one before: a file has one writer.
func (p *Pipeline) validateLines(f *faults, path string, before []Pipeline) {
	writer := map[string]string{}
	for _, other := range append(before[:len(before):len(before)], *p) {
		for i := range other.Outputs {
			o := other.Outputs[i].JSONL
			if o == nil || o.Path == "-" || o.Path == "" {
				continue
			}
			file := filepath.Clean(o.Path)
			if name, taken := writer[file]; taken && other.Name == p.Name {
				f.add(fmt.Sprintf("%s.outputs[%d].jsonl.path", path, i), "%s is also an output of pipeline %s: a file has one writer", o.Path, name)
			}
			writer[file] = other.Name
		}
	}
}
