package qdrantsink

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"

	"vecmill/sinks/deliver"
	"vecmill/sinks/rpc"
	"vecmill/sinks/vectorindex"
)

// Config is what a sink is made of. Start from NewDefaultConfig.
type Config struct {
	URL        string      // http://host:port or https://host:port of the gRPC interface; 6334 if there is no port
	APIKey     string      // "" for none
	TLS        *tls.Config // of https; nil for the default
	Collection string
	Index      vectorindex.Spec
	Deliver    deliver.Config
}

// NewDefaultConfig is a configuration that lacks only URL, Collection and the Index's Heads, Dimension and ModelDigest.
func NewDefaultConfig() Config {
	return Config{Index: vectorindex.Spec{Metric: vectorindex.Cosine}, Deliver: deliver.NewDefaultConfig()}
}

// Validate lists every fault with the field's name.
func (c *Config) Validate() error {
	var errs []error
	if c.Collection == "" {
		errs = append(errs, errors.New("collection: missing"))
	}
	if _, err := c.address(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(append(errs, c.Index.Validate())...)
}

// address is where the client connects.
func (c *Config) address() (*qdrant.Config, error) {
	host, text, secure, err := rpc.Address(c.URL, "6334")
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("url: %q is not a port", text)
	}
	return &qdrant.Config{
		Host: host, Port: port, APIKey: c.APIKey, UseTLS: secure, TLSConfig: c.TLS,
		PoolSize:               1,
		SkipCompatibilityCheck: true, // it would ask the server before there is a context
		GrpcOptions:            []grpc.DialOption{rpc.Reconnect()},
	}, nil
}
