package embedtest

import (
	"math"
	"reflect"
	"slices"
	"sync"
	"testing"

	"vecmill/embed"
	"vecmill/schemas"
)

// HeadCase is what TestHead needs to know of a head.
type HeadCase struct {
	Head    embed.Head     // that is tested
	Samples []embed.Sample // at least three, of different lengths where the modality has lengths, with different results

	// Output is what a model gives a batch. garbage fills what lies behind each item's own steps.
	Output func(t *testing.T, batch []embed.Sample, garbage float32) *embed.Output
}

// ArithmeticOutput is an Output for a HeadCase: a fake session with the given configuration, on the collated batch.
func ArithmeticOutput(cfg Config) func(*testing.T, []embed.Sample, float32) *embed.Output {
	return func(t *testing.T, batch []embed.Sample, garbage float32) *embed.Output {
		t.Helper()
		inputs, err := embed.Collate(batch)
		if err != nil {
			t.Fatal(err)
		}
		cfg := cfg
		cfg.Garbage = garbage
		out, err := NewSession(cfg).Run(t.Context(), inputs)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// TestHead is the conformance suite of embed.Head.
func TestHead(t *testing.T, c HeadCase) {
	if len(c.Samples) < 3 {
		t.Fatalf("%d samples, want at least 3", len(c.Samples))
	}
	want := c.apply(t, c.Samples, 0)
	t.Run("every sample gets one payload of the task", func(t *testing.T) { c.payloads(t, want) })
	t.Run("samples get different payloads", func(t *testing.T) {
		if reflect.DeepEqual(want[0], want[1]) && reflect.DeepEqual(want[1], want[2]) {
			t.Error("all are equal: the case proves nothing")
		}
	})
	t.Run("payloads come in the order of the samples", func(t *testing.T) {
		turned := slices.Clone(c.Samples)
		slices.Reverse(turned)
		got := c.apply(t, turned, 0)
		slices.Reverse(got)
		same(t, got, want)
	})
	t.Run("a sample alone gets what it gets in a batch", func(t *testing.T) {
		for i := range c.Samples {
			same(t, c.apply(t, c.Samples[i:i+1], 0), want[i:i+1])
		}
	})
	t.Run("a part of a batch gets what it gets in the whole", func(t *testing.T) {
		n := len(c.Samples)
		part, err := c.Output(t, c.Samples, 0).Part(1, n, n)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Head.Apply(part, c.Samples[1:])
		if err != nil {
			t.Fatalf("Apply: %v", err)
		}
		same(t, got, want[1:])
	})
	t.Run("padding is ignored", func(t *testing.T) {
		for _, garbage := range []float32{1e9, -1e9, float32(math.NaN()), float32(math.Inf(1))} {
			same(t, c.apply(t, c.Samples, garbage), want)
		}
	})
	t.Run("the output is left as it was", func(t *testing.T) {
		out := c.Output(t, c.Samples, 1)
		before := clone(out.Tensors)
		if _, err := c.Head.Apply(out, c.Samples); err != nil {
			t.Fatal(err)
		}
		if !sameTensors(out.Tensors, before) {
			t.Error("Apply changed the output")
		}
	})
	t.Run("payloads do not share memory with the output", func(t *testing.T) {
		out := c.Output(t, c.Samples, 0)
		got, err := c.Head.Apply(out, c.Samples)
		if err != nil {
			t.Fatal(err)
		}
		for i := range out.Tensors {
			clear(out.Tensors[i].F32)
		}
		same(t, got, want)
	})
	t.Run("eight goroutines get the same", func(t *testing.T) { c.concurrent(t, want) })
	t.Run("an output that does not fit is an error", func(t *testing.T) { c.misfits(t) })
}

func (c HeadCase) apply(t *testing.T, batch []embed.Sample, garbage float32) []schemas.Payload {
	t.Helper()
	got, err := c.Head.Apply(c.Output(t, batch, garbage), batch)
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	return got
}

func same(t *testing.T, got, want []schemas.Payload) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func (c HeadCase) payloads(t *testing.T, got []schemas.Payload) {
	if len(got) != len(c.Samples) {
		t.Fatalf("%d payloads for %d samples", len(got), len(c.Samples))
	}
	if c.Head.Name() == "" {
		t.Error("the head has no name")
	}
	for i, p := range got {
		set := false
		switch c.Head.Task() {
		case schemas.TaskEmbedding, schemas.TaskXVector:
			set = (len(p.Vector) > 0) != (len(p.Half) > 0)
		case schemas.TaskTranscript:
			set = p.Text != "" && len(p.Words) > 0
		case schemas.TaskLabels:
			set = p.Label != "" && len(p.Labels) > 0 && p.Labels[0] == schemas.LabelScore{Label: p.Label, Score: p.Score}
		case schemas.TaskFrames:
			set = inTime(p.Segments)
		case schemas.TaskTokens:
			set = len(p.Entities) > 0 && p.Entities[0].Label != "" && p.Entities[0].Text != ""
		case schemas.TaskMasks:
			set = covered(p)
		case schemas.TaskFill:
			set = len(p.Fillings) > 0 && p.Fillings[0].Text != "" && p.Fillings[0].Sequence != ""
		case schemas.TaskPerplexity:
			set = p.Likelihood.Tokens > 0 && math.Abs(math.Exp(p.Likelihood.NLL)-p.Likelihood.Perplexity) < 1e-9*p.Likelihood.Perplexity
		case schemas.TaskAnswers:
			set = len(p.Answers) > 0 && p.Answers[0].Text == p.Text && p.Answers[0].Score == p.Score
		case schemas.TaskChoice:
			set = p.Choice < len(p.Probabilities) && p.Probabilities[p.Choice] == p.Score
		}
		if !set {
			t.Errorf("payload %d of task %s lacks its fields: %+v", i, c.Head.Task(), p)
		}
	}
}

// inTime says whether segments follow each other without gaps, each with another label than the one before.
func inTime(all []schemas.Segment) bool {
	for i, s := range all {
		if s.Label == "" || s.End <= s.Start || i > 0 && (s.Start != all[i-1].End || s.Label == all[i-1].Label) {
			return false
		}
	}
	return len(all) > 0
}

// covered says whether a mask's runs and its areas both make up the whole picture.
func covered(p schemas.Payload) bool {
	pixels, share := 0, 0.0
	for _, r := range p.Mask.Runs {
		pixels += r.Length
	}
	for _, a := range p.Areas {
		share += a.Share
	}
	return pixels > 0 && pixels == p.Mask.Width*p.Mask.Height && math.Abs(share-1) < 1e-9
}

func (c HeadCase) concurrent(t *testing.T, want []schemas.Payload) {
	out := c.Output(t, c.Samples, 0)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				got, err := c.Head.Apply(out, c.Samples)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("got %+v, %v", got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func (c HeadCase) misfits(t *testing.T) {
	whole := c.Output(t, c.Samples, 0)
	name := whole.Tensors[0].Name
	shape, values := whole.Tensors[0].Shape, whole.Tensors[0].F32
	for what, out := range map[string]*embed.Output{
		"nothing":      {},
		"another name": {Tensors: []embed.Tensor{{Name: "another", Shape: shape, F32: values}}},
		"fewer rows":   c.Output(t, c.Samples[:2], 0),
		"fewer values": {Tensors: []embed.Tensor{{Name: name, Shape: shape, F32: values[:len(values)-1]}}},
		"integers":     {Tensors: []embed.Tensor{{Name: name, Shape: shape, I64: make([]int64, len(values))}}},
		"no axes":      {Tensors: []embed.Tensor{{Name: name, F32: values[:1]}}},
	} {
		if got, err := c.Head.Apply(out, c.Samples); err == nil {
			t.Errorf("%s: got %+v, want an error", what, got)
		}
	}
	poison := clone(whole.Tensors)
	for i := range poison[0].F32 {
		poison[0].F32[i] = float32(math.NaN())
	}
	if got, err := c.Head.Apply(&embed.Output{Tensors: poison}, c.Samples); err == nil {
		t.Errorf("not a number: got %+v, want an error", got)
	}
}
