package simulate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"vecmill/schemas"
	"vecmill/sinks/icebergsink"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetfile"
	"vecmill/sinks/s3store"
)

// lake is the name of the output that is an Iceberg table.
const lake = "lake"

// errConflict is what the catalog answers when the table has changed: 409, and nothing was done.
var errConflict = errors.New("simulate: 409: branch main has changed")

// catalog is an Iceberg catalog with one table, as far as sinks/icebergsink uses it: a list of snapshots, each made on top of the one before by a compare-and-swap.
type catalog struct {
	landed func(s icebergsink.Snapshot, d icebergsink.Delta) // told of every snapshot, in order, while the catalog waits
	mu     struct {
		sync.Mutex
		snapshots []lakeSnapshot // an id is a place in the list, from 1 on
	}
}

type lakeSnapshot struct {
	icebergsink.Snapshot
	icebergsink.Delta
}

// view is the table as it is now.
func (c *catalog) view() icebergsink.View {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := icebergsink.View{ID: lake, Dir: "s3://" + outputs + "/" + lake + "/data", FieldID: fieldID}
	for _, s := range slices.Backward(c.mu.snapshots) {
		v.Ancestors = append(v.Ancestors, s.Snapshot)
	}
	return v
}

// fieldID numbers any path.
func fieldID(path string) (int, bool) {
	n := 1
	for _, b := range []byte(path) {
		n = (n*31 + int(b)) & 0xffffff
	}
	return n, true
}

// swap makes a snapshot on top of the one with the id base, if that is still the table's.
func (c *catalog) swap(base int64, d icebergsink.Delta, summary map[string]string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if int64(len(c.mu.snapshots)) != base {
		return errConflict
	}
	s := icebergsink.Snapshot{ID: base + 1, Summary: summary}
	c.mu.snapshots = append(c.mu.snapshots, lakeSnapshot{s, d})
	c.landed(s, d)
	return nil
}

// snapshots are the first n.
func (c *catalog) snapshots(n int) []lakeSnapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.mu.snapshots[:n])
}

// goneFrom are the positions in data files that snapshots delete, by the files' URLs.
func goneFrom(ctx context.Context, st objectstore.Store, snapshots []lakeSnapshot) (map[string]map[int64]bool, error) {
	all := map[string]map[int64]bool{}
	for _, s := range snapshots {
		for _, f := range s.Deletes {
			body, err := st.Read(ctx, inBucket(f.URL), 0, f.Bytes)
			if err != nil {
				return nil, err
			}
			some, err := icebergsink.ReadPositions(body)
			if err != nil {
				return nil, err
			}
			for url, gone := range some {
				if all[url] == nil {
					all[url] = gone
				}
				maps.Copy(all[url], gone)
			}
		}
	}
	return all, nil
}

// lakeTable is one process's way to the catalog, and to the data files. It implements icebergsink.Table.
type lakeTable struct {
	*session
	store *s3store.Store
}

// lakeOn opens the output.
func (w *world) lakeOn(p *process, store *s3store.Store) (*icebergsink.Sink, error) {
	cfg := icebergsink.NewDefaultConfig()
	cfg.Table, cfg.Name, cfg.Tasks, cfg.ModelDigest = lakeTable{newSession(w, p, CatalogDown), store}, lake, []schemas.Task{schemas.TaskEmbedding}, modelDigest
	cfg.Files = func(_ context.Context, url string) (icebergsink.Store, string, error) {
		return store, inBucket(url), nil
	}
	cfg.RollRows, cfg.RollAge = w.plan.Pipeline.RollRows, w.plan.Pipeline.RollAge
	cfg.MaxBuffered, cfg.Uploads = w.plan.Pipeline.MaxBuffered, w.plan.Pipeline.Uploads
	cfg.Compression = parquetfile.None // the zstd codec shares goroutines between bubbles
	cfg.Retry, cfg.Timeout, cfg.Writer, cfg.ID = w.policy(uploadAttempts), putTimeout, p.name, p.name
	return icebergsink.New(cfg)
}

// inBucket is the name of a data file in the bucket of outputs.
func inBucket(url string) string { return strings.TrimPrefix(url, "s3://"+outputs+"/") }

// Load implements icebergsink.Table.
func (t lakeTable) Load(ctx context.Context) (icebergsink.View, error) {
	dice, _ := t.ask("GET the table")
	if err := t.reach(ctx, dice); err != nil {
		return icebergsink.View{}, err
	}
	v := t.w.lake.view()
	return v, t.p.sleep(ctx, t.w.latency(dice))
}

// Append implements icebergsink.Table.
func (t lakeTable) Append(ctx context.Context, v icebergsink.View, d icebergsink.Delta, summary map[string]string) error {
	dice, what := t.ask("commit to the table")
	if err := t.reach(ctx, dice); err != nil {
		return err
	}
	base := int64(len(v.Ancestors))
	conflict, r := chance(dice, t.w.plan.Faults.Conflict) && t.w.now() < t.w.plan.Calm, t.risk(dice)
	land := func() error {
		err := t.w.lake.swap(base, d, summary)
		t.p.tr.add(t.p.name, "%s, on snapshot %d, lands: %v", what, base, err)
		t.w.count(func(c *Coverage) {
			switch {
			case err != nil:
				c.Outrun++
			case r.lost || r.hung:
				c.Unclear++
			}
		})
		return err
	}
	return t.p.effect(what, chance(dice, 0.5), func() error {
		if conflict { // another table of the catalog was in the way
			t.p.tr.add(t.p.name, "%s: 409", what)
			return errConflict
		}
		return t.send(ctx, what, &r, land, nil)
	}, func() { _ = land() })
}

// Candidates implements icebergsink.Table: all data files.
func (t lakeTable) Candidates(ctx context.Context, v icebergsink.View, _ []icebergsink.Tombstone) (all []icebergsink.Candidate, err error) {
	dice, _ := t.ask("GET the manifests")
	if err := t.reach(ctx, dice); err != nil {
		return nil, err
	}
	var deletes []string
	snapshots := t.w.lake.snapshots(len(v.Ancestors))
	for _, s := range snapshots {
		for _, f := range s.Deletes {
			deletes = append(deletes, f.URL)
		}
	}
	for _, s := range snapshots {
		for _, f := range s.Data {
			all = append(all, icebergsink.Candidate{URL: f.URL, Bytes: f.Bytes, Tuple: f.Tuple, Deletes: deletes})
		}
	}
	return all, t.p.sleep(ctx, t.w.latency(dice))
}

// Rows implements icebergsink.Table.
func (t lakeTable) Rows(ctx context.Context, v icebergsink.View, src schemas.SourceID, in schemas.Span) (rows []schemas.Row, err error) {
	snapshots := t.w.lake.snapshots(len(v.Ancestors))
	gone, err := goneFrom(ctx, t.store, snapshots)
	if err != nil {
		return nil, err
	}
	for _, s := range snapshots {
		for _, f := range s.Data {
			body, err := t.store.Read(ctx, inBucket(f.URL), 0, f.Bytes)
			if err != nil {
				return nil, err
			}
			some, err := icebergsink.ReadRows(ctx, body, src, in, gone[f.URL])
			if err != nil {
				return nil, err
			}
			rows = append(rows, some...)
		}
	}
	return rows, nil
}

// Close implements icebergsink.Table.
func (lakeTable) Close() error { return nil }

// snapshot is told of every snapshot of the lake that was just made: its ranges go on where the table ended, and its files are there.
func (o *oracle) snapshot(s icebergsink.Snapshot, d icebergsink.Delta) {
	ranges, err := s.Ranges()
	if err != nil {
		o.offend("snapshot %d: %v", s.ID, err)
	}
	for _, f := range slices.Concat(d.Data, d.Deletes) {
		o.w.cloud.mu.Lock()
		obj := o.w.cloud.mu.objects[outputs+"/"+inBucket(f.URL)]
		o.w.cloud.mu.Unlock()
		if obj == nil || int64(len(obj.body)) != f.Bytes {
			o.offend("snapshot %d has the file %s, which is not there", s.ID, f.URL)
		}
	}
	for _, r := range ranges {
		o.extend(lake, fmt.Sprintf("snapshot %d", s.ID), r)
	}
}

// readLake is what the lake says of a source.
func (o *oracle) readLake(ctx context.Context, st objectstore.Store, src schemas.SourceID) (*verdict, error) {
	v := &verdict{fate: map[int64]string{}, rows: map[int64][]schemas.Row{}, gone: map[int64]int{}}
	o.w.lake.mu.Lock()
	snapshots := slices.Clone(o.w.lake.mu.snapshots)
	o.w.lake.mu.Unlock()
	positions, err := goneFrom(ctx, st, snapshots)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, s := range snapshots {
		ranges, err := s.Ranges()
		if err != nil {
			return nil, err
		}
		covered := schemas.Range{Span: schemas.Span{First: v.end, Next: v.end}}
		for _, r := range ranges {
			if r.Source != src {
				continue
			}
			if r.First != v.end {
				return nil, fmt.Errorf("snapshot %d begins at %d, the table ended at %d", s.ID, r.First, v.end)
			}
			covered, v.end = r, r.Next
			v.giveAll(r)
		}
		if err := v.takeAway(&s.Snapshot, src); err != nil {
			return nil, err
		}
		for _, f := range s.Data {
			if seen[f.URL] {
				return nil, fmt.Errorf("snapshot %d has the file %s again", s.ID, f.URL)
			}
			seen[f.URL] = true
			if err := v.add(ctx, st, src, f, covered.Span, positions[f.URL]); err != nil {
				return nil, fmt.Errorf("snapshot %d: %w", s.ID, err)
			}
		}
	}
	return v, nil
}

// takeAway notes of which offsets a snapshot says that rows are gone.
func (v *verdict) takeAway(s *icebergsink.Snapshot, src schemas.SourceID) error {
	gone, err := s.Gone()
	if err != nil {
		return err
	}
	for _, span := range gone[src] {
		for at := span.First; at < span.Next; at++ {
			if v.gone[at]++; v.gone[at] == 1 && len(v.rows[at]) == 0 {
				v.give(at, "row")
			}
		}
	}
	return nil
}

// add adds the rows of a source in a data file, but for those at positions that are gone.
func (v *verdict) add(ctx context.Context, st objectstore.Store, src schemas.SourceID, f icebergsink.File, covered schemas.Span, gone map[int64]bool) error {
	body, err := st.Read(ctx, inBucket(f.URL), 0, f.Bytes)
	if err != nil {
		return err
	}
	rows, err := parquetfile.Read(ctx, body)
	if err != nil {
		return err
	}
	for i, r := range rows {
		if r.Partition != src.Partition || gone[int64(i)] {
			continue
		}
		if r.Offset < covered.First || r.Offset >= covered.Next {
			return fmt.Errorf("offset %d has a row in it, and it covers %d to %d", r.Offset, covered.First, covered.Next-1)
		}
		if v.rows[r.Offset] = append(v.rows[r.Offset], r); len(v.rows[r.Offset]) == 1 && v.gone[r.Offset] == 0 {
			v.give(r.Offset, "row")
		}
	}
	return nil
}
