//go:build !iceberg

package wire

import (
	"errors"
	"testing"

	"vecmill/internal/config"
)

func TestABuildWithoutIcebergSaysHowToGetIt(t *testing.T) {
	out := config.Output{Iceberg: &config.Iceberg{Table: "ns.rows"}}
	if _, err := newOutput(t.Context(), &out, nil, nil, Options{}); !errors.Is(err, errNoIceberg) {
		t.Errorf("a worker: %v", err)
	}
	if _, _, err := (&auditor{}).output(t.Context(), &out); !errors.Is(err, errNoIceberg) {
		t.Errorf("an audit: %v", err)
	}
}
