package config

import "fmt"

// KafkaOutput is a topic that rows are produced to.
type KafkaOutput struct {
	Topic       string   `yaml:"topic" doc:"topic, which must exist; the brokers, tls and sasl are those of kafka"`
	Compression string   `yaml:"compression" doc:"none, gzip, snappy, lz4 or zstd"`
	Format      string   `yaml:"format" doc:"json, avro (Confluent's wire format; the schema is registered as <topic>-value) or arrow (a stream of Arrow IPC of one row, with its schema)"`
	Registry    Registry `yaml:"registry" doc:"avro: the schema registry"`
	Batch       Delivery `yaml:"batch" doc:"how messages are gathered"`
}

func (o *KafkaOutput) fill() {
	set(&o.Compression, "none")
	set(&o.Format, "json")
	o.Batch.fill()
}

func (o *KafkaOutput) buffered() Bytes { return o.Batch.MaxBuffered }

func (o *KafkaOutput) validate(f *faults, at string) {
	if o.Topic == "" {
		f.add(at+".topic", "missing")
	}
	f.oneOf(at+".compression", o.Compression, "none", "gzip", "snappy", "lz4", "zstd")
	f.oneOf(at+".format", o.Format, "json", "avro", "arrow")
	o.Registry.validate(f, at+".registry", o.Format == "avro", o.Format)
	o.Batch.validate(f, at+".batch")
}

func (o *KafkaOutput) readSecrets() error {
	if err := o.Registry.readSecrets(); err != nil {
		return fmt.Errorf("registry.%w", err)
	}
	return nil
}
