package icebergsink

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"vecmill/schemas"
)

// erasKey is the key of a snapshot's summary with the options of the heads.
const erasKey = "vecmill.heads"

// Eras are, for every source of a table, the options that heads had when its rows were computed: from which offset on, ascending. The first era of a source begins where the table's part of
// it does, behind what was skipped to get there; one that begins at -1 is of rows whose options nobody noted, and where they begin is not known either.
type Eras map[schemas.SourceID][]Era

// Era is the offsets from one on, up to the next era.
type Era struct {
	From  int64
	Heads string
}

// At are the heads' options of an offset; "" if they are not known.
func (e Eras) At(src schemas.SourceID, offset int64) string {
	all := e[src]
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].From <= offset {
			return all[i].Heads
		}
	}
	return ""
}

// Begin is where a source begins, if that is known.
func (e Eras) Begin(src schemas.SourceID) (first int64, known bool) {
	if all := e[src]; len(all) > 0 && all[0].From >= 0 {
		return all[0].From, true
	}
	return 0, false
}

// Beginning is where the first range of a source begins, behind what was skipped to get there.
func Beginning(r *schemas.Range) int64 {
	if len(r.Skipped) > 0 && r.Skipped[0].First == r.First {
		return r.Skipped[0].Next
	}
	return r.First
}

// Eras are those of the snapshot that has the progress; none if a build wrote it that did not note them.
func (v *View) Eras() (Eras, error) {
	for i := range v.Ancestors {
		if !v.Ancestors[i].Ours() {
			continue
		}
		text, ok := v.Ancestors[i].Summary[erasKey]
		if !ok {
			break
		}
		e, err := parseEras(text)
		if err != nil {
			return nil, fmt.Errorf("snapshot %d: %w", v.Ancestors[i].ID, err)
		}
		return e, nil
	}
	return Eras{}, nil
}

// with are the eras when ranges are added to a table with some progress, whose rows have some heads.
func (e Eras) with(p Progress, add []schemas.Range, heads string) Eras {
	out := maps.Clone(e)
	for i := range add {
		r := &add[i]
		_, known := p[r.Source]
		all := slices.Clone(e[r.Source])
		if len(all) == 0 && known {
			all = []Era{{From: -1}}
		}
		switch {
		case !known:
			all = []Era{{Beginning(r), heads}}
		case all[len(all)-1].Heads != heads:
			all = append(all, Era{r.First, heads})
		}
		out[r.Source] = all
	}
	return out
}

// jsonEras is all of them in a summary. Every snapshot has them, and heads change seldom: they are told once.
type jsonEras struct {
	Heads  []string     `json:"heads"`
	Topics []jsonTopics `json:"topics"`
}

// jsonTopics are the partitions of a topic: of each era, where it begins and the number of its heads.
type jsonTopics struct {
	Pipeline string             `json:"pipeline"`
	Topic    string             `json:"topic"`
	Eras     map[int][][2]int64 `json:"eras"` // by partition
}

func (e Eras) encode() (string, error) {
	var out jsonEras
	topics := map[[2]string]map[int][][2]int64{}
	sources := slices.SortedFunc(maps.Keys(e), func(a, b schemas.SourceID) int { // equal eras give equal text
		return cmp.Or(cmp.Compare(a.Pipeline, b.Pipeline), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	for _, src := range sources {
		key := [2]string{src.Pipeline, src.Topic}
		if topics[key] == nil {
			topics[key] = map[int][][2]int64{}
			out.Topics = append(out.Topics, jsonTopics{src.Pipeline, src.Topic, topics[key]})
		}
		for _, era := range e[src] {
			n := slices.Index(out.Heads, era.Heads)
			if n < 0 {
				n, out.Heads = len(out.Heads), append(out.Heads, era.Heads)
			}
			topics[key][src.Partition] = append(topics[key][src.Partition], [2]int64{era.From, int64(n)})
		}
	}
	b, err := json.Marshal(out)
	return pack(b), err
}

func parseEras(text string) (Eras, error) {
	var in jsonEras
	if err := unpack(text, &in); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrBadSummary, erasKey, err)
	}
	e := Eras{}
	for _, t := range in.Topics {
		for part, all := range t.Eras {
			src := schemas.SourceID{Pipeline: t.Pipeline, Topic: t.Topic, Partition: part}
			if len(e[src]) > 0 {
				return nil, fmt.Errorf("%w: %s: %s is there twice", ErrBadSummary, erasKey, src)
			}
			for i, era := range all {
				if era[1] < 0 || era[1] >= int64(len(in.Heads)) || era[0] < -1 || i > 0 && era[0] <= all[i-1][0] {
					return nil, fmt.Errorf("%w: %s: the eras of %s do not ascend, or have heads that are not told", ErrBadSummary, erasKey, src)
				}
				e[src] = append(e[src], Era{era[0], in.Heads[era[1]]})
			}
		}
	}
	return e, nil
}
