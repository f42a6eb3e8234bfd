package kafkasource

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"vecmill/sinks"
	"vecmill/stream"
)

// fetched is what one answer holds from an offset on.
type fetched struct {
	records []stream.Record // committed records, ascending
	next    int64           // first offset that the answer says nothing about
	any     bool            // the answer held at least one batch
}

// readBatches reads the batches of an answer to a fetch at offset from. It drops the records of aborted transactions, by the broker's list
// of them, and control records; next covers both. Records before from, which the broker sends when from lies inside a batch, are dropped too.
func readBatches(set protocol.RecordReader, aborted []fetch.ResponseTransaction, from int64) (fetched, error) {
	r := reader{from: from, open: map[int64]bool{}, aborted: slices.Clone(aborted), out: fetched{next: from}}
	slices.SortFunc(r.aborted, func(a, b fetch.ResponseTransaction) int { return int(min(max(a.FirstOffset-b.FirstOffset, -1), 1)) })
	for _, batch := range batchesOf(set) {
		r.out.any = true
		if err := r.batch(batch); err != nil {
			return fetched{}, err
		}
	}
	return r.out, nil
}

// batchesOf gives the batches of a record set one by one: ReadRecord of the stream would hide which batch a record is in.
func batchesOf(set protocol.RecordReader) []protocol.RecordReader {
	switch s := set.(type) {
	case nil:
		return nil
	case *protocol.RecordStream:
		return s.Records
	}
	return []protocol.RecordReader{set}
}

// firstBase is the base offset of the first batch; false if there is none.
func firstBase(set protocol.RecordReader) (int64, bool) {
	batches := batchesOf(set)
	if len(batches) == 0 {
		return 0, false
	}
	return baseOf(batches[0]), true
}

func baseOf(batch protocol.RecordReader) int64 {
	if b, ok := batch.(interface{ Offset() int64 }); ok {
		return b.Offset()
	}
	return -1
}

// reader keeps the transactions that are known to be aborted and not yet passed.
type reader struct {
	from    int64
	aborted []fetch.ResponseTransaction // still ahead, by first offset
	open    map[int64]bool              // producers whose records are dropped, until their marker
	out     fetched
}

func (r *reader) batch(batch protocol.RecordReader) error {
	base := baseOf(batch)
	r.out.next = max(r.out.next, base) // nothing lies between the last batch and this one
	for len(r.aborted) > 0 && r.aborted[0].FirstOffset <= base {
		r.open[r.aborted[0].ProducerID] = true
		r.aborted = r.aborted[1:]
	}
	keep := true
	var control func(key []byte)
	switch b := batch.(type) {
	case *protocol.ControlBatch:
		keep = false
		control = func(key []byte) {
			if isAbortMarker(key) {
				delete(r.open, b.ProducerID)
			}
		}
	case *protocol.RecordBatch:
		keep = !b.Attributes.Transactional() || !r.open[b.ProducerID]
	}
	for {
		rec, err := batch.ReadRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := r.record(rec, keep, control); err != nil {
			return err
		}
	}
}

func (r *reader) record(rec *protocol.Record, keep bool, control func(key []byte)) error {
	defer closeBytes(rec.Key)
	defer closeBytes(rec.Value)
	if control != nil {
		key, err := readBytes(rec.Key)
		if err != nil {
			return err
		}
		control(key)
	}
	if rec.Offset < r.out.next { // before from, or a broker that repeats itself
		return nil
	}
	r.out.next = rec.Offset + 1
	if !keep {
		return nil
	}
	out := stream.Record{Offset: rec.Offset, Time: rec.Time}
	var err error
	if out.Key, err = readBytes(rec.Key); err != nil {
		return err
	}
	if out.Value, err = readBytes(rec.Value); err != nil {
		return err
	}
	for _, h := range rec.Headers {
		out.Headers = append(out.Headers, sinks.Header{Key: h.Key, Value: h.Value})
	}
	r.out.records = append(r.out.records, out)
	return nil
}

// isAbortMarker reads a control record's key: version and type, big-endian 16 bits each; type 0 is ABORT, 1 COMMIT.
func isAbortMarker(key []byte) bool {
	return len(key) >= 4 && binary.BigEndian.Uint16(key[2:]) == 0
}

// readBytes copies out of the library's pooled pages; nil stays nil, since a nil value is a tombstone.
func readBytes(b protocol.Bytes) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	out := make([]byte, b.Len())
	_, err := io.ReadFull(b, out)
	return out, err
}

func closeBytes(b protocol.Bytes) {
	if b != nil {
		_ = b.Close() // returns a page to its pool; it cannot fail
	}
}
