//go:build !iceberg

package wire

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"vecmill/internal/config"
)

func TestABuildWithoutIcebergSaysHowToGetIt(t *testing.T) {
	out := config.Output{Iceberg: &config.Iceberg{Table: "ns.rows"}}
	if _, err := newOutput(t.Context(), nil, &out, nil, nil, Options{}, nil, nil); !errors.Is(err, errNoIceberg) {
		t.Errorf("a worker: %v", err)
	}
	conf := config.NewDefaultConfig()
	conf.Pipelines = []config.Pipeline{{Name: "p", Outputs: []config.Output{out}}}
	if _, err := Audit(t.Context(), conf, AuditOptions{Log: slog.New(slog.DiscardHandler)}); !errors.Is(err, errNoIceberg) {
		t.Errorf("an audit: %v", err) // not passed over, as an output without an account is
	}
	s := &stores{cfg: conf}
	if _, _, err := planSource(t.Context(), s, nil, &PlanOptions{Source: "iceberg://ns.table"}); !errors.Is(err, errNoIceberg) {
		t.Errorf("a source: %v", err)
	}
	conf.Pipelines[0].Outputs = nil
	if _, _, err := planSource(t.Context(), s, nil, &PlanOptions{Source: "iceberg://ns.table"}); err == nil || !strings.Contains(err.Error(), "the configuration has no catalog") {
		t.Errorf("a source without a catalog: %v", err)
	}
}
