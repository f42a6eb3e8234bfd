package schemas

import (
	"fmt"
	"strconv"
	"strings"
)

// ReplayHeader is the Kafka header of a record that was replayed from a dead letter. Its value is the [Origin] of that letter: the pipeline
// that gave the record up, and the place that it was read from. Only that pipeline takes the record; to the others of its topic it is a copy of
// one that they have had.
const ReplayHeader = "vecmill.replay"

// FirstOriginHeader is the Kafka header of a record that was replayed more than once: the [Origin] of the first letter.
const FirstOriginHeader = "vecmill.origin"

// DeletedHeader is the Kafka header of a record that was replayed and whose deletions stand at an earlier offset: the [Origin] of the letter that was made
// there. That pipeline does not carry them out again, since they would take away what came in between.
const DeletedHeader = "vecmill.deleted"

// Origin is where a record came from: the identity of a dead letter.
type Origin struct {
	Source SourceID // the partition or list
	Offset int64    // in it, from 0
}

// String is "pipeline/topic/partition/offset".
func (o Origin) String() string { return fmt.Sprintf("%s/%d", o.Source, o.Offset) }

// ParseOrigin reads what String writes. A pipeline's name has no slash; a topic's may, since a manifest's name is free.
func ParseOrigin(s string) (Origin, error) {
	fail := func() (Origin, error) {
		return Origin{}, fmt.Errorf("%.200q is not pipeline/topic/partition/offset", s)
	}
	pipeline, rest, _ := strings.Cut(s, "/")
	rest, offset, ok := cutLast(rest)
	topic, partition, ok2 := cutLast(rest)
	if !ok || !ok2 || pipeline == "" || topic == "" {
		return fail()
	}
	p, perr := strconv.ParseUint(partition, 10, 31)
	n, oerr := strconv.ParseUint(offset, 10, 63)
	if perr != nil || oerr != nil {
		return fail()
	}
	return Origin{SourceID{pipeline, topic, int(p)}, int64(n)}, nil
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
