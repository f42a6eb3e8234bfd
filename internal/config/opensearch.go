package config

import "fmt"

// OpenSearch is an index of OpenSearch.
type OpenSearch struct {
	URL          string   `yaml:"url" doc:"https://host:port or http://host:port"`
	User         string   `yaml:"user" doc:"name for basic authentication; empty means none"`
	Password     Secret   `yaml:"password" doc:"its password; prefer password_file"`
	PasswordFile string   `yaml:"password_file" doc:"file that holds the password"`
	CAFile       string   `yaml:"ca_file" doc:"PEM file of the authorities to trust with https; empty means the system's"`
	Index        string   `yaml:"index" doc:"it is made if it is not there, with a field for vectors (knn_vector, HNSW by Lucene); one model has it for itself"`
	Shards       int      `yaml:"shards" doc:"of an index that is made"`
	Replicas     *int     `yaml:"replicas" doc:"of an index that is made; silence means 1"`
	Dimension    int      `yaml:"dimension" doc:"numbers of a vector, as the model gives them"`
	Metric       string   `yaml:"metric" doc:"cosine, l2 or ip"`
	Columns      []string `yaml:"columns" doc:"columns beside the vector; none means all. row_id, ref_id, model_digest, head, topic, partition, offset and window are there always"`
	Batch        Delivery `yaml:"batch" doc:"how rows are gathered into bulk requests"`
}

func (o *OpenSearch) fill() {
	set(&o.Metric, "cosine")
	set(&o.Shards, 1)
	if o.Replicas == nil {
		one := 1
		o.Replicas = &one
	}
	o.Batch.fill()
}

func (o *OpenSearch) buffered() Bytes { return o.Batch.MaxBuffered }

func (o *OpenSearch) validate(f *faults, at string) {
	validateServer(f, at, o.URL)
	if o.Index == "" {
		f.add(at+".index", "missing")
	}
	validateVectors(f, at, o.Dimension, o.Metric)
	if o.Shards < 1 || *o.Replicas < 0 {
		f.add(at, "shards and replicas must be at least 1 and 0")
	}
	o.Batch.validate(f, at+".batch")
}

func (o *OpenSearch) readSecrets() (err error) {
	if o.Password, err = readSecret(o.Password, o.PasswordFile); err != nil {
		return fmt.Errorf("password_file: %w", err)
	}
	return nil
}
