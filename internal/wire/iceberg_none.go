//go:build !iceberg

package wire

import (
	"context"
	"errors"

	"vecmill/internal/audit"
	"vecmill/internal/backfill"
	"vecmill/internal/config"
	"vecmill/sinks"
)

// errNoIceberg is the sentence of a build without Iceberg; docs/adr/20261128-iceberg.md has the reason.
var errNoIceberg = errors.New("iceberg: this build has no Iceberg tables; build it with make build ICEBERG=1")

func newIceberg(context.Context, *config.Iceberg, *loadedModel, *stores, Options, tellTries) (sinks.Sink, error) {
	return nil, errNoIceberg
}

func openIceberg(context.Context, *config.Iceberg, *stores) (audit.Output, error) {
	return nil, errNoIceberg
}

func icebergTable(context.Context, *config.IcebergCatalog, string, *stores, *PlanOptions) (*backfill.Table, error) {
	return nil, errNoIceberg
}
