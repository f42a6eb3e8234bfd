package config

import (
	"fmt"
	"net/url"
	"time"
)

// Iceberg is a table of an Iceberg catalog.
type Iceberg struct {
	Catalog     IcebergCatalog `yaml:"catalog" doc:"where the table is found"`
	Table       string         `yaml:"table" doc:"namespace.name"`
	Create      bool           `yaml:"create" doc:"make the namespace and the table if they are not there, and add columns that a table lacks; without it such a table is refused"`
	Partition   []string       `yaml:"partition" doc:"partition fields, such as task, day(created_at), bucket(16, ref_id), truncate(4, row_id), of the columns pipeline, topic, partition, offset, head, task, modality, model, model_digest, preprocess_digest, ref_id, row_id, content_hash and created_at; none takes a table as it is, and makes one without partitions"`
	Tombstones  string         `yaml:"tombstones" doc:"delete takes earlier rows of the named reference away, which costs reading the ids of all data files that may have some at each commit with tombstones, and needs a table of format version 2; keep only notes them in the snapshots"`
	RollBytes   Bytes          `yaml:"roll_bytes" doc:"what is buffered is committed at about this size of files"`
	RollRows    int            `yaml:"roll_rows" doc:"or at this number of rows"`
	RollAge     Duration       `yaml:"roll_age" doc:"or when the first of them is this old: how long rows may take to appear. Each commit is a snapshot, of all partitions of a worker together"`
	Compression string         `yaml:"compression" doc:"zstd, snappy or none"`
	MaxBuffered Bytes          `yaml:"max_buffered" doc:"rows buffered; what is buffered is committed early when it is used up"`
}

// IcebergCatalog is a catalog and how it is reached.
type IcebergCatalog struct {
	URI              Secret `yaml:"uri" doc:"https://host/path of a REST catalog, or postgres://user@host:port/database or sqlite:///file of a SQL catalog"`
	URIFile          string `yaml:"uri_file" doc:"file with the uri, for one with a password"`
	Name             string `yaml:"name" doc:"name of a SQL catalog, of which a database may have several"`
	Warehouse        string `yaml:"warehouse" doc:"where a SQL catalog makes tables: s3://bucket/prefix or file:///directory; of a REST catalog the warehouse to ask for. Files are read and written with the settings of s3"`
	Token            Secret `yaml:"token" doc:"REST: bearer token; prefer token_file or the environment"`
	TokenFile        string `yaml:"token_file" doc:"REST: file that holds the token"`
	ClientID         string `yaml:"client_id" doc:"REST: client of the token endpoint (OAuth 2.0)"`
	ClientSecret     Secret `yaml:"client_secret" doc:"REST: its secret; prefer client_secret_file or the environment"`
	ClientSecretFile string `yaml:"client_secret_file" doc:"REST: file that holds the secret"`
	TokenURL         string `yaml:"token_url" doc:"REST: https:// token endpoint; empty means the catalog's own"`
	Scope            string `yaml:"scope" doc:"REST: scopes to ask for, separated by spaces"`
	Prefix           string `yaml:"prefix" doc:"REST: prefix of paths, where the catalog does not say it itself"`
	CAFile           string `yaml:"ca_file" doc:"REST: PEM file of the authorities to trust; empty means the system's"`
}

func (o *Iceberg) fill() {
	o.Catalog.fill()
	set(&o.Tombstones, "delete")
	set(&o.RollBytes, 128<<20)
	set(&o.RollRows, 1_000_000)
	set(&o.RollAge, seconds(300))
	set(&o.Compression, "zstd")
	set(&o.MaxBuffered, 512<<20)
}

func (c *IcebergCatalog) fill() { set(&c.Name, "vecmill") }

func (o *Iceberg) buffered() Bytes { return o.MaxBuffered }

func (o *Iceberg) validate(f *faults, at string) {
	if o.Table == "" {
		f.add(at+".table", "missing; want namespace.name")
	}
	f.oneOf(at+".tombstones", o.Tombstones, "delete", "keep")
	f.oneOf(at+".compression", o.Compression, "zstd", "snappy", "none")
	if o.RollBytes < 1 || o.RollRows < 1 || o.RollAge < Duration(time.Millisecond) {
		f.add(at, "roll_bytes, roll_rows and roll_age must be positive")
	}
	if o.MaxBuffered < o.RollBytes {
		f.add(at+".max_buffered", "%s is less than roll_bytes (%s): no file could ever fill up", o.MaxBuffered, o.RollBytes)
	}
	o.Catalog.validate(f, at+".catalog")
}

func (c *IcebergCatalog) validate(f *faults, at string) {
	u, err := url.Parse(c.URI.Reveal())
	switch {
	case c.URI == "":
		f.add(at+".uri", "missing; want https://host/path, postgres://... or sqlite:///file")
	case err != nil:
		f.add(at+".uri", "is not a URL") // and may have a password
	case u.Scheme == "http" || u.Scheme == "https":
		c.validateREST(f, at, u)
	case u.Scheme == "postgres" || u.Scheme == "postgresql" || u.Scheme == "sqlite" && u.Host == "" && len(u.Path) > 1:
		validateURL(f, at+".warehouse", c.Warehouse)
		if c.Token != "" || c.ClientID != "" {
			f.add(at, "token and client_id are for REST catalogs")
		}
	default:
		f.add(at+".uri", "%q is not https://host/path, postgres://... or sqlite:///file", u.Redacted())
	}
}

func (c *IcebergCatalog) validateREST(f *faults, at string, u *url.URL) {
	if (c.ClientID == "") != (c.ClientSecret == "") || c.ClientID != "" && c.Token != "" {
		f.add(at, "give token, or client_id with client_secret")
	}
	secret := c.Token != "" || c.ClientSecret != ""
	if secret && u.Scheme == "http" && !loopback(u.Hostname()) {
		f.add(at+".uri", "%q is not https://; a secret is sent there", u.Redacted())
	}
	if c.TokenURL == "" {
		return
	}
	if t, err := url.Parse(c.TokenURL); err != nil || t.Host == "" || t.Scheme != "https" && (t.Scheme != "http" || !loopback(t.Hostname())) {
		f.add(at+".token_url", "%q is not https://host/path; a secret is sent there", shownAddress(c.TokenURL))
	}
}

func (o *Iceberg) readSecrets() error { return o.Catalog.readSecrets() }

// readSecrets reads what is in files.
func (c *IcebergCatalog) readSecrets() (err error) {
	for _, s := range []struct {
		to   *Secret
		file string
		name string
	}{{&c.URI, c.URIFile, "uri_file"}, {&c.Token, c.TokenFile, "token_file"}, {&c.ClientSecret, c.ClientSecretFile, "client_secret_file"}} {
		if *s.to, err = readSecret(*s.to, s.file); err != nil {
			return fmt.Errorf("catalog.%s: %w", s.name, err)
		}
	}
	return nil
}
