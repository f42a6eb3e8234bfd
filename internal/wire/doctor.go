package wire

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"vecmill/embed/ortsession"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/stream"
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
// missing table is made), consumes nothing, and writes no row. tell is given each finding when it is known.
func Examine(ctx context.Context, c *config.Config, tell func(Finding)) {
	d := &doctor{c: c, stores: &stores{cfg: c}, machine: os.DirFS("/"), tell: tell}
	if d.runtime() {
		d.references(ctx)
	}
	d.devices()
	d.memory()
	d.clock(ctx)
	d.fetch(ctx)
	for i := range c.Pipelines {
		p := &c.Pipelines[i]
		if len(c.Kafka.Brokers) > 0 && len(p.Topics) > 0 {
			d.kafka(ctx, p)
		}
		m, trial := d.model(ctx, p)
		if m != nil {
			d.sessions(ctx, p, m)
		}
		d.outputs(ctx, p, m, trial)
		d.letters(ctx, p)
		if m != nil {
			if err := m.close(); err != nil {
				d.say("model "+p.Name, Doubt, "closing: %v", err)
			}
		}
	}
}

// checkTime bounds one check, so that a server that never answers is one line and not the end.
const checkTime = 45 * time.Second

type doctor struct {
	c       *config.Config
	stores  *stores
	machine fs.FS // the root of the file system
	tell    func(Finding)
}

func (d *doctor) say(check string, g Grade, format string, args ...any) {
	d.tell(Finding{Check: check, Grade: g, Text: fmt.Sprintf(format, args...)})
}

// fault tells of an error.
func (d *doctor) fault(check string, err error) {
	class, _ := schemas.PlaceFaultOf(err)
	d.tell(Finding{Check: check, Grade: Trouble, Text: err.Error(), Class: class})
}

func (d *doctor) runtime() bool {
	path, version, err := ortsession.LibraryAt(d.c.Runtime.Library)
	if err != nil {
		d.fault("onnxruntime", err)
		return false
	}
	d.say("onnxruntime", Sound, "version %s, %s", version, path)
	return true
}

// devices tells of GPUs that are left idle.
func (d *doctor) devices() {
	if slices.ContainsFunc(d.c.Pipelines, func(p config.Pipeline) bool { return p.Model.OnGPU() }) {
		return // each model says where it is computed
	}
	gpus, _ := fs.Glob(d.machine, "dev/nvidia[0-9]*") // the pattern is sound
	if len(gpus) == 0 {
		d.say("devices", Sound, "sessions compute on %d CPUs", runtime.GOMAXPROCS(0))
		return
	}
	d.say("devices", Doubt, "sessions compute on %d CPUs, and the %d GPUs of this machine stay idle: model.provider is cpu; a machine without a GPU costs less", runtime.GOMAXPROCS(0), len(gpus))
}

// memory compares what the configuration may use with what there is. Weights are not counted: they are mapped, and shared.
func (d *doctor) memory() {
	want := heapLimit(d.c)
	have, from := availableMemory()
	switch {
	case have == 0:
		d.say("memory", Doubt, "budgets and buffers may take %s; how much this machine has could not be found out", mib(want))
	case want > have:
		d.say("memory", Trouble, "budgets and buffers may take %s, and %s has %s; lower memory_budget or max_buffered", mib(want), from, mib(have))
	case want > have/10*8:
		d.say("memory", Doubt, "budgets and buffers may take %s of the %s of %s, which leaves little for weights and ONNX Runtime; lower memory_budget or max_buffered", mib(want), mib(have), from)
	default:
		d.say("memory", Sound, "budgets and buffers may take %s of the %s of %s; weights and ONNX Runtime's own memory come on top", mib(want), mib(have), from)
	}
}

func mib(n int64) string { return strconv.FormatInt(n>>20, 10) + " MiB" }

// availableMemory is the container's limit, or the machine's memory; 0 if neither can be read.
func availableMemory() (bytes int64, from string) {
	if b, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil {
			return n, "the container"
		}
	}
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, ""
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			if n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64); err == nil {
				return n << 10, "this machine"
			}
		}
	}
	return 0, ""
}

// Signatures are refused by S3 when the clocks are 15 minutes apart.
const (
	skewDoubt   = 30 * time.Second
	skewTrouble = 10 * time.Minute
)

// clock compares this machine's clock with the object store's.
func (d *doctor) clock(ctx context.Context) {
	endpoint := d.c.S3.Endpoint
	if endpoint == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	transport, err := s3Transport(d.c.S3.CAFile, strings.HasPrefix(endpoint, "https:"))
	if err != nil {
		d.fault("clock", err)
		return
	}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, endpoint, nil)
	if err != nil {
		d.fault("clock", fmt.Errorf("s3.endpoint: %w", err))
		return
	}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		d.fault("clock", fmt.Errorf("asking %s: %w; check s3.endpoint", endpoint, err))
		return
	}
	_ = res.Body.Close()
	theirs, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		d.say("clock", Doubt, "%s does not say what time it is", endpoint)
		return
	}
	switch skew := time.Since(theirs).Abs(); {
	case skew > skewTrouble:
		d.say("clock", Trouble, "this clock and that of %s are %v apart; the store will refuse signatures: set this machine's clock", endpoint, skew.Round(time.Second))
	case skew > skewDoubt:
		d.say("clock", Doubt, "this clock and that of %s are %v apart: set this machine's clock", endpoint, skew.Round(time.Second))
	default:
		d.say("clock", Sound, "within %v of %s", skew.Round(time.Second)+time.Second, endpoint)
	}
}

// fetch looks at what references may reach.
func (d *doctor) fetch(ctx context.Context) {
	f := &d.c.Fetch
	for _, root := range f.FileRoots {
		if info, err := os.Stat(root); err != nil {
			d.fault("fetch", fmt.Errorf("fetch.file_roots: %w", err))
		} else if !info.IsDir() {
			d.say("fetch", Trouble, "fetch.file_roots: %s is not a directory", root)
		}
	}
	if _, err := newFetcher(d.c, d.stores); err != nil {
		d.fault("fetch", err)
		return
	}
	for _, b := range f.Buckets {
		if b == "*" {
			d.say("fetch", Doubt, "fetch.buckets is *: references may name any bucket that the credentials reach; list the buckets if others write references")
			return
		}
		if !d.readable(ctx, b) {
			return
		}
	}
	d.say("fetch", Sound, "buckets %v, hosts %v, file roots %v", f.Buckets, f.Hosts, f.FileRoots)
}

// readable looks into a bucket, or a prefix of it, that references may name. The right to list is not needed to fetch, so its lack is a doubt.
func (d *doctor) readable(ctx context.Context, bucket string) bool {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	_, _, err := d.stores.open(ctx, "s3://"+bucket)
	answer, _ := errors.AsType[minio.ErrorResponse](err)
	switch {
	case answer.Code == minio.AccessDenied:
		d.say("fetch", Doubt, "fetch.buckets: %s may not be listed (%s); a worker needs no more than the right to get its objects (s3:GetObject), which cannot be tried without one", bucket, answer.Message)
	case err != nil:
		d.fault("fetch", fmt.Errorf("fetch.buckets: %w", err))
	}
	return err == nil
}

func (d *doctor) kafka(ctx context.Context, p *config.Pipeline) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	check := "kafka " + p.Name
	log, err := kafkaLog(d.c, slog.New(slog.DiscardHandler))
	if err != nil {
		d.fault(check, err)
		return
	}
	defer log.Close()
	for _, topic := range p.Topics {
		parts, err := log.Partitions(ctx, topic)
		if err != nil {
			d.fault(check, fmt.Errorf("%w; check kafka.brokers, the topic's name and the rights to describe it", err))
			continue
		}
		bounds, err := log.Bounds(ctx, p.Group, parts)
		if err != nil {
			d.fault(check, fmt.Errorf("%w; check the rights to read topic %s and group %s", err, topic, p.Group))
			continue
		}
		records, lag, fresh := spread(bounds)
		text := fmt.Sprintf("topic %s has %d partitions and %d records; group %s is %d behind", topic, len(parts), records, p.Group, lag)
		if fresh == len(parts) {
			text = fmt.Sprintf("topic %s has %d partitions and %d records; group %s has committed nothing yet", topic, len(parts), records, p.Group)
		}
		d.say(check, Sound, "%s", text)
	}
}

// spread adds partitions up; fresh is the number of those without a commit.
func spread(bounds map[stream.Partition]stream.Bounds) (records, lag int64, fresh int) {
	for _, b := range bounds {
		records += b.End - b.First
		if b.Committed < 0 {
			fresh++
			lag += b.End - b.First
			continue
		}
		lag += max(0, b.End-max(b.Committed, b.First))
	}
	return records, lag, fresh
}

func (d *doctor) outputs(ctx context.Context, p *config.Pipeline, m *loadedModel, trial []schemas.Row) {
	for i := range p.Outputs {
		check := fmt.Sprintf("output %s %d", p.Name, i)
		if m == nil {
			d.say(check, Doubt, "not looked at: what is written depends on the model")
			continue
		}
		if err := checkDimension(&p.Outputs[i], trial); err != nil {
			d.fault(check, err) // and it is not opened, which would make a table of that dimension
			continue
		}
		if err := d.output(ctx, &p.Outputs[i], m); err != nil {
			d.fault(check, err)
			continue
		}
		d.say(check, Sound, "can be written")
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

func (d *doctor) output(ctx context.Context, o *config.Output, m *loadedModel) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	sink, err := newOutput(ctx, o, m, d.stores, Options{Log: slog.New(slog.DiscardHandler)}, nil)
	if err != nil {
		return err
	}
	if o.Kafka != nil {
		err = mayWrite(ctx, d.c, o.Kafka.Topic)
	}
	return errors.Join(err, sink.Close(ctx))
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
	}
	if err != nil {
		d.fault(check, err)
		return
	}
	d.say(check, Sound, "can be written")
}
