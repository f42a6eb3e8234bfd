package simulate

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"vecmill/schemas"
	"vecmill/stream"
	"vecmill/stream/streamtest"
)

// topic is the name of the one topic.
const topic = "refs"

// theLog is what the topic holds, and will: every record with the moment at which it is there. It never changes.
type theLog struct {
	parts [][]entry
}

type entry struct {
	stream.Record
	kind    streamtest.Kind
	at      time.Duration // since the beginning of the world
	deleted [2]bool       // a later tombstone names its reference, or the second one of a pair
}

// refID is the id of a record's reference.
func refID(part int, offset int64) string { return fmt.Sprintf("%d-%d", part, offset) }

// refs are the ids of a record's references.
func (e *entry) refs(part int) []string {
	if e.kind == streamtest.Pair {
		return []string{refID(part, e.Offset), streamtest.Second(part, e.Offset)}
	}
	return []string{refID(part, e.Offset)}
}

// forsaken is how many of its references later tombstones name.
func (e *entry) forsaken() (n int) {
	for _, d := range e.deleted {
		if d {
			n++
		}
	}
	return n
}

// lists is the decoder: a record is a reference, or a list of some.
type lists struct{}

// Decode implements stream.Decoder.
func (lists) Decode(_ context.Context, _ string, rec *stream.Record) (refs []schemas.Ref, err error) {
	each := []json.RawMessage{rec.Value}
	if rec.Value[0] == '[' {
		each = nil // or the first of the list would be written into the record
		if err := json.Unmarshal(rec.Value, &each); err != nil {
			return nil, schemas.Reject(schemas.ReasonSchema, err)
		}
	}
	for _, one := range each {
		ref, err := schemas.ParseRef(one)
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// newLog draws the topic.
func newLog(p *Plan) *theLog {
	l := &theLog{parts: make([][]entry, p.Partitions)}
	for part := range l.parts {
		r := draws{p.Seed}.of("log", int64(part))
		offset, at := int64(0), time.Duration(0)
		for i := range p.Records {
			if r.IntN(15) == 0 && p.Source != Kafka && !p.Even {
				offset += int64(1 + r.IntN(3)) // compacted, or a control record; a producer makes no gaps
			}
			if i > p.Records/4 {
				at += span(r, 0, 2*p.Trickle/time.Duration(p.Records))
			}
			k := streamtest.Draw(r)
			if p.Even {
				k = streamtest.Good
			} else if k == streamtest.Good && chance(draws{p.Seed}.of("pair", int64(part), offset), 0.25) {
				k = streamtest.Pair
			}
			rec := stream.Record{Offset: offset, Key: fmt.Appendf(nil, "key %d", offset), Value: k.Value(part, offset)}
			e := entry{Record: rec, kind: k, at: at}
			if past := l.parts[part]; k == streamtest.Tombstone && len(past) > 0 {
				d := draws{p.Seed}.of("tombstone", int64(part), offset)
				gone := &past[d.IntN(len(past))]
				ids := gone.refs(part)
				n := d.IntN(len(ids))
				gone.deleted[n] = true
				e.Key = []byte(ids[n])
			}
			l.parts[part] = append(l.parts[part], e)
			offset++
		}
	}
	return l
}

// end is the offset behind the last record that is there.
func (l *theLog) end(part int, now time.Duration) int64 {
	recs := l.visible(part, now)
	if len(recs) == 0 {
		return 0
	}
	return recs[len(recs)-1].Offset + 1
}

// final is where the partition will end.
func (l *theLog) final(part int) int64 {
	recs := l.parts[part]
	return recs[len(recs)-1].Offset + 1
}

func (l *theLog) visible(part int, now time.Duration) []entry {
	n, _ := slices.BinarySearchFunc(l.parts[part], now, func(e entry, t time.Duration) int {
		if e.at <= t {
			return -1
		}
		return 1
	})
	return l.parts[part][:n]
}

// read gives at most `most` records from an offset on, and the offset to read after them.
func (l *theLog) read(part int, from int64, most int, now time.Duration) (recs []stream.Record, next int64) {
	all := l.visible(part, now)
	i, _ := slices.BinarySearchFunc(all, from, func(e entry, o int64) int { return int(e.Offset - o) })
	next = from
	for ; i < len(all) && len(recs) < most; i++ {
		recs = append(recs, all[i].Record)
		next = all[i].Offset + 1
	}
	if i < len(all) && next > from && all[i].Offset%2 == 0 {
		next = all[i].Offset // the answer covered the gap too
	}
	return recs, next
}
