package celmap

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"

	"vecmill/sinks"
	"vecmill/stream"
	"vecmill/stream/refcodec"
)

// costLimit bounds one evaluation: about a tenth of a second of work, where an ordinary expression takes a few dozen units.
const costLimit = 1_000_000

// mostNesting is how deep a result may be nested; a reference needs three levels.
const mostNesting = 16

func newEnv(more ...cel.EnvOption) (*cel.Env, error) {
	env, err := cel.NewEnv(append([]cel.EnvOption{
		cel.Variable("key", cel.DynType),
		cel.Variable("headers", cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable("topic", cel.StringType),
		cel.Variable("timestamp", cel.TimestampType),
		cel.OptionalTypes(), ext.Strings(), ext.Encoders(),
		cel.Function("json", cel.Overload("json_string", []*cel.Type{cel.StringType}, cel.DynType, cel.UnaryBinding(parseJSON))),
	}, more...)...)
	if err != nil {
		return nil, fmt.Errorf("setting up CEL: %w", err)
	}
	return env, nil
}

// parseJSON is the function json: a text of JSON as a value.
func parseJSON(v ref.Val) ref.Val {
	s, ok := v.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(v)
	}
	value, err := refcodec.ParseJSON([]byte(s))
	if err != nil {
		return types.NewErr("json: %v", err)
	}
	return types.DefaultTypeAdapter.NativeToValue(value)
}

// compile checks an expression and gives what runs it.
func compile(env *cel.Env, name, expr string) (*cel.Ast, cel.Program, error) {
	ast, issues := env.Compile(expr)
	if all := issues.Errors(); len(all) > 0 {
		e := all[0]
		return nil, nil, fmt.Errorf("%s: line %d, column %d: %s", name, e.Location.Line(), e.Location.Column()+1, e.Message)
	}
	prg, err := env.Program(ast, cel.CostLimit(costLimit))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return ast, prg, nil
}

// variables are what every expression sees of a record.
func variables(topic string, rec *stream.Record) map[string]any {
	return map[string]any{"key": text(rec.Key), "headers": headers(rec.Headers), "topic": topic, "timestamp": rec.Time}
}

// text is a key as an expression sees it: a string, bytes if it is none, null if there is none.
func text(b []byte) any {
	switch {
	case b == nil:
		return types.NullValue
	case utf8.Valid(b):
		return string(b)
	}
	return b
}

// headers are those that are text, the last of each name.
func headers(all []sinks.Header) map[string]string {
	m := make(map[string]string, len(all))
	for _, h := range all {
		if utf8.Valid(h.Value) {
			m[h.Key] = string(h.Value)
		}
	}
	return m
}

var errNesting = errors.New("the result is nested too deep")

// native turns a result into plain values; nil is null, and an optional without a value.
func native(v ref.Val, depth int) (any, error) {
	if depth == 0 {
		return nil, errNesting
	}
	switch x := v.(type) {
	case types.Null:
		return nil, nil
	case types.Bool, types.Int, types.Uint, types.Double, types.String, types.Bytes:
		return v.Value(), nil
	case *types.Optional:
		if !x.HasValue() {
			return nil, nil
		}
		return native(x.GetValue(), depth)
	case types.Timestamp, types.Duration:
		s := v.ConvertToType(types.StringType)
		if types.IsError(s) {
			return nil, fmt.Errorf("%v", s)
		}
		return s.Value(), nil
	case *types.Err:
		return nil, x
	}
	return nativeMany(v, depth)
}

func nativeMany(v ref.Val, depth int) (any, error) {
	switch x := v.(type) {
	case mapper:
		out := map[string]any{}
		for it := x.Iterator(); it.HasNext() == types.True; {
			k := it.Next()
			name, ok := k.(types.String)
			if !ok {
				return nil, fmt.Errorf("a field's name is a %s, want a string", k.Type().TypeName())
			}
			value, err := native(x.Get(k), depth-1)
			if err != nil {
				return nil, err
			}
			out[string(name)] = value
		}
		return out, nil
	case lister:
		out := []any{}
		for it := x.Iterator(); it.HasNext() == types.True; {
			value, err := native(it.Next(), depth-1)
			if err != nil {
				return nil, err
			}
			out = append(out, value)
		}
		return out, nil
	}
	return nil, fmt.Errorf("a %s cannot be part of a reference", v.Type().TypeName())
}
