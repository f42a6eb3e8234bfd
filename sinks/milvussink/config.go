package milvussink

import (
	"crypto/tls"
	"encoding/base64"
	"errors"

	"vecmill/sinks/deliver"
	"vecmill/sinks/rpc"
	"vecmill/sinks/vectorindex"
)

// Config is what a sink is made of. Start from NewDefaultConfig.
type Config struct {
	URL        string      // http://host:port or https://host:port; 19530 if there is no port
	Token      string      // user:password, or a key; "" for none
	TLS        *tls.Config // of https; nil for the default
	Database   string      // "" for the server's default
	Collection string
	Index      vectorindex.Spec
	Deliver    deliver.Config
}

// NewDefaultConfig is a configuration that lacks only URL, Collection and the Index's Heads, Dimension and ModelDigest.
func NewDefaultConfig() Config {
	return Config{Index: vectorindex.Spec{Metric: vectorindex.Cosine}, Deliver: deliver.NewDefaultConfig()}
}

// port is Milvus's own.
const port = "19530"

// mostDimensions is the server's limit.
const mostDimensions = 32768

// Validate lists every fault with the field's name.
func (c *Config) Validate() error {
	var errs []error
	if c.Collection == "" {
		errs = append(errs, errors.New("collection: missing"))
	}
	if _, _, _, err := rpc.Address(c.URL, port); err != nil {
		errs = append(errs, err)
	}
	if c.Index.Dimension > mostDimensions || c.Index.Dimension == 1 {
		errs = append(errs, errors.New("dimension: Milvus takes 2-32768"))
	}
	return errors.Join(append(errs, c.Index.Validate())...)
}

// headers are sent with every request.
func (c *Config) headers() []string {
	var h []string
	if c.Token != "" {
		h = append(h, "authorization", base64.StdEncoding.EncodeToString([]byte(c.Token)))
	}
	if c.Database != "" {
		h = append(h, "dbname", c.Database)
	}
	return h
}
