package qdrantsink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qdrant/go-client/qdrant"

	"vecmill/schemas"
	"vecmill/sinks/deliver"
	"vecmill/sinks/rpc"
	"vecmill/sinks/vectorindex"
)

// Open connects, makes the collection if it is not there, refuses one that does not fit, and makes a sink.
func Open(ctx context.Context, c Config) (*deliver.Sink, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("qdrant: %w", err)
	}
	at, err := c.address()
	if err != nil {
		return nil, fmt.Errorf("qdrant: %w", err)
	}
	db, err := qdrant.NewClient(at)
	if err != nil {
		return nil, fmt.Errorf("qdrant: %w", err)
	}
	c.Deliver.Name = fmt.Sprintf("qdrant %s:%d, collection %s", at.Host, at.Port, c.Collection)
	s := &store{cfg: c, db: db}
	return deliver.Open(ctx, c.Deliver, s, lasting, s.prepare)
}

// store writes batches to a collection.
type store struct {
	cfg Config
	db  *qdrant.Client
}

// Check refuses what the collection does not take.
func (s *store) Check(r *schemas.Row) error {
	return s.cfg.Index.Check(r, "collection "+s.cfg.Collection)
}

// Put upserts the rows and then carries out the deletions (Q1).
func (s *store) Put(ctx context.Context, b deliver.Batch) error {
	rows := b.Upserts()
	points := make([]*qdrant.PointStruct, 0, len(rows))
	for _, r := range rows {
		p, err := s.point(r)
		if err != nil {
			return deliver.Refused(err)
		}
		points = append(points, p)
	}
	if len(points) > 0 {
		if _, err := s.db.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: s.cfg.Collection, Wait: qdrant.PtrOf(true), Points: points}); err != nil {
			return classify(err)
		}
	}
	for _, d := range b.Deletions() {
		if _, err := s.db.Delete(ctx, &qdrant.DeletePoints{
			CollectionName: s.cfg.Collection, Wait: qdrant.PtrOf(true), Points: qdrant.NewPointsSelectorFilter(earlier(&d)),
		}); err != nil {
			return classify(err)
		}
	}
	return nil
}

// earlier are the points that a deletion takes away.
func earlier(d *deliver.Deletion) *qdrant.Filter {
	return &qdrant.Filter{Must: []*qdrant.Condition{
		qdrant.NewMatchKeyword("ref_id", d.RefID), qdrant.NewMatchKeyword("topic", d.Source.Topic),
		qdrant.NewMatchInt("partition", int64(d.Source.Partition)), qdrant.NewRange("offset", &qdrant.Range{Lt: qdrant.PtrOf(float64(d.Offset))}),
	}}
}

func (s *store) point(r *schemas.Row) (*qdrant.PointStruct, error) {
	columns, err := s.cfg.Index.Payload(r)
	if err != nil {
		return nil, err
	}
	payload, err := qdrant.TryValueMap(columns)
	if err != nil {
		return nil, fmt.Errorf("row %s: %w", r.RowID, err)
	}
	id, err := uuid(r.RowID)
	if err != nil {
		return nil, err
	}
	vectors := map[string]*qdrant.Vector{}
	if v := vectorindex.Vector(r); len(v) > 0 {
		vectors[r.Head] = qdrant.NewVectorDense(v)
	}
	return &qdrant.PointStruct{Id: qdrant.NewIDUUID(id), Vectors: qdrant.NewVectorsMap(vectors), Payload: payload}, nil
}

// uuid is a row's id, 16 bytes in hex, as Qdrant writes such.
func uuid(id string) (string, error) {
	if len(id) != 32 {
		return "", fmt.Errorf("row id %q is not 16 bytes in hex", id)
	}
	return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:], nil
}

// classify is a request's error as deliver has it.
func classify(err error) error {
	if busy, ok := errors.AsType[*qdrant.QdrantResourceExhaustedError](err); ok {
		return deliver.Later(err, time.Duration(busy.RetryAfterS)*time.Second)
	}
	switch {
	case rpc.Refused(err):
		return deliver.Refused(err)
	case lasting(err):
		return deliver.Final(err)
	}
	return err
}

// Close lets the connections go.
func (s *store) Close() error { return s.db.Close() }
