package config

import (
	"fmt"
	"net/url"
)

// Qdrant is a collection of Qdrant.
type Qdrant struct {
	URL        string   `yaml:"url" doc:"https://host:port or http://host:port of the gRPC interface (6334 if there is no port)"`
	APIKey     Secret   `yaml:"api_key" doc:"key of the server; prefer api_key_file"`
	APIKeyFile string   `yaml:"api_key_file" doc:"file that holds the key"`
	CAFile     string   `yaml:"ca_file" doc:"PEM file of the authorities to trust with https; empty means the system's"`
	Collection string   `yaml:"collection" doc:"it is made if it is not there, with a vector named after each head that gives vectors; one model has it for itself"`
	Dimension  int      `yaml:"dimension" doc:"numbers of a vector, as the model gives them"`
	Metric     string   `yaml:"metric" doc:"cosine, l2 or ip"`
	Columns    []string `yaml:"columns" doc:"columns of the payload; none means all. row_id, ref_id, model_digest, head, topic, partition, offset and window are there always"`
	Batch      Delivery `yaml:"batch" doc:"how rows are gathered into requests"`
}

func (o *Qdrant) fill() {
	set(&o.Metric, "cosine")
	o.Batch.fill()
}

func (o *Qdrant) buffered() Bytes { return o.Batch.MaxBuffered }

func (o *Qdrant) validate(f *faults, at string) {
	validateIndex(f, at, o.URL, o.Collection, o.Dimension, o.Metric)
	o.Batch.validate(f, at+".batch")
}

// validateIndex is what indexes of vectors have in common.
func validateIndex(f *faults, at, address, collection string, dimension int, metric string) {
	validateServer(f, at, address)
	if collection == "" {
		f.add(at+".collection", "missing")
	}
	validateVectors(f, at, dimension, metric)
}

func validateVectors(f *faults, at string, dimension int, metric string) {
	if dimension < 1 {
		f.add(at+".dimension", "missing; how many numbers has a vector of the model?")
	}
	f.oneOf(at+".metric", metric, "cosine", "l2", "ip")
}

// validateServer checks the address of a server.
func validateServer(f *faults, at, address string) {
	if u, err := url.Parse(address); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		f.add(at+".url", "missing, or not https://host:port or http://host:port") // it may hold a password
	}
}

func (o *Qdrant) readSecrets() (err error) {
	if o.APIKey, err = readSecret(o.APIKey, o.APIKeyFile); err != nil {
		return fmt.Errorf("api_key_file: %w", err)
	}
	return nil
}

// Milvus is a collection of Milvus.
type Milvus struct {
	URL        string   `yaml:"url" doc:"https://host:port or http://host:port (19530 if there is no port)"`
	Token      Secret   `yaml:"token" doc:"user:password, or a key; prefer token_file"`
	TokenFile  string   `yaml:"token_file" doc:"file that holds the token"`
	CAFile     string   `yaml:"ca_file" doc:"PEM file of the authorities to trust with https; empty means the system's"`
	Database   string   `yaml:"database" doc:"database; empty means the server's default"`
	Collection string   `yaml:"collection" doc:"it is made if it is not there, indexed and loaded; one model has it for itself. Rows without a vector are passed over"`
	Dimension  int      `yaml:"dimension" doc:"numbers of a vector, as the model gives them"`
	Metric     string   `yaml:"metric" doc:"cosine, l2 or ip"`
	Columns    []string `yaml:"columns" doc:"columns beside the vector; none means all. row_id, ref_id, model_digest, head, topic, partition, offset and window are there always"`
	Batch      Delivery `yaml:"batch" doc:"how rows are gathered into requests"`
}

func (o *Milvus) fill() {
	set(&o.Metric, "cosine")
	o.Batch.fill()
}

func (o *Milvus) buffered() Bytes { return o.Batch.MaxBuffered }

func (o *Milvus) validate(f *faults, at string) {
	validateIndex(f, at, o.URL, o.Collection, o.Dimension, o.Metric)
	o.Batch.validate(f, at+".batch")
}

func (o *Milvus) readSecrets() (err error) {
	if o.Token, err = readSecret(o.Token, o.TokenFile); err != nil {
		return fmt.Errorf("token_file: %w", err)
	}
	return nil
}
