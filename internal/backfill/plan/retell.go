package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"vecmill/sinks/objectstore"
)

// Reopen is for saying anew what is said of a complete plan. The writer adds nothing to it. state is what was saved last while the plan was made; nil if that is gone, or another planner's of the place.
func Reopen(ctx context.Context, at Place, p *Plan) (w *Writer, state json.RawMessage, err error) {
	body, err := at.read(ctx, progressName)
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil, nil, nil
	}
	var last progress
	if err == nil {
		err = json.Unmarshal(body, &last)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", at.shown(progressName), err)
	}
	if !last.same(p) {
		return nil, nil, nil
	}
	return &Writer{at: at, plan: *p}, last.State, nil
}

// same says whether two plans have the same references under the same name.
func (p *Plan) same(o *Plan) bool { return p.Name == o.Name && slices.Equal(p.Parts, o.Parts) }

// Retell writes the complete plan of a writer that Reopen gave over itself, with what its maker adds now.
func (w *Writer) Retell(ctx context.Context, about any) (*Plan, error) {
	switch there, err := Load(ctx, w.at); {
	case err != nil:
		return nil, err
	case !there.same(&w.plan):
		return nil, fmt.Errorf("meanwhile there is another plan at %s", w.at)
	}
	p := w.plan
	var err error
	if p.About, err = json.Marshal(about); err != nil {
		return nil, fmt.Errorf("writing %s: %w", w.at.shown(planName), err)
	}
	body, err := json.MarshalIndent(p, "", " ")
	if err == nil {
		err = w.at.Store.Put(ctx, w.at.name(planName), body, "application/json")
	}
	if err != nil {
		return nil, err
	}
	return &p, nil
}
