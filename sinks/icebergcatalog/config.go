package icebergcatalog

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/catalog/rest"
	sqlcatalog "github.com/apache/iceberg-go/catalog/sql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	_ "modernc.org/sqlite"             // the driver sqlite

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks/icebergsink"
)

// Config is where a table is and what it is to be.
type Config struct {
	URI       string      // http(s)://host/path of a REST catalog; postgres://... or sqlite:///file of a SQL catalog
	Name      string      // of a SQL catalog: several may share a database
	Warehouse string      // where a SQL catalog makes tables: s3://bucket/prefix or file:///directory; which one of a REST catalog's
	Token     string      // REST: bearer token
	Client    string      // REST: id:secret for the catalog's token endpoint
	TokenURL  string      // REST: of another token endpoint
	Scope     string      // REST: to ask for
	Prefix    string      // REST: of paths, where the catalog does not say itself
	TLS       *tls.Config // REST: nil is the system's

	Table string   // namespace.name; a namespace may have several parts
	Files OpenFile // of metadata and data

	Create      bool           // make the namespace and the table if they are not there, and add missing columns
	Partition   []string       // partition fields: column, day(column), bucket(n, column) and so on; none takes the table as it is
	Tasks       []schemas.Task // tasks whose rows are written: they decide the columns
	ModelDigest string         // the one whose rows the table takes
	Deletes     bool           // rows are to be taken away: the table must be of a format that can

	Retry retry.Policy // for Open
}

var tableRE = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+$`)

// Validate lists every fault with the field's name.
func (c *Config) Validate() error {
	var errs []error
	if !tableRE.MatchString(c.Table) {
		errs = append(errs, fmt.Errorf("table: %q is not namespace.name of letters, digits, _ and -", c.Table))
	}
	u, err := url.Parse(c.URI)
	switch {
	case err != nil:
		errs = append(errs, errors.New("uri: not a URL")) // it may have a password
	case u.Scheme == "http", u.Scheme == "https":
	case u.Scheme == "postgres", u.Scheme == "postgresql", u.Scheme == "sqlite" && u.Host == "" && u.Path != "":
		if c.Warehouse == "" {
			errs = append(errs, errors.New("warehouse: missing; a SQL catalog needs to know where tables lie"))
		}
	default:
		errs = append(errs, fmt.Errorf("uri: %q is not http(s)://, postgres:// or sqlite:///file", u.Redacted()))
	}
	for _, p := range c.Partition {
		if _, _, err := parsePartition(p); err != nil {
			errs = append(errs, fmt.Errorf("partition: %w", err))
		}
	}
	if c.Files == nil {
		errs = append(errs, errors.New("files: nothing opens them"))
	}
	return errors.Join(errs...)
}

// connect opens the catalog; stop lets it go.
func (c *Config) connect(ctx context.Context) (cat catalog.Catalog, stop func() error, err error) {
	u, err := url.Parse(c.URI)
	if err != nil {
		return nil, nil, err
	}
	switch u.Scheme {
	case "postgres", "postgresql":
		return c.connectSQL("pgx", c.URI, sqlcatalog.Postgres)
	case "sqlite":
		return c.connectSQL("sqlite", "file:"+u.Path+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_txlock=immediate", sqlcatalog.SQLite)
	}
	opts := []rest.Option{rest.WithOAuthToken(c.Token), rest.WithCredential(c.Client), rest.WithScope(c.Scope), rest.WithWarehouseLocation(c.Warehouse)}
	if c.Prefix != "" {
		opts = append(opts, rest.WithPrefix(c.Prefix))
	}
	if c.TokenURL != "" {
		at, err := url.Parse(c.TokenURL)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: token_url: %w", errMisfit, err)
		}
		opts = append(opts, rest.WithAuthURI(at))
	}
	if c.TLS != nil {
		opts = append(opts, rest.WithTLSConfig(c.TLS))
	}
	r, err := rest.NewCatalog(ctx, c.Name, c.URI, opts...)
	if err != nil {
		return nil, nil, explain(err)
	}
	return r, r.Close, nil
}

func (c *Config) connectSQL(driver, dsn string, dialect sqlcatalog.SupportedDialect) (catalog.Catalog, func() error, error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, nil, err
	}
	s, err := sqlcatalog.NewCatalog(c.Name, db, dialect, iceberg.Properties{"warehouse": strings.TrimRight(c.Warehouse, "/")})
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return s, func() error { return errors.Join(s.Close(), db.Close()) }, nil
}

// explain maps the library's errors to those of icebergsink: what a catalog will not do, however often it is asked.
func explain(err error) error {
	if errors.Is(err, catalog.ErrNoSuchTable) || errors.Is(err, catalog.ErrNoSuchNamespace) {
		return fmt.Errorf("%w: %w: %w", icebergsink.ErrRefused, ErrNoTable, err)
	}
	for _, e := range []error{rest.ErrForbidden, rest.ErrBadRequest, rest.ErrOAuthError} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %w", icebergsink.ErrRefused, err)
		}
	}
	return err
}
