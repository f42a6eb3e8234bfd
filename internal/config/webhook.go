package config

import (
	"fmt"
	"net/url"
)

// Webhook is an HTTP endpoint that rows are posted to.
type Webhook struct {
	URL        string   `yaml:"url" doc:"https://host/path that takes POST requests; http:// for loopback and trusted networks"`
	Secret     Secret   `yaml:"secret" doc:"key of the signature (HMAC-SHA256, header Vecmill-Signature); prefer secret_file"`
	SecretFile string   `yaml:"secret_file" doc:"file that holds the key"`
	Token      Secret   `yaml:"token" doc:"bearer token of the Authorization header; prefer token_file"`
	TokenFile  string   `yaml:"token_file" doc:"file that holds the token"`
	CAFile     string   `yaml:"ca_file" doc:"PEM file of the authorities to trust; empty means the system's"`
	Batch      Delivery `yaml:"batch" doc:"how rows are gathered into requests"`
}

func (o *Webhook) fill() { o.Batch.fill() }

func (o *Webhook) buffered() Bytes { return o.Batch.MaxBuffered }

func (o *Webhook) validate(f *faults, at string) {
	u, err := url.Parse(o.URL)
	switch {
	case o.URL == "":
		f.add(at+".url", "missing; want https://host/path")
	case err != nil:
		f.add(at+".url", "it is not a URL") // which may hold a secret
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		f.add(at+".url", "%q is not https://host/path", u.Redacted())
	}
	if o.Secret == "" {
		f.add(at+".secret", "missing: whoever takes the rows could not tell who sent them; give secret_file")
	}
	o.Batch.validate(f, at+".batch")
}

func (o *Webhook) readSecrets() (err error) {
	if o.Secret, err = readSecret(o.Secret, o.SecretFile); err != nil {
		return fmt.Errorf("secret_file: %w", err)
	}
	if o.Token, err = readSecret(o.Token, o.TokenFile); err != nil {
		return fmt.Errorf("token_file: %w", err)
	}
	return nil
}
