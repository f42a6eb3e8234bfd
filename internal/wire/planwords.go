package wire

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"vecmill/internal/backfill"
	"vecmill/internal/backfill/plan"
	"vecmill/stream/manifestsource"
)

// planWords are what makes a plan the plan of its source.
type planWords struct {
	Source     string
	Include    []string
	Again      bool
	Columns    map[string]string `json:",omitempty"`
	Tar        bool              `json:",omitempty"`
	ComputedBy []string          `json:",omitempty"` // the pipelines with their models, of a run straight from a source
	Sum        string            `json:",omitempty"` // of the content of a file; builds before this one did not look at it
}

// words are those of the options. Of a file the content counts: a list that was edited has other references at the same numbers.
func (o *PlanOptions) words(ctx context.Context) (w planWords, err error) {
	w = planWords{Source: o.Source, Include: o.Include, Again: o.Again, Columns: o.Columns, Tar: o.Tar}
	if o.open == nil && !strings.HasPrefix(o.Source, "s3://") && !strings.HasPrefix(o.Source, backfill.TableScheme) {
		if w.Sum, err = manifestsource.Sum(ctx, o.Source); err != nil {
			return w, fmt.Errorf("%s: %w", o.Source, err)
		}
	}
	return w, nil
}

// text is how a plan keeps them.
func (w planWords) text() string {
	b, err := json.Marshal(w)
	if err != nil {
		panic(err) // texts, a map of them and truths can be written
	}
	return string(b)
}

// baseName is what a plan's name begins with, if it is not told one.
func baseName(out string) string { return path.Base(filepath.ToSlash(out)) }

// isOf refuses a plan that lies where this one should, and is another. One that `backfill plan` made does not say in its words what computes it, and one of an earlier build not what a file had in it: both are taken.
func (o *PlanOptions) isOf(p *plan.Plan, words planWords) error {
	var was planWords
	if err := json.Unmarshal([]byte(p.Source), &was); err != nil {
		was = planWords{Source: p.Source}
	}
	pipelines := words.ComputedBy
	if was.ComputedBy == nil {
		words.ComputedBy = nil
	}
	if err := madeFor(p, pipelines...); err != nil {
		return err
	}
	sum := words.Sum
	words.Sum = was.Sum
	switch {
	case was.text() != words.text():
		return fmt.Errorf("the plan at %s is of another source, or for another model: %s; give this one another --name, or another place", o.Out, p.Source)
	case was.Sum != "" && was.Sum != sum:
		return fmt.Errorf("%s was changed since the plan at %s was made of it: --name NAME plans it anew, and run --plan %s computes it as it was", o.Source, o.Out, o.Out)
	case o.Name != "" && o.Name != p.Name:
		return fmt.Errorf("the plan at %s is named %s, not %s; leave --name out, or give this one another place", o.Out, p.Name, o.Name)
	}
	return nil
}

// madeFor refuses a plan that was made for other models, preprocessing or heads than some pipelines have: what it leaves out was computed by those, and behind a change in the middle of a run the output would have rows of both as
// one list. A plan of an earlier build may not say what it was made for.
func madeFor(p *plan.Plan, pipelines ...string) error {
	var about struct {
		ComputedBy []string `json:"computed_by"`
	}
	var words planWords
	_, _ = json.Unmarshal(p.About, &about), json.Unmarshal([]byte(p.Source), &words) // what cannot be read does not say it
	made := append(about.ComputedBy, words.ComputedBy...)
	for _, now := range pipelines {
		if len(made) > 0 && !slices.Contains(made, now) {
			name, _, _ := strings.Cut(now, " ")
			return fmt.Errorf("plan %s was made for another model, preprocessing or heads than pipeline %s has now, and leaves out what those had computed; plan again at another place, or go on with what it was made for", p.Name, name)
		}
	}
	return nil
}
