package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"vecmill/embed"
	"vecmill/embed/audio"
	"vecmill/embed/heads"
	"vecmill/embed/image"
	"vecmill/embed/ortsession"
	"vecmill/embed/text"
	"vecmill/internal/config"
	"vecmill/model"
	"vecmill/schemas"
)

// loadedModel is a checkpoint that is ready to run, or that is known as far as it is without sessions.
type loadedModel struct {
	name     string
	spec     *model.Spec
	graph    *model.Graph
	narrow   model.Graph // with the outputs that the heads read alone
	digest   string      // of the graph
	pre      embed.Preprocessor
	opener   opener         // of its sessions
	trial    []embed.Sample // that sessions of it have computed; nil: none has, or none could be made
	sessions []embed.Session
	on       []string // the device of each, as metrics call it
	heads    []embed.Head
	identity *heads.Identity
	options  []headOptions // of heads, in their order; known with the digest
	halves   []string      // the heads that give vectors in half precision

	devices   []ortsession.Options // of the sessions, one for each device
	precision model.Precision
	why       string        // that precision, if the configuration left it open
	division  split         // of the cores of each device
	divided   string        // why so, see divisionOf
	key       string        // of what is measured of its batches, see batchKey
	costs     measurement   // of batches, from before this start; the zero value: none
	bytes     measurement   // that batches need, likewise
	took      time.Duration // to load
	cpu       time.Duration // of all processors, likewise; of one that is ready to run
}

// stepSeconds is how much audio a step stands for; 0 of other modalities.
func (m *loadedModel) stepSeconds() float64 {
	if timed, ok := m.pre.(interface{ StepSeconds() float64 }); ok {
		return timed.StepSeconds()
	}
	return 0
}

// tasks are those of the heads, once each.
func (m *loadedModel) tasks() (all []schemas.Task) {
	for _, h := range m.heads {
		if !slices.Contains(all, h.Task()) {
			all = append(all, h.Task())
		}
	}
	return all
}

func (m *loadedModel) close() error {
	var errs []error
	for _, s := range m.sessions {
		errs = append(errs, s.Close())
	}
	m.sessions, m.on = nil, nil
	return errors.Join(errs...)
}

// loadModel makes a model ready to run.
func loadModel(ctx context.Context, c *config.Config, p *config.Pipeline, s *stores, log *slog.Logger) (*loadedModel, error) {
	began, cpu := time.Now(), processTime()
	m, err := prepareModel(ctx, c, p, s, log)
	if err != nil {
		return nil, err
	}
	var digest string
	var options []headOptions
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() (err error) { // reads weights and language models whole, while the sessions load
		digest, options, err = m.identify(ctx)
		return err
	})
	work.Go(func() error { return m.open(ctx, c, p, log) })
	if err := work.Wait(); err != nil {
		return nil, errors.Join(err, m.close())
	}
	m.digest, m.options, m.took, m.cpu = digest, options, time.Since(began), processTime()-cpu
	return m, nil
}

// describeModel knows all of a model, its digest and its heads' options, without being able to compute with it: open makes it ready.
func describeModel(ctx context.Context, c *config.Config, p *config.Pipeline, s *stores, log *slog.Logger) (*loadedModel, error) {
	m, err := prepareModel(ctx, c, p, s, log)
	if err == nil {
		m.digest, m.options, err = m.identify(ctx)
	}
	return m, err
}

// identify reads the files that decide what m computes.
func (m *loadedModel) identify(ctx context.Context) (digest string, options []headOptions, err error) {
	if digest, err = m.graph.Digest(ctx); err == nil {
		options, err = m.headOptions(ctx)
	}
	return digest, options, err
}

// prepareModel fetches the checkpoint if it is a reference, opens it, and compiles its graph or finds it in the cache. Digest and options are left out, and there are no sessions.
func prepareModel(ctx context.Context, c *config.Config, p *config.Pipeline, s *stores, log *slog.Logger) (*loadedModel, error) {
	began := time.Now()
	beams := slices.ContainsFunc(p.Heads, func(h config.Head) bool { return h.Decoding.Search == "beam" })
	path, err := locateModel(ctx, c, s, p.Model.Path, beams, log)
	if err != nil {
		return nil, err
	}
	spec, err := model.Open(path)
	if err != nil {
		return nil, err
	}
	if err := VerifyDigest(ctx, spec, path, p.Model.Digest); err != nil {
		return nil, err
	}
	cache, err := cacheDir(c)
	if err != nil {
		return nil, err
	}
	if p.Batch.Packing {
		if err := spec.Packs(); err != nil {
			return nil, fmt.Errorf("batch.packing: %w", err)
		}
	}
	m := &loadedModel{name: p.Model.Name, spec: spec, opener: openSession}
	if m.pre, err = newPreprocessor(p, spec, int64(c.Fetch.MaxObjectBytes)); err != nil {
		return nil, fmt.Errorf("%w; if the settings are right, copy the checkpoint anew, whole: docs/models.md lists its files", err)
	}
	if m.devices, err = sessionOptions(c, p); err != nil {
		return nil, err
	}
	m.precision, m.why, err = precisionOf(p, spec, m.devices, func(o ortsession.Options) error {
		_, _, err := proof(ctx, openSession, o, model.Half, p.Batch.Packing)
		return err
	})
	if err != nil {
		return nil, err
	}
	if m.graph, err = spec.Compile(ctx, cache, compileOptions(p, spec, m.pre, m.precision)); err != nil {
		return nil, err
	}
	if err := m.newHeads(p); err != nil {
		return nil, err
	}
	m.took = time.Since(began)
	return m, nil
}

// newHeads makes the heads, and notes which files and outputs of the graph they read.
func (m *loadedModel) newHeads(p *config.Pipeline) (err error) {
	all := headConfigs(p)
	if m.identity, err = heads.Identify(all, m.spec); err != nil {
		return fmt.Errorf("heads: %w", err)
	}
	var read []string
	for _, cfg := range all {
		head, err := heads.New(cfg, m.spec, m.graph)
		if err != nil {
			return fmt.Errorf("heads: %w", err)
		}
		m.heads = append(m.heads, head)
		if cfg.Precision == heads.Half {
			m.halves = append(m.halves, head.Name())
		}
		read = append(read, heads.Reads(cfg)...)
	}
	m.narrow = m.graph.Narrow(read)
	return nil
}

// open opens the sessions of a model that has none, and tries them.
func (m *loadedModel) open(ctx context.Context, c *config.Config, p *config.Pipeline, log *slog.Logger) error {
	began := time.Now()
	cache, err := cacheDir(c)
	if err != nil {
		return err
	}
	m.tryPreprocessor(ctx)
	d, by := divisionOf(c, p, cache, m.graph)
	m.divided = by
	if err := m.openSessions(ctx, p, d, log); err != nil {
		return err
	}
	if err := m.trySessions(ctx, p, log); err != nil {
		return err
	}
	if oneLength(m.spec) {
		log.Warn(saysOneLength, "pipeline", p.Name)
	}
	m.took += time.Since(began)
	log.Debug("sessions opened", "pipeline", p.Name, "sessions", len(m.sessions), "took", time.Since(began))
	return nil
}

// headConfigs are a pipeline's heads in the words of embed/heads.
func headConfigs(p *config.Pipeline) (all []heads.Config) {
	for i := range p.Heads {
		h := headConfig(&p.Heads[i])
		h.Joined = p.Audio.Long == string(audio.Overlap)
		all = append(all, h)
	}
	return all
}

// headConfig is a head's settings in the words of embed/heads.
func headConfig(h *config.Head) heads.Config {
	return heads.Config{
		Name: h.Name, Task: schemas.Task(h.Task), Pooling: heads.Pooling(h.Pooling), Raw: !*h.Normalize, Precision: heads.Precision(h.DType),
		TopK: h.TopK, Transform: heads.Function(h.Function), Threshold: h.Threshold, Aggregation: heads.Strategy(h.Aggregation), Mask: heads.MaskForm(h.Mask),
		MaxAnswerTokens: h.MaxAnswer, NoAnswer: h.NoAnswer, Decoding: decoding(&h.Decoding),
	}
}

// decoding is how a transcript is searched for; what the configuration is silent on is the reference's.
func decoding(c *config.Decoding) heads.Decoding {
	if c.Search != "beam" {
		return heads.Decoding{}
	}
	d := heads.NewBeamDecoding()
	d.LanguageModel, d.Unigrams = c.LanguageModel, c.Unigrams
	override(&d.Options.Width, c.BeamWidth)
	override(&d.Options.PruneLogP, c.BeamPruneLogP)
	override(&d.Options.TokenMinLogP, c.TokenMinLogP)
	override(&d.Options.HotWordWeight, c.HotWordWeight)
	d.Options.HotWords = c.HotWords
	d.Alpha, d.Beta, d.UnknownOffset, d.ScoreBoundary = c.Alpha, c.Beta, c.UnkScoreOffset, c.LMScoreBoundary
	return d
}

// compileOptions ask for what the heads need beyond the class's outputs, and for the inputs and the size of the pictures that pre makes.
func compileOptions(p *config.Pipeline, spec *model.Spec, pre embed.Preprocessor, precision model.Precision) model.CompileOptions {
	o := model.CompileOptions{
		Packed:    p.Batch.Packing,
		Whole:     p.Model.OnGPU(),
		HeadOnly:  !slices.ContainsFunc(p.Heads, func(h config.Head) bool { return h.Task == string(schemas.TaskEmbedding) }),
		Precision: precision,
	}
	for _, cfg := range headConfigs(p) {
		for _, name := range heads.Outputs(cfg) {
			if !slices.Contains(o.Outputs, name) {
				o.Outputs = append(o.Outputs, name)
			}
		}
	}
	switch pre := pre.(type) {
	case *text.Preprocessor:
		o.Inputs = pre.Inputs()
	case *image.Preprocessor:
		o.ImageSize = pre.ImageSize(spec)
	}
	return o
}

// VerifyDigest refuses a checkpoint whose files are not those that the configuration means. It comes before anything is made of them.
func VerifyDigest(ctx context.Context, spec *model.Spec, path, want string) error {
	if want == "" {
		return nil
	}
	digest, err := spec.Digest(ctx)
	if err != nil {
		return err
	}
	if !strings.EqualFold(digest, want) {
		return fmt.Errorf("model.digest: the checkpoint in %s has digest %s, the configuration wants %s: its files are not the ones that were meant; mend model.path, or model.digest if they are", path, digest, want)
	}
	return nil
}

// cacheDir is where compiled graphs are kept.
func cacheDir(c *config.Config) (string, error) {
	if c.Runtime.CacheDir != "" {
		return c.Runtime.CacheDir, nil
	}
	dir, err := model.UserCache()
	if err != nil {
		return "", fmt.Errorf("%w, or runtime.cache_dir", err)
	}
	return dir, nil
}

// decoder is a preprocessor that says what decodes.
type decoder interface{ Decoders() string }

// newPreprocessor is the table of modalities.
func newPreprocessor(p *config.Pipeline, spec *model.Spec, maxBytes int64) (embed.Preprocessor, error) {
	switch spec.Modality {
	case schemas.Audio:
		return audio.New(spec, audio.Options{
			MaxSeconds: p.Audio.MaxSeconds, Long: audio.Long(p.Audio.Long), WindowSeconds: p.Audio.WindowSeconds,
			StrideSeconds: p.Audio.StrideSeconds, MaxDecodedSeconds: p.Audio.MaxDecoded,
			Decoder: audio.Decoder(p.Audio.Decoder), Program: p.Audio.Program, Libraries: audio.Libraries(p.Audio.Libraries),
			XVectors: slices.ContainsFunc(p.Heads, func(h config.Head) bool { return h.Task == string(schemas.TaskXVector) }),
		})
	case schemas.Text:
		specials := text.Parse
		if !*p.Text.SpecialTokens {
			specials = text.Plain
		}
		return text.New(spec, text.Options{
			Long: text.Long(p.Text.Long), Truncation: text.Truncation(p.Text.Truncation), Stride: p.Text.Stride, MaxTokens: p.Text.MaxTokens, SpecialTokens: specials, InvalidUTF8: text.InvalidUTF8(p.Text.InvalidUTF8),
			Format: text.Format(p.Text.Format), Field: p.Text.Field, Charset: p.Text.Charset,
		})
	case schemas.Image:
		return image.New(spec, image.Options{
			MaxPixels: p.Image.MaxPixels, MaxBytes: maxBytes, Height: p.Image.Height, Width: p.Image.Width,
			Orientation: image.Orientation(p.Image.Orientation), Draft: p.Image.Draft, Libraries: image.Libraries(p.Image.Libraries),
		})
	}
	return nil, fmt.Errorf("no preprocessor for modality %q", spec.Modality)
}

// batch bounds batches of the model's sessions. Of pictures, whose window sorts nothing, two batches may wait for each that computes.
func (m *loadedModel) batch(p *config.Pipeline) embed.BatcherConfig {
	out := batchConfig(p, m.spec.Modality, m.division.Threads)
	if executors, _ := m.callers(); m.spec.Modality == schemas.Image && p.Batch.Window == 0 {
		out.Window = max(out.Window, 2*len(executors)*out.MaxItems)
	}
	return out
}

// batchConfig bounds batches of sessions of so many threads: those of a GPU compute elsewhere, and packed rows are few and long.
func batchConfig(p *config.Pipeline, m schemas.Modality, threads int) embed.BatcherConfig {
	b := p.Batch
	if p.Model.OnGPU() || b.Packing {
		threads = 0
	}
	out := embed.UsualBatch(m, threads)
	override(&out.MaxCost, b.MaxCost)
	override(&out.MaxItems, b.MaxItems)
	override(&out.Window, b.Window)
	override(&out.Linger, b.Linger.D())
	override(&out.MaxAge, b.MaxAge.D())
	out.Latency = b.Latency.D()
	out.Window = max(out.Window, out.MaxItems)
	out.MaxAge = max(out.MaxAge, out.Linger)
	return out
}

// packingOf is the layout of packed batches; nil: they are padded.
func packingOf(b config.Batch, spec *model.Spec, bounds embed.BatcherConfig) (*embed.Packing, error) {
	if !b.Packing {
		return nil, nil
	}
	row := embed.UsualRow(spec)
	override(&row, b.Row)
	if b.Row == 0 {
		row = min(row, bounds.MaxCost)
	}
	p, err := embed.NewPacking(spec, row, bounds.MaxCost, bounds.MaxItems)
	if err != nil {
		return nil, fmt.Errorf("batch.packing: %w", err)
	}
	return p, nil
}

func override[T comparable](field *T, v T) {
	var zero T
	if v != zero {
		*field = v
	}
}

func newEngine(p *config.Pipeline, m *loadedModel, tracer trace.Tracer, took func(context.Context, time.Duration), past embed.Past) (*embed.Engine, error) {
	workers := p.Preprocessors
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	batch := m.batch(p)
	packing, err := packingOf(p.Batch, m.spec, batch)
	if err != nil {
		return nil, err
	}
	sessions, on := m.callers()
	batch.MaxBytes, batch.Bytes = int64(p.Batch.MaxBytes), m.bytes.Costs
	return embed.NewEngine(embed.EngineConfig{
		Model: m.name, ModelDigest: m.digest, Modality: m.spec.Modality, Batch: batch, Shapes: shapesOf(p, m.spec), Devices: on, Packing: packing,
		Preprocessor: workers, Balance: p.Preprocessors == 0, Decoders: m.costs.Decoders, RowReserve: lineageBytes * int64(len(m.heads)), Deadline: p.ItemDeadline.D(), Reuse: int64(p.ReuseResults), Past: past, Tracer: tracer, Took: took, FLOPs: m.spec.FLOPs, Costs: m.costs.Costs, Trial: m.trial,
	}, m.pre, sessions, m.heads)
}

// lineageBytes is the memory kept for a row beside what its head tells: 720 bytes, in a slice that grows by a quarter or is copied once, an id, and attributes of its own.
const lineageBytes = 2 << 10
