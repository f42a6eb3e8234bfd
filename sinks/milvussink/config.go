package milvussink

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"net/url"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"vecmill/sinks/deliver"
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

// mostDimensions is the server's limit.
const mostDimensions = 32768

// Validate lists every fault with the field's name.
func (c *Config) Validate() error {
	var errs []error
	if c.Collection == "" {
		errs = append(errs, errors.New("collection: missing"))
	}
	if _, _, err := c.target(); err != nil {
		errs = append(errs, err)
	}
	if c.Index.Dimension > mostDimensions || c.Index.Dimension == 1 {
		errs = append(errs, errors.New("dimension: Milvus takes 2-32768"))
	}
	return errors.Join(append(errs, c.Index.Validate())...)
}

// target is where the client connects, and whether by TLS.
func (c *Config) target() (address string, secure bool, err error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return "", false, errors.New("url: not http://host:port or https://host:port of Milvus")
	}
	port := u.Port()
	if port == "" {
		port = "19530"
	}
	return net.JoinHostPort(u.Hostname(), port), u.Scheme == "https", nil
}

// dial makes the connection, which opens with the first request.
func (c *Config) dial() (*grpc.ClientConn, error) {
	address, secure, err := c.target()
	if err != nil {
		return nil, err
	}
	way := insecure.NewCredentials()
	if secure {
		t := c.TLS
		if t == nil {
			t = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		way = credentials.NewTLS(t)
	}
	wait := backoff.DefaultConfig
	wait.MaxDelay = 2 * time.Second // a server that is back is noticed soon; deliver waits between tries
	return grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(way),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: wait, MinConnectTimeout: 5 * time.Second}))
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
