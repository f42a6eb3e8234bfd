package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"vecmill/schemas"
)

// Load reads a file, applies the environment, fills in defaults and validates. getenv is os.LookupEnv, or a test's.
func Load(path string, getenv func(string) (string, bool)) (*Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	c, err := Parse(b, getenv)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Parse is Load of bytes.
func Parse(b []byte, getenv func(string) (string, bool)) (*Config, error) {
	c := NewDefaultConfig()
	dec := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict())
	if err := dec.Decode(c); err != nil {
		return nil, fileFault(err)
	}
	if err := applyEnv(c, getenv); err != nil {
		return nil, err
	}
	if err := c.readSecrets(); err != nil {
		return nil, err
	}
	if c.Catalog != (IcebergCatalog{}) {
		c.Catalog.fill()
	}
	for i := range c.Pipelines {
		c.Pipelines[i].fill()
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// NewDefaultConfig is the configuration before any file: everything but brokers, store and pipelines.
func NewDefaultConfig() *Config {
	return &Config{
		Log:       Log{Level: "info", Format: "text"},
		Telemetry: Telemetry{Listen: DefaultListen, DebugListen: DefaultDebugListen, TraceRatio: 0.01},
		Kafka: Kafka{
			ClientID: "vecmill", SessionTimeout: seconds(45), RebalanceTimeout: seconds(60), DrainTimeout: seconds(30),
			FetchMaxBytes: 1 << 20, FetchMaxWait: Duration(500 * time.Millisecond),
		},
		S3:    S3{Region: "us-east-1"},
		Fetch: Fetch{Buckets: []string{"*"}, MaxObjectBytes: 256 << 20, Timeout: seconds(30), Attempts: 6},
	}
}

// NewDefaultPipeline is a pipeline before its own settings.
func NewDefaultPipeline() Pipeline {
	p := Pipeline{}
	p.fill()
	return p
}

// modelName is the last element of a path or reference. A revision is no part of the name.
func modelName(path string) string {
	if strings.HasPrefix(path, "hf://") {
		path, _, _ = strings.Cut(path, "@")
	}
	return filepath.Base(path)
}

// FromEnvironment is the default configuration with what the environment says, for commands that read no file. It has no
// pipelines and is not validated.
func FromEnvironment(getenv func(string) (string, bool)) (*Config, error) {
	c := NewDefaultConfig()
	if err := applyEnv(c, getenv); err != nil {
		return nil, err
	}
	return c, c.readSecrets()
}

func seconds(n int) Duration { return Duration(time.Duration(n) * time.Second) }

// fill puts defaults where the file is silent. A zero means silent, which is why no setting has a meaningful zero but those that
// are filled before decoding, and pointers.
func (p *Pipeline) fill() {
	set(&p.Group, "vecmill-"+p.Name)
	set(&p.StartAt, "first")
	p.Input.fill()
	if p.Model.Name == "" && p.Model.Path != "" {
		p.Model.Name = modelName(p.Model.Path)
	}
	set(&p.Model.Precision, "fp32")
	set(&p.Model.Provider, "cpu")
	p.Model.GPU.fill()
	set(&p.Audio.MaxSeconds, 30)
	set(&p.Audio.Long, "fail")
	set(&p.Audio.WindowSeconds, min(20, p.Audio.MaxSeconds))
	set(&p.Audio.Decoder, "builtin")
	set(&p.Audio.Program, "ffmpeg")
	set(&p.Audio.Libraries, "auto")
	set(&p.Text.Long, "fail")
	set(&p.Text.InvalidUTF8, "fail")
	set(&p.Text.Truncation, "longest_first")
	set(&p.Text.Format, "plain")
	set(&p.Text.Charset, "utf-8")
	setTrue(&p.Text.SpecialTokens)
	set(&p.Image.MaxPixels, 64<<20)
	set(&p.Image.Orientation, "exif")
	set(&p.Image.Libraries, "auto")
	set(&p.MemoryBudget, 1<<30)
	set(&p.MaxInFlight, 2048)
	set(&p.Fetchers, 16)
	set(&p.ItemDeadline, seconds(60))
	set(&p.CommitInterval, seconds(5))
	p.Breaker.fill()
	for i := range p.Heads {
		p.Heads[i].fill()
	}
	for i := range p.Outputs {
		for _, k := range p.Outputs[i].named() {
			k.output.fill()
		}
	}
}

func (h *Head) fill() {
	set(&h.Name, h.Task)
	set(&h.Pooling, "mean")
	set(&h.Decoding.Search, "greedy")
	set(&h.Aggregation, "simple")
	if h.Task == string(schemas.TaskAnswers) {
		set(&h.TopK, 1)
	}
	set(&h.TopK, 5)
	set(&h.DType, "fp32")
	set(&h.Mask, "runs")
	setTrue(&h.Normalize)
}

func setTrue(field **bool) {
	if *field == nil {
		yes := true
		*field = &yes
	}
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c *Config) readSecrets() (err error) {
	if c.Kafka.SASL.Password, err = readSecret(c.Kafka.SASL.Password, c.Kafka.SASL.PasswordFile); err != nil {
		return fmt.Errorf("kafka.sasl.password_file: %w", err)
	}
	oauth := &c.Kafka.SASL.OAuth
	if oauth.ClientSecret, err = readSecret(oauth.ClientSecret, oauth.ClientSecretFile); err != nil {
		return fmt.Errorf("kafka.sasl.oauth.client_secret_file: %w", err)
	}
	if c.S3.SecretKey, err = readSecret(c.S3.SecretKey, c.S3.SecretKeyFile); err != nil {
		return fmt.Errorf("s3.secret_key_file: %w", err)
	}
	if err := c.Catalog.readSecrets(); err != nil {
		return err
	}
	for i := range c.Pipelines {
		if err := c.Pipelines[i].readSecrets(); err != nil {
			return err
		}
	}
	return nil
}
