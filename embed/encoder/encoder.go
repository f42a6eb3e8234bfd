package encoder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"vecmill/embed"
	"vecmill/embed/heads"
	"vecmill/embed/image"
	"vecmill/embed/ortsession"
	"vecmill/embed/text"
	"vecmill/model"
	"vecmill/schemas"
)

// inputDeadline bounds the decoding of one input, as item_deadline does in a pipeline.
const inputDeadline = time.Minute

// Encoder is an open checkpoint. It is safe for concurrent use: inputs of concurrent calls share batches.
type Encoder struct {
	spec    *model.Spec
	graph   *model.Graph
	session embed.Session
	engine  *embed.Engine
	stop    context.CancelFunc // of the engine
	running sync.WaitGroup     // its Run
	closing sync.Once
	closed  error // of the session, once
}

// Open opens the checkpoint in dir: config.json with weights, or with a ready-made model.onnx, and the files of its tokenizer or processor, as [model.Open] takes it. The graph is compiled, or taken from the cache. ctx is for opening alone.
//
// The error says what is missing or does not fit: files, a class without states to pool (multiple choice), an option; no usable library is [ortsession.ErrNoLibrary].
func Open(ctx context.Context, dir string, o Options) (*Encoder, error) {
	spec, err := model.Open(dir)
	if err != nil {
		return nil, err
	}
	pre, err := o.preprocessor(spec)
	if err != nil {
		return nil, err
	}
	if o.Cache == "" {
		if o.Cache, err = model.UserCache(); err != nil {
			return nil, err
		}
	}
	pooled := heads.Config{Task: schemas.TaskEmbedding, Pooling: o.Pooling, Raw: o.Raw}
	compile := model.CompileOptions{Outputs: heads.Outputs(pooled), Precision: o.Precision}
	switch pre := pre.(type) {
	case *text.Preprocessor:
		compile.Inputs = pre.Inputs()
	case *image.Preprocessor:
		compile.ImageSize = pre.ImageSize(spec)
	}
	graph, err := spec.Compile(ctx, o.Cache, compile)
	if err != nil {
		return nil, err
	}
	head, err := heads.New(pooled, spec, graph)
	if err != nil {
		return nil, err
	}
	session, err := ortsession.Open(ctx, graph.Narrow(heads.Reads(pooled)), ortsession.Options{Threads: o.Threads, Library: o.Library})
	if err != nil {
		return nil, err
	}
	e, err := start(spec, graph, pre, session, head, o.batch(spec.Modality))
	if err != nil {
		return nil, errors.Join(err, session.Close())
	}
	return e, nil
}

// start sets an engine going, which owns the session from here on if there is no error.
func start(spec *model.Spec, graph *model.Graph, pre embed.Preprocessor, session embed.Session, head embed.Head, batch embed.BatcherConfig) (*Encoder, error) {
	engine, err := embed.NewEngine(embed.EngineConfig{
		Model: spec.Class, Modality: spec.Modality, Batch: batch, Preprocessor: runtime.GOMAXPROCS(0), Balance: true, Deadline: inputDeadline, FLOPs: spec.FLOPs,
	}, pre, []embed.Session{session}, []embed.Head{head})
	if err != nil {
		return nil, err
	}
	e := &Encoder{spec: spec, graph: graph, session: session, engine: engine}
	life, stop := context.WithCancel(context.Background())
	e.stop = stop
	e.running.Go(func() { engine.Run(life) }) // until Close
	return e, nil
}

// Modality is what the checkpoint takes, which says which of Texts, Recordings and Pictures may be called.
func (e *Encoder) Modality() schemas.Modality { return e.spec.Modality }

// Digest identifies the model: sha256, hex, of weights, configuration and compiler. It is ModelDigest of the rows of a pipeline with the same checkpoint, pooling and precision; vectors of one digest may be compared. The first call reads the weights.
func (e *Encoder) Digest(ctx context.Context) (string, error) { return e.graph.Digest(ctx) }

// Texts gives the vector of each text, UTF-8, in the order of the list: all of one length, the model's hidden size.
//
// An error that is [InputErrors] is about single inputs, whose vectors are nil; the others are there. With any other error there are no vectors: ctx's own as soon as ctx has ended, [ErrClosed], that the model takes something else, or [embed.ErrBroken]: then it no longer computes what it did, and has to be closed and opened anew.
// Of an empty list comes an empty one.
func (e *Encoder) Texts(ctx context.Context, texts []string) ([][]float32, error) {
	return e.encode(ctx, schemas.Text, len(texts), func(i int) []byte { return []byte(texts[i]) })
}

// Recordings gives the vector of each recording, the bytes of an audio file in any format that embed/audio reads, as Texts does. The bytes are not changed, and not looked at after the call.
func (e *Encoder) Recordings(ctx context.Context, files [][]byte) ([][]float32, error) {
	return e.encode(ctx, schemas.Audio, len(files), func(i int) []byte { return bytes.Clone(files[i]) })
}

// Pictures gives the vector of each picture, the bytes of a file in any format that embed/image reads, as Texts does. The bytes are not changed, and not looked at after the call.
func (e *Encoder) Pictures(ctx context.Context, files [][]byte) ([][]float32, error) {
	return e.encode(ctx, schemas.Image, len(files), func(i int) []byte { return bytes.Clone(files[i]) })
}

// Close interrupts the calls that are under way, which fail with ErrClosed, and frees the model once they have ended. It may be called again.
func (e *Encoder) Close() error {
	e.closing.Do(func() {
		e.stop()
		e.running.Wait()
		e.closed = e.session.Close()
	})
	return e.closed
}

// encode hands the inputs of one call over, one by one as the engine takes them, and waits for what becomes of them. blob gives the engine a copy: an input of a call that was left is looked at until the engine comes to it.
func (e *Encoder) encode(ctx context.Context, of schemas.Modality, n int, blob func(i int) []byte) ([][]float32, error) {
	if e.spec.Modality != of {
		return nil, fmt.Errorf("%s takes %s, and was given %s", e.spec.Class, e.spec.Modality, of)
	}
	c := newCall(ctx, n)
	for i := range n {
		if err := ctx.Err(); err != nil { // the engine may have room all the same
			return nil, err
		}
		if err := e.engine.Submit(ctx, c.job(i, blob(i))); err != nil {
			return nil, closed(err)
		}
	}
	select {
	case <-c.over:
		return c.result()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// closed is the word of this package for an engine that has stopped, but by itself.
func closed(err error) error {
	if errors.Is(err, embed.ErrStopped) && !errors.Is(err, embed.ErrBroken) {
		return ErrClosed
	}
	return err
}
