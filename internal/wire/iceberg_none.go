//go:build !iceberg

package wire

import (
	"context"
	"errors"

	"vecmill/internal/audit"
	"vecmill/internal/backfill"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks"
)

// errNoIceberg is the sentence of a build without Iceberg; docs/adr/20261128-iceberg.md has the reason.
var errNoIceberg = errors.New("iceberg: this build has no Iceberg tables; build it with make build ICEBERG=1, an image with --build-arg ICEBERG=1")

func newIceberg(context.Context, *config.Iceberg, *loadedModel, *stores, Options, tellTries) (sinks.Sink, error) {
	return nil, errNoIceberg
}

func openIceberg(context.Context, *config.Iceberg, *stores) (audit.Output, error) {
	return nil, errNoIceberg
}

func icebergTable(*config.IcebergCatalog, string, *stores, *PlanOptions) (*backfill.Table, error) {
	return nil, errNoIceberg
}

func icebergWorks(context.Context, *config.Iceberg, *stores, string, func(*schemas.Lineage, string) error) error {
	return errNoIceberg
}

func openPastIceberg(context.Context, *stores, *config.Iceberg) (past, error) {
	return nil, errNoIceberg
}

func openResultIceberg(context.Context, *config.Pipeline, *config.Iceberg, *stores) (pastRows, error) {
	return nil, errNoIceberg
}
