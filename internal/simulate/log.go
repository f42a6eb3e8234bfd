package simulate

import (
	"fmt"
	"slices"
	"time"

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
	deleted bool          // a later tombstone names its reference
}

// refID is the id of a record's reference.
func refID(part int, offset int64) string { return fmt.Sprintf("%d-%d", part, offset) }

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
			}
			rec := stream.Record{Offset: offset, Key: fmt.Appendf(nil, "key %d", offset), Value: k.Value(part, offset)}
			e := entry{Record: rec, kind: k, at: at}
			if past := l.parts[part]; k == streamtest.Tombstone && len(past) > 0 {
				gone := &past[draws{p.Seed}.of("tombstone", int64(part), offset).IntN(len(past))]
				gone.deleted = true
				e.Key = []byte(refID(part, gone.Offset))
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
