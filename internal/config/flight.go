package config

import "fmt"

// Flight is a server of Arrow Flight.
type Flight struct {
	URL       string   `yaml:"url" doc:"https://host:port or http://host:port (8815 if there is no port)"`
	Token     Secret   `yaml:"token" doc:"bearer token; prefer token_file"`
	TokenFile string   `yaml:"token_file" doc:"file that holds the token"`
	CAFile    string   `yaml:"ca_file" doc:"PEM file of the authorities to trust with https; empty means the system's"`
	Path      string   `yaml:"path" doc:"path of the descriptor that rows are put under; deletions are put under the path and deletions"`
	Batch     Delivery `yaml:"batch" doc:"how rows are gathered into streams"`
}

func (o *Flight) fill() {
	set(&o.Path, "rows")
	o.Batch.fill()
}

func (o *Flight) buffered() Bytes { return o.Batch.MaxBuffered }

func (o *Flight) validate(f *faults, at string) {
	validateServer(f, at, o.URL)
	o.Batch.validate(f, at+".batch")
}

func (o *Flight) readSecrets() (err error) {
	if o.Token, err = readSecret(o.Token, o.TokenFile); err != nil {
		return fmt.Errorf("token_file: %w", err)
	}
	return nil
}
