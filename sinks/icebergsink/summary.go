package icebergsink

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"vecmill/schemas"
)

// The keys of a snapshot's summary.
const (
	progressKey = "vecmill.progress"
	rangeKey    = "vecmill.range"
)

// ErrProgressExpired says that the snapshots which knew the progress are expired. The newest of them knows all of it and is the one to keep.
var ErrProgressExpired = errors.New("the table's snapshots with vecmill.progress are expired")

// ErrBadSummary says that a summary has our keys and not our content.
var ErrBadSummary = errors.New("the snapshot's summary is damaged")

// Snapshot is what the protocol needs of a table's snapshot.
type Snapshot struct {
	ID      int64
	Summary map[string]string
}

// View is a table as its catalog showed it at one moment.
type View struct {
	Ancestors []Snapshot // the current snapshot, its parent and so on; none for an empty table
	Truncated bool       // the last ancestor has a parent that is expired
}

// Mark is how far a source is.
type Mark struct {
	Next  int64  // the first offset that is not in the table
	Nonce string // of the commit that got there
}

// Progress is the marks of all sources of a table.
type Progress map[schemas.SourceID]Mark

// jsonMark is a Mark in a summary.
type jsonMark struct {
	Pipeline  string `json:"pipeline"`
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Next      int64  `json:"next"`
	Nonce     string `json:"nonce"`
}

// jsonRange is a range in a summary; spans are pairs of the first offset and the one behind the last.
type jsonRange struct {
	Pipeline  string     `json:"pipeline"`
	Topic     string     `json:"topic"`
	Partition int        `json:"partition"`
	First     int64      `json:"first"`
	Next      int64      `json:"next"`
	Dead      [][2]int64 `json:"dead,omitempty"`
	Skipped   [][2]int64 `json:"skipped,omitempty"`
	Lost      [][2]int64 `json:"lost,omitempty"`
}

// Progress is that of the newest ancestor which has it; empty for a table that the protocol never wrote to.
func (v *View) Progress() (Progress, error) {
	for i := range v.Ancestors {
		if s, ok := v.Ancestors[i].Summary[progressKey]; ok {
			p, err := parseProgress(s)
			if err != nil {
				return nil, fmt.Errorf("snapshot %d: %w", v.Ancestors[i].ID, err)
			}
			return p, nil
		}
	}
	if v.Truncated {
		return nil, ErrProgressExpired
	}
	return Progress{}, nil
}

// Range is the range whose rows a snapshot adds; ok is false for the snapshots of others.
func (s *Snapshot) Range() (r schemas.Range, ok bool, err error) {
	text, ok := s.Summary[rangeKey]
	if !ok {
		return r, false, nil
	}
	if r, err = parseRange(text); err != nil {
		return r, false, fmt.Errorf("snapshot %d: %w", s.ID, err)
	}
	return r, true, nil
}

func (p Progress) encode() (string, error) {
	marks := make([]jsonMark, 0, len(p))
	for src, m := range p {
		marks = append(marks, jsonMark{src.Pipeline, src.Topic, src.Partition, m.Next, m.Nonce})
	}
	slices.SortFunc(marks, func(a, b jsonMark) int { // equal progress gives equal text
		return cmp.Or(cmp.Compare(a.Pipeline, b.Pipeline), cmp.Compare(a.Topic, b.Topic), a.Partition-b.Partition)
	})
	b, err := json.Marshal(marks)
	return string(b), err
}

func parseProgress(s string) (Progress, error) {
	var marks []jsonMark
	if err := json.Unmarshal([]byte(s), &marks); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrBadSummary, progressKey, err)
	}
	p := make(Progress, len(marks))
	for _, m := range marks {
		src := schemas.SourceID{Pipeline: m.Pipeline, Topic: m.Topic, Partition: m.Partition}
		if _, twice := p[src]; twice || m.Next < 0 || m.Partition < 0 {
			return nil, fmt.Errorf("%w: %s: %s is there twice or negative", ErrBadSummary, progressKey, src)
		}
		p[src] = Mark{m.Next, m.Nonce}
	}
	return p, nil
}

func encodeRange(r *schemas.Range) (string, error) {
	b, err := json.Marshal(jsonRange{
		r.Source.Pipeline, r.Source.Topic, r.Source.Partition, r.First, r.Next, pairs(r.Dead), pairs(r.Skipped), pairs(r.Lost),
	})
	return string(b), err
}

func parseRange(s string) (schemas.Range, error) {
	var j jsonRange
	if err := json.Unmarshal([]byte(s), &j); err != nil {
		return schemas.Range{}, fmt.Errorf("%w: %s: %w", ErrBadSummary, rangeKey, err)
	}
	r := schemas.Range{
		Source: schemas.SourceID{Pipeline: j.Pipeline, Topic: j.Topic, Partition: j.Partition},
		Span:   schemas.Span{First: j.First, Next: j.Next},
	}
	if j.First < 0 || j.Next <= j.First || j.Partition < 0 {
		return r, fmt.Errorf("%w: %s: [%d, %d) is empty or negative", ErrBadSummary, rangeKey, j.First, j.Next)
	}
	var err error
	for _, part := range []struct {
		to   *[]schemas.Span
		from [][2]int64
	}{{&r.Dead, j.Dead}, {&r.Skipped, j.Skipped}, {&r.Lost, j.Lost}} {
		if *part.to, err = spans(part.from, r.Span); err != nil {
			return r, err
		}
	}
	return r, nil
}

func pairs(spans []schemas.Span) (out [][2]int64) {
	for _, s := range spans {
		out = append(out, [2]int64{s.First, s.Next})
	}
	return out
}

// spans checks that the pairs ascend, do not overlap and lie inside of a range.
func spans(pairs [][2]int64, in schemas.Span) (out []schemas.Span, err error) {
	end := in.First
	for _, p := range pairs {
		if p[0] < end || p[1] <= p[0] || p[1] > in.Next {
			return nil, fmt.Errorf("%w: %s: the span [%d, %d) is empty, overlaps or lies outside of [%d, %d)", ErrBadSummary, rangeKey, p[0], p[1], in.First, in.Next)
		}
		end = p[1]
		out = append(out, schemas.Span{First: p[0], Next: p[1]})
	}
	return out, nil
}
