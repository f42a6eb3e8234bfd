package simulate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/objectletters"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/s3store"
	"vecmill/stream"
	"vecmill/stream/blobfetch"
)

// pipeline is the name of the one pipeline.
const pipeline = "p"

// worker is what one process runs: composed as internal/wire composes it, over simulated transports.
type worker struct {
	p    *process
	pipe *stream.Pipeline
	sink sinks.Sink
	dead sinks.DeadLetters
	run  func(ctx context.Context) error
}

func (w *world) client(rt http.RoundTripper) (*minio.Client, error) {
	return minio.New("s3.test", &minio.Options{
		Creds: credentials.NewStaticV4("user", "password", ""), Secure: true, Region: "us-east-1", Transport: rt,
		BucketLookup: minio.BucketLookupPath, MaxRetries: 1, // retries are ours, as in internal/wire
	})
}

// store is a bucket behind a transport.
func (w *world) store(rt http.RoundTripper, bucket string) (*s3store.Store, error) {
	c, err := w.client(rt)
	if err != nil {
		return nil, err
	}
	return s3store.New(c, bucket, s3store.Options{}), nil
}

// policy repeats with waits that follow from the seed and the time.
func (w *world) policy(attempts int) retry.Policy {
	return retry.Policy{Attempts: attempts, Base: 100 * time.Millisecond, Max: time.Second, Jitter: func(limit time.Duration) time.Duration {
		return span(w.d.of("jitter", int64(w.now()), int64(limit)), 0, limit)
	}}
}

// The retries of a worker's parts. Fetching has few, so that they are used up now and then.
const (
	fetchAttempts  = 4
	fetchPatience  = 8
	uploadAttempts = 12
	letterAttempts = 8
	putTimeout     = 3 * time.Second
)

// compose builds a worker. It does I/O, as a worker does when it starts.
func (w *world) compose(ctx context.Context, p *process, log *slog.Logger) (*worker, error) {
	net := newNetwork(w, p)
	client, err := w.client(net)
	if err != nil {
		return nil, err
	}
	bf := blobfetch.NewDefaultConfig()
	bf.S3, bf.Buckets, bf.Timeout, bf.Retry = client, []string{inputs}, 2*time.Second, w.policy(fetchAttempts)
	bf.Patience = fetchPatience
	bf.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	fetcher, err := blobfetch.New(bf)
	if err != nil {
		return nil, err
	}
	engine, err := newEngine(w.plan, w.start, func(items int) { w.meter.add(p.name, "items", items) })
	if err != nil {
		return nil, err
	}
	wk := &worker{p: p}
	store := s3store.New(client, outputs, s3store.Options{})
	if wk.sink, err = w.sinks(ctx, store, p); err != nil {
		return nil, err
	}
	wk.dead = objectletters.New(s3store.New(client, letters, s3store.Options{}), "", w.policy(letterAttempts))
	if b, ok := w.group.(*kafkaBroker); ok && w.plan.LetterTopic {
		if wk.dead, err = b.letters(p); err != nil {
			return nil, err
		}
	}
	source, err := w.group.source(p, log)
	if err != nil {
		return nil, err
	}
	plan := &w.plan.Pipeline
	wk.pipe, err = stream.New(stream.Config{
		Name: pipeline, Modality: schemas.Text, Decoder: lists{}, Elsewhere: func(c stream.Candidate) bool { return c.Ref.Modality == schemas.Audio },
		MaxInFlight: plan.MaxInFlight, Fetchers: plan.Fetchers, Budget: plan.Budget, CommitInterval: plan.CommitInterval,
		Breaker: stream.BreakerConfig{Window: plan.BreakerWindow, MaxFailures: plan.BreakerMax}, Log: log,
	}, source, fetcher, engine, wk.sink, wk.dead)
	if err != nil {
		return nil, err
	}
	wk.run = func(ctx context.Context) error {
		computing, stop := context.WithCancel(context.WithoutCancel(ctx))
		var wg sync.WaitGroup
		wg.Go(func() { engine.Run(computing) })
		err := wk.pipe.Run(ctx)
		stop()
		wg.Wait()
		return errors.Join(err, wk.close(ctx))
	}
	return wk, nil
}

// sinks opens the outputs.
func (w *world) sinks(ctx context.Context, store *s3store.Store, p *process) (sinks.Sink, error) {
	if w.plan.Probe {
		if err := objectstore.CheckConditionalPut(ctx, store, "probe"); err != nil {
			return nil, err
		}
	}
	var members []sinks.Member
	for _, name := range append(w.required(), w.bestEffort()...) {
		if name == table || name == lake {
			sink, err := w.tableSink(name, store, p)
			if err != nil {
				return nil, err
			}
			members = append(members, sinks.Member{Name: name, Sink: sink})
			continue
		}
		cfg := parquetsink.NewDefaultConfig()
		cfg.Store, cfg.Prefix, cfg.Tasks = store, name, []schemas.Task{schemas.TaskEmbedding}
		cfg.RollRows, cfg.RollAge = w.plan.Pipeline.RollRows, w.plan.Pipeline.RollAge
		cfg.MaxBuffered, cfg.Uploads = w.plan.Pipeline.MaxBuffered, w.plan.Pipeline.Uploads
		cfg.Compression = parquetsink.None // the zstd codec shares goroutines between bubbles
		cfg.PutTimeout, cfg.Retry, cfg.Writer = putTimeout, w.policy(uploadAttempts), p.name
		cfg.Observer = observer{w, p}
		sink, err := parquetsink.New(cfg)
		if err != nil {
			return nil, err
		}
		members = append(members, sinks.Member{Name: name, Sink: sink, BestEffort: name == spare})
	}
	if len(members) == 1 {
		return members[0].Sink, nil
	}
	return sinks.NewTee(func(output string, err error) {
		if err != nil { // nil: it is not full any more
			p.tr.add(p.name, "best-effort output %s failed", output)
		}
	}, members...)
}

func (w *world) tableSink(name string, store *s3store.Store, p *process) (sinks.Sink, error) {
	if name == lake {
		return w.lakeOn(p, store)
	}
	return w.sinkOn(p)
}

// close releases everything, as wire does; a crashed process's memory is gone.
func (wk *worker) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if wk.p.crashed() {
		for part := range 64 {
			wk.sink.Forget(source(part))
		}
	}
	return errors.Join(wk.sink.Close(ctx), wk.dead.Close(ctx))
}

// observer counts what the files tell.
type observer struct {
	w *world
	p *process
}

func (o observer) FileWritten(f parquetsink.FileWritten) {
	o.w.count(func(c *Coverage) { c.Files++ })
}

func (o observer) NameLost(l parquetsink.NameLost) {
	o.p.tr.add(o.p.name, "has lost the name %s to %s", l.Name, l.Winner.Writer)
	o.w.count(func(c *Coverage) { c.NamesLost++ })
}

// launch runs one process until it ends.
func (w *world) launch(name string) *process {
	root, kill := context.WithCancel(context.Background())
	ctx, stop := context.WithCancel(root)
	p := &process{name: name, tr: w.tr, d: w.d, kill: kill, stop: stop, done: make(chan struct{})}
	w.tr.add(name, "starts")
	w.wg.Go(func() {
		defer close(p.done)
		defer kill()
		log := w.logger(name)
		wk, err := w.compose(ctx, p, log)
		if err == nil {
			err = wk.run(ctx)
			if s := wk.pipe.Stats(); s.PeakHeld > s.Budget || s.Held != 0 {
				w.oracle.offend("%s held up to %d of %d bytes, and %d at its end (I4)", name, s.PeakHeld, s.Budget, s.Held)
			}
			w.count(func(c *Coverage) {
				s := wk.pipe.Stats()
				c.Records, c.Abandoned = c.Records+s.Records, c.Abandoned+s.Abandoned
			})
		}
		p.mu.Lock()
		p.mu.ended = err
		p.mu.Unlock()
		w.tr.add(name, "ended: %s", firstLine(err))
		if err == nil || p.crashed() {
			return
		}
		w.count(func(c *Coverage) { c.Faults++ })
		w.mu.Lock()
		w.mu.ends = append(w.mu.ends, fmt.Sprint(err))
		w.mu.Unlock()
		if errors.Is(err, stream.ErrBeyondEnd) {
			w.oracle.offend("%s says of a log that only grew: %v", name, err)
		}
	})
	return p
}

func firstLine(err error) string {
	if err == nil {
		return "in order"
	}
	text := fmt.Sprint(err)
	for i, r := range text {
		if r == '\n' {
			return text[:i]
		}
	}
	return text
}
