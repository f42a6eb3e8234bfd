package icebergcatalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"vecmill/schemas"
	"vecmill/sinks/icebergsink"
	"vecmill/sinks/parquetfile"
)

// Snapshot is what the reader reads of.
func (r *Reader) Snapshot() *Snapshot {
	s := &Snapshot{t: r.t, tbl: r.tbl}
	if now := r.tbl.CurrentSnapshot(); now != nil {
		s.id = &now.SnapshotID
	}
	return s
}

// Begin is where the table's part of a source begins, behind what was skipped to get there; known is false if it has none. It fails with ErrExpired if nobody tells any more.
func (r *Reader) Begin(src schemas.SourceID) (first int64, known bool, err error) {
	if _, known = r.progress[src]; !known {
		return 0, false, nil
	}
	if first, ok := r.eras.Begin(src); ok {
		return first, true, nil
	}
	if parts := r.ranges[src]; len(parts) > 0 && parts[0].Range.First == 0 {
		return icebergsink.Beginning(&parts[0].Range), true, nil
	}
	return 0, true, fmt.Errorf("where %s begins in table %s: %w that told it", src, r.t.cfg.Table, ErrExpired)
}

// Works calls each for every row of a pipeline with what it was computed from and by, and its heads' options; "" where they are not known. l is valid during the call.
func (r *Reader) Works(ctx context.Context, pipeline string, each func(l *schemas.Lineage, heads string) error) error {
	scan, err := r.Snapshot().Scan(ctx, pipeline, "uri", "etag", "model_digest", "preprocess_digest", "head", "topic", "partition", "offset")
	if err != nil {
		return err
	}
	var l schemas.Lineage
	src := schemas.SourceID{Pipeline: pipeline}
	for _, file := range scan.Files {
		if err := scan.Rows(ctx, file, func(v []parquetfile.Value) error {
			l.URI, l.ETag, l.ModelDigest, l.PreprocessDigest, l.Head = v[0].Text, v[1].Text, v[2].Text, v[3].Text, v[4].Text
			src.Topic, src.Partition = v[5].Text, int(v[6].Int)
			return each(&l, r.eras.At(src, v[7].Int))
		}); err != nil {
			return err
		}
	}
	return nil
}

// Digests are those of model and preprocessing of the row of a pipeline that was made last; empty without rows.
func (r *Reader) Digests(ctx context.Context, pipeline string) (model, preprocess string, err error) {
	scan, err := r.Snapshot().Scan(ctx, pipeline, "created_at", "model_digest", "preprocess_digest")
	if err != nil {
		return "", "", err
	}
	last := int64(0)
	for _, file := range scan.Files {
		if err := scan.Rows(ctx, file, func(v []parquetfile.Value) error {
			if v[0].Int >= last {
				last, model, preprocess = v[0].Int, v[1].Text, v[2].Text
			}
			return nil
		}); err != nil {
			return "", "", err
		}
	}
	return model, preprocess, nil
}

// Tombstones says whether tombstones of a pipeline are in the table's history, or may have been: some of its snapshots are expired.
func (r *Reader) Tombstones(pipeline string) bool {
	for src := range r.progress {
		parts := r.ranges[src]
		if src.Pipeline == pipeline && (r.named[src] || len(parts) == 0 || parts[0].Range.First > 0) {
			return true
		}
	}
	return false
}

// Past is the rows of a pipeline as one snapshot has them.
type Past struct {
	id            *int64
	places, whole *Scan
}

// OpenPast opens the rows of a pipeline at a snapshot; nil is the current one.
func OpenPast(ctx context.Context, c Config, id *int64, pipeline string) (*Past, error) {
	s, err := OpenSnapshot(ctx, c, id)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }() // what follows reads files
	p := &Past{id: s.ID()}
	place := []string{"ref_id", "topic", "partition", "offset", "created_at"}
	if p.places, err = s.Scan(ctx, pipeline, place...); err != nil {
		return nil, err
	}
	p.whole, err = s.Scan(ctx, pipeline, append(place, "uri", "etag", "version", "modality", attributes)...)
	return p, err
}

// attributes is the one column of a lineage that is a map.
const attributes = "attributes"

// Snapshot is the snapshot's id; nil for a table that has none.
func (p *Past) Snapshot() *int64 { return p.id }

// Rows calls each for every row with what it came from; unless whole, only with its id, its place and its time. l is valid during the call.
func (p *Past) Rows(ctx context.Context, whole bool, each func(l *schemas.Lineage) error) error {
	scan := p.places
	if whole {
		scan = p.whole
	}
	for _, file := range scan.Files {
		if err := scan.records(ctx, file, func(rec arrow.RecordBatch) error { return lineages(rec, whole, each) }); err != nil {
			return err
		}
	}
	return nil
}

func lineages(rec arrow.RecordBatch, whole bool, each func(l *schemas.Lineage) error) error {
	var wrong []error
	column := func(name string) cells {
		c, err := cellsOf(rec.Column(rec.Schema().FieldIndices(name)[0])) // a scan has the columns that it was asked for
		if err != nil {
			wrong = append(wrong, fmt.Errorf("column %s: %w", name, err))
		}
		return c
	}
	ref, topic, partition, offset, made := column("ref_id"), column("topic"), column("partition"), column("offset"), column("created_at")
	var uri, etag, version, modality cells
	var notes *array.Map
	if whole {
		uri, etag, version, modality = column("uri"), column("etag"), column("version"), column("modality")
		notes, _ = rec.Column(rec.Schema().FieldIndices(attributes)[0]).(*array.Map) // it is one in a table of ours
	}
	if len(wrong) > 0 {
		return errors.Join(wrong...)
	}
	for i := range int(rec.NumRows()) {
		l := schemas.Lineage{RefID: ref(i).Text, Topic: topic(i).Text, Partition: int(partition(i).Int), Offset: offset(i).Int, CreatedAt: time.UnixMicro(made(i).Int)}
		if whole {
			l.URI, l.ETag, l.Version, l.Modality = uri(i).Text, etag(i).Text, version(i).Text, schemas.Modality(modality(i).Text)
			l.Attributes = pairs(notes, i)
		}
		if err := each(&l); err != nil {
			return err
		}
	}
	return nil
}

// pairs are the texts of a row's map by their names; nil if there are none.
func pairs(m *array.Map, row int) map[string]string {
	if m == nil || m.IsNull(row) {
		return nil
	}
	names, err1 := cellsOf(m.Keys())
	texts, err2 := cellsOf(m.Items())
	first, next := m.ValueOffsets(row)
	if err1 != nil || err2 != nil || first == next {
		return nil
	}
	out := map[string]string{}
	for i := int(first); i < int(next); i++ {
		out[names(i).Text] = texts(i).Text
	}
	return out
}
