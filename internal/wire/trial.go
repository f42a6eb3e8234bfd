package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"vecmill/embed"
	"vecmill/internal/config"
)

// tryPreprocessor makes the trial samples of the smallest object. Settings that refuse it leave none: sessions are then judged by what they have computed.
func (m *loadedModel) tryPreprocessor(ctx context.Context) {
	items, err := trialItems(m)
	if err != nil {
		return
	}
	if samples, err := m.pre.Preprocess(ctx, items[0].Ref, items[0].Blob); err == nil {
		m.trial = samples[:1]
	}
}

// trySessions runs the trial once on each session, which is a warm-up, too. A ready-made graph may refuse it, as one of a fixed batch does, or give infinities of its own; then none is kept, since a sound session
// would be called broken for it. If one session computes it and another does not it is kept, and that other one is found out by it. The error is ctx's.
func (m *loadedModel) trySessions(ctx context.Context, p *config.Pipeline, log *slog.Logger) error {
	if m.trial == nil {
		return nil
	}
	began, computed := time.Now(), 0
	for _, s := range m.sessions {
		err := m.try(ctx, p, s)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			computed++
			continue
		}
		log.Warn("a session does not compute a small sample of Vecmill's own", "pipeline", p.Name, "err", err)
	}
	if computed == 0 {
		m.trial = nil
	}
	log.Debug("sessions tried", "pipeline", p.Name, "sessions", len(m.sessions), "computed", computed, "took", time.Since(began))
	return nil
}

// try runs the trial on a session.
func (m *loadedModel) try(ctx context.Context, p *config.Pipeline, s embed.Session) error {
	run, err := padded(p, m, s)
	if err != nil {
		return err
	}
	shapes := shapesOf(p, m.spec)
	if p.Batch.Packing {
		shapes = embed.Shapes{} // rows have theirs
	}
	inputs, err := shapes.Collate(m.trial)
	if err != nil {
		return fmt.Errorf("collating: %w", err)
	}
	out, err := run.Run(ctx, inputs)
	if err == nil && !out.Finite() {
		err = errors.New("a value of the output is not a number")
	}
	return err
}
