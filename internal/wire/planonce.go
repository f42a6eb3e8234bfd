package wire

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path"
	"path/filepath"
	"strings"

	"vecmill/internal/backfill"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
)

// PlanFor is the plan of a source that a run reads straight from.
type PlanFor struct {
	At      string // its place
	Plan    *plan.Plan
	Found   bool // it was complete already
	Resumed bool // it was begun already
	Models  Models
	backfill.Counts
}

// plansDir is where the plans of runs straight from a source lie, beneath an output's URL. No pipeline's name begins so, and readers of a lake pass over it.
const plansDir = "_plans"

// PlanOnce finds the plan of a source, or makes it, or goes on with it. Without o.Out it lies beside the rows, in the first required output that is files, in a directory whose name, without o.Name, says
// what was enumerated and what computes it: the same command finds it again, and another source or another model has another plan. It estimates nothing, so that models are described, and opened by the run alone.
func PlanOnce(ctx context.Context, c *config.Config, o PlanOptions) (*PlanFor, error) {
	o.Estimate = EstimateOptions{}
	s := &stores{cfg: c, told: seldom(o.Trying)}
	models, err := allModels(ctx, c, s, o.Log, describeModel)
	if err != nil {
		return nil, err
	}
	words, err := o.words(ctx, s, models)
	if err != nil {
		return nil, err
	}
	if err := o.settle(c, words); err != nil {
		return nil, err
	}
	place, err := planPlace(ctx, s, o.Out)
	if err != nil {
		return nil, err
	}
	o.place = place
	out := &PlanFor{At: o.Out, Found: true, Models: models}
	out.Plan, err = plan.Load(ctx, place)
	if o.Await != nil && errors.Is(err, plan.ErrNoPlan) {
		out.Plan, err = plan.Await(ctx, place, o.Await.Patience, func(w plan.Waiting) { o.Await.Told(o.Out, w) })
	}
	switch {
	case err == nil:
		return out, o.isOf(out.Plan, words)
	case !errors.Is(err, plan.ErrNoPlan):
		return nil, err
	}
	w, state, err := plan.NewWriter(ctx, place, o.title(words))
	if err != nil {
		return nil, err
	}
	made, err := makePlan(ctx, c, s, models, w, state, o)
	if err != nil {
		return nil, err
	}
	return &PlanFor{At: o.Out, Plan: made.Plan, Resumed: state != nil, Counts: made.Counts, Models: models}, nil
}

// computedBy is a pipeline with all that makes its rows what they are.
func computedBy(p *config.Pipeline, m *loadedModel) string {
	by := m.maker()
	return strings.Join([]string{p.Name, by.model, by.preprocess, by.heads}, " ")
}

// sameMakers says whether pipelines with what makes their rows, as computedBy writes them, are the same, but for the order of heads.
func sameMakers(a, b string) bool {
	return sortedMaker(a) == sortedMaker(b)
}

func sortedMaker(by string) string {
	i := strings.LastIndexByte(by, ' ') + 1 // names of heads are escaped
	return by[:i] + sortedHeads(by[i:])
}

func allComputedBy(c *config.Config, models []*loadedModel) (all []string) {
	for i, m := range models {
		all = append(all, computedBy(&c.Pipelines[i], m))
	}
	return all
}

// settle fills in the place. It does not depend on what a file has in it: a list that was changed is found to be one.
func (o *PlanOptions) settle(c *config.Config, words planWords) error {
	if o.Out != "" {
		return nil
	}
	name := o.Name
	if name == "" {
		words.Sum = ""
		sum := sha256.Sum256([]byte(words.text()))
		name = slug(o.Source) + "-" + hex.EncodeToString(sum[:4])
	}
	for i := range c.Pipelines {
		if at := besideRows(&c.Pipelines[i], plansDir); at != "" {
			o.Out = at + "/" + name
			return nil
		}
	}
	return errors.New("no pipeline has a required output that is files, beside whose rows the plan would lie; --plan DIR says where")
}

// besideRows is a directory beneath the URL of a pipeline's first required output that is files; "" if it has none.
func besideRows(p *config.Pipeline, dir string) string {
	for i := range p.Outputs {
		if files, _ := p.Outputs[i].Files(); files != nil && !p.Outputs[i].BestEffort {
			return strings.TrimRight(files.URL, "/") + "/" + dir
		}
	}
	return ""
}

// slug is the last word of a source as a part of names.
func slug(source string) string {
	word := path.Base(strings.TrimRight(filepath.ToSlash(source), "/"))
	if table, ok := strings.CutPrefix(source, backfill.TableScheme); ok {
		word = table + path.Ext(table) // the last name is no ending
	}
	if word == "manifest.json" { // an inventory's: its day says more
		word = path.Base(path.Dir(source))
	}
	word = strings.TrimSuffix(word, path.Ext(word))
	word = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '-'
	}, word)
	return word[:min(len(word), 40)]
}
