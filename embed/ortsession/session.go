//go:build cgo

package ortsession

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"vecmill/embed"
	"vecmill/model"
)

// ErrClosed is what Run answers after Close.
var ErrClosed = errors.New("the session is closed")

// Session is one loaded graph. It is safe for concurrent use.
type Session struct {
	path            string
	inputs, outputs []model.Port // as the file has them
	names           []string     // of the outputs
	run             *ort.DynamicAdvancedSession
	shapes          *learnt // nil: outputs are the library's
	closing         sync.Once
	closeErr        error
	running         sync.WaitGroup
	mu              struct {
		sync.Mutex
		closed bool
	}
}

// Open loads a graph. The graph's declared inputs and outputs, if any, must be in the file; outputs that are not declared are not
// computed. It fails with ErrNoLibrary if there is no usable ONNX Runtime, and with an error that names the file if that is
// missing, damaged, or takes or gives anything but float32 and int64 tensors. Loading cannot be interrupted: ctx is looked at before and between its steps.
func Open(ctx context.Context, g model.Graph, o Options) (*Session, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("session options: %w", err)
	}
	if _, _, err := library(o.Library); err != nil {
		return nil, err
	}
	s, err := open(ctx, g, o)
	if err != nil {
		return nil, fmt.Errorf("opening model %s: %w", g.Path, err)
	}
	return s, nil
}

func open(ctx context.Context, g model.Graph, o Options) (*Session, error) {
	f, err := os.Open(g.Path) // for a plainer error than the library's
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := &Session{path: g.Path}
	if o.Prepared || o.Provider.OnGPU() {
		s.shapes = &learnt{byInput: map[string][][]int64{}}
	}
	if s.inputs, s.outputs, err = filePorts(g.Path); err != nil {
		return nil, err
	}
	if err := errors.Join(agree("input", g.Inputs, s.inputs), agree("output", g.Outputs, s.outputs)); err != nil {
		return nil, err
	}
	if len(g.Outputs) > 0 {
		s.outputs = g.Outputs
	}
	if err := errors.Join(usable("input", s.inputs), usable("output", s.outputs)); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	inputs := make([]string, len(s.inputs))
	for i, p := range s.inputs {
		inputs[i] = p.Name
	}
	s.names = make([]string, len(s.outputs))
	for i, p := range s.outputs {
		s.names[i] = p.Name
	}
	if o, err = o.keptFor(ctx, &g); err != nil {
		return nil, err
	}
	err = withOptions(o.settings(), func(so *ort.SessionOptions) error {
		s.run, err = ort.NewDynamicAdvancedSession(g.Path, inputs, s.names, so)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// filePorts asks the file for its inputs and outputs. The binding can only do so with a session of its own, so that one is
// made without optimisation: it costs the time of reading the file once more.
func filePorts(path string) (inputs, outputs []model.Port, err error) {
	err = withOptions(probeSettings(), func(so *ort.SessionOptions) error {
		in, out, err := ort.GetInputOutputInfoWithOptions(path, so)
		if err != nil {
			return err
		}
		inputs, outputs = ports(in), ports(out)
		return nil
	})
	return inputs, outputs, err
}

func ports(infos []ort.InputOutputInfo) []model.Port {
	all := make([]model.Port, len(infos))
	for i, info := range infos {
		all[i] = model.Port{Name: info.Name, Shape: info.Dimensions, Type: typeName(info)}
	}
	return all
}

func typeName(info ort.InputOutputInfo) string {
	switch {
	case info.OrtValueType != ort.ONNXTypeTensor:
		return info.OrtValueType.String()
	case info.DataType == ort.TensorElementDataTypeFloat:
		return float32Type
	case info.DataType == ort.TensorElementDataTypeInt64:
		return int64Type
	}
	return strings.ToLower(strings.TrimPrefix(info.DataType.String(), "ONNX_TENSOR_ELEMENT_DATA_TYPE_"))
}

// Inputs are the inputs that the file has, in its order. A dimension of -1 is dynamic.
func (s *Session) Inputs() []model.Port { return s.inputs }

// Outputs are the outputs that Run computes, in the order of Output.Tensors.
func (s *Session) Outputs() []model.Port { return s.outputs }

// Run computes every output for a batch. Inputs may come in any order and must be exactly those that the graph takes, except for audio: `lengths` given to
// a graph that does not take them selects the length-by-length way of the package documentation, which also makes an
// `attention_mask` if the graph asks for one. When ctx ends, the run stops at the next operator and Run returns ctx's error.
// After Close it returns ErrClosed.
func (s *Session) Run(ctx context.Context, inputs []embed.Tensor) (*embed.Output, error) {
	s.mu.Lock()
	if s.mu.closed {
		s.mu.Unlock()
		return nil, ErrClosed
	}
	s.running.Add(1) // under the lock, so that Close waits for every call that passed the check
	s.mu.Unlock()
	defer s.running.Done()
	if needsLengths(s.inputs, inputs) {
		return byLength(inputs, s.inputs, func(in []embed.Tensor) (*embed.Output, error) { return s.compute(ctx, in) })
	}
	return s.compute(ctx, inputs)
}

func (s *Session) compute(ctx context.Context, inputs []embed.Tensor) (*embed.Output, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ordered, err := arrange(s.inputs, inputs)
	if err != nil {
		return nil, fmt.Errorf("running %s: %w", s.path, err)
	}
	var pins runtime.Pinner // the library reads the tensors' own memory until the run is over
	defer pins.Unpin()
	in := make([]ort.Value, len(ordered))
	defer func() { destroy(in) }()
	for i, t := range ordered {
		if in[i], err = value(t, &pins); err != nil {
			return nil, fmt.Errorf("running %s: input %s: %w", s.path, t.Name, err)
		}
	}
	var key string
	if s.shapes != nil {
		key = dimensions(ordered)
	}
	known := s.prepared(key)
	if known != nil {
		if err = s.fill(ctx, in, known, &pins); err == nil {
			return known, nil
		} // once more, without: an error of the graph's own comes again
	}
	out := make([]ort.Value, len(s.outputs)) // nil: allocated by the library, copied to Go memory by the binding
	defer func() { destroy(out) }()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = s.call(ctx, in, out)
	if err != nil {
		if ended := ctx.Err(); ended != nil {
			return nil, ended
		}
		return nil, fmt.Errorf("running %s: %w", s.path, err)
	}
	made, err := s.collect(out)
	switch {
	case err != nil || s.shapes == nil:
	case known != nil:
		s.shapes.forget(key)
	default:
		s.shapes.learn(key, made)
	}
	return made, err
}

// prepared is an output to be filled, nil if its shapes are not known yet.
func (s *Session) prepared(key string) *embed.Output {
	if s.shapes == nil {
		return nil
	}
	shapes := s.shapes.find(key)
	if shapes == nil {
		return nil
	}
	return blank(s.outputs, shapes)
}

// fill runs the graph into memory that is there already.
func (s *Session) fill(ctx context.Context, in []ort.Value, made *embed.Output, pins *runtime.Pinner) (err error) {
	out := make([]ort.Value, len(made.Tensors))
	defer func() { destroy(out) }()
	for i := range made.Tensors {
		if out[i], err = value(&made.Tensors[i], pins); err != nil {
			return err
		}
	}
	return s.call(ctx, in, out)
}

// call runs the graph, and has it stopped if ctx ends.
func (s *Session) call(ctx context.Context, in, out []ort.Value) error {
	if ctx.Done() == nil {
		return s.run.Run(in, out)
	}
	ro, err := ort.NewRunOptions()
	if err != nil {
		return err
	}
	terminated := make(chan error, 1) // holds the one result, so that the callback never waits
	stop := context.AfterFunc(ctx, func() { terminated <- ro.Terminate() })
	err = s.run.RunWithOptions(in, out, ro)
	if !stop() {
		err = errors.Join(err, <-terminated) // the callback uses ro: wait for it before ro goes
	}
	return errors.Join(err, ro.Destroy())
}

// collect takes the values out of the binding's tensors, whose memory is Go's and no one else's.
func (s *Session) collect(values []ort.Value) (*embed.Output, error) {
	out := &embed.Output{Tensors: make([]embed.Tensor, len(values))}
	for i, v := range values {
		t := embed.Tensor{Name: s.names[i], Shape: v.GetShape()}
		switch v := v.(type) {
		case *ort.Tensor[float32]:
			t.F32 = v.GetData()
		case *ort.Tensor[int64]:
			t.I64 = v.GetData()
		default:
			return nil, fmt.Errorf("running %s: output %s came as %T", s.path, t.Name, v)
		}
		out.Tensors[i] = t
	}
	return out, nil
}

// value wraps a tensor's memory without copying it.
func value(t *embed.Tensor, pins *runtime.Pinner) (ort.Value, error) {
	if t.F32 != nil {
		pins.Pin(&t.F32[0]) // arrange has seen that there are values
		return ort.NewTensor(ort.NewShape(t.Shape...), t.F32)
	}
	pins.Pin(&t.I64[0])
	return ort.NewTensor(ort.NewShape(t.Shape...), t.I64)
}

// destroy releases the library's side of the values; Go memory that they were over stays.
func destroy(values []ort.Value) {
	for _, v := range values {
		switch v := v.(type) {
		case *ort.Tensor[float32]:
			if v != nil {
				_ = v.Destroy()
			}
		case *ort.Tensor[int64]:
			if v != nil {
				_ = v.Destroy()
			}
		case nil:
		default:
			_ = v.Destroy()
		}
	}
}

// Close waits for running calls and frees the session. Further calls do nothing and return the same.
func (s *Session) Close() error {
	s.mu.Lock()
	s.mu.closed = true
	s.mu.Unlock()
	s.running.Wait()
	s.closing.Do(func() {
		if err := s.run.Destroy(); err != nil {
			s.closeErr = fmt.Errorf("closing model %s: %w", s.path, err)
		}
	})
	return s.closeErr
}
