package config

import (
	"fmt"
	"strings"
)

// Redis is an online feature store in Redis.
type Redis struct {
	URL       Secret   `yaml:"url" doc:"redis://user:password@host:port/db, or rediss:// for TLS; one node, not a cluster"`
	URLFile   string   `yaml:"url_file" doc:"file with the url, for one with a password"`
	CAFile    string   `yaml:"ca_file" doc:"PEM file of the authorities to trust with rediss://; empty means the system's"`
	Prefix    string   `yaml:"prefix" doc:"first part of every key; one model has it for itself"`
	Columns   []string `yaml:"columns" doc:"columns to store; none means all. row_id, head, topic, partition and offset are stored always"`
	TTL       Duration `yaml:"ttl" doc:"how long a row stays after it was written; 0 means for ever"`
	Index     string   `yaml:"index" doc:"none, or of each head that gives vectors an index of them, PREFIX:HEAD, which a server with the module search keeps: hnsw or flat"`
	Dimension int      `yaml:"dimension" doc:"with an index: numbers of a vector, as the model gives them"`
	Metric    string   `yaml:"metric" doc:"with an index: cosine, l2 or ip"`
	Batch     Delivery `yaml:"batch" doc:"how rows are gathered; a batch is one script for each topic partition"`
}

func (o *Redis) fill() {
	set(&o.Prefix, "vecmill")
	set(&o.Index, "none")
	set(&o.Metric, "cosine")
	o.Batch.fill()
}

func (o *Redis) buffered() Bytes { return o.Batch.MaxBuffered }

func (o *Redis) validate(f *faults, at string) {
	if u := o.URL.Reveal(); !strings.HasPrefix(u, "redis://") && !strings.HasPrefix(u, "rediss://") {
		f.add(at+".url", "missing, or not redis://host:port/db or rediss://host:port/db") // it may hold a password
	}
	if o.TTL < 0 {
		f.add(at+".ttl", "must not be negative")
	}
	f.oneOf(at+".index", o.Index, "none", "hnsw", "flat")
	if o.Index != "none" {
		validateVectors(f, at, o.Dimension, o.Metric)
	} else {
		notNegative(f, at+".dimension", o.Dimension)
	}
	o.Batch.validate(f, at+".batch")
}

func (o *Redis) readSecrets() (err error) {
	if o.URL, err = readSecret(o.URL, o.URLFile); err != nil {
		return fmt.Errorf("url_file: %w", err)
	}
	return nil
}
