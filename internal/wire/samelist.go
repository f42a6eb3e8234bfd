package wire

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"vecmill/internal/backfill/ledger"
	"vecmill/internal/config"
	"vecmill/internal/dlq"
	"vecmill/schemas"
	"vecmill/stream"
	"vecmill/stream/manifestsource"
)

// mostCompared is how many references, the last ones that an output has rows of, are held against the list that goes on behind them.
const mostCompared = 4096

// sameList asks required outputs that keep account whether what they have under a list's name is of this list, and was made as by makes it, and refuses what is not: behind the end of another one the list's first references would pass for computed, and what another
// model has made for this one's.
func sameList(s *stores, p *config.Pipeline, src schemas.SourceID, by maker) func(ctx context.Context, list manifestsource.List) error {
	return func(ctx context.Context, list manifestsource.List) error {
		outputs, closeAll, err := pastsOf(ctx, s, p)
		if errors.Is(err, errNoneTells) {
			return nil
		}
		if err != nil {
			return err
		}
		defer closeAll()
		for _, out := range outputs {
			if err := sameIn(ctx, out, src, list, by); err != nil {
				return err
			}
		}
		return nil
	}
}

// sameIn compares the last references that one output has rows of, and what made the last of them.
func sameIn(ctx context.Context, out past, src schemas.SourceID, list manifestsource.List, by maker) error {
	span, known, err := out.span(ctx, src)
	if err != nil || !known {
		return err
	}
	if span.Next > list.Len() {
		return stream.ErrBeyondEnd
	}
	span.First = max(0, span.Next-mostCompared)
	if span.Len() <= 0 {
		return nil
	}
	refs, err := referencesOf(ctx, list, span)
	if err != nil {
		return err
	}
	name, last, was := strings.TrimPrefix(src.Topic, dlq.ManifestTopic), int64(-1), maker{}
	if err := out.rows(ctx, src, span, func(l *schemas.Lineage) error {
		if r := refs[l.Offset-span.First]; r == nil || !cameFrom(l, r) {
			return manifestsource.Unfit(fmt.Errorf("the output's rows of number %d, from 0, of %q are of another reference than this list's: the list is another one, or was changed elsewhere than at its end; give it another name",
				l.Offset, name))
		}
		if l.Offset > last {
			last, was = l.Offset, maker{model: strings.Clone(l.ModelDigest), preprocess: strings.Clone(l.PreprocessDigest)}
		}
		return nil
	}); err != nil || last < 0 {
		return err
	}
	if was.heads, err = out.heads(ctx, src, last); err != nil {
		return err
	}
	if !was.like(by) {
		return manifestsource.Unfit(fmt.Errorf("the output's rows of %q are of another model, preprocessing or heads than pipeline %s has now: they would pass for what it computes, and the list have rows of both; %s", name, src.Pipeline, goElsewhere))
	}
	return nil
}

// goElsewhere is what to do where a list has results of another maker.
const goElsewhere = "give it another name, or a pipeline of its own, or go on with what made them"

// listed is what rows say of a reference, without the data that it may have in it.
type listed struct {
	id     string
	object ledger.Work
}

// referencesOf are a part of a list; nil where there is none.
func referencesOf(ctx context.Context, list manifestsource.List, in schemas.Span) ([]*listed, error) {
	values, err := list.From(ctx, in.First)
	if err != nil {
		return nil, err
	}
	all := make([]*listed, in.Len())
	for i := range all {
		value, err := values()
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", in.First+int64(i), err)
		}
		if r, err := schemas.ParseRef(value); err == nil {
			all[i] = &listed{strings.Clone(r.ID), objectOf(&r)}
		}
	}
	return all, nil
}

// cameFrom says whether a row may be of a reference. One that does not pin its object says nothing of its entity tag, a row of an earlier build nothing of what was beside its text; and a web address that was signed anew is the same one.
func cameFrom(l *schemas.Lineage, r *listed) bool {
	object, row := r.object, objectOfRow(l)
	if beside, ok := besideOf(l); ok && beside != "" && beside != object.Beside {
		return false
	}
	plain := func(etag string) string { return strings.Trim(strings.TrimPrefix(etag, "W/"), `"`) }
	return l.RefID == r.id && schemas.ShownURI(row.URI) == schemas.ShownURI(object.URI) && (object.ETag == "" || row.ETag == "" || plain(row.ETag) == plain(object.ETag))
}
