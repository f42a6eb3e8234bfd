package config

import (
	"fmt"
	"time"
)

// output is the settings of one kind of output.
type output interface {
	fill()
	validate(f *faults, at string)
	buffered() Bytes // of rows, at most
}

// secretive is an output that may have secrets in files.
type secretive interface{ readSecrets() error }

// kind is a kind of output under its name.
type kind struct {
	name   string
	named  bool
	output output
}

// kinds is the table of outputs.
func (o *Output) kinds() []kind {
	return []kind{
		{"parquet", o.Parquet != nil, o.Parquet},
		{"arrow", o.Arrow != nil, o.Arrow},
		{"postgres", o.Postgres != nil, o.Postgres},
		{"iceberg", o.Iceberg != nil, o.Iceberg},
		{"jsonl", o.JSONL != nil, o.JSONL},
		{"kafka", o.Kafka != nil, o.Kafka},
		{"webhook", o.Webhook != nil, o.Webhook},
		{"redis", o.Redis != nil, o.Redis},
		{"qdrant", o.Qdrant != nil, o.Qdrant},
		{"milvus", o.Milvus != nil, o.Milvus},
		{"opensearch", o.OpenSearch != nil, o.OpenSearch},
		{"flight", o.Flight != nil, o.Flight},
		{"feast", o.Feast != nil, o.Feast},
	}
}

// sampleOutput names every kind.
func sampleOutput() Output {
	return Output{Parquet: &Parquet{}, Arrow: &Arrow{}, Postgres: &Postgres{}, Iceberg: &Iceberg{}, JSONL: &JSONL{}, Kafka: &KafkaOutput{}, Webhook: &Webhook{}, Redis: &Redis{}, Qdrant: &Qdrant{}, Milvus: &Milvus{}, OpenSearch: &OpenSearch{}, Flight: &Flight{}, Feast: &Feast{}}
}

// named are the kinds that the output names: one, unless it is wrong.
func (o *Output) named() (out []kind) {
	for _, k := range o.kinds() {
		if k.named {
			out = append(out, k)
		}
	}
	return out
}

// Kind is the name of the output's kind; "" if it names none.
func (o *Output) Kind() string {
	for _, k := range o.named() {
		return k.name
	}
	return ""
}

// Buffered is the most bytes of rows that the output holds in memory.
func (o *Output) Buffered() Bytes {
	var n Bytes
	for _, k := range o.named() {
		n += k.output.buffered()
	}
	return n
}

func outputNames() (out []string) {
	for _, k := range (&Output{}).kinds() {
		out = append(out, k.name)
	}
	return out
}

// readSecrets reads what the input and the outputs have in files.
func (p *Pipeline) readSecrets() error {
	for i := range p.Outputs {
		for _, k := range p.Outputs[i].named() {
			if s, ok := k.output.(secretive); ok {
				if err := s.readSecrets(); err != nil {
					return fmt.Errorf("pipelines[%s].outputs[%d].%s.%w", p.Name, i, k.name, err)
				}
			}
		}
	}
	return p.Input.readSecrets(p.Name)
}

// Files is the place and the format of an output of files: parquet or arrow; nil for other outputs.
func (o *Output) Files() (c *Parquet, format string) {
	switch {
	case o.Parquet != nil:
		return o.Parquet, "parquet"
	case o.Arrow != nil:
		return (*Parquet)(o.Arrow), "arrow"
	}
	return nil, ""
}

// PastOutput is the output that results of earlier runs are read from: the first required one of the kind of which that costs least. nil: there is none.
func (p *Pipeline) PastOutput() *Output {
	for _, reads := range []func(o *Output) bool{
		func(o *Output) bool { return o.Parquet != nil }, // its columns are read by themselves
		func(o *Output) bool { return o.Iceberg != nil },
		func(o *Output) bool { return o.Arrow != nil }, // read whole at the start
	} {
		for i := range p.Outputs {
			if o := &p.Outputs[i]; !o.BestEffort && reads(o) {
				return o
			}
		}
	}
	return nil
}

func (o *Parquet) fill() {
	set(&o.RollBytes, 128<<20)
	set(&o.RollRows, 1_000_000)
	set(&o.RollAge, seconds(60))
	set(&o.Layout, "plain")
	set(&o.Compression, "zstd")
	set(&o.MaxBuffered, 512<<20)
}

func (o *Parquet) buffered() Bytes { return o.MaxBuffered }

func (o *Parquet) validate(f *faults, at string) {
	f.oneOf(at+".compression", o.Compression, "zstd", "snappy", "none")
	o.validateFiles(f, at)
}

func (o *Arrow) fill() {
	set(&o.Compression, "lz4")
	(*Parquet)(o).fill()
}

func (o *Arrow) buffered() Bytes { return o.MaxBuffered }

func (o *Arrow) validate(f *faults, at string) {
	f.oneOf(at+".compression", o.Compression, "lz4", "zstd", "none")
	(*Parquet)(o).validateFiles(f, at)
}

func (o *Parquet) validateFiles(f *faults, at string) {
	validateURL(f, at+".url", o.URL)
	f.oneOf(at+".layout", o.Layout, "plain", "hive")
	positive(f, at+".roll_rows", o.RollRows)
	positive(f, at+".roll_age", o.RollAge)
	if o.MaxBuffered < o.RollBytes {
		f.add(at+".max_buffered", "%s is less than roll_bytes (%s): no file could ever fill up", o.MaxBuffered, o.RollBytes)
	}
}

// Delivery is how rows are sent to an output that has no files or transactions of its own.
type Delivery struct {
	Rows        int      `yaml:"rows" doc:"rows of one request, at most"`
	Bytes       Bytes    `yaml:"bytes" doc:"size of one request, at most, estimated, unless one row has more"`
	Age         Duration `yaml:"age" doc:"or when the first row has waited this long: how long rows may take to appear"`
	InFlight    int      `yaml:"in_flight" doc:"requests under way at once, each for other topic partitions"`
	MaxBuffered Bytes    `yaml:"max_buffered" doc:"rows buffered over all topic partitions"`
	Timeout     Duration `yaml:"timeout" doc:"for one try of one request"`
}

func (d *Delivery) fill() {
	set(&d.Rows, 500)
	set(&d.Bytes, 8<<20)
	set(&d.Age, Duration(500*time.Millisecond))
	set(&d.InFlight, 4)
	set(&d.MaxBuffered, 64<<20)
	set(&d.Timeout, seconds(30))
}

func (d *Delivery) validate(f *faults, at string) {
	if d.Rows < 1 || d.Bytes < 1 || d.Age < Duration(time.Millisecond) || d.InFlight < 1 || d.MaxBuffered < 1 || d.Timeout < Duration(time.Millisecond) {
		f.add(at, "rows, bytes, age, in_flight, max_buffered and timeout must be positive")
	}
}
