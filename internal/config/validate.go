package config

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"vecmill/schemas"
)

// faults collects what is wrong, each with its path.
type faults []string

func (f *faults) add(path, format string, args ...any) {
	*f = append(*f, path+": "+fmt.Sprintf(format, args...))
}

func (f *faults) oneOf(path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		f.add(path, "%q is not one of %s", value, strings.Join(allowed, ", "))
	}
}

type number interface{ ~int | ~int64 | ~float64 }

// notNegative refuses what is less than nothing, and NaN.
func notNegative[T number](f *faults, path string, v T) {
	if !(float64(v) >= 0) {
		f.add(path, "%v is not at least 0", v)
	}
}

// positive refuses zero, too.
func positive[T number](f *faults, path string, v T) {
	if !(float64(v) > 0) {
		f.add(path, "%v is not above 0", v)
	}
}

// notPositive refuses what is more than nothing, and NaN.
func notPositive[T number](f *faults, path string, v T) {
	if !(float64(v) <= 0) {
		f.add(path, "%v is not 0 or less", v)
	}
}

// InvalidError lists every fault of a configuration.
type InvalidError struct {
	Faults []string // "path: what is wrong"
}

// Error is one fault a line.
func (e *InvalidError) Error() string {
	return "the configuration is not valid:\n  " + strings.Join(e.Faults, "\n  ")
}

// Validate lists every fault with its path in an InvalidError, or returns nil.
func (c *Config) Validate() error {
	var f faults
	f.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	f.oneOf("log.format", c.Log.Format, "text", "json")
	c.Telemetry.validate(&f)
	notNegative(&f, "runtime.price_per_hour", c.Runtime.Price)
	c.Kafka.validate(&f)
	c.S3.validate(&f)
	c.Fetch.validate(&f)
	if c.Catalog != (IcebergCatalog{}) {
		c.Catalog.validate(&f, "catalog")
	}
	if len(c.Pipelines) == 0 {
		f.add("pipelines", "there is none; a worker needs at least one")
	}
	names := map[string]bool{}
	for i := range c.Pipelines {
		p := &c.Pipelines[i]
		path := fmt.Sprintf("pipelines[%d]", i)
		if p.Name != "" {
			path = "pipelines[" + p.Name + "]"
		}
		if names[p.Name] {
			f.add(path+".name", "used twice")
		}
		names[p.Name] = true
		for _, other := range c.Pipelines[:i] {
			if other.Group == p.Group && slices.ContainsFunc(p.Topics, func(t string) bool { return slices.Contains(other.Topics, t) }) {
				f.add(path+".group", "%q is also the group of pipeline %s, which reads the same topic: each would miss the records that the other gets", p.Group, other.Name)
			}
		}
		p.validate(&f, path, c)
		p.validateInput(&f, path, c.Pipelines[:i])
		p.validateLines(&f, path, c.Pipelines[:i])
	}
	if len(f) > 0 {
		return &InvalidError{f}
	}
	return nil
}

// ValidateSource lists what a worker needs beyond Validate: brokers, and topics for every pipeline. A backfill reads no topic.
func (c *Config) ValidateSource() error {
	var f faults
	if len(c.Kafka.Brokers) == 0 {
		f.add("kafka.brokers", "missing; want host:port of at least one broker")
	}
	for i := range c.Pipelines {
		if len(c.Pipelines[i].Topics) == 0 {
			f.add("pipelines["+c.Pipelines[i].Name+"].topics", "missing; want at least one")
		}
	}
	if len(f) > 0 {
		return &InvalidError{f}
	}
	return nil
}

// ValidateModels lists the checkpoints that are not where the configuration has them on this machine. Whoever opens a model needs it beyond Validate; outputs and dead letters are looked into from any machine.
func (c *Config) ValidateModels() error {
	var f faults
	for i := range c.Pipelines {
		p := &c.Pipelines[i]
		if strings.Contains(p.Model.Path, "://") {
			continue
		}
		if _, err := os.Stat(p.Model.Path); err != nil {
			f.add("pipelines["+p.Name+"].model.path", "%s does not exist", p.Model.Path)
		}
	}
	if len(f) > 0 {
		return &InvalidError{f}
	}
	return nil
}

// drainMargin is what noticing a rebalance and the last commit take beside the drain.
const drainMargin = Duration(8 * time.Second)

func (k *Kafka) validate(f *faults) {
	for i, b := range k.Brokers {
		if _, _, err := net.SplitHostPort(b); err != nil {
			f.add(fmt.Sprintf("kafka.brokers[%d]", i), "%q is not host:port", shownAddress(b))
		}
	}
	if k.DrainTimeout+drainMargin > k.RebalanceTimeout {
		f.add("kafka.drain_timeout", "%s must be at least %s below rebalance_timeout (%s), or the broker evicts a worker that is still draining", k.DrainTimeout, drainMargin, k.RebalanceTimeout)
	}
	if k.SessionTimeout <= 0 || k.DrainTimeout <= 0 || k.FetchMaxBytes <= 0 || k.FetchMaxWait <= 0 || k.RebalanceTimeout <= 0 {
		f.add("kafka", "session_timeout, drain_timeout, rebalance_timeout, fetch_max_bytes and fetch_max_wait must be positive")
	}
	k.SASL.validate(f)
	if (k.TLS.CertFile == "") != (k.TLS.KeyFile == "") {
		f.add("kafka.tls", "cert_file and key_file go together")
	}
	if !k.TLS.Enabled && (k.TLS.CAFile != "" || k.TLS.CertFile != "" || k.TLS.ServerName != "") {
		f.add("kafka.tls", "ca_file, cert_file and server_name have no effect without enabled: true")
	}
}

func (s *SASL) validate(f *faults) {
	f.oneOf("kafka.sasl.mechanism", s.Mechanism, "", "plain", "scram-sha-256", "scram-sha-512", "oauthbearer")
	switch s.Mechanism {
	case "plain", "scram-sha-256", "scram-sha-512":
		if s.Username == "" || s.Password == "" {
			f.add("kafka.sasl", "mechanism %s needs username and password", s.Mechanism)
		}
	case "oauthbearer":
		s.OAuth.validate(f)
	}
}

func (o *OAuth) validate(f *faults) {
	ways := 0
	for _, set := range []bool{o.Token != "", o.TokenFile != "", o.TokenURL != ""} {
		if set {
			ways++
		}
	}
	if ways != 1 {
		f.add("kafka.sasl.oauth", "give one of token, token_file and token_url")
	}
	if o.TokenURL == "" {
		return
	}
	if u, err := url.Parse(o.TokenURL); err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		f.add("kafka.sasl.oauth.token_url", "%q is not https://host/path; a secret is sent there", shownAddress(o.TokenURL))
	}
	if o.ClientID == "" || o.ClientSecret == "" {
		f.add("kafka.sasl.oauth", "token_url needs client_id and client_secret")
	}
}

// loopback says whether a host is this machine, by its address.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func (s *S3) validate(f *faults) {
	if s.Endpoint != "" {
		u, err := url.Parse(s.Endpoint)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
			f.add("s3.endpoint", "%q is not http://host:port or https://host; credentials are s3.access_key and s3.secret_key", shownAddress(s.Endpoint))
		}
	}
	if (s.AccessKey == "") != (s.SecretKey == "") {
		f.add("s3", "access_key and secret_key go together")
	}
}

func (x *Fetch) validate(f *faults) {
	if x.MaxObjectBytes <= 0 || x.Timeout <= 0 || x.Attempts < 1 {
		f.add("fetch", "max_object_bytes, timeout and attempts must be positive")
	}
	for i, r := range x.FileRoots {
		if !filepath.IsAbs(r) {
			f.add(fmt.Sprintf("fetch.file_roots[%d]", i), "%q is not an absolute path", r)
		}
	}
}

// A name is part of object keys and metric labels.
var nameRE = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$`)

// A model may be a reference; model/hub says the rest when it is fetched.
var modelRE = regexp.MustCompile(`^(hf://[^/@\s]+/[^/@\s]+(@[^@\s]+)?|s3://[^/\s]+(/.*)?)$`)

var digestRE = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

func (p *Pipeline) validate(f *faults, path string, c *Config) {
	if !nameRE.MatchString(p.Name) {
		f.add(path+".name", "%q is not 1 to 63 letters, digits, dots, dashes and underscores", p.Name)
	}
	if p.Model.Path == "" {
		f.add(path+".model.path", "missing")
	} else if strings.Contains(p.Model.Path, "://") && !modelRE.MatchString(p.Model.Path) {
		f.add(path+".model.path", "%q is not a directory, hf://owner/name[@revision] or s3://bucket/prefix", p.Model.Path)
	}
	if p.Model.Digest != "" && !digestRE.MatchString(p.Model.Digest) {
		f.add(path+".model.digest", "%q is not 64 hex digits", p.Model.Digest)
	}
	f.oneOf(path+".start_at", p.StartAt, "first", "last")
	f.oneOf(path+".model.precision", p.Model.Precision, "auto", "fp32", "fp16", "int8")
	p.Model.validateGPU(f, path+".model")
	p.Audio.validate(f, path+".audio")
	p.Text.validate(f, path+".text")
	p.Image.validate(f, path+".image")
	if p.MemoryBudget < c.Fetch.MaxObjectBytes {
		f.add(path+".memory_budget", "%s is less than one object of fetch.max_object_bytes (%s)", p.MemoryBudget, c.Fetch.MaxObjectBytes)
	}
	notNegative(f, path+".reuse_results", p.ReuseResults)
	if p.ReuseOutputs && p.ReuseResults <= 0 {
		f.add(path+".reuse_outputs", "needs reuse_results: what is read of an output is kept there")
	}
	if p.ReuseOutputs && p.PastOutput() == nil {
		f.add(path+".reuse_outputs", "needs a required output of kind parquet, iceberg or arrow, from which results are read back: of other kinds nothing is, and postgres has no index of contents")
	}
	for _, n := range []struct {
		name string
		v    int
	}{{"max_in_flight", p.MaxInFlight}, {"fetchers", p.Fetchers}} {
		if n.v < 1 {
			f.add(path+"."+n.name, "%d is not at least 1", n.v)
		}
	}
	notNegative(f, path+".preprocessors", p.Preprocessors)
	positive(f, path+".item_deadline", p.ItemDeadline)
	positive(f, path+".commit_interval", p.CommitInterval)
	notNegative(f, path+".model.threads", p.Model.Threads)
	notNegative(f, path+".model.sessions", p.Model.Sessions)
	if p.Model.Callers < 0 || p.Model.Callers > 1 && p.Model.OnGPU() {
		f.add(path+".model.callers", "%d must not be negative, and on a GPU no more than 1: sessions are what computes beside each other there", p.Model.Callers)
	}
	p.Breaker.validate(f, path+".breaker")
	p.Batch.validate(f, path+".batch")
	p.validateHeads(f, path)
	p.validateOutputs(f, path)
}

func (a *Audio) validate(f *faults, at string) {
	f.oneOf(at+".long", a.Long, "fail", "truncate", "window", "speech", "overlap")
	f.oneOf(at+".decoder", a.Decoder, "builtin", "ffmpeg")
	f.oneOf(at+".libraries", a.Libraries, "off", "auto", "require")
	positive(f, at+".max_seconds", a.MaxSeconds)
	if a.MaxSeconds > 0 { // else a window that is not given is none, either
		positive(f, at+".window_seconds", a.WindowSeconds)
	}
	notNegative(f, at+".stride_seconds", a.StrideSeconds)
	notNegative(f, at+".max_decoded_seconds", a.MaxDecoded)
	if a.WindowSeconds > 0 && 2*a.StrideSeconds >= a.WindowSeconds {
		f.add(at+".stride_seconds", "%v is not below half of window_seconds (%v)", a.StrideSeconds, a.WindowSeconds)
	}
	if a.WindowSeconds > a.MaxSeconds {
		f.add(at+".window_seconds", "%v is above max_seconds (%v)", a.WindowSeconds, a.MaxSeconds)
	}
}

func (t *Text) validate(f *faults, at string) {
	f.oneOf(at+".long", t.Long, "fail", "truncate", "window")
	f.oneOf(at+".invalid_utf8", t.InvalidUTF8, "fail", "replace")
	f.oneOf(at+".truncation", t.Truncation, "longest_first", "only_first", "only_second")
	f.oneOf(at+".format", t.Format, "plain", "json", "html", "markdown")
	if (t.Format == "json") != (t.Field != "") {
		f.add(at+".field", "goes with format json")
	}
	if t.MaxTokens < 0 || t.Stride < 0 {
		f.add(at, "max_tokens and stride must not be negative")
	}
}

func (i *Image) validate(f *faults, at string) {
	f.oneOf(at+".orientation", i.Orientation, "exif", "ignore")
	f.oneOf(at+".libraries", i.Libraries, "auto", "off", "require")
	if (i.Height == 0) != (i.Width == 0) || i.Height < 0 || i.Width < 0 {
		f.add(at, "height and width go together, and must not be negative")
	}
	positive(f, at+".max_pixels", i.MaxPixels)
}

func (b *Batch) validate(f *faults, at string) {
	notNegative(f, at+".max_cost", b.MaxCost)
	notNegative(f, at+".max_items", b.MaxItems)
	notNegative(f, at+".max_bytes", b.MaxBytes)
	notNegative(f, at+".window", b.Window)
	notNegative(f, at+".linger", b.Linger)
	notNegative(f, at+".max_age", b.MaxAge)
	notNegative(f, at+".latency", b.Latency)
	if b.Row < 0 || b.Row > 0 && !b.Packing {
		f.add(at+".row", "%d must not be negative, and goes with packing: true", b.Row)
	}
	if b.MaxCost > 0 && b.Row > b.MaxCost {
		f.add(at+".row", "%d is above max_cost (%d)", b.Row, b.MaxCost)
	}
	if b.Packing && b.MaxBytes > 0 {
		f.add(at+".max_bytes", "has no effect with packing: max_cost says how many rows there are")
	}
	if b.Packing && b.Latency > 0 {
		f.add(at+".latency", "has no effect with packing: batches have the few sizes that they have")
	}
}

func (p *Pipeline) validateHeads(f *faults, path string) {
	if len(p.Heads) == 0 {
		f.add(path+".heads", "there is none; a pipeline needs at least one")
	}
	seen := map[string]bool{}
	for i, h := range p.Heads {
		at := fmt.Sprintf("%s.heads[%d]", path, i)
		var tasks []string
		for _, t := range schemas.Tasks() {
			tasks = append(tasks, string(t))
		}
		f.oneOf(at+".task", h.Task, tasks...)
		f.oneOf(at+".decoding.search", h.Decoding.Search, "greedy", "beam")
		notNegative(f, at+".decoding.beam_width", h.Decoding.BeamWidth)
		notPositive(f, at+".decoding.beam_prune_logp", h.Decoding.BeamPruneLogP)
		notPositive(f, at+".decoding.token_min_logp", h.Decoding.TokenMinLogP)
		f.oneOf(at+".pooling", h.Pooling, "mean", "cls", "max", "first_last")
		f.oneOf(at+".dtype", h.DType, "fp32", "fp16")
		f.oneOf(at+".function", h.Function, "", "softmax", "sigmoid", "none")
		f.oneOf(at+".mask", h.Mask, "runs", "png", "both")
		if h.Threshold < 0 || h.Threshold >= 1 {
			f.add(at+".threshold", "%v is not at least 0 and below 1", h.Threshold)
		}
		if h.TopK < 0 || h.MaxAnswer < 0 {
			f.add(at, "top_k and max_answer_tokens must not be negative")
		}
		f.oneOf(at+".aggregation", h.Aggregation, "none", "simple", "first", "average", "max")
		if seen[h.Name] {
			f.add(at+".name", "%q is used twice", h.Name)
		}
		seen[h.Name] = true
	}
}

func (p *Pipeline) validateOutputs(f *faults, path string) {
	if len(p.Outputs) == 0 {
		f.add(path+".outputs", "there is none; a pipeline needs at least one")
	}
	required := false
	for i, o := range p.Outputs {
		at := fmt.Sprintf("%s.outputs[%d]", path, i)
		required = required || !o.BestEffort
		kinds := o.named()
		if len(kinds) != 1 {
			f.add(at, "names no kind of output, or several; this build has %s", strings.Join(outputNames(), ", "))
			continue
		}
		kinds[0].output.validate(f, at+"."+kinds[0].name)
	}
	if len(p.Outputs) > 0 && !required {
		f.add(path+".outputs", "all are best_effort; commits need at least one that is required")
	}
	if p.DeadLetters.Topic != "" && p.DeadLetters.URL != "" {
		f.add(path+".dead_letters", "give topic or url, not both")
	}
	if p.DeadLetters.URL != "" {
		validateURL(f, path+".dead_letters.url", p.DeadLetters.URL)
	}
}

func validateURL(f *faults, path, s string) {
	if s == "" {
		f.add(path, "missing; want s3://bucket/prefix or file:///directory")
	} else if _, err := ParsePlace(s); err != nil {
		f.add(path, "%v", err)
	}
}
