package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"vecmill/internal/pace"
	"vecmill/internal/publish"
	"vecmill/internal/wire"
)

// published is a line of backfill run --topic --json.
type published struct {
	Event string `json:"event"` // progress, or end for the last one
	wire.Publication
	Rate     float64 `json:"rate"` // references a second, of this run
	Continue string  `json:"continue,omitempty"`
}

// publish puts the plan into a topic and says how far it is.
func (o *runOptions) publish(ctx context.Context, e *env) error {
	load := e.load
	if o.from.Source != "" { // which is planned, by what the models are
		load = e.loadWithModels
	}
	c, log, err := load(o.config)
	if err != nil {
		return err
	}
	if err := wire.Publishable(c, o.topic); err != nil { // before a bucket is listed for hours
		return o.notPublished(ctx, err)
	}
	gate, deaf := pausable(e.err)
	defer deaf()
	o.from.Gate = gate
	if err := o.enumerate(ctx, e, c); err != nil {
		return o.notPublished(ctx, err)
	}
	return o.publishPlan(ctx, e, log, gate, func(ctx context.Context, to wire.PublishOptions) (wire.Publication, error) {
		return wire.Publish(ctx, c, o.plan, to)
	})
}

// publishPlan has do publish a plan while the gate is open.
func (o *runOptions) publishPlan(ctx context.Context, e *env, log *slog.Logger, gate *pace.Gate, do func(context.Context, wire.PublishOptions) (wire.Publication, error)) error {
	began, told, first := time.Now(), time.Time{}, int64(-1)
	report := func(event string, p wire.Publication) published {
		return published{Event: event, Publication: p, Rate: float64(p.Published-first) / max(time.Since(began).Seconds(), 1e-3)}
	}
	enc := json.NewEncoder(e.stdout)
	every := everyLine
	if o.asJSON {
		every = everyObject
	}
	at, err := do(ctx, wire.PublishOptions{
		Topic: o.topic, MaxLag: o.maxLag, Rate: o.read.Rate, Gate: gate, Log: log,
		Tell: func(p publish.Progress) {
			if first < 0 {
				began, first = time.Now(), p.Published
			}
			if time.Since(told) < every {
				return
			}
			told = time.Now()
			r := report("progress", wire.Publication{Progress: p})
			if o.asJSON {
				_ = enc.Encode(r) // whoever does not listen any more does not end the run
				return
			}
			fmt.Fprintf(e.err, "%s: %d of %d published, %.1f/s, %sthe workers are %d behind\n", o.topic, p.Published, p.Total, r.Rate, leftWords(p.Total-p.Published, r.Rate), p.Lag)
		},
	})
	end := report("end", at)
	if err != nil && first < 0 { // nothing was begun
		return o.notPublished(ctx, err)
	}
	if err != nil {
		end.Continue = o.again()
		if ctx.Err() != nil {
			err = o.whyStopped(ctx)
		}
	}
	if o.asJSON {
		return errors.Join(err, enc.Encode(end))
	}
	fmt.Fprintf(e.stdout, "%s: %d of %d references are in the topic, %d of them by this run\n", o.topic, at.Published, at.Total, at.Published-first)
	if at.Against != nil {
		fmt.Fprintf(e.stdout, "what the workers have read: %s\n", at.Against.Words())
	}
	if end.Continue != "" {
		fmt.Fprintf(e.stdout, "go on with: %s\n", end.Continue)
	}
	return err
}

// notPublished is the end of a publishing that has not come to the topic. One that was told to stop says how to go on.
func (o *runOptions) notPublished(ctx context.Context, err error) error {
	if err = o.interrupted(ctx, err); errors.Is(err, errInterrupted) {
		return fmt.Errorf("%w; go on with: %s", err, o.again())
	}
	return err
}

// leftWords is how long what is left takes at a rate; nothing where there is none.
func leftWords(left int64, rate float64) string {
	if left <= 0 || rate <= 0 {
		return ""
	}
	return span(float64(left)/rate) + " left, "
}
