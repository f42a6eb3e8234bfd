package refcodec

import (
	"context"

	"vecmill/schemas"
	"vecmill/stream"
)

// Ref reads Vecmill's own JSON, one reference a record.
type Ref struct{}

// Decode implements stream.Decoder.
func (Ref) Decode(_ context.Context, _ string, rec *stream.Record) ([]schemas.Ref, error) {
	ref, err := schemas.ParseRef(rec.Value)
	return []schemas.Ref{ref}, err
}

// JSON reads any JSON and has an expression make references of it. With no Mapping, the fields that have a reference's names are taken.
type JSON struct {
	Mapping Mapping
}

// Decode implements stream.Decoder.
func (j JSON) Decode(_ context.Context, topic string, rec *stream.Record) ([]schemas.Ref, error) {
	value, err := ParseJSON(rec.Value)
	if err != nil {
		return nil, err
	}
	return References(j.Mapping, Message{Value: value, Topic: topic, Record: rec})
}

// References are those of a message, by an expression or, if it is nil, by name.
func References(by Mapping, m Message) ([]schemas.Ref, error) {
	if by == nil {
		return ByName(m.Value)
	}
	return by.Map(m)
}
