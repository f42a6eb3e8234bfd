package config

import (
	"fmt"
	"net/url"
	"slices"
)

// Input says what the records of a pipeline's topics are.
type Input struct {
	Format       string   `yaml:"format" doc:"ref (Vecmill's own JSON), json (any JSON), avro or protobuf (Confluent's wire format), cloudevents (1.0, structured and binary) or s3-event (notifications of S3, MinIO and EventBridge); see docs/schemas.md"`
	Map          string   `yaml:"map" doc:"json, avro, protobuf, cloudevents: CEL over value, key, headers, topic, timestamp and (cloudevents) event that gives a reference's fields as a map, a list of such maps, or skip for nothing; empty means that fields of those names are taken, and of a CloudEvent that its data is a reference"`
	Keys         string   `yaml:"keys" doc:"s3-event: how the store writes objects' keys into its notifications: encoded (the default: S3, SNS, MinIO; a space is + or %20) or plain (versitygw); EventBridge's are plain whatever this says"`
	Registry     Registry `yaml:"registry" doc:"avro, protobuf: the schema registry"`
	Headers      []string `yaml:"headers" doc:"headers that become attributes of the rows, 32 at most, each cut at 1 KiB; traceparent among them keeps the producer's trace in the row"`
	HeaderPrefix string   `yaml:"header_prefix" doc:"before the name of such a header in the attributes"`
}

// Registry is a schema registry with Confluent's interface.
type Registry struct {
	URLs         []string `yaml:"urls" doc:"addresses of one registry, such as https://registry:8081; the next is asked when one does not answer"`
	Username     string   `yaml:"username" doc:"user of basic authentication"`
	Password     Secret   `yaml:"password" doc:"its password; prefer password_file or the environment"`
	PasswordFile string   `yaml:"password_file" doc:"file that holds the password"`
	Token        Secret   `yaml:"token" doc:"bearer token in place of user and password; prefer token_file"`
	TokenFile    string   `yaml:"token_file" doc:"file that holds the token"`
	CAFile       string   `yaml:"ca_file" doc:"PEM file of the authorities to trust; empty means the system's"`
}

// mostHeaders bounds what headers add to a row.
const mostHeaders = 32

func (in *Input) fill() { set(&in.Format, "ref") }

func (in *Input) readSecrets(pipeline string) (err error) {
	if err := in.Registry.readSecrets(); err != nil {
		return fmt.Errorf("pipelines[%s].input.registry.%w", pipeline, err)
	}
	return nil
}

func (r *Registry) readSecrets() (err error) {
	if r.Password, err = readSecret(r.Password, r.PasswordFile); err != nil {
		return fmt.Errorf("password_file: %w", err)
	}
	if r.Token, err = readSecret(r.Token, r.TokenFile); err != nil {
		return fmt.Errorf("token_file: %w", err)
	}
	return nil
}

// validate checks a registry that a format needs, or does not.
func (r *Registry) validate(f *faults, at string, needed bool, format string) {
	if needed && len(r.URLs) == 0 {
		f.add(at+".urls", "missing; %s records name their schemas by the ids of a registry", format)
	}
	if !needed && len(r.URLs) > 0 {
		f.add(at, "has no effect with format %s", format)
	}
	for i, s := range r.URLs {
		if u, err := url.Parse(s); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
			f.add(fmt.Sprintf("%s.urls[%d]", at, i), "%q is not http://host:port or https://host; user and password have settings of their own", shownAddress(s))
		}
	}
	if r.Token != "" && r.Username != "" {
		f.add(at, "give username and password, or token")
	}
}

// validateInput checks what can be seen without compiling an expression. before are the pipelines before this one.
func (p *Pipeline) validateInput(f *faults, path string, before []Pipeline) {
	in, at := &p.Input, path+".input"
	f.oneOf(at+".format", in.Format, "ref", "json", "avro", "protobuf", "cloudevents", "s3-event")
	if in.Map != "" && (in.Format == "ref" || in.Format == "s3-event") {
		f.add(at+".map", "format %s says itself what the reference is; an expression goes with json, avro, protobuf and cloudevents", in.Format)
	}
	f.oneOf(at+".keys", in.Keys, "", "encoded", "plain")
	if in.Keys != "" && in.Format != "s3-event" {
		f.add(at+".keys", "has no effect with format %s", in.Format)
	}
	in.Registry.validate(f, at+".registry", in.Format == "avro" || in.Format == "protobuf", in.Format)
	if len(in.Headers) > mostHeaders {
		f.add(at+".headers", "%d of them, at most %d", len(in.Headers), mostHeaders)
	}
	for i, h := range in.Headers {
		if h == "" || slices.Contains(in.Headers[:i], h) {
			f.add(fmt.Sprintf("%s.headers[%d]", at, i), "%q is empty, or there twice", h)
		}
	}
	for i, t := range p.Priority {
		if !slices.Contains(p.Topics, t) || slices.Contains(p.Priority[:i], t) {
			f.add(fmt.Sprintf("%s.priority[%d]", path, i), "%q is not one of the pipeline's topics, or there twice", t)
		}
	}
	for _, other := range before {
		shared := slices.ContainsFunc(p.Topics, func(t string) bool { return slices.Contains(other.Topics, t) })
		if shared && (other.Input.Format != in.Format || other.Input.Map != in.Map || other.Input.Keys != in.Keys) {
			f.add(at, "pipeline %s reads a topic of this one with another format, map or keys: neither could tell which references are the other's", other.Name)
		}
	}
}
