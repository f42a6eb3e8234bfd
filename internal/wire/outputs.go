package wire

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/bits"
	"os"
	"sync"

	"vecmill/internal/config"
	"vecmill/internal/status"
	"vecmill/sinks"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetsink"
)

// newSink opens the outputs of a pipeline. kept, which may be nil, is how far those are that do not know it.
func newSink(ctx context.Context, p *config.Pipeline, m *loadedModel, s *stores, o Options, f *faults, kept *listCheckpoint) (*sinks.Tee, error) {
	var members []sinks.Member
	for i := range p.Outputs {
		name := outputName(i)
		sink, err := newOutput(ctx, p, &p.Outputs[i], m, s, o, f.tries(name), func(err error) { f.once(name, status.FaultNewModel, err) })
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		members = append(members, sinks.Member{Name: name, Sink: sink, BestEffort: p.Outputs[i].BestEffort, Ends: kept.ends(i), Keep: kept.brought(i), Ahead: kept.ahead(i)})
	}
	t, err := sinks.NewTee(f.leftOut, members...)
	if err == nil {
		t.Copying = copying(o.Log)
	}
	return t, err
}

// copying logs how far outputs are that are brought up from others, which may take hours in which a run has nothing else to say.
func copying(log *slog.Logger) func(sinks.Copy) {
	return func(c sinks.Copy) {
		log.Info("an output is brought up from another one", "pipeline", c.Source.Pipeline, "topic", c.Source.Topic, "partition", c.Source.Partition, "output", c.To, "from", c.From, "first", c.First, "at", c.At, "next", c.Next, "done", c.Done)
	}
}

// outputName is what a configuration calls its outputs.
func outputName(i int) string { return fmt.Sprintf("outputs[%d]", i) }

// tellTries is told of every failed try that another one follows, and with a nil error of the one that ends a series: see retry.Policy.
type tellTries func(tries int, err error)

// seldom tells of the 2nd, 4th, 8th of a series of failures and so on, since one alone is nothing.
func seldom(tell tellTries) tellTries {
	return func(tries int, err error) {
		if tell != nil && err != nil && tries > 1 && bits.OnesCount(uint(tries)) == 1 {
			tell(tries, err)
		}
	}
}

// newOutput is the table of outputs. newModel, which may be nil, is told that files go on behind those of another model.
func newOutput(ctx context.Context, p *config.Pipeline, out *config.Output, m *loadedModel, s *stores, o Options, told tellTries, newModel func(error)) (sinks.Sink, error) {
	switch {
	case out.Parquet != nil, out.Arrow != nil:
		return newFiles(ctx, p, out, m, s, o, told, newModel)
	case out.Postgres != nil:
		return newPgvector(ctx, out.Postgres, m, o, told)
	case out.JSONL != nil:
		return newJSONL(out.JSONL, told)
	case out.Kafka != nil:
		return newKafkaOutput(ctx, out.Kafka, s.cfg, o.Log, told)
	case out.Webhook != nil:
		return newWebhook(out.Webhook, told)
	case out.Redis != nil:
		return newRedis(ctx, out.Redis, m, told)
	case out.Qdrant != nil:
		return newQdrant(ctx, out.Qdrant, m, told)
	case out.Milvus != nil:
		return newMilvus(ctx, out.Milvus, m, told)
	case out.Flight != nil:
		return newFlight(out.Flight, m, told)
	case out.OpenSearch != nil:
		return newOpenSearch(ctx, out.OpenSearch, m, told)
	case out.Feast != nil:
		return newFeast(ctx, out.Feast, told)
	case out.Iceberg != nil:
		return newIceberg(ctx, out.Iceberg, m, s, o, told)
	}
	return nil, fmt.Errorf("names no kind of output")
}

func newFiles(ctx context.Context, p *config.Pipeline, out *config.Output, m *loadedModel, s *stores, o Options, told tellTries, newModel func(error)) (sinks.Sink, error) {
	c, format := out.Files()
	store, prefix, err := s.open(ctx, c.URL)
	if err != nil {
		return nil, err
	}
	if err := checkConditionalPut(ctx, store, prefix); err != nil {
		return nil, err
	}
	if err := askWritten(ctx, store, prefix, objectstore.CheckFound); err != nil {
		return nil, err
	}
	if copied(p, out) {
		if err := askWritten(ctx, store, prefix, objectstore.CheckRead); err != nil {
			return nil, fmt.Errorf("a worker would end when another output is behind, which is brought up from these files: %w", err)
		}
	}
	cfg := filesConfig(c, parquetsink.Format(format), m)
	cfg.Retry.Told = told
	cfg.Store, cfg.Prefix = store, prefix
	cfg.Writer, _ = os.Hostname() // only for people; the sink has an identity of its own
	cfg.Observer = observer{o.Log, o.Files}
	cfg.OtherModel = otherModel(o.Log, m.digest, newModel)
	return parquetsink.New(cfg)
}

// copied says whether another output of a pipeline may be brought up from this one: see sinks.Tee.
func copied(p *config.Pipeline, out *config.Output) bool {
	required := 0
	for i := range p.Outputs {
		if !p.Outputs[i].BestEffort {
			required++
		}
	}
	return !out.BestEffort && required > 1
}

// otherModel tells once of a chain whose files so far are of another model. Unlike an index, nothing compares the rows of files by themselves, and each says whose it is: the chain goes on.
func otherModel(log *slog.Logger, digest string, newModel func(error)) func(parquetsink.FileInfo) {
	var once sync.Once
	return func(last parquetsink.FileInfo) {
		once.Do(func() {
			log.Warn("files of another model are there, and this one's go on behind them", "last", last.Name, "was", last.ModelDigest(), "is", digest)
			if newModel != nil {
				newModel(fmt.Errorf("%s has rows of model %s, and this is model %s: the files of this one go on behind it", last.Name, last.ModelDigest(), digest))
			}
		})
	}
}

// filesConfig is what the files of an output are, without the place that they go to.
func filesConfig(c *config.Parquet, format parquetsink.Format, m *loadedModel) parquetsink.Config {
	cfg := parquetsink.NewDefaultConfig()
	cfg.Layout, cfg.Format = cmp.Or(parquetsink.Layout(c.Layout), cfg.Layout), format
	cfg.RollBytes, cfg.RollRows, cfg.RollAge = int64(c.RollBytes), c.RollRows, c.RollAge.D()
	cfg.MaxBuffered, cfg.Compression = int64(c.MaxBuffered), parquetsink.Compression(c.Compression)
	cfg.Metadata = map[string]string{"model": m.name, "model_digest": m.digest, "preprocess_digest": m.pre.Digest()}
	if text := formatHeads(m.options); text != "" {
		cfg.Metadata[headsKey] = text
	}
	cfg.Tasks, cfg.Single = m.tasks(), len(m.halves) == 0
	return cfg
}

// observer logs what becomes of files and passes it on.
type observer struct {
	log  *slog.Logger
	next parquetsink.Observer // nil: nobody
}

func (f observer) FileWritten(w parquetsink.FileWritten) {
	f.log.Debug("file written", "name", w.Name, "rows", w.Rows, "bytes", w.Bytes, "reason", w.Reason, "took", w.Duration)
	if f.next != nil {
		f.next.FileWritten(w)
	}
}

func (f observer) NameLost(l parquetsink.NameLost) {
	f.log.Warn("another worker had written this file; its rows are kept, ours are dropped", "name", l.Name, "writer", l.Winner.Writer)
	if f.next != nil {
		f.next.NameLost(l)
	}
}
