package stream

import (
	"context"
	"fmt"

	"vecmill/schemas"
)

// Decoder says what references a record holds. stream/refcodec has the formats; a nil Decoder reads one JSON reference (schemas.ParseRef).
//
// Decode gives the references of a record that has a value, in their order. None means that there is nothing to do for it: it is skipped. A Rejection makes
// the record a dead letter, any other error is a fault of the system and ends the pipeline. It may block, for a schema that a registry is asked for: transient
// faults are waited out inside, until ctx ends, whose error it returns then. rec is the caller's and must not be kept or changed. Safe for concurrent use.
type Decoder interface {
	Decode(ctx context.Context, topic string, rec *Record) ([]schemas.Ref, error)
}

// Candidate is a reference with what it came in, as routing sees it.
type Candidate struct {
	Topic  string
	Record *Record
	Ref    *schemas.Ref
}

// MaxRefs is the most references of one record: they share its slot, and its rows wait for the last of them.
const MaxRefs = 1000

// decode gives a record's references. A Rejection is refused, for its letter; err ends the source. A record that has no references to look for gives none.
func (p *Pipeline) decode(ctx context.Context, part Partition, rec *Record) (refs []schemas.Ref, refused, err error) {
	if rec.Value == nil || p.replayedElsewhere(rec.Headers) {
		return nil, nil, nil
	}
	refs, err = p.decodeGuarded(ctx, part.Topic, rec)
	if err == nil && len(refs) > MaxRefs {
		err = schemas.Rejectf(schemas.ReasonSchema, "%d references in one record, at most %d", len(refs), MaxRefs)
	}
	if _, ok := schemas.Rejected(err); ok {
		return nil, err, nil
	}
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("reading %s offset %d: %w", part, rec.Offset, err)
	}
	return refs, nil, err
}

// decodeGuarded makes a panic of a decoder one record's permanent failure.
func (p *Pipeline) decodeGuarded(ctx context.Context, topic string, rec *Record) (refs []schemas.Ref, err error) {
	defer func() {
		if v := recover(); v != nil {
			refs, err = nil, schemas.Rejectf(schemas.ReasonPanic, "reading the record: panic: %v", v)
		}
	}()
	if p.cfg.Decoder != nil {
		return p.cfg.Decoder.Decode(ctx, topic, rec)
	}
	ref, err := schemas.ParseRef(rec.Value)
	return []schemas.Ref{ref}, err
}
