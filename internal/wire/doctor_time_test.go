package wire

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/embed"
	"vecmill/embed/ortsession"
	"vecmill/internal/config"
	"vecmill/model"
)

// building is a session whose engine is built for longer than anybody waits.
type building struct{ embed.Session }

func (building) Run(ctx context.Context, _ []embed.Tensor) (*embed.Output, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestEnginesHaveTheirOwnTimeToBeBuilt: a sound set-up with TensorRT must not be called broken because it builds engines for minutes, nor a hang be waited for where none are built.
func TestEnginesHaveTheirOwnTimeToBeBuilt(t *testing.T) {
	c, p := pipelineFor(t, classCase{"Data2VecTextModel", "Data2VecTextModel/base"}.checkpoint(t), "    heads: [{task: embedding}]")
	m, err := loadModel(t.Context(), c, p, &stores{cfg: c}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.close() }()
	sound := m.sessions[0]
	m.sessions, m.devices = []embed.Session{building{sound}}, nil // no placement
	defer func() { m.sessions = []embed.Session{sound} }()
	for provider, want := range map[ortsession.Provider]struct {
		time  time.Duration
		words string
	}{
		ortsession.CPU:      {checkTime, "see what else this machine computes"},
		ortsession.CUDA:     {checkTime, "see what else this machine computes"},
		ortsession.TensorRT: {buildTime, "TensorRT builds an engine for each graph and range of shapes and keeps it (model.gpu.engine_cache): examine again"},
	} {
		for check, examine := range map[string]func(context.Context, *doctor){
			"reference": func(ctx context.Context, d *doctor) {
				d.reference(ctx, "reference", proving{o: ortsession.Options{Provider: provider}})
			},
			"model p": func(ctx context.Context, d *doctor) { d.model(ctx, p) },
		} {
			synctest.Test(t, func(t *testing.T) {
				var said Finding
				d := newDoctor(c, func(f Finding) { said = f })
				d.open = func(ctx context.Context, _ model.Graph, _ ortsession.Options) (embed.Session, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				d.load = func(context.Context, *config.Config, *config.Pipeline, *stores, *slog.Logger) (*loadedModel, error) {
					return m, nil
				}
				p.Model.Provider = string(provider)
				began := time.Now()
				examine(t.Context(), d)
				if took := time.Since(began); took != want.time || said.Check != check || said.Grade != Trouble || !strings.Contains(said.Text, "it took more than "+want.time.String()) || !strings.Contains(said.Text, want.words) {
					t.Errorf("%s on %s, after %v: %+v", check, provider, took, said)
				}
			})
		}
	}
	if buildTime < 10*time.Minute {
		t.Errorf("engines are built for minutes, and have %v", buildTime)
	}
}
