package registry

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bufbuild/protocompile"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"vecmill/schemas"
)

// mostIndexes is how deep a message may be declared inside others.
const mostIndexes = 32

// protobuf compiles a file with those that it imports. Google's own are known without the registry.
func (r *Registry) protobuf(ctx context.Context, s sr.Schema) (*schema, error) {
	const main = "vecmill.registry/main.proto" // a name that no import has
	_, texts, err := r.references(ctx, s)
	if err != nil {
		return nil, err
	}
	texts[main] = s.Schema
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
		text, ok := texts[path]
		if !ok {
			return protocompile.SearchResult{}, fmt.Errorf("the schema has no reference named %s", path)
		}
		if fd := serialized(text, path); fd != nil {
			return protocompile.SearchResult{Proto: fd}, nil
		}
		return protocompile.SearchResult{Source: strings.NewReader(text)}, nil
	}))}
	files, err := compiler.Compile(ctx, main)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, schemas.Rejectf(schemas.ReasonSchema, "the registry's schema is no Protobuf file: %w", err)
	}
	return &schema{decode: func(b []byte) (any, error) { return decodeProtobuf(files[0], b) }}, nil
}

// serialized is a file that was registered as its descriptor in base64, as Confluent's client for Python does; a registry may give it back so. It is nil for text.
func serialized(text, path string) *descriptorpb.FileDescriptorProto {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	fd := &descriptorpb.FileDescriptorProto{}
	if proto.Unmarshal(b, fd) != nil {
		return nil
	}
	fd.Name = proto.String(path) // which it is asked for by
	nameInJSON(fd.GetMessageType())
	return fd
}

// nameInJSON gives the fields their own names in JSON, where nobody asks for them here: that client leaves them out, and the compiler finds that they collide.
func nameInJSON(messages []*descriptorpb.DescriptorProto) {
	for _, m := range messages {
		for _, f := range m.GetField() {
			f.JsonName = proto.String(f.GetName())
		}
		nameInJSON(m.GetNestedType())
	}
}

func decodeProtobuf(file protoreflect.FileDescriptor, b []byte) (any, error) {
	indexes, rest, err := messageIndexes(b)
	if err != nil {
		return nil, err
	}
	md, err := messageAt(file, indexes)
	if err != nil {
		return nil, err
	}
	m := dynamicpb.NewMessage(md)
	if err := unmarshal(rest, m); err != nil {
		return nil, fmt.Errorf("message %s: %w", md.FullName(), err)
	}
	return plainMessage(m), nil
}

// unmarshal reads b into m. The library panics on an entry of a map with two keys of which the second has another type on the wire; it is malformed to us.
func unmarshal(b []byte, m proto.Message) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("malformed: %v", v)
		}
	}()
	return proto.UnmarshalOptions{RecursionLimit: mostNesting, DiscardUnknown: true}.Unmarshal(b, m)
}

// messageIndexes reads the path of a message in its file: a number of indexes and these, as zigzag varints; a single 0 is the first message.
func messageIndexes(b []byte) (path []int, rest []byte, err error) {
	next := func() int64 {
		v, n := binary.Varint(b)
		if n <= 0 {
			err = errors.New("the message ends in the list of message indexes")
			return 0
		}
		b = b[n:]
		return v
	}
	n := next()
	switch {
	case err != nil:
		return nil, nil, err
	case n == 0:
		return []int{0}, b, nil
	case n < 0 || n > mostIndexes:
		return nil, nil, fmt.Errorf("%d message indexes, want 0 to %d", n, mostIndexes)
	}
	for range n {
		i := next()
		if err == nil && (i < 0 || i > 1<<20) {
			err = fmt.Errorf("message index %d", i)
		}
		if err != nil {
			return nil, nil, err
		}
		path = append(path, int(i))
	}
	return path, b, nil
}

func messageAt(file protoreflect.FileDescriptor, path []int) (md protoreflect.MessageDescriptor, err error) {
	in := file.Messages()
	for _, i := range path {
		if i >= in.Len() {
			return nil, fmt.Errorf("the schema has no message with indexes %v", path)
		}
		md = in.Get(i)
		in = md.Messages()
	}
	return md, nil
}

// plainMessage is a message as refcodec.Message has it, by the fields' own names. What has a presence and is not set is nil; enums are their names.
func plainMessage(m protoreflect.Message) any {
	switch t := wellKnown(m).(type) {
	case nil:
	default:
		return t
	}
	out := map[string]any{}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		name := string(f.Name())
		switch {
		case f.HasPresence() && !m.Has(f):
			out[name] = nil
		case f.IsMap():
			all := map[string]any{}
			m.Get(f).Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				all[k.String()] = plainField(f.MapValue(), v)
				return true
			})
			out[name] = all
		case f.IsList():
			list := m.Get(f).List()
			all := make([]any, list.Len())
			for j := range all {
				all[j] = plainField(f, list.Get(j))
			}
			out[name] = all
		default:
			out[name] = plainField(f, m.Get(f))
		}
	}
	return out
}

// wellKnown is a timestamp as a time and a wrapper as what it wraps; nil for other messages.
func wellKnown(m protoreflect.Message) any {
	get := func(name protoreflect.Name) protoreflect.Value { return m.Get(m.Descriptor().Fields().ByName(name)) }
	switch m.Descriptor().FullName() {
	case "google.protobuf.Timestamp":
		return time.Unix(get("seconds").Int(), get("nanos").Int()).UTC()
	case "google.protobuf.StringValue", "google.protobuf.BytesValue", "google.protobuf.BoolValue", "google.protobuf.Int32Value", "google.protobuf.Int64Value",
		"google.protobuf.UInt32Value", "google.protobuf.UInt64Value", "google.protobuf.FloatValue", "google.protobuf.DoubleValue":
		return plainField(m.Descriptor().Fields().ByName("value"), get("value"))
	}
	return nil
}

func plainField(f protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch f.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return plainMessage(v.Message())
	case protoreflect.EnumKind:
		if d := f.Enum().Values().ByNumber(v.Enum()); d != nil {
			return string(d.Name())
		}
		return int64(v.Enum())
	}
	switch x := v.Interface().(type) {
	case int32:
		return int64(x)
	case uint32:
		return uint64(x)
	case float32:
		return float64(x)
	default:
		return x
	}
}
