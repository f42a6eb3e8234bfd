package dlq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vecmill/schemas"
	"vecmill/sinks"
)

// Filter chooses letters. Empty fields choose all.
type Filter struct {
	Reason   schemas.Reason
	Pipeline string
	Topic    string          // that the record was read from
	Only     *schemas.Origin // one letter
}

// Validate refuses what no letter could match.
func (f *Filter) Validate() error {
	if f.Reason != "" && !slices.Contains(schemas.Reasons(), f.Reason) {
		var all []string
		for _, r := range schemas.Reasons() {
			all = append(all, string(r))
		}
		return fmt.Errorf("%q is not a reason; they are %s", f.Reason, strings.Join(all, ", "))
	}
	return nil
}

func (f *Filter) takes(l *sinks.StoredLetter) bool {
	return l.Err == nil && (f.Reason == "" || f.Reason == l.Reason) && (f.Pipeline == "" || f.Pipeline == l.Source.Pipeline) &&
		(f.Topic == "" || f.Topic == l.Source.Topic) && (f.Only == nil || *f.Only == l.Origin())
}

// Group is the letters of one pipeline and topic that have one reason.
type Group struct {
	Pipeline string         `json:"pipeline"`
	Topic    string         `json:"topic"`
	Reason   schemas.Reason `json:"reason"`
	Count    int64          `json:"count"`
	Replayed int64          `json:"replayed"` // of these, put back already
	First    string         `json:"first"`    // the letter with the lowest partition and offset
	Last     string         `json:"last"`     // the letter with the highest
	Newest   *time.Time     `json:"newest,omitempty"`
	Example  string         `json:"example"` // the error of the first that was not put back; of the first if all were
	first    schemas.Origin
	last     schemas.Origin
	example  schemas.Origin
}

// Listing is what a store holds.
type Listing struct {
	Groups     []Group  `json:"groups"`               // by pipeline, topic and reason
	Unreadable []string `json:"unreadable,omitempty"` // the first few things that lie among the letters and are none, with the error
	Damaged    int64    `json:"damaged"`              // number of those
}

// mostUnreadable is how many are named: enough to see a pattern.
const mostUnreadable = 20

// List groups the letters of a store.
func List(ctx context.Context, from sinks.LetterReader, filter Filter) (*Listing, error) {
	marks, err := from.Replayed(ctx)
	if err != nil {
		return nil, err
	}
	type key struct {
		pipeline, topic string
		reason          schemas.Reason
	}
	groups := map[key]*Group{}
	out := &Listing{Groups: []Group{}}
	seen := map[schemas.Origin]bool{}
	err = from.Letters(ctx, func(l sinks.StoredLetter) error {
		if l.Err != nil {
			if out.Damaged++; out.Damaged <= mostUnreadable {
				out.Unreadable = append(out.Unreadable, l.Place+": "+l.Err.Error())
			}
			return nil
		}
		o := l.Origin()
		if !filter.takes(&l) || seen[o] {
			return nil
		}
		seen[o] = true
		k := key{l.Source.Pipeline, l.Source.Topic, l.Reason}
		g := groups[k]
		if g == nil {
			g = &Group{Pipeline: k.pipeline, Topic: k.topic, Reason: k.reason, first: o, last: o}
			groups[k] = g
		}
		g.add(&l, marks[o])
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		g.First, g.Last = g.first.String(), g.last.String()
		out.Groups = append(out.Groups, *g)
	}
	slices.SortFunc(out.Groups, func(a, b Group) int {
		return strings.Compare(a.Pipeline+"\x00"+a.Topic+"\x00"+string(a.Reason), b.Pipeline+"\x00"+b.Topic+"\x00"+string(b.Reason))
	})
	return out, nil
}

func (g *Group) add(l *sinks.StoredLetter, replayed bool) {
	o := l.Origin()
	settled := g.Replayed == g.Count // and so is the example
	if g.Count == 0 || settled && !replayed || settled == replayed && before(o, g.example) {
		g.example, g.Example = o, l.Message
	}
	g.Count++
	if replayed {
		g.Replayed++
	}
	if before(o, g.first) {
		g.first = o
	}
	if before(g.last, o) {
		g.last = o
	}
	if !l.Written.IsZero() && (g.Newest == nil || g.Newest.Before(l.Written)) {
		at := l.Written.UTC()
		g.Newest = &at
	}
}

func before(a, b schemas.Origin) bool {
	return a.Source.Partition < b.Source.Partition || a.Source.Partition == b.Source.Partition && a.Offset < b.Offset
}

// ErrNotFound says that no letter of the store has the identity asked for.
var ErrNotFound = errors.New("there is no such dead letter")

// found ends a search early.
var errFound = errors.New("found")

// Find gives one letter, and whether it was replayed.
func Find(ctx context.Context, from sinks.LetterReader, o schemas.Origin) (*sinks.StoredLetter, bool, error) {
	var got *sinks.StoredLetter
	only := Filter{Only: &o}
	err := from.Letters(ctx, func(l sinks.StoredLetter) error {
		if !only.takes(&l) {
			return nil
		}
		got = &l
		return errFound
	})
	switch {
	case got == nil && err == nil:
		return nil, false, fmt.Errorf("%w: %s", ErrNotFound, o)
	case got == nil:
		return nil, false, err
	}
	marks, err := from.Replayed(ctx)
	return got, marks[o], err
}
