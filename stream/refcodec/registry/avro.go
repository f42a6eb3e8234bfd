package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"reflect"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/sr"

	"vecmill/schemas"
)

// avroAPI decodes with bounds: no string is longer than any message, and no list longer than its items. See checkAvro for lists in lists.
var avroAPI = avro.Config{MaxByteSliceSize: 64 << 20, MaxSliceAllocSize: 1 << 20, PartialUnionTypeResolution: true}.Freeze()

// avro parses a schema with those that it refers to.
func (r *Registry) avro(ctx context.Context, s sr.Schema) (*schema, error) {
	names, texts, err := r.references(ctx, s)
	if err != nil {
		return nil, err
	}
	cache := &avro.SchemaCache{}
	for _, name := range names {
		if _, err := avro.ParseWithCache(texts[name], "", cache); err != nil {
			return nil, schemas.Rejectf(schemas.ReasonSchema, "the registry's schema %s is no Avro schema: %w", name, err)
		}
	}
	parsed, err := avro.ParseWithCache(s.Schema, "", cache)
	if err != nil {
		return nil, schemas.Rejectf(schemas.ReasonSchema, "the registry's schema is no Avro schema: %w", err)
	}
	return &schema{decode: func(b []byte) (any, error) { return decodeAvro(parsed, b) }}, nil
}

// decodeAvro decodes a message, a record field by field, so that a fault is in a field that has a name.
func decodeAvro(s avro.Schema, b []byte) (any, error) {
	if err := checkAvro(s, b); err != nil {
		return nil, err
	}
	r := avro.NewReader(nil, 0, avro.WithReaderConfig(avroAPI)).Reset(b)
	read := func(s avro.Schema) (v any, err error) {
		r.ReadVal(s, &v)
		if errors.Is(r.Error, io.EOF) || errors.Is(r.Error, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("the message ends in the middle: %w", r.Error)
		}
		return v, r.Error
	}
	var v any
	var err error
	if record, ok := s.(*avro.RecordSchema); ok {
		fields := map[string]any{}
		for _, f := range record.Fields() {
			if fields[f.Name()], err = read(f.Type()); err != nil {
				return nil, fault(f.Name(), err)
			}
		}
		v = fields
	} else if v, err = read(s); err != nil {
		return nil, err
	}
	if r.Peek(); r.Error == nil {
		return nil, errors.New("trailing bytes after the message: it was not written with this schema")
	}
	return plainAvro(s, v, mostNesting)
}

func fault(field string, err error) error {
	return &schemas.FieldError{Field: field, Msg: err.Error()}
}

// mostNesting is how deep a message may be nested.
const mostNesting = 256

// plainAvro turns what the library gives into what refcodec.Message has: no unions, decimals as text, fixed as bytes.
func plainAvro(s avro.Schema, v any, depth int) (_ any, err error) {
	if depth == 0 {
		return nil, fmt.Errorf("nested deeper than %d levels", mostNesting)
	}
	switch s := s.(type) {
	case *avro.RefSchema:
		return plainAvro(s.Schema(), v, depth)
	case *avro.UnionSchema:
		return plainUnion(s, v, depth)
	case *avro.RecordSchema:
		fields, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s is a %T, want a record", s.FullName(), v)
		}
		for _, f := range s.Fields() {
			if fields[f.Name()], err = plainAvro(f.Type(), fields[f.Name()], depth-1); err != nil {
				return nil, fault(f.Name(), err)
			}
		}
	case *avro.ArraySchema:
		list, _ := v.([]any)
		for i := range list {
			if list[i], err = plainAvro(s.Items(), list[i], depth-1); err != nil {
				return nil, err
			}
		}
	case *avro.MapSchema:
		all, _ := v.(map[string]any)
		for k := range all {
			if all[k], err = plainAvro(s.Values(), all[k], depth-1); err != nil {
				return nil, err
			}
		}
	}
	return plainValue(v), nil
}

// plainUnion unwraps a union: the library gives the value alone, or, where it does not know the branch's type, a map from the branch's name to the value.
func plainUnion(s *avro.UnionSchema, v any, depth int) (any, error) {
	if v == nil {
		return nil, nil
	}
	if wrapped, ok := v.(map[string]any); ok && len(wrapped) == 1 {
		for name, inner := range wrapped {
			if branch, _ := s.Types().Get(name); branch != nil {
				return plainAvro(branch, inner, depth)
			}
		}
	}
	return plainValue(v), nil
}

func plainValue(v any) any {
	switch x := v.(type) {
	case int:
		return int64(x)
	case float32:
		return float64(x)
	case *big.Rat:
		return x.FloatString(decimals)
	case big.Rat:
		return x.FloatString(decimals)
	case time.Duration:
		return x.String()
	case nil, string, []byte, bool, int64, float64, map[string]any, []any, time.Time:
		return v
	}
	if r := reflect.ValueOf(v); r.Kind() == reflect.Array && r.Type().Elem().Kind() == reflect.Uint8 { // fixed
		b := make([]byte, r.Len())
		reflect.Copy(reflect.ValueOf(b), r)
		return b
	}
	return fmt.Sprint(v)
}

// decimals is the digits behind the point of a decimal as text, far more than any database has.
const decimals = 18
