package stream

import (
	"context"
	"fmt"
	"math"
	"time"

	"vecmill/schemas"
	"vecmill/sinks"
)

// Partition is one ordered stream of records: a Kafka topic partition, or a manifest as partition 0.
type Partition struct {
	Topic string
	ID    int
}

// String is "topic/id".
func (p Partition) String() string { return fmt.Sprintf("%s/%d", p.Topic, p.ID) }

// Position is a record's own place: the partition and its offset there, never "next".
type Position struct {
	Partition
	Offset int64
}

// Record is one record as it arrived. The receiver owns its memory.
type Record struct {
	Offset  int64
	Time    time.Time
	Key     []byte
	Value   []byte // the reference; nil is a tombstone
	Headers []sinks.Header
}

// Bounds is what the source knows of a partition when it is assigned. Offsets are Kafka's: the next to read.
type Bounds struct {
	Committed int64 // next offset by the group's commits, -1 if there is none
	First     int64 // the log begins here
	End       int64 // the log ends before this; EndUnknown where it has not told
	Added     bool  // it has no commit because the topic got it after the group had begun with the others: all that is in it came since
}

// EndUnknown is the end of a log that has not told where it ends: nothing is beyond it, and no lag is counted from it.
const EndUnknown = math.MaxInt64

// Source delivers the records of the partitions that this process owns at the moment.
type Source interface {
	// Run delivers to a until ctx ends or the source is exhausted, and then drains: it calls a.Revoked for what is assigned and leaves.
	// It returns nil after an orderly end and an error when it cannot go on; transient faults are retried inside. An error from a ends Run.
	Run(ctx context.Context, a Assignments) error
}

// Committer stores positions for one assignment. next is the next offset to read per partition, Kafka's meaning. After the assignment has
// ended its calls fail. Safe for concurrent use.
type Committer interface {
	Commit(ctx context.Context, next map[Partition]int64) error
}

// EndFinder is what a Committer may be besides, where the log grows: it looks up where a partition of its assignment ends now.
type EndFinder interface {
	End(ctx context.Context, p Partition) (int64, error)
}

// Restarter is what a Committer may be besides, where an assignment can be ended before its time: Restart has the source end it with Revoked, or with Lost if it is another's by now, and begin
// another, with the same partitions or others. It does not wait for that, and may be called more than once, from any goroutine.
type Restarter interface{ Restart() }

// Assignments is what a source tells its pipeline. For one assignment the order is Assigned, then Records for each
// partition from one goroutine per partition, then exactly one of Revoked and Lost once all Records calls have returned.
type Assignments interface {
	// Assigned begins an assignment and returns where to start reading each partition. c is valid until Revoked or Lost returns.
	Assigned(ctx context.Context, c Committer, parts map[Partition]Bounds) (start map[Partition]int64, err error)

	// Records hands over records of p in ascending order of offset. next is the offset to read after them: whatever lies between the
	// previous next, the records and this next is not in the log (compacted, control records, aborted transactions). recs may be empty. The call
	// blocks as backpressure while the pipeline is full; it returns ctx's error if ctx ends first, having taken none or some of recs.
	Records(ctx context.Context, p Partition, recs []Record, next int64) error

	// Removed says that the log's retention took what p had between the last next and this one before it could be read. It is called in place
	// of Records, and like it in order.
	Removed(p Partition, next int64)

	// Ends says where the log of p ends, whenever the source learns it: lag is counted from it. It is called before the records that come before that end, and
	// beside Records while that does not return. Sources learn ends out of order: the largest counts.
	Ends(p Partition, end int64)

	// Revoked drains: it settles what is in flight, flushes, commits through c, and fences, so that afterwards nothing is committed for
	// the assignment. It gives up draining when ctx ends, and fences then all the same.
	Revoked(ctx context.Context)

	// Lost fences at once: somebody else may own the partitions already. Nothing is committed.
	Lost()
}

// Spare is what Assignments may be besides, for a source whose group may have more members than partitions: Spare says that this member has joined and
// got nothing. It begins no assignment, and nothing of one follows.
type Spare interface{ Spare() }

// Blob is a fetched object.
type Blob struct {
	Data        []byte
	ETag        string // without quotes; "" for inline data
	Version     string // "" where the store has no versions
	ContentType string
}

// Reserve asks for the memory that an object will take. head holds the object's first bytes (256 KiB, or all of a smaller object), valid during the call, size
// its length in bytes, -1 if unknown. It blocks until the memory is there. Its error refuses the object or is ctx's.
type Reserve func(ctx context.Context, head []byte, size int64) error

// Fetcher gets the bytes that a reference points to. Fetch calls reserve exactly once before it allocates for the body: with the
// first bytes and the size once it has them, or with nil and -1 before it waits to retry, so that one slow object does not hold up the
// reservations behind it. Transient faults are retried inside; errors are Rejections (fetch-missing, fetch-denied, too-large,
// fetch-failed when retries are used up) or ctx's. Safe for concurrent use.
type Fetcher interface {
	Fetch(ctx context.Context, ref schemas.Ref, reserve Reserve) (*Blob, error)
}
