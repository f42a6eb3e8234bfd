package config

// KafkaOutput is a topic that rows are produced to.
type KafkaOutput struct {
	Topic       string   `yaml:"topic" doc:"topic, which must exist; the brokers, tls and sasl are those of kafka"`
	Compression string   `yaml:"compression" doc:"none, gzip, snappy, lz4 or zstd"`
	Batch       Delivery `yaml:"batch" doc:"how messages are gathered"`
}

func (o *KafkaOutput) fill() {
	set(&o.Compression, "none")
	o.Batch.fill()
}

func (o *KafkaOutput) buffered() Bytes { return o.Batch.MaxBuffered }

func (o *KafkaOutput) validate(f *faults, at string) {
	if o.Topic == "" {
		f.add(at+".topic", "missing")
	}
	f.oneOf(at+".compression", o.Compression, "none", "gzip", "snappy", "lz4", "zstd")
	o.Batch.validate(f, at+".batch")
}
