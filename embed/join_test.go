package embed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"vecmill/schemas"
)

// joinHead joins the sums of an object's windows to one text; an object with a sum of refuse is an error, with a sum of crash a panic.
type joinHead struct{}

func (joinHead) Name() string       { return "joined" }
func (joinHead) Task() schemas.Task { return schemas.TaskTranscript }
func (h joinHead) Apply(out *Output, batch []Sample) ([]schemas.Payload, error) {
	return ApplyJoined(h, out, batch)
}

func (joinHead) Parts(out *Output, batch []Sample) ([]any, error) {
	t, _ := out.Tensor("sum")
	parts := make([]any, len(batch))
	for i := range parts {
		parts[i] = t.F32[i]
	}
	return parts, nil
}

func (joinHead) Join(parts []any) (schemas.Payload, error) {
	switch parts[0] {
	case float32(11 * 11):
		return schemas.Payload{}, errors.New("they do not fit together")
	case float32(12 * 12):
		panic("a bug")
	}
	return schemas.Payload{Text: fmt.Sprint(parts...)}, nil
}

func TestAHeadThatJoinsHasOneRowForAnObject(t *testing.T) {
	for _, c := range []struct{ name, blob, want string }{
		{"one window", "3", "x1@0-1=[9] joined@0-1=9 x2@0-1=[18]"},
		{
			"three windows", "3 1 2",
			"x1@0-1=[9] joined@0-3=9 1 4 x2@0-1=[18] x1@1-2=[1] x2@1-2=[2] x1@2-3=[4] x2@2-3=[8]",
		},
		{"beside poison, which is found by halving", "3 1", "x1@0-1=[9] joined@0-2=9 1 x2@0-1=[18] x1@1-2=[1] x2@1-2=[2]"},
		{"windows that do not fit together", "11", "model: head joined: they do not fit together"},
		{"a panic is one record's failure", "12", "panic: "},
		{"the first failure sticks", "5 7", "model: poison in the batch"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, err := NewEngine(testConfig(), words{}, []Session{&adder{poison: 7}}, []Head{sumHead{1}, joinHead{}, sumHead{2}})
				if err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithCancel(t.Context())
				var running, jobs sync.WaitGroup
				running.Go(func() { e.Run(ctx) })
				submit := func(blob string, done func(string)) {
					jobs.Add(1)
					if err := e.Submit(ctx, Job{Blob: []byte(blob), Done: func(rows []schemas.Row, err error) {
						defer jobs.Done()
						done(shown(rows, err))
					}}); err != nil {
						t.Error(err)
					}
				}
				var got string
				submit(c.blob, func(s string) { got = s })
				if strings.Contains(c.name, "poison,") {
					submit("7", func(string) {})
				}
				jobs.Wait()
				stop()
				running.Wait()
				if !strings.HasPrefix(got, c.want) || !strings.Contains(c.want, ": ") && got != c.want {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
			})
		})
	}
}

// shown is the outcome of a job in a line.
func shown(rows []schemas.Row, err error) string {
	if reason, ok := schemas.Rejected(err); ok {
		return fmt.Sprintf("%s: %v", reason, errors.Unwrap(err))
	}
	var all []string
	for i := range rows {
		r := &rows[i]
		value := r.Text
		if r.Vector != nil {
			value = fmt.Sprint(r.Vector)
		}
		all = append(all, fmt.Sprintf("%s@%g-%g=%s", r.Head, r.WindowStart, r.WindowEnd, value))
	}
	return strings.Join(all, " ")
}

func TestOnlyTextHasCompanions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Modality = schemas.Image
		e, err := NewEngine(cfg, words{}, []Session{&adder{}}, []Head{sumHead{1}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { e.Run(ctx) })
		got := make(chan error, 1)
		ref := schemas.Ref{Question: "who?"}
		if err := e.Submit(ctx, Job{Ref: ref, Blob: []byte("3"), Done: func(_ []schemas.Row, err error) { got <- err }}); err != nil {
			t.Fatal(err)
		}
		if reason, _ := schemas.Rejected(<-got); reason != schemas.ReasonSchema {
			t.Errorf("a question to a model of pictures ends as %q", reason)
		}
		stop()
		running.Wait()
	})
}
