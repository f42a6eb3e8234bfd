package kafkasource

import (
	"maps"
	"sync"

	"vecmill/stream"
)

// troubles are the parts of one source that fail now.
type troubles struct {
	sync.Mutex
	parts map[stream.Partition]bool
}

// Parts that are no partitions. theGroup is finding the topics at a start, joining the group and beginning an assignment. theTopics is looking at the topics in a source that runs: that goes on beside an
// assignment that begins, and is not over when that is.
var (
	theGroup  = stream.Partition{}
	theTopics = stream.Partition{ID: -1}
)

// failed tells of a failed try of a part that another one follows.
func (b *broker) failed(part stream.Partition, tries int, err error) {
	if b.cfg.Told == nil {
		return
	}
	b.failing.Lock()
	if b.failing.parts == nil {
		b.failing.parts = map[stream.Partition]bool{}
	}
	b.failing.parts[part] = true
	b.failing.Unlock()
	b.cfg.Told(tries, err)
}

// works takes a part for one that does not fail any more.
func (b *broker) works(part stream.Partition) {
	b.settle(func(p stream.Partition) bool { return p == part })
}

// joined takes an assignment for begun: no part fails any more but the look at the topics, and those of its partitions that failed in the one before, which their next fetch tells.
func (b *broker) joined(parts map[stream.Partition]int64) {
	b.settle(func(p stream.Partition) bool { _, ours := parts[p]; return !ours && p != theTopics })
}

// settle forgets parts, and tells if none is left. A part that fails at the same moment may be told before that; its next try is told again.
func (b *broker) settle(over func(stream.Partition) bool) {
	b.failing.Lock()
	before := len(b.failing.parts)
	maps.DeleteFunc(b.failing.parts, func(p stream.Partition, _ bool) bool { return over(p) })
	well := before > 0 && len(b.failing.parts) == 0
	b.failing.Unlock()
	if well {
		b.cfg.Told(0, nil)
	}
}
