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

// worksColumns are those that a row's reference and its maker are told by.
var worksColumns = []string{"uri", "etag", "ref_id", "content_hash", "model_digest", "preprocess_digest", "head", "topic", "partition", "offset", attributes}

// Works calls each for every row of a pipeline with what it was computed from and by, and its heads' options; "" where they are not known. l has the row's attributes and is valid during the call.
func (r *Reader) Works(ctx context.Context, pipeline string, each func(l *schemas.Lineage, heads string) error) error {
	scan, err := r.Snapshot().Scan(ctx, pipeline, worksColumns...)
	if err != nil {
		return err
	}
	return r.scanned(ctx, scan, pipeline, each)
}

// Came calls each for every row of a source whose offset lies in a span, with what it came from and what made it. l is valid during the call; the error of each ends it.
func (r *Reader) Came(ctx context.Context, src schemas.SourceID, in schemas.Span, each func(l *schemas.Lineage) error) error {
	scan, err := r.Snapshot().scanOf(ctx, of(src, in.First, in.Next), worksColumns...)
	if err != nil {
		return err
	}
	return r.scanned(ctx, scan, src.Pipeline, func(l *schemas.Lineage, _ string) error { return each(l) })
}

func (r *Reader) scanned(ctx context.Context, scan *Scan, pipeline string, each func(l *schemas.Lineage, heads string) error) error {
	for _, file := range scan.Files {
		if err := scan.records(ctx, file, func(rec arrow.RecordBatch) error { return r.works(rec, pipeline, each) }); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reader) works(rec arrow.RecordBatch, pipeline string, each func(l *schemas.Lineage, heads string) error) error {
	c := columnsOf(rec)
	uri, etag, model, pre, head := c.cells("uri"), c.cells("etag"), c.cells("model_digest"), c.cells("preprocess_digest"), c.cells("head")
	id, hash, topic, partition, offset, notes := c.cells("ref_id"), c.cells("content_hash"), c.cells("topic"), c.cells("partition"), c.cells("offset"), c.notes()
	if c.wrong != nil {
		return c.wrong
	}
	src := schemas.SourceID{Pipeline: pipeline}
	for i := range int(rec.NumRows()) {
		l := schemas.Lineage{
			RefID: id(i).Text, URI: uri(i).Text, ETag: etag(i).Text, ContentHash: hash(i).Text, Offset: offset(i).Int, ModelDigest: model(i).Text, PreprocessDigest: pre(i).Text, Head: head(i).Text, Attributes: pairs(notes, i),
		}
		src.Topic, src.Partition = topic(i).Text, int(partition(i).Int)
		if err := each(&l, r.eras.At(src, offset(i).Int)); err != nil {
			return err
		}
	}
	return nil
}

// Digests are those of model and preprocessing of the row of a pipeline that was made last, with its heads' options, "" where they are not known; empty without rows.
func (r *Reader) Digests(ctx context.Context, pipeline string) (model, preprocess, heads string, err error) {
	scan, err := r.Snapshot().Scan(ctx, pipeline, "created_at", "model_digest", "preprocess_digest", "topic", "partition", "offset")
	if err != nil {
		return "", "", "", err
	}
	src := schemas.SourceID{Pipeline: pipeline}
	last := int64(0)
	for _, file := range scan.Files {
		if err := scan.Rows(ctx, file, func(v []parquetfile.Value) error {
			if v[0].Int >= last {
				last, model, preprocess = v[0].Int, v[1].Text, v[2].Text
				src.Topic, src.Partition = v[3].Text, int(v[4].Int)
				heads = r.eras.At(src, v[5].Int)
			}
			return nil
		}); err != nil {
			return "", "", "", err
		}
	}
	return model, preprocess, heads, nil
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

// columns are those of some rows, by name; wrong is what could not be read.
type columns struct {
	rec   arrow.RecordBatch
	wrong error
}

func columnsOf(rec arrow.RecordBatch) *columns { return &columns{rec: rec} }

// column is one that a scan was asked for.
func (c *columns) column(name string) arrow.Array {
	return c.rec.Column(c.rec.Schema().FieldIndices(name)[0])
}

func (c *columns) cells(name string) cells {
	get, err := cellsOf(c.column(name))
	if err != nil {
		c.wrong = errors.Join(c.wrong, fmt.Errorf("column %s: %w", name, err))
	}
	return get
}

// notes are the attributes, which are a map in a table of ours.
func (c *columns) notes() *array.Map {
	m, _ := c.column(attributes).(*array.Map)
	return m
}

func lineages(rec arrow.RecordBatch, whole bool, each func(l *schemas.Lineage) error) error {
	c := columnsOf(rec)
	ref, topic, partition, offset, made := c.cells("ref_id"), c.cells("topic"), c.cells("partition"), c.cells("offset"), c.cells("created_at")
	var uri, etag, version, modality cells
	var notes *array.Map
	if whole {
		uri, etag, version, modality, notes = c.cells("uri"), c.cells("etag"), c.cells("version"), c.cells("modality"), c.notes()
	}
	if c.wrong != nil {
		return c.wrong
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
