package opensearchsink

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"

	"vecmill/sinks/deliver"
	"vecmill/sinks/vectorindex"
)

// Config is what a sink is made of. Start from NewDefaultConfig.
type Config struct {
	URL       string // http://host:port or https://host:port
	User      string // "" for none
	Password  string
	Transport http.RoundTripper // nil for the default
	Name      string            // of the index
	Shards    int               // of an index that is made
	Replicas  int
	Index     vectorindex.Spec
	Deliver   deliver.Config
}

// NewDefaultConfig is a configuration that lacks only URL, Name and the Index's Heads, Dimension and ModelDigest.
func NewDefaultConfig() Config {
	return Config{Shards: 1, Replicas: 1, Index: vectorindex.Spec{Metric: vectorindex.Cosine}, Deliver: deliver.NewDefaultConfig()}
}

// mostDimensions is the server's limit.
const mostDimensions = 16000

// indexName is what the server takes, but for its length.
var indexName = regexp.MustCompile(`^[^A-Z\\/*?"<>| ,#:_+.-][^A-Z\\/*?"<>| ,#:]*$`)

// Validate lists every fault with the field's name.
func (c *Config) Validate() error {
	var errs []error
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		errs = append(errs, errors.New("url: not https://host:port"))
	}
	if !indexName.MatchString(c.Name) {
		errs = append(errs, fmt.Errorf("index: %q is no name of an index: lower-case letters, digits, - and _, and neither of these first", c.Name))
	}
	if c.Index.Dimension > mostDimensions {
		errs = append(errs, fmt.Errorf("dimension: OpenSearch takes up to %d", mostDimensions))
	}
	if c.Shards < 1 || c.Replicas < 0 {
		errs = append(errs, errors.New("shards and replicas: at least 1 and 0"))
	}
	return errors.Join(append(errs, c.Index.Validate())...)
}
