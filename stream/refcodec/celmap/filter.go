package celmap

import (
	"fmt"
	"reflect"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"

	"vecmill/schemas"
	"vecmill/stream"
)

// Filter says whether a pipeline takes a reference.
type Filter struct {
	name string
	prg  cel.Program
	asks bool            // about the record, too
	of   map[string]bool // the fields of the reference that it asks about
}

// RefView is a reference as a filter sees it: ref.id, ref.uri and so on. Fields that are not set are empty.
type RefView struct {
	ID          string            `cel:"id"`
	URI         string            `cel:"uri"`
	Modality    string            `cel:"modality"`
	Route       string            `cel:"route"`
	ETag        string            `cel:"etag"`
	Version     string            `cel:"version"`
	ContentType string            `cel:"content_type"`
	Attributes  map[string]string `cel:"attributes"`
	Inline      bool              `cel:"inline"` // it carries its payload
	Size        int64             `cel:"size"`   // of the payload that it carries
	Question    string            `cel:"question"`
	Choices     []string          `cel:"choices"`
	TextPair    string            `cel:"text_pair"`
}

// refType is what CEL calls a RefView.
const refType = "celmap.RefView"

// NewFilter compiles an expression that gives a bool. name is what its errors call it.
func NewFilter(name, expr string) (*Filter, error) {
	env, err := newEnv(ext.NativeTypes(reflect.TypeFor[RefView](), ext.ParseStructTags(true)), cel.Variable("ref", cel.ObjectType(refType)))
	if err != nil {
		return nil, err
	}
	checked, prg, err := compile(env, name, expr)
	if err != nil {
		return nil, err
	}
	if t := checked.OutputType(); t.Kind() != types.BoolKind && t.Kind() != types.DynKind {
		return nil, fmt.Errorf("%s: the expression gives a %s; want true or false", name, t)
	}
	return &Filter{name, prg, asksRecord(checked), asksFields(checked)}, nil
}

// asksRecord says whether an expression has one of the record's variables in it.
func asksRecord(checked *cel.Ast) bool {
	record := variables("", &stream.Record{})
	for _, what := range checked.NativeRep().ReferenceMap() {
		if _, is := record[what.Name]; is {
			return true
		}
	}
	return false
}

// asksFields are the fields of a reference that an expression has in it, also those that it asks for whether they are there.
func asksFields(checked *cel.Ast) map[string]bool {
	all, rep := map[string]bool{}, checked.NativeRep()
	ast.PostOrderVisit(rep.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.SelectKind && rep.GetType(e.AsSelect().Operand().ID()).TypeName() == refType {
			all[e.AsSelect().FieldName()] = true
		}
	}))
	return all
}

// Asks says whether the expression is about a field of the reference: of ref.uri that is uri.
func (f *Filter) Asks(field string) bool { return f.of[field] }

// AsksRecord says whether the expression is not about the reference alone, but also about the record that it came in.
func (f *Filter) AsksRecord() bool { return f.asks }

// Takes evaluates the expression. Its error is a Rejection.
func (f *Filter) Takes(c stream.Candidate) (bool, error) {
	vars := variables(c.Topic, c.Record)
	r := c.Ref
	view := &RefView{
		ID: r.ID, URI: r.URI, Modality: string(r.Modality), Route: r.Route, ETag: r.ETag, Version: r.Version, ContentType: r.ContentType,
		Attributes: r.Attributes, Inline: r.Inline != nil, Size: int64(len(r.Inline)), Question: r.Question, Choices: r.Choices,
	}
	if view.Attributes == nil {
		view.Attributes = map[string]string{}
	}
	if r.TextPair != nil {
		view.TextPair = *r.TextPair
	}
	vars["ref"] = view
	out, _, err := f.prg.Eval(vars)
	if err != nil {
		return false, schemas.Rejectf(schemas.ReasonSchema, "where: %w", err)
	}
	yes, ok := out.Value().(bool)
	if !ok {
		return false, schemas.Rejectf(schemas.ReasonSchema, "where: the expression gave a %s, want true or false", out.Type().TypeName())
	}
	return yes, nil
}
