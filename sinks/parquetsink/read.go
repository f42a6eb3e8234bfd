package parquetsink

import (
	"context"
	"fmt"

	"vecmill/schemas"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetfile"
)

// ReadRows reads all rows of a file. It holds the whole file in memory: it is for audits, demos and tests, not for scans.
func ReadRows(ctx context.Context, st objectstore.Store, name string) ([]schemas.Row, error) {
	o, err := st.Stat(ctx, name)
	if err != nil {
		return nil, err
	}
	body, err := readTail(ctx, st, o, o.Size)
	if err != nil {
		return nil, err
	}
	rows, err := parquetfile.Read(ctx, body)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return rows, nil
}
