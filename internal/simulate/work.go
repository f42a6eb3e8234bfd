package simulate

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"vecmill/embed"
	"vecmill/embed/embedtest"
	"vecmill/schemas"
	"vecmill/stream/streamtest"
)

// The buckets. Inputs are where streamtest's references point to.
const (
	inputs  = "bucket"
	outputs = "out"
	letters = "dead"
)

// body is the object of a record: a list of numbers, each a window of that many values 1, 2, 3 ...; ok is false if there is no object.
func body(kind streamtest.Kind, part, offset int64) (text string, ok bool) {
	switch kind {
	case streamtest.Missing:
		return "", false
	case streamtest.Windows:
		return fmt.Sprintf("4 %d 2", 1+offset%9), true
	case streamtest.Damaged:
		return "four", true
	case streamtest.Poison:
		return strconv.Itoa(poison), true
	case streamtest.Panics:
		return "panic", true
	}
	return strconv.FormatInt(1+(7*part+offset)%9, 10), true
}

// poison is the value that the model fails on, and the length of the item that holds it.
const poison = 66

// vectors are the rows that a record must have, by window.
func vectors(kind streamtest.Kind, part, offset int64) []float32 {
	text, _ := body(kind, part, offset)
	var out []float32
	for f := range strings.FieldsSeq(text) {
		n, err := strconv.Atoi(f)
		if err != nil {
			return nil
		}
		out = append(out, float32(n*(n+1)/2))
	}
	return out
}

// serveInput answers a GET of an object: its name says what it is.
func serveInput(r *request) *answer {
	parts := strings.Split(r.path, "/")
	if len(parts) != 4 {
		return fail(http.StatusNotFound, "NoSuchKey")
	}
	part, _ := strconv.ParseInt(parts[2], 10, 64)
	offset, _ := strconv.ParseInt(parts[3], 10, 64)
	text, ok := body(streamtest.Kind(parts[1]), part, offset)
	if !ok {
		return fail(http.StatusNotFound, "NoSuchKey")
	}
	sum := md5.Sum([]byte(text))
	o := &object{body: []byte(text), head: http.Header{}, etag: hex.EncodeToString(sum[:]), at: time.Now()}
	return o.answer(r)
}

// numbers is the preprocessor. Its footprint is deliberately large, so that budgets are tight.
type numbers struct{}

// Footprint is 100 bytes per byte; 2,000 when nothing is known.
func (numbers) Footprint(_ schemas.Ref, _ []byte, size int64) (int64, error) {
	if size < 0 {
		return 2000, nil
	}
	return 100 * size, nil
}

// Digest implements embed.Preprocessor.
func (numbers) Digest() string { return "numbers/1" }

// Preprocess implements embed.Preprocessor.
func (numbers) Preprocess(_ context.Context, _ schemas.Ref, blob []byte) ([]embed.Sample, error) {
	if string(blob) == "panic" {
		panic("a bug of the decoder")
	}
	var out []embed.Sample
	for i, field := range strings.Fields(string(blob)) {
		n, err := strconv.Atoi(field)
		if err != nil {
			return nil, schemas.Reject(schemas.ReasonDecode, err)
		}
		values := make([]float32, n)
		for k := range values {
			values[k] = float32(k + 1)
		}
		out = append(out, embed.Sample{Cost: n, Window: i, Inputs: []embed.Input{
			{Name: "input_values", Shape: []int{n}, F32: values, Pad: -1e6}, {Name: "lengths", I64: []int64{int64(n)}},
		}})
	}
	return out, nil
}

// sumHead gives the sum of each sample's own values as a vector of one.
type sumHead struct {
	computed func(items int)
}

// Name implements embed.Head.
func (sumHead) Name() string { return "sum" }

// Task implements embed.Head.
func (sumHead) Task() schemas.Task { return schemas.TaskEmbedding }

// Apply implements embed.Head.
func (h sumHead) Apply(out *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	t, ok := out.Tensor("last_hidden_state")
	if !ok || len(t.F32) != len(batch) {
		return nil, errors.New("the session gave no sum")
	}
	h.computed(len(batch))
	ps := make([]schemas.Payload, len(batch))
	for i := range ps {
		ps[i].Vector = []float32{t.F32[i]}
	}
	return ps, nil
}

// errModel is a run of the model that failed for no fault of its items.
var errModel = errors.New("simulate: the device is gone")

// modelDigest is what every row says of its model.
const modelDigest = "d"

// newEngine assembles the engine of a worker: real batching over an arithmetic session. computed is told of every batch's items.
func newEngine(plan *Plan, start time.Time, computed func(items int)) (*embed.Engine, error) {
	trial, err := numbers{}.Preprocess(context.Background(), schemas.Ref{}, []byte("1"))
	if err != nil {
		return nil, err
	}
	s := embedtest.NewSession(embedtest.Config{
		PerItem: true, Garbage: 1e6, Delay: plan.Pipeline.Infer, Poison: []float64{poison},
		Fail: func() error {
			now := time.Since(start)
			for _, w := range plan.Faults.Windows {
				if w.What == ModelDown && now >= w.From && now < w.To {
					return errModel
				}
			}
			return nil
		},
	})
	return embed.NewEngine(embed.EngineConfig{
		Model: "simulated", ModelDigest: modelDigest, Modality: schemas.Text, Preprocessor: 2, RowReserve: 100,
		Batch: embed.BatcherConfig{MaxCost: 100, MaxItems: 8, Window: 16, Linger: time.Millisecond, MaxAge: time.Second},
		Trial: trial,
	}, numbers{}, []embed.Session{s}, []embed.Head{sumHead{computed}})
}
