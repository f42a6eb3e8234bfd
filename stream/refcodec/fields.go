package refcodec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"vecmill/schemas"
	"vecmill/stream"
)

// Fields lists the names of a reference's fields, those of ref.v1.schema.json.
func Fields() []string {
	return []string{
		"v", "id", "uri", "inline", "inline_text", "modality", "route", "etag", "version", "content_type", "range", "attributes", "deleted", "text_pair", "question", "choices",
	}
}

// FromFields makes a reference of named values: strings, numbers, booleans, []byte (for inline), lists and maps of these. A nil value is a field that is not there,
// and v need not be there. The values are held to the rules of schemas.ParseRef. The error is a Rejection of class schema.
func FromFields(fields map[string]any) (schemas.Ref, error) {
	known := make(map[string]any, len(fields)+1)
	known["v"] = schemas.RefVersion
	for name, v := range fields {
		if b, ok := v.([]byte); ok && name != "inline" {
			return schemas.Ref{}, fault(name, fmt.Sprintf("is %d bytes, and only inline takes bytes", len(b)))
		}
		if !valid(v) {
			return schemas.Ref{}, fault(name, "not valid UTF-8")
		}
		if v != nil {
			known[name] = v
		}
	}
	b, err := json.Marshal(known)
	if err != nil {
		return schemas.Ref{}, fault("", "not a reference: "+err.Error())
	}
	return schemas.ParseRef(b)
}

// valid says whether all texts in a value are UTF-8: JSON's encoder would replace what is not.
func valid(v any) bool {
	switch x := v.(type) {
	case string:
		return utf8.ValidString(x)
	case []any:
		return !slices.ContainsFunc(x, func(v any) bool { return !valid(v) })
	case map[string]any:
		for k, v := range x {
			if !utf8.ValidString(k) || !valid(v) {
				return false
			}
		}
	}
	return true
}

// ByName makes a reference of those fields of a foreign record that have a reference's names; the others are passed over, as Avro's readers do.
func ByName(value any) ([]schemas.Ref, error) {
	all, ok := value.(map[string]any)
	if !ok {
		return nil, fault("", fmt.Sprintf("the message is a %s, and only a record has fields to take by their names; write an expression (map)", kind(value)))
	}
	mine := map[string]any{}
	for _, name := range Fields() {
		v := all[name]
		if list, ok := v.([]any); ok && len(list) == 0 {
			v = nil // Protobuf has no other way to say that a list is not there
		}
		mine[name] = v
	}
	ref, err := FromFields(mine)
	return []schemas.Ref{ref}, err
}

func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case []byte:
		return "sequence of bytes"
	case bool:
		return "boolean"
	case []any:
		return "list"
	}
	return "number"
}

func fault(field, msg string) error {
	return schemas.Reject(schemas.ReasonSchema, &schemas.FieldError{Field: field, Msg: msg})
}

// Message is what an expression sees of a record.
type Message struct {
	Value  any            // as JSON has it: map[string]any, []any, string, int64, uint64, float64, bool, nil; []byte and time.Time where a format has them
	Event  map[string]any // the attributes of a CloudEvent; nil in other formats
	Topic  string
	Record *stream.Record
}

// Mapping makes references of a message: an expression. Its errors are Rejections. Safe for concurrent use.
type Mapping interface {
	Map(m Message) ([]schemas.Ref, error)
}

// mostNesting is how deep JSON may be nested: far more than any event is, and so little that no recursion over it is deep.
const mostNesting = 256

// ParseJSON reads one JSON value. Whole numbers are int64 (uint64 beyond it, float64 beyond that), so that an id that is a number stays itself. Its error is a Rejection.
func ParseJSON(b []byte) (any, error) {
	if !utf8.Valid(b) {
		return nil, fault("", "not valid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("it ends after %d bytes, in the middle", len(b))
		}
		return nil, fault("", "not JSON: "+err.Error())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fault("", "trailing data after the JSON value")
	}
	v, ok := numbers(v, mostNesting)
	if !ok {
		return nil, fault("", fmt.Sprintf("JSON nested deeper than %d levels", mostNesting))
	}
	return v, nil
}

// numbers replaces json.Number by numbers, in place; false if v is nested too deep.
func numbers(v any, depth int) (any, bool) {
	if depth == 0 {
		return nil, false
	}
	var ok bool
	switch x := v.(type) {
	case json.Number:
		return number(x.String()), true
	case []any:
		for i := range x {
			if x[i], ok = numbers(x[i], depth-1); !ok {
				return nil, false
			}
		}
	case map[string]any:
		for k := range x {
			if x[k], ok = numbers(x[k], depth-1); !ok {
				return nil, false
			}
		}
	}
	return v, true
}

func number(s string) any {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		f = math.Inf(1) // beyond what a float64 holds
		if s[0] == '-' {
			f = math.Inf(-1)
		}
	}
	return f
}

// withAttributes adds attributes to a reference that is not a deletion; what it has already stays.
func withAttributes(r *schemas.Ref, names []string, of map[string]string) {
	if r.Deleted {
		return
	}
	for _, name := range names {
		v, ok := of[name]
		if !ok || v == "" {
			continue
		}
		if r.Attributes == nil {
			r.Attributes = map[string]string{}
		}
		if _, own := r.Attributes[name]; !own {
			r.Attributes[name] = v
		}
	}
}

// without is a list without the references that mean nothing.
func without(refs []schemas.Ref, drop func(*schemas.Ref) bool) []schemas.Ref {
	return slices.DeleteFunc(refs, func(r schemas.Ref) bool { return drop(&r) })
}
