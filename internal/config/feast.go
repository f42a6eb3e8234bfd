package config

import "fmt"

// Feast is a feature server of Feast that rows are pushed to.
type Feast struct {
	URL       string   `yaml:"url" doc:"https://host:port of the feature server (feast serve); http:// for loopback and trusted networks"`
	Token     Secret   `yaml:"token" doc:"bearer token of the Authorization header; prefer token_file"`
	TokenFile string   `yaml:"token_file" doc:"file that holds the token"`
	CAFile    string   `yaml:"ca_file" doc:"PEM file of the authorities to trust; empty means the system's"`
	Source    string   `yaml:"source" doc:"name of the push source"`
	To        string   `yaml:"to" doc:"online, offline or online_and_offline"`
	Columns   []string `yaml:"columns" doc:"columns to push: the keys, the timestamp and the features of the source's feature views, by their names in docs/rows.md"`
	Heads     []string `yaml:"heads" doc:"heads whose rows are pushed; none means all"`
	Batch     Delivery `yaml:"batch" doc:"how rows are gathered into pushes"`
}

func (o *Feast) fill() {
	set(&o.To, "online")
	if len(o.Columns) == 0 {
		o.Columns = []string{"ref_id", "created_at", "row_id", "model_digest", "vector"}
	}
	o.Batch.fill()
}

func (o *Feast) buffered() Bytes { return o.Batch.MaxBuffered }

func (o *Feast) validate(f *faults, at string) {
	validateServer(f, at, o.URL)
	if o.Source == "" {
		f.add(at+".source", "missing; the name of a push source")
	}
	f.oneOf(at+".to", o.To, "online", "offline", "online_and_offline")
	o.Batch.validate(f, at+".batch")
}

func (o *Feast) readSecrets() (err error) {
	if o.Token, err = readSecret(o.Token, o.TokenFile); err != nil {
		return fmt.Errorf("token_file: %w", err)
	}
	return nil
}
