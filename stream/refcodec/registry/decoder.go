package registry

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/sr"

	"vecmill/schemas"
	"vecmill/stream"
	"vecmill/stream/refcodec"
)

// Decoder reads records in Confluent's wire format. It implements stream.Decoder.
type Decoder struct {
	registry *Registry
	kind     sr.SchemaType
	parse    func(*Registry) func(context.Context, sr.Schema) (*schema, error)
	mapping  refcodec.Mapping // nil: by name
}

// Avro reads Avro.
func Avro(r *Registry, m refcodec.Mapping) *Decoder {
	return &Decoder{r, sr.TypeAvro, func(r *Registry) func(context.Context, sr.Schema) (*schema, error) { return r.avro }, m}
}

// Protobuf reads Protobuf.
func Protobuf(r *Registry, m refcodec.Mapping) *Decoder {
	return &Decoder{r, sr.TypeProtobuf, func(r *Registry) func(context.Context, sr.Schema) (*schema, error) { return r.protobuf }, m}
}

// Decode implements stream.Decoder.
func (d *Decoder) Decode(ctx context.Context, topic string, rec *stream.Record) ([]schemas.Ref, error) {
	b := rec.Value
	switch {
	case len(b) < 5:
		return nil, schemas.Rejectf(schemas.ReasonSchema, "%d bytes are too few for a message with the id of its schema", len(b))
	case b[0] != 0:
		return nil, schemas.Rejectf(schemas.ReasonSchema, "the message begins with byte %d, want 0: it has no schema of a registry", b[0])
	}
	id := int(binary.BigEndian.Uint32(b[1:5]))
	s, err := d.registry.schema(ctx, id, d.kind, d.parse(d.registry))
	if err != nil {
		return nil, err
	}
	value, err := s.decode(b[5:])
	if err != nil {
		return nil, schemas.Reject(schemas.ReasonSchema, fmt.Errorf("schema %d: %w", id, err))
	}
	return refcodec.References(d.mapping, refcodec.Message{Value: value, Topic: topic, Record: rec})
}
