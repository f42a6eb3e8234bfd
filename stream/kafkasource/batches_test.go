package kafkasource

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"vecmill/stream"
)

// storedBatch is one batch of a made-up log. Its records may have gaps, as after compaction.
type storedBatch struct {
	base, last int64
	producer   int64
	kind       byte // 'r' plain, 't' transactional, 'c' commit marker, 'a' abort marker
	offsets    []int64
}

func (b storedBatch) reader() protocol.RecordReader {
	recs := make([]protocol.Record, len(b.offsets))
	for i, o := range b.offsets {
		recs[i] = protocol.Record{Offset: o, Value: protocol.NewBytes(fmt.Appendf(nil, "v%d", o))}
	}
	switch b.kind {
	case 'c', 'a':
		kind := int16(1)
		if b.kind == 'a' {
			kind = 0
		}
		for i := range recs {
			recs[i].Key = (&protocol.ControlRecord{Type: kind}).Key()
		}
		return &protocol.ControlBatch{Attributes: protocol.Control | protocol.Transactional, BaseOffset: b.base, ProducerID: b.producer, Records: protocol.NewRecordReader(recs...)}
	case 't':
		return &protocol.RecordBatch{Attributes: protocol.Transactional, BaseOffset: b.base, ProducerID: b.producer, Records: protocol.NewRecordReader(recs...)}
	}
	return &protocol.RecordBatch{BaseOffset: b.base, ProducerID: -1, Records: protocol.NewRecordReader(recs...)}
}

func setOf(batches ...storedBatch) protocol.RecordReader {
	s := &protocol.RecordStream{}
	for _, b := range batches {
		s.Records = append(s.Records, b.reader())
	}
	return s
}

func seq(first, last int64) (out []int64) {
	for o := first; o <= last; o++ {
		out = append(out, o)
	}
	return out
}

func offsetsOf(recs []stream.Record) string {
	var out []int64
	for _, r := range recs {
		out = append(out, r.Offset)
	}
	return fmt.Sprint(out)
}

func TestReadBatches(t *testing.T) {
	aborted := func(pairs ...int64) (out []fetch.ResponseTransaction) {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, fetch.ResponseTransaction{ProducerID: pairs[i], FirstOffset: pairs[i+1]})
		}
		return out
	}
	for _, c := range []struct {
		name    string
		from    int64
		batches []storedBatch
		aborted []fetch.ResponseTransaction
		want    string
		next    int64
	}{
		{"an empty answer says nothing", 7, nil, nil, "[]", 7},
		{"a whole batch", 0, []storedBatch{{0, 2, -1, 'r', seq(0, 2)}}, nil, "[0 1 2]", 3},
		{"a batch that began before the offset is cut", 2, []storedBatch{{0, 3, -1, 'r', seq(0, 3)}}, nil, "[2 3]", 4},
		{"a compacted record in the middle is covered", 0, []storedBatch{{0, 3, -1, 'r', []int64{0, 3}}}, nil, "[0 3]", 4},
		{"compacted batches between two are covered", 0, []storedBatch{{0, 0, -1, 'r', seq(0, 0)}, {50, 50, -1, 'r', seq(50, 50)}}, nil, "[0 50]", 51},
		{"an empty batch ahead moves to its beginning", 0, []storedBatch{{30, 39, -1, 'r', nil}}, nil, "[]", 30},
		{"an empty batch and then one with records", 0, []storedBatch{{30, 39, -1, 'r', nil}, {40, 40, -1, 'r', seq(40, 40)}}, nil, "[40]", 41},
		{"a marker is covered", 0, []storedBatch{{0, 0, 9, 't', seq(0, 0)}, {1, 1, 9, 'c', seq(1, 1)}}, nil, "[0]", 2},
		{"an aborted transaction is dropped up to its marker", 0, []storedBatch{
			{0, 1, 9, 't', seq(0, 1)}, {2, 2, 9, 'a', seq(2, 2)}, {3, 4, 9, 't', seq(3, 4)}, {5, 5, 9, 'c', seq(5, 5)},
		}, aborted(9, 0), "[3 4]", 6},
		{"transactions of two producers interleave", 0, []storedBatch{
			{0, 0, 1, 't', seq(0, 0)}, {1, 1, 2, 't', seq(1, 1)}, {2, 2, -1, 'r', seq(2, 2)}, {3, 3, 1, 't', seq(3, 3)}, {4, 4, 1, 'a', seq(4, 4)}, {5, 5, 2, 't', seq(5, 5)}, {6, 6, 2, 'c', seq(6, 6)},
		}, aborted(1, 0), "[1 2 5]", 7},
		{"a transaction that began before the offset is dropped", 10, []storedBatch{{10, 11, 1, 't', seq(10, 11)}, {12, 12, 1, 'a', seq(12, 12)}}, aborted(1, 3), "[]", 13},
		{"a producer aborts twice, and the list is not in order", 0, []storedBatch{
			{0, 0, 1, 't', seq(0, 0)}, {1, 1, 1, 'a', seq(1, 1)}, {2, 2, 1, 't', seq(2, 2)}, {3, 3, 1, 'c', seq(3, 3)}, {4, 4, 1, 't', seq(4, 4)}, {5, 5, 1, 'a', seq(5, 5)},
		}, aborted(1, 4, 1, 0), "[2]", 6},
		{"plain records of an aborting producer's neighbours stay", 0, []storedBatch{{0, 0, -1, 'r', seq(0, 0)}, {1, 1, 1, 't', seq(1, 1)}}, aborted(1, 1), "[0]", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := readBatches(setOf(c.batches...), c.aborted, c.from)
			if err != nil {
				t.Fatal(err)
			}
			if offsetsOf(got.records) != c.want || got.next != c.next || got.any != (len(c.batches) > 0) {
				t.Errorf("got %s next %d any %v, want %s next %d", offsetsOf(got.records), got.next, got.any, c.want, c.next)
			}
		})
	}
}

func TestANilValueStaysATombstoneAndAnEmptyOneDoesNot(t *testing.T) {
	recs := protocol.NewRecordReader(protocol.Record{Offset: 0, Key: protocol.NewBytes([]byte("k"))}, protocol.Record{Offset: 1, Value: protocol.NewBytes([]byte{})})
	got, err := readBatches(&protocol.RecordBatch{Records: recs}, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got.records[0].Value != nil || string(got.records[0].Key) != "k" {
		t.Errorf("tombstone: %+v", got.records[0])
	}
	if got.records[1].Value == nil {
		t.Error("an empty value became a tombstone")
	}
}

// madeUpLog builds a log of transactions and compaction from a seed, with what a reader of committed records must see.
func madeUpLog(r *rand.Rand) (log []storedBatch, aborted []fetch.ResponseTransaction, want []int64) {
	type txn struct {
		first int64
		abort bool
	}
	open := map[int64]*txn{}
	next := int64(0)
	for range 5 + r.IntN(30) {
		next += int64(r.IntN(3)) // a whole batch was compacted away
		producer := int64(r.IntN(3))
		if tx := open[producer]; tx != nil && r.IntN(2) == 0 {
			kind := byte('c')
			if tx.abort {
				kind = 'a'
				aborted = append(aborted, fetch.ResponseTransaction{ProducerID: producer, FirstOffset: tx.first})
			}
			delete(open, producer)
			log = append(log, storedBatch{next, next, producer, kind, seq(next, next)})
			next++
			continue
		}
		b := storedBatch{base: next, last: next + int64(r.IntN(6)), producer: producer, kind: 'r'}
		visible := true
		if r.IntN(3) > 0 {
			b.kind = 't'
			if open[producer] == nil {
				open[producer] = &txn{first: next, abort: r.IntN(2) == 0}
			}
			visible = !open[producer].abort
		}
		for o := b.base; o <= b.last; o++ {
			if r.IntN(4) > 0 {
				b.offsets = append(b.offsets, o)
				if visible {
					want = append(want, o)
				}
			}
		}
		log, next = append(log, b), b.last+1
	}
	for producer, tx := range open { // settle what is open, so that every record has a fate
		kind := byte('c')
		if tx.abort {
			kind = 'a'
			aborted = append(aborted, fetch.ResponseTransaction{ProducerID: producer, FirstOffset: tx.first})
		}
		log = append(log, storedBatch{next, next, producer, kind, seq(next, next)})
		next++
	}
	return log, aborted, want
}

// scriptedBroker answers fetches from a made-up log, up to limit batches at a time, beginning with the batch that holds the offset, as brokers do.
type scriptedBroker struct {
	log     []storedBatch
	aborted []fetch.ResponseTransaction
	limit   int
	fetches int
}

func (s *scriptedBroker) end() int64 { return s.log[len(s.log)-1].last + 1 }

func (s *scriptedBroker) RoundTrip(_ context.Context, _ net.Addr, req kafka.Request) (kafka.Response, error) {
	s.fetches++
	from := req.(*fetch.Request).Topics[0].Partitions[0].FetchOffset
	var batches []storedBatch
	for _, b := range s.log {
		if b.last >= from && len(batches) < s.limit {
			batches = append(batches, b)
		}
	}
	part := fetch.ResponsePartition{HighWatermark: s.end(), LastStableOffset: s.end()}
	if len(batches) > 0 {
		part.RecordSet = protocol.RecordSet{Version: 2, Records: setOf(batches...)}
		part.AbortedTransactions = s.abortedIn(from, batches[len(batches)-1].last)
	}
	return &fetch.Response{Topics: []fetch.ResponseTopic{{Topic: "refs", Partitions: []fetch.ResponsePartition{part}}}}, nil
}

// abortedIn lists the aborted transactions that overlap [from, last], as the broker's index does.
func (s *scriptedBroker) abortedIn(from, last int64) (out []fetch.ResponseTransaction) {
	for _, tx := range s.aborted {
		for _, b := range s.log {
			if b.kind == 'a' && b.producer == tx.ProducerID && b.base > tx.FirstOffset {
				if b.base >= from && tx.FirstOffset <= last {
					out = append(out, tx)
				}
				break
			}
		}
	}
	return out
}

type sink struct {
	stream.Assignments
	got  []int64
	next int64
	ends int64 // where the log ends, as the source said last
	stop func(next int64)
}

func (s *sink) Records(_ context.Context, _ stream.Partition, recs []stream.Record, next int64) error {
	for _, r := range recs {
		s.got = append(s.got, r.Offset)
	}
	s.next = next
	s.stop(next)
	return nil
}

func (s *sink) Ends(_ stream.Partition, end int64) { s.ends = end }

// readAll runs a fetch loop over the log until it has covered all of it.
func readAll(t *testing.T, b *scriptedBroker, from int64) *sink {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	s := &sink{next: from}
	s.stop = func(next int64) {
		if next >= b.end() {
			cancel()
		}
	}
	cfg := NewDefaultConfig()
	f := &fetcher{b: &broker{cfg: &cfg, client: &kafka.Client{Transport: b}, log: slog.New(slog.DiscardHandler)}, a: s, part: stream.Partition{Topic: "refs"}, next: from, isolation: kafka.ReadCommitted}
	if err := f.loop(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

func checkLog(t *testing.T, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	log, aborted, want := madeUpLog(r)
	b := &scriptedBroker{log: log, aborted: aborted, limit: 1 + r.IntN(3)}
	from := int64(0)
	if r.IntN(2) == 0 {
		from = r.Int64N(b.end())
		for len(want) > 0 && want[0] < from {
			want = want[1:]
		}
	}
	s := readAll(t, b, from)
	if fmt.Sprint(s.got) != fmt.Sprint(want) || s.next != b.end() || s.ends != b.end() {
		t.Errorf("seed %d from %d: got %v next %d, want %v next %d\nlog %v\naborted %v", seed, from, s.got, s.next, want, b.end(), log, aborted)
	}
}

func TestEveryCommittedRecordOfAnyLogIsDeliveredOnceAndEveryOffsetIsCovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(2000) {
			checkLog(t, seed)
		}
	})
}

func FuzzFetchLoop(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) { checkLog(t, seed) })
	})
}

func TestTheEndOfABatchWhoseTailIsCompactedIsFoundInFewFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &scriptedBroker{limit: 1, log: []storedBatch{{0, 9_999, -1, 'r', []int64{0, 1}}, {10_000, 10_000, -1, 'r', seq(10_000, 10_000)}}}
		s := readAll(t, b, 0)
		if fmt.Sprint(s.got) != "[0 1 10000]" || s.next != 10_001 {
			t.Errorf("got %v next %d", s.got, s.next)
		}
		if b.fetches > 40 {
			t.Errorf("%d fetches", b.fetches)
		}
	})
}
