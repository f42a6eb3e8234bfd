package backfill

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"vecmill/internal/backfill/inventory"
	"vecmill/internal/backfill/plan"
)

// Inventory enumerates the keys of a bucket by an inventory of it, in its order. It implements Source.
type Inventory struct {
	Selection
	List   *inventory.Manifest
	AtOnce int                                                              // files that are read at once
	Open   func(ctx context.Context, f inventory.File) (io.ReaderAt, error) // gives a file of the size that the list says

	lists int64
}

// Lists is how many keys were left out for being called as lists are.
func (v *Inventory) Lists() int64 { return v.lists }

// inventoryState is what of an inventory was given.
type inventoryState struct {
	Sum  string `json:"sum,omitempty"` // of the manifest.json whose files these are; builds before this one did not say
	File int    `json:"file"`          // files before it are given
	Rows int64  `json:"rows"`          // and so many rows of it

	Lists int64 `json:"lists,omitempty"` // that were left out; while a piece is on its way, of it alone
}

// Each implements Source.
func (v *Inventory) Each(ctx context.Context, state json.RawMessage, give func(items []plan.Item, state any) error) error {
	var at inventoryState
	if state != nil {
		if err := json.Unmarshal(state, &at); err != nil {
			return fmt.Errorf("the inventory's progress: %w", err)
		}
	}
	if at.Sum != "" && at.Sum != v.List.Sum {
		return fmt.Errorf("the inventory's %s was replaced while it was planned; plan at another place", inventory.ManifestName)
	}
	v.lists, at.Lists = at.Lists, 0
	return ahead(ctx, v.AtOnce, func(_ context.Context, begin func(reader[given]) error) error {
		for ; at.File < len(v.List.Files); at = (inventoryState{File: at.File + 1}) {
			from := at
			if err := begin(func(ctx context.Context, send func(given) error) error { return v.read(ctx, from, send) }); err != nil {
				return err
			}
		}
		return nil
	}, func(g given) error {
		now := g.state.(inventoryState)
		v.lists += now.Lists
		now.Lists, now.Sum = v.lists, v.List.Sum
		return give(g.items, now)
	})
}

// read reads what is left of a file.
func (v *Inventory) read(ctx context.Context, at inventoryState, send func(given) error) error {
	f := v.List.Files[at.File]
	body, err := v.Open(ctx, f)
	if err != nil {
		return err
	}
	var items []plan.Item
	if err := v.List.Each(ctx, f, body, at.Rows, func(n int64, r *inventory.Row) error {
		at.Rows = n + 1
		if r.Fault == nil && r.Latest && v.passesList(r.Key) {
			at.Lists++
		}
		if it, ok := v.row(r); ok {
			items = append(items, it)
		}
		if len(items) < linesAtOnce {
			return nil
		}
		err := send(given{items, at})
		items, at.Lists = nil, 0
		return err
	}); err != nil {
		return err
	}
	return send(given{items, inventoryState{File: at.File + 1, Lists: at.Lists}})
}

// row is a row's reference; none for what is not the bucket's newest. A row that cannot be read stays in the plan: a run makes it a dead letter.
func (v *Inventory) row(r *inventory.Row) (plan.Item, bool) {
	if r.Fault != nil {
		return plan.Item{Raw: string(r.Fault.JSON()), Size: -1}, true
	}
	if !r.Latest {
		return plan.Item{}, false
	}
	it, ok := v.item(r.Bucket, &r.Object)
	if !ok && v.Left != nil {
		v.Left(r.Key)
	}
	return it, ok
}
