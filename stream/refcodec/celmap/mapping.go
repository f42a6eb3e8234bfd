package celmap

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/traits"

	"vecmill/schemas"
	"vecmill/stream/refcodec"
)

type (
	mapper = traits.Mapper
	lister = traits.Lister
)

// Mapping makes references of messages. It implements refcodec.Mapping.
type Mapping struct {
	prg cel.Program
}

// NewMapping compiles an expression. name is what its errors call it.
func NewMapping(name, expr string) (*Mapping, error) {
	env, err := newEnv(cel.Variable("value", cel.DynType), cel.Variable("skip", cel.DynType), cel.Variable("event", cel.MapType(cel.StringType, cel.DynType)))
	if err != nil {
		return nil, err
	}
	checked, prg, err := compile(env, name, expr)
	if err != nil {
		return nil, err
	}
	switch t := checked.OutputType(); t.Kind() {
	case types.MapKind, types.ListKind, types.DynKind, types.AnyKind, types.NullTypeKind, types.OpaqueKind:
	default:
		return nil, fmt.Errorf("%s: the expression gives a %s; want a map with the fields of a reference, a list of such maps, or skip for nothing", name, t)
	}
	if err := checkResult(checked.NativeRep(), checked.NativeRep().Expr()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &Mapping{prg}, nil
}

// Map implements refcodec.Mapping.
func (m *Mapping) Map(msg refcodec.Message) ([]schemas.Ref, error) {
	vars := variables(msg.Topic, msg.Record)
	vars["value"], vars["event"], vars["skip"] = msg.Value, msg.Event, types.NullValue
	if msg.Value == nil {
		vars["value"] = types.NullValue
	}
	if msg.Event == nil {
		vars["event"] = map[string]any{}
	}
	out, _, err := m.prg.Eval(vars)
	if err != nil {
		return nil, schemas.Rejectf(schemas.ReasonSchema, "map: %w", err)
	}
	result, err := native(out, mostNesting)
	if err != nil {
		return nil, schemas.Rejectf(schemas.ReasonSchema, "map: %w", err)
	}
	list, many := result.([]any)
	if !many {
		list = []any{result}
	}
	var refs []schemas.Ref
	for _, one := range list {
		if one == nil {
			continue
		}
		fields, ok := one.(map[string]any)
		if !ok {
			return nil, schemas.Rejectf(schemas.ReasonSchema, "map: the expression gave a %T where a reference belongs", one)
		}
		r, err := refcodec.FromFields(fields)
		if err != nil {
			return nil, err
		}
		refs = append(refs, r)
	}
	return refs, nil
}

// checkResult looks for maps that can be seen to be no references: it follows conditions, lists and optionals down to them.
func checkResult(a *ast.AST, e ast.Expr) error {
	switch e.Kind() {
	case ast.CallKind:
		if c := e.AsCall(); c.FunctionName() == "_?_:_" {
			return errors.Join(checkResult(a, c.Args()[1]), checkResult(a, c.Args()[2]))
		}
	case ast.ListKind:
		var all []error
		for _, x := range e.AsList().Elements() {
			all = append(all, checkResult(a, x))
		}
		return errors.Join(all...)
	case ast.MapKind:
		return checkFields(a, e)
	case ast.LiteralKind:
		if t := a.GetType(e.ID()); t.Kind() != types.NullTypeKind {
			return fmt.Errorf("the expression may give a %s; want a map with the fields of a reference", t)
		}
	}
	return nil
}

// fieldKinds are the types that a field of a reference may have; those not here are texts.
var fieldKinds = map[string][]types.Kind{
	"v": {types.IntKind}, "inline": {types.BytesKind, types.StringKind}, "range": {types.MapKind}, "attributes": {types.MapKind}, "deleted": {types.BoolKind},
	"choices": {types.ListKind},
}

func checkFields(a *ast.AST, e ast.Expr) error {
	known, seen := refcodec.Fields(), map[string]bool{}
	for _, entry := range e.AsMap().Entries() {
		k, v := entry.AsMapEntry().Key(), entry.AsMapEntry().Value()
		if k.Kind() != ast.LiteralKind {
			return nil // a name that is computed: the message will tell
		}
		name, ok := k.AsLiteral().Value().(string)
		if !ok || !slices.Contains(known, name) {
			return fmt.Errorf("a reference has no field %q; its fields are %s", fmt.Sprint(k.AsLiteral().Value()), strings.Join(known, ", "))
		}
		seen[name] = true
		kinds := fieldKinds[name]
		if kinds == nil {
			kinds = []types.Kind{types.StringKind, types.TimestampKind}
		}
		switch t := a.GetType(v.ID()); t.Kind() {
		case types.DynKind, types.AnyKind, types.NullTypeKind, types.OpaqueKind, types.TypeParamKind:
		default:
			if !slices.Contains(kinds, t.Kind()) {
				return fmt.Errorf("field %s is a %s; convert it, as in string(...)", name, t)
			}
		}
	}
	if !seen["id"] {
		return errors.New("a map without id is no reference")
	}
	if !seen["uri"] && !seen["inline"] && !seen["inline_text"] && !seen["deleted"] {
		return errors.New("a map with none of uri, inline, inline_text and deleted is no reference")
	}
	return nil
}
