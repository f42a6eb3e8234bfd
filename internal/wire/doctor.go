package wire

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"vecmill/embed/ortsession"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/objectstore"
)

// Grade is how well a check went.
type Grade string

// The grades.
const (
	Sound   Grade = "ok"
	Doubt   Grade = "warn" // it works, and may not be what is meant
	Trouble Grade = "FAIL" // a worker would not start, or not keep its promises
)

// Finding is what one check found.
type Finding struct {
	Check string `json:"check"`
	Grade Grade  `json:"grade"`
	Text  string `json:"text"`

	// Class is that of a fault of a place which has one (schemas.PlaceFault).
	Class schemas.PlaceFault `json:"class,omitempty"`
}

// Examine looks at everything that a worker of this configuration depends on, and goes on after each fault. It prepares outputs as a start does (a
// missing table is made, but no index of one that is there), consumes nothing, and writes no row. tell is given each finding when it is known.
func Examine(ctx context.Context, c *config.Config, tell func(Finding)) {
	newDoctor(c, tell).examine(ctx)
}

func newDoctor(c *config.Config, tell func(Finding)) *doctor {
	return &doctor{c: c, stores: &stores{cfg: c}, machine: os.DirFS("/"), open: openSession, load: loadModel, tell: tell}
}

func (d *doctor) examine(ctx context.Context) {
	c := d.c
	loaded := d.runtime()
	if loaded {
		d.dependencies()
		d.references(ctx)
	}
	d.source()
	d.devices()
	d.memory()
	d.pages(loaded)
	d.clock(ctx)
	d.profiles()
	d.collector(ctx)
	d.fetch(ctx)
	for i := range c.Pipelines {
		p := &c.Pipelines[i]
		var of bounds
		if len(c.Kafka.Brokers) > 0 && len(p.Topics) > 0 {
			of = d.kafka(ctx, p)
		}
		d.registry(ctx, p)
		m, trial := d.model(ctx, p)
		if m != nil {
			d.sessions(ctx, p, m)
			d.batches(ctx, p, m)
		}
		d.outputs(ctx, p, m, trial, of)
		d.letters(ctx, p)
		if m != nil {
			d.before = append(d.before, vectorsOf(p, m))
			if err := m.close(); err != nil {
				d.say("model "+p.Name, Doubt, "closing: %v", err)
			}
		}
	}
}

// checkTime bounds one check, so that a server that never answers is one line and not the end.
const checkTime = 45 * time.Second

// buildTime bounds a check for which TensorRT builds engines: one for each graph and range of shapes, for minutes.
const buildTime = 30 * time.Minute

// timeOn bounds a check that computes with a provider.
func timeOn(p ortsession.Provider) time.Duration {
	if p == ortsession.TensorRT {
		return buildTime
	}
	return checkTime
}

// overtime adds to the error of a check what to do if it ran out of the time that it has with a provider.
func overtime(ctx context.Context, p ortsession.Provider, err error) error {
	switch {
	case err == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return err
	case p == ortsession.TensorRT:
		return fmt.Errorf("it took more than %v: %w; TensorRT builds an engine for each graph and range of shapes and keeps it (model.gpu.engine_cache): examine again, which goes on from there", timeOn(p), err)
	}
	return fmt.Errorf("it took more than %v: %w; see what else this machine computes, and examine again", timeOn(p), err)
}

type doctor struct {
	c       *config.Config
	stores  *stores
	machine fs.FS  // the root of the file system
	open    opener // of sessions that compute references
	load    func(context.Context, *config.Config, *config.Pipeline, *stores, *slog.Logger) (*loadedModel, error)
	tell    func(Finding)
	before  []vectors // of the pipelines that were examined

	computing int64 // bytes that models of these take to compute with, besides Go's heap
}

func (d *doctor) say(check string, g Grade, format string, args ...any) {
	d.tell(Finding{Check: check, Grade: g, Text: oneLine(fmt.Sprintf(format, args...))})
}

// fault tells of an error.
func (d *doctor) fault(check string, err error) {
	class, _ := schemas.PlaceFaultOf(err)
	d.tell(Finding{Check: check, Grade: Trouble, Text: oneLine(err.Error()), Class: class})
}

// oneLine is text without the line breaks that errors of several have.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func (d *doctor) outputs(ctx context.Context, p *config.Pipeline, m *loadedModel, trial []schemas.Row, of bounds) {
	for i := range p.Outputs {
		check := fmt.Sprintf("output %s %d", p.Name, i)
		if m == nil {
			d.say(check, Doubt, "not looked at: what is written depends on the model")
			continue
		}
		err := checkDimension(&p.Outputs[i], trial)
		for j := 0; j < len(d.before) && err == nil; j++ {
			err = vectorsOf(p, m).mixedAt(i, d.before[j])
		}
		if err != nil {
			d.fault(check, err) // and it is not opened, which would make a table of that dimension
			continue
		}
		grade, found, err := d.output(ctx, p, &p.Outputs[i], m, of)
		if err != nil {
			if class, _ := schemas.PlaceFaultOf(err); class == schemas.PlaceUnreachable {
				err = fmt.Errorf("%w; see that it runs, and that this machine may reach it at that address", err)
			}
			d.fault(check, err)
			continue
		}
		d.say(check, grade, "%s", found)
	}
}

// checkDimension compares what an output was told of vectors with those of the trial.
func checkDimension(o *config.Output, trial []schemas.Row) error {
	told := 0
	switch {
	case o.Postgres != nil:
		told = o.Postgres.Dimension
	case o.Qdrant != nil:
		told = o.Qdrant.Dimension
	case o.Milvus != nil:
		told = o.Milvus.Dimension
	case o.OpenSearch != nil:
		told = o.OpenSearch.Dimension
	case o.Redis != nil && o.Redis.Index != "none":
		told = o.Redis.Dimension
	}
	for i := range trial {
		n := max(len(trial[i].Vector), len(trial[i].Half))
		if told == 0 || n == 0 || n == told {
			continue
		}
		return fmt.Errorf("dimension is %d, and the vectors of head %s have %d numbers: every row would be a dead letter; set dimension to %d", told, trial[i].Head, n, n)
	}
	return nil
}

// output opens an output as a start does, asks it what it holds as an assignment does, and says what is known of it then.
func (d *doctor) output(ctx context.Context, p *config.Pipeline, o *config.Output, m *loadedModel, of bounds) (grade Grade, found string, err error) {
	sink, found, err := d.opened(ctx, p, o, m)
	if sink == nil {
		return Trouble, "", err
	}
	if grade = Sound; err == nil {
		var holds string
		if grade, holds, err = d.held(ctx, p, o, sink, of); holds != "" {
			found += "; " + holds
		}
		if err != nil && o.BestEffort { // the pipeline goes on without it
			grade, found, err = Doubt, fmt.Sprintf("a worker would go on without this output: %v", err), nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	doubt := ""
	switch files, _ := o.Files(); {
	case err != nil:
	case files != nil:
		doubt = d.unread(ctx, files.URL, "whoever reads its files (backfill reembed) would fail")
	case o.Kafka != nil:
		doubt = d.assumed(ctx, o.Kafka.Topic)
	}
	if doubt != "" {
		grade, found = Doubt, found+"; "+doubt
	}
	return grade, found, errors.Join(err, sink.Close(ctx))
}

// opened is an output as a start opens it, and what is known of it then; nil if it cannot be opened.
func (d *doctor) opened(ctx context.Context, p *config.Pipeline, o *config.Output, m *loadedModel) (sink sinks.Sink, found string, err error) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	if sink, err = newOutput(ctx, p, o, m, d.stores, Options{Log: slog.New(slog.DiscardHandler), Look: true}, nil, nil); err != nil {
		return nil, "", err
	}
	if o.Kafka != nil {
		err = mayWrite(ctx, d.c, o.Kafka.Topic)
	}
	whom, unreached := reach(ctx, o, m)
	found = "can be written"
	if whom != "" {
		found = whom + " reached; not written to: whether it takes rows is seen with the first"
	}
	return sink, found, errors.Join(err, unreached)
}

func (d *doctor) letters(ctx context.Context, p *config.Pipeline) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	check := "dead letters " + p.Name
	dead, err := newDeadLetters(ctx, d.c, p, d.stores, nil)
	switch {
	case err != nil:
		d.fault(check, err)
		return
	case dead == nil:
		d.say(check, Doubt, "there is no dead_letters: the first record that can never give a row stops the pipeline")
		return
	}
	err = dead.Close(ctx)
	if p.DeadLetters.Topic != "" {
		err = errors.Join(err, mayWrite(ctx, d.c, p.DeadLetters.Topic))
	} else {
		err = errors.Join(err, d.puts(ctx, p.DeadLetters.URL))
	}
	if err != nil {
		d.fault(check, err)
		return
	}
	doubt := d.narrow(ctx, p)
	if p.DeadLetters.URL != "" {
		doubt = d.unread(ctx, p.DeadLetters.URL, "whoever lists or replays them (worker dlq, backfill audit) would fail")
	}
	if doubt != "" {
		d.say(check, Doubt, "can be written; %s", doubt)
		return
	}
	d.say(check, Sound, "can be written")
}

// puts asks a store whether objects may be put below a URL, by one that letters are not mistaken for. They are put without a condition.
func (d *doctor) puts(ctx context.Context, url string) error {
	store, prefix, err := d.stores.open(ctx, url)
	if err != nil {
		return err
	}
	err = checkConditionalPut(ctx, store, prefix)
	if errors.Is(err, objectstore.ErrUnconditional) {
		return nil
	}
	return err
}

// unread says why objects below a URL could be written and not read, which a worker seldom does, and what comes of it; "" if they can be.
func (d *doctor) unread(ctx context.Context, url, comes string) string {
	store, prefix, err := d.stores.open(ctx, url)
	if err == nil {
		err = askWritten(ctx, store, prefix, objectstore.CheckRead)
	}
	if err != nil {
		return fmt.Sprintf("%s: %v", comes, err)
	}
	return ""
}
