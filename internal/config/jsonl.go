package config

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
