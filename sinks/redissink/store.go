package redissink

import (
	"context"
	_ "embed" // the script
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"vecmill/schemas"
	"vecmill/sinks/deliver"
	"vecmill/sinks/jsonrow"
)

//go:embed put.lua
var putScript string

// version of the layout of keys that this build writes.
const version = "1"

// Open connects, looks whether the server and the prefix fit, and makes a sink.
func Open(ctx context.Context, c Config) (*deliver.Sink, error) {
	opts, err := options(&c)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	c.Deliver.Name = fmt.Sprintf("redis %s, keys %s:*", opts.Addr, c.Prefix)
	s := &store{cfg: c, db: redis.NewClient(opts), put: redis.NewScript(putScript)}
	final := func(err error) bool { return schemas.Unfit(err) || lasting(err) }
	return deliver.Open(ctx, c.Deliver, s, final, s.prepare)
}

func options(c *Config) (*redis.Options, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return connection(c)
}

// connection is how the server is reached.
func connection(c *Config) (*redis.Options, error) {
	opts, err := redis.ParseURL(c.URL)
	if err != nil {
		return nil, errors.New("the url is not redis://user:password@host:port/db or rediss://") // the library's error may quote the password
	}
	if opts.TLSConfig != nil && c.TLS != nil {
		name := opts.TLSConfig.ServerName
		if opts.TLSConfig = c.TLS.Clone(); opts.TLSConfig.ServerName == "" {
			opts.TLSConfig.ServerName = name
		}
	}
	opts.MaxRetries, opts.DialerRetries = -1, 1 // deliver repeats
	opts.ContextTimeoutEnabled, opts.ReadTimeout, opts.WriteTimeout = true, c.Deliver.Timeout, c.Deliver.Timeout
	opts.DisableIdentity, opts.ClientName = true, "vecmill"
	opts.Protocol = 2 // in which the library reads what the module search says
	opts.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return opts, nil
}

// store writes batches to one node.
type store struct {
	cfg Config
	db  *redis.Client
	put *redis.Script
}

// prepare refuses a server that would lose the progress, and keys of another model.
func (s *store) prepare(ctx context.Context) error {
	if err := s.db.Ping(ctx).Err(); err != nil {
		return err
	}
	// Managed servers may forbid these questions.
	if info, err := s.db.Info(ctx, "cluster").Result(); err == nil && strings.Contains(info, "cluster_enabled:1") {
		return schemas.Unfitf(schemas.PlaceLayout, "it is a cluster, in which rows and progress cannot be written in one step; name a server of its own")
	}
	if policy, err := s.db.ConfigGet(ctx, "maxmemory-policy").Result(); err == nil && strings.HasPrefix(policy["maxmemory-policy"], "allkeys-") {
		return schemas.Unfitf(schemas.PlaceLayout, "maxmemory-policy is %s, which may evict the keys that say where the output ends; use noeviction, or volatile-ttl with ttl", policy["maxmemory-policy"])
	}
	for field, want := range map[string]string{"version": version, "model_digest": s.cfg.ModelDigest} {
		if err := s.db.HSetNX(ctx, metaKey(s.cfg.Prefix), field, want).Err(); err != nil {
			return err
		}
		is, err := s.db.HGet(ctx, metaKey(s.cfg.Prefix), field).Result()
		switch {
		case err != nil:
			return err
		case is != want && field == "model_digest":
			return schemas.Unfitf(schemas.PlaceModel, "the keys hold rows of model %s, and this is model %s; vectors of two models cannot be compared: give each a prefix of its own", is, want)
		case is != want:
			return schemas.Unfitf(schemas.PlaceLayout, "the keys are of version %s, and this build writes version %s", is, want)
		}
	}
	if !s.cfg.Index.wanted() {
		return nil
	}
	for _, head := range s.cfg.Index.Vectors.Heads {
		if err := s.index(ctx, head); err != nil {
			return err
		}
	}
	return nil
}

// Check refuses rows of another model, and what cannot be a key or a value.
func (s *store) Check(row *schemas.Row) error {
	switch {
	case row.ModelDigest != s.cfg.ModelDigest:
		return fmt.Errorf("a row of model %s, and the keys %s:* hold rows of model %s", row.ModelDigest, s.cfg.Prefix, s.cfg.ModelDigest)
	case strings.Contains(row.Head, ":"):
		return fmt.Errorf("head %q has a colon, which separates the parts of a key; give it another name", row.Head)
	case slices.Contains([]string{"ref", "next", "meta"}, row.Head):
		return fmt.Errorf("head %q has the name of a key that is not a row's; give it another name", row.Head)
	}
	if err := s.cfg.Index.check(row, "index "+IndexName(s.cfg.Prefix, row.Head)); err != nil {
		return err
	}
	return jsonrow.Check(row)
}

// Next implements deliver.Progress.
func (s *store) Next(ctx context.Context, src schemas.SourceID) (int64, bool, error) {
	next, err := s.db.Get(ctx, nextKey(s.cfg.Prefix, src)).Int64()
	switch {
	case errors.Is(err, redis.Nil):
		return 0, false, nil
	case err != nil:
		return 0, false, classify(err, src)
	}
	return next, true, nil
}

// Put runs one script for each part.
func (s *store) Put(ctx context.Context, b deliver.Batch) error {
	for i := range b.Parts {
		p := &b.Parts[i]
		args, err := s.args(p)
		if err != nil {
			return deliver.Refused(err)
		}
		if err := s.put.Run(ctx, s.db, []string{nextKey(s.cfg.Prefix, p.Source)}, args...).Err(); err != nil {
			return classify(err, p.Source)
		}
	}
	return nil
}

// args are the script's arguments for a part.
func (s *store) args(p *deliver.Part) ([]any, error) {
	out := []any{p.First, p.Next, p.Source.Topic, p.Source.Partition, s.cfg.TTL.Milliseconds()}
	for _, it := range p.Items {
		if it.Row == nil {
			out = append(out, "D", it.Offset, refKey(s.cfg.Prefix, it.Delete))
			continue
		}
		r := it.Row
		fields, err := s.cfg.fields(r)
		if err != nil {
			return nil, err
		}
		out = append(out, "R", it.Offset, Key(s.cfg.Prefix, r.Head, r.Window, r.RefID), refKey(s.cfg.Prefix, r.RefID), r.Head, strconv.Itoa(r.Window), len(fields)/2)
		out = append(out, fields...)
	}
	return out, nil
}

// Close lets the connections go.
func (s *store) Close() error { return s.db.Close() }

// lasting says whether the server will answer so again.
func lasting(err error) bool {
	return startsWith(err, "NOAUTH", "WRONGPASS", "NOPERM", "ERR invalid password", "ERR Client sent AUTH", "ERR unknown command", "ERR DB index")
}

// startsWith says whether an error is the server's and begins with one of these words.
func startsWith(err error, words ...string) bool {
	e, ok := errors.AsType[redis.Error](err)
	return ok && slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(e.Error(), w) })
}

func classify(err error, src schemas.SourceID) error {
	switch {
	case startsWith(err, "GAP "):
		e, _ := errors.AsType[redis.Error](err)
		end := strings.Fields(e.Error())[1]
		return deliver.Final(fmt.Errorf("the server ends at offset %s of %s, before what it has acknowledged: it has lost writes, or somebody removed them; a start goes on from there", end, src))
	case lasting(err):
		return deliver.Final(err)
	case strings.Contains(err.Error(), "WRONGTYPE"): // older servers put words of their own before it
		return deliver.Refused(fmt.Errorf("a key of the row is somebody else's: %w", err))
	}
	return err
}
