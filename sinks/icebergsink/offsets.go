package icebergsink

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"vecmill/schemas"
)

// Offsets are offsets of sources, as ascending spans.
type Offsets map[schemas.SourceID][]schemas.Span

// jsonOffsets is one source's in a summary; spans are lengths in turn, as in jsonRange, from offset 0 on.
type jsonOffsets struct {
	Pipeline  string  `json:"pipeline"`
	Topic     string  `json:"topic"`
	Partition int     `json:"partition"`
	Offsets   []int64 `json:"offsets"`
}

// offsetsOf melts lists in any order, with repetitions, into spans.
func offsetsOf(all map[schemas.SourceID][]int64) Offsets {
	o := Offsets{}
	for src, list := range all {
		slices.Sort(list)
		for _, at := range slices.Compact(list) {
			o[src] = schemas.AppendOffset(o[src], at)
		}
	}
	return o
}

// merged are the spans of two lists that have nothing in common, ascending.
func merged(a, b []schemas.Span) (out []schemas.Span) {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(a, b schemas.Span) int { return cmp.Compare(a.First, b.First) })
	for _, s := range all {
		if n := len(out); n > 0 && out[n-1].Next == s.First {
			out[n-1].Next = s.Next
			continue
		}
		out = append(out, s)
	}
	return out
}

// tombstonesOf are the offsets of the tombstones of ranges.
func tombstonesOf(all []schemas.Range) Offsets {
	at := map[schemas.SourceID][]int64{}
	for i := range all {
		for _, d := range all[i].Deletes {
			at[all[i].Source] = append(at[all[i].Source], d.Offset)
		}
	}
	return offsetsOf(at)
}

// tell puts the offsets into a summary, if there are any.
func (o Offsets) tell(summary map[string]string, key string) error {
	if len(o) == 0 {
		return nil
	}
	text, err := o.encode()
	summary[key] = text
	return err
}

func (o Offsets) encode() (string, error) {
	all := make([]jsonOffsets, 0, len(o))
	for src, s := range o {
		all = append(all, jsonOffsets{src.Pipeline, src.Topic, src.Partition, lengths(s, 0)})
	}
	slices.SortFunc(all, func(a, b jsonOffsets) int {
		return cmp.Or(cmp.Compare(a.Pipeline, b.Pipeline), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	b, err := json.Marshal(all)
	return pack(b), err
}

func parseOffsets(s string) (Offsets, error) {
	var all []jsonOffsets
	if err := unpack(s, &all); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadSummary, err)
	}
	o := Offsets{}
	for _, j := range all {
		src := schemas.SourceID{Pipeline: j.Pipeline, Topic: j.Topic, Partition: j.Partition}
		if _, twice := o[src]; twice || j.Partition < 0 || len(j.Offsets) == 0 {
			return nil, fmt.Errorf("%w: %s is there twice, negative or without offsets", ErrBadSummary, src)
		}
		var err error
		if o[src], err = spans(j.Offsets, schemas.Span{Next: math.MaxInt64}); err != nil {
			return nil, err
		}
	}
	return o, nil
}
