package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/stream/manifestsource"
)

// planWords are what makes a plan the plan of its source.
type planWords struct {
	Source     string
	Include    []string
	Again      bool
	Columns    map[string]string `json:",omitempty"`
	Tar        bool              `json:",omitempty"`
	ComputedBy []string          `json:",omitempty"` // the pipelines with their models; builds before this one told them of a run straight from a source alone
	Literal    bool              `json:",omitempty"` // %, ? and # in a prefix of keys are characters like others; builds before this one read them as in URLs
	Sum        string            `json:",omitempty"` // of the content of a list; builds before this one did not look at it
}

// words are those of the options. Of a list the content counts, which the source has to have still: a list that was edited has other references at the same numbers.
func (o *PlanOptions) words(ctx context.Context, s *stores, models []*loadedModel) (w planWords, err error) {
	w = planWords{Literal: strings.HasPrefix(o.Source, "s3://") && strings.ContainsAny(o.Source, "%?#"), Source: o.Source, Include: o.Include, Again: o.Again, Columns: o.Columns, Tar: o.Tar, ComputedBy: allComputedBy(s.cfg, models)}
	if o.isList() {
		at, err := s.list(o.Source)
		if err != nil {
			return w, err
		}
		if w.Sum, err = manifestsource.Sum(ctx, at); err != nil {
			return w, fmt.Errorf("%s: %w", o.Source, err)
		}
	}
	o.sum = w.Sum
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

// shown says what is planned as it is told on a command line.
func (w planWords) shown() string {
	if old, ok := strings.CutPrefix(w.Source, ofOutput); ok {
		return "the output of " + old
	}
	words := []string{"--source " + w.Source}
	for _, p := range w.Include {
		words = append(words, "--include "+p)
	}
	for _, field := range slices.Sorted(maps.Keys(w.Columns)) {
		words = append(words, "--column "+field+"="+w.Columns[field])
	}
	if w.Tar {
		words = append(words, "--tar")
	}
	if w.Again {
		words = append(words, "--again")
	}
	return strings.Join(words, " ")
}

// wordsOf reads what a plan keeps.
func wordsOf(source string) (w planWords) {
	if err := json.Unmarshal([]byte(source), &w); err != nil {
		return planWords{Source: source}
	}
	return w
}

// title is the plan's. What was begun with other models is not gone on with: it leaves out what those had computed.
func (o *PlanOptions) title(words planWords) plan.Title {
	return plan.Title{Name: o.Name, Base: path.Base(filepath.ToSlash(o.Out)), Source: words.text(), Same: func(begun string) error {
		was := wordsOf(begun)
		switch {
		case was.ComputedBy == nil && !was.Again:
			return errors.New("it is of an earlier build, which did not say for which models, preprocessing and heads, and it leaves out what those had computed; plan at another place")
		case was.ComputedBy != nil && !slices.EqualFunc(was.ComputedBy, words.ComputedBy, sameMakers):
			return errors.New("it was made for other pipelines, or for another model, preprocessing or heads than they have now, and leaves out what those had computed; plan at another place, or go on with what it was made for")
		case was.same(words) && words.Literal && !was.Literal:
			return errors.New("it is of an earlier build, which read %, ? and # in a prefix as in URLs, and has listed others; plan at another place")
		case !was.same(words):
			return fmt.Errorf("it is of %s, and this one would be of %s; finish it with the same words, or plan at another place", was.shown(), words.shown())
		case was.edited(words):
			return fmt.Errorf("%s was changed since; plan at another place", o.Source)
		}
		return nil
	}}
}

// isOf refuses a complete plan that lies where this one should, and is another. Some of the pipelines that it was made for may compute it. One of an earlier build may not say them, and not what a file had in it: both are taken.
func (o *PlanOptions) isOf(p *plan.Plan, words planWords) error {
	if err := madeFor(p, words.ComputedBy...); err != nil {
		return err
	}
	was := wordsOf(p.Source)
	switch {
	case !was.same(words):
		return fmt.Errorf("the plan at %s is of another source: %s; give this one another --name, or another place", o.Out, was.shown())
	case was.edited(words):
		return fmt.Errorf("%s was changed since the plan at %s was made of it: --name NAME plans it anew, and run --plan %s computes it as it was", o.Source, o.Out, o.Out)
	case o.Name != "" && o.Name != p.Name:
		return fmt.Errorf("the plan at %s is named %s, not %s; leave --name out, or give this one another place", o.Out, p.Name, o.Name)
	}
	return nil
}

// same says whether words are the same, but for what computes the plan, and what a file had in it.
func (w planWords) same(o planWords) bool {
	for _, x := range []*planWords{&w, &o} {
		x.ComputedBy, x.Sum, x.Literal = nil, "", false
	}
	return w.text() == o.text()
}

// edited says whether a file is known to have had something else in it.
func (w planWords) edited(o planWords) bool { return w.Sum != "" && w.Sum != o.Sum }

// madeFor refuses a plan that was made for other models, preprocessing or heads than some pipelines have: what it leaves out was computed by those, and behind a change in the middle of a run the output would have rows of both as
// one list. A plan of an earlier build may not say what it was made for.
func madeFor(p *plan.Plan, pipelines ...string) error {
	made := wordsOf(p.Source).ComputedBy
	for _, now := range pipelines {
		if len(made) > 0 && !slices.ContainsFunc(made, func(by string) bool { return sameMakers(by, now) }) {
			name, _, _ := strings.Cut(now, " ")
			return fmt.Errorf("plan %s was made for another model, preprocessing or heads than pipeline %s has now, and leaves out what those had computed; plan again at another place, or go on with what it was made for", p.Name, name)
		}
	}
	return nil
}

// OfPlan is a configuration with the pipelines alone that a plan was made for: others owe it nothing. Of a plan of an earlier build, which may not say them, it has all.
func OfPlan(c *config.Config, p *plan.Plan) (*config.Config, error) {
	names := madeForNames(p)
	if len(names) == 0 {
		return c, nil
	}
	of := *c
	of.Pipelines = slices.DeleteFunc(slices.Clone(c.Pipelines), func(p config.Pipeline) bool { return !slices.Contains(names, p.Name) })
	if len(of.Pipelines) == 0 {
		return nil, fmt.Errorf("plan %s was made for pipelines that the configuration does not have: %s", p.Name, strings.Join(names, ", "))
	}
	return &of, nil
}

// madeForNames are the pipelines that a plan was made for; none if it does not say them.
func madeForNames(p *plan.Plan) (names []string) {
	for _, by := range wordsOf(p.Source).ComputedBy {
		name, _, _ := strings.Cut(by, " ")
		names = append(names, name)
	}
	return names
}

// Absent are pipelines that a plan has references for and a configuration does not have, and how many are for these alone, as far as the plan says. A nil plan has none.
func Absent(c *config.Config, p *plan.Plan) (names []string, alone int64) {
	if p == nil {
		return nil, 0
	}
	absent := func(name string) bool {
		return !slices.ContainsFunc(c.Pipelines, func(p config.Pipeline) bool { return p.Name == name })
	}
	if p.For == nil {
		names = madeForNames(p)
	}
	for takers, n := range p.For {
		all := strings.Split(takers, ",")
		if names = append(names, all...); !slices.ContainsFunc(all, func(name string) bool { return !absent(name) }) {
			alone += n
		}
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return !absent(name) }), alone
}
