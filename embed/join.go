package embed

import (
	"fmt"

	"vecmill/schemas"
)

// Joiner is a Head whose results are of whole objects: Parts makes of each sample what Join needs of it, and Join, when all windows of an
// object are through, the object's one payload. Parts are the head's own and share no memory with out. Apply is Join of each part
// alone. The row has the number of the first window and the span of all.
type Joiner interface {
	Head
	Parts(out *Output, batch []Sample) ([]any, error)
	Join(parts []any) (schemas.Payload, error)
}

// Keeper is a Head that bounds what it keeps of an object, in bytes: row, of each window, is what its payload holds of any; step, of each frame, token or pixel, is what grows with the length: of the payload, of a
// [Joiner]'s parts, and of what Join takes to make the one out of the others. Heads that are none keep next to nothing beside the lineage of their rows.
type Keeper interface{ Keeps() (row, step int64) }

// ApplyJoined is the Apply of a Joiner.
func ApplyJoined(h Joiner, out *Output, batch []Sample) ([]schemas.Payload, error) {
	parts, err := h.Parts(out, batch)
	if err != nil {
		return nil, err
	}
	payloads := make([]schemas.Payload, len(parts))
	for i := range parts {
		if payloads[i], err = h.Join(parts[i : i+1]); err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return payloads, nil
}

// joiners are the heads that join, nil in the place of each that does not; nil altogether if none does.
func joiners(heads []Head) []Joiner {
	var all []Joiner
	for i, h := range heads {
		if j, ok := h.(Joiner); ok {
			if all == nil {
				all = make([]Joiner, len(heads))
			}
			all[i] = j
		}
	}
	return all
}

// join gives an object's rows in order of window, then head, once every window is through: a Joiner's rows become one, in the first window.
func (e *Engine) join(j *job) ([]schemas.Row, error) {
	if e.joiners == nil {
		return j.mu.rows, nil
	}
	n := len(e.heads)
	kept := make([]schemas.Row, 0, len(j.mu.rows))
	for i := range j.mu.rows {
		joiner := e.joiners[i%n]
		switch {
		case joiner == nil:
			kept = append(kept, j.mu.rows[i])
		case i < n:
			row, err := joined(joiner, j.mu.rows[i:], n, j.mu.parts[i])
			if err != nil {
				return nil, schemas.Reject(schemas.ReasonModel, fmt.Errorf("head %s: %w", joiner.Name(), err))
			}
			kept = append(kept, row)
		}
	}
	return kept, nil
}

// joined is the row of a Joiner, of every nth of rows.
func joined(h Joiner, rows []schemas.Row, n int, parts []any) (schemas.Row, error) {
	row := rows[0]
	for i := n; i < len(rows); i += n {
		r := &rows[i]
		row.WindowEnd = r.WindowEnd
		row.Truncated = row.Truncated || r.Truncated
		row.Timings.Queue = max(row.Timings.Queue, r.Timings.Queue)
		row.Timings.Infer = max(row.Timings.Infer, r.Timings.Infer)
		if r.CreatedAt.After(row.CreatedAt) {
			row.CreatedAt = r.CreatedAt
		}
	}
	var err error
	row.Payload, err = guard(func() (schemas.Payload, error) { return h.Join(parts) })
	return row, err
}
