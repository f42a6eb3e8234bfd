package kafkasource

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"vecmill/internal/retry"
	"vecmill/stream"
)

// fetcher reads one partition. A request of its own per partition: a full pipeline pauses one partition without the others.
type fetcher struct {
	b    *broker
	a    receiver
	part stream.Partition
	next int64       // the offset to read next
	late int         // tries in a row that found next beyond the end of the log
	full atomic.Bool // Records has not returned
	told bool        // that it works

	isolation kafka.IsolationLevel
}

// receiver is the part of stream.Assignments that takes records.
type receiver interface {
	Records(ctx context.Context, p stream.Partition, recs []stream.Record, next int64) error
	Removed(p stream.Partition, next int64)
	Ends(p stream.Partition, end int64)
}

// lateTries is how often an offset beyond the end of the log is taken for a replica that lags behind before it is an error.
const lateTries = 8

// loop fetches and delivers until ctx ends or what failed needs a person.
func (f *fetcher) loop(ctx context.Context) error {
	for tries := 0; ctx.Err() == nil; {
		err := f.step(ctx)
		if err == nil {
			tries = 0
			continue
		}
		var deliver *deliverError
		if errors.As(err, &deliver) {
			return deliver.err
		}
		if fault := groupFault(err); fault != nil {
			return fault
		}
		if ctx.Err() != nil {
			return nil
		}
		if tries++; bits.OnesCount(uint(tries)) == 1 { // the 1st, 2nd, 4th, 8th, ... in a row
			f.b.log.Warn("fetching failed; trying again", "partition", f.part.String(), "offset", f.next, "tries", tries, "err", err)
		}
		f.told = false
		f.b.failed(f.part, tries, err)
		retry.Sleep(ctx, f.b.cfg.Retry.Wait(tries))
	}
	return nil
}

// deliverError is an error of the receiver, which ends the source.
type deliverError struct{ err error }

func (e *deliverError) Error() string { return e.err.Error() }

// step does one fetch and hands over what it brought.
func (f *fetcher) step(ctx context.Context) error {
	res, err := f.fetch(ctx, f.next, f.b.cfg.FetchMaxWait, f.b.cfg.FetchMinBytes)
	if err != nil {
		return err
	}
	if code := kafka.Error(res.ErrorCode); code != 0 {
		if code == kafka.OffsetOutOfRange {
			return f.outOfRange(ctx)
		}
		return code
	}
	f.late = 0
	f.a.Ends(f.part, res.HighWatermark)
	got, err := readBatches(res.RecordSet.Records, res.AbortedTransactions, f.next)
	if err != nil {
		return err
	}
	if got.next == f.next && got.any {
		// A batch came and held nothing from here on: its tail is compacted away. The library does not tell where the batch ends.
		if got.next, err = f.batchEnd(ctx, res); err != nil {
			return err
		}
	}
	if !f.told { // before Records, which may wait for as long as the pipeline is full; and of the first fetch, too, since it may have failed in the assignment before
		f.told = true
		f.b.works(f.part)
	}
	return f.deliver(ctx, got.records, got.next)
}

func (f *fetcher) deliver(ctx context.Context, records []stream.Record, next int64) error {
	if next == f.next && len(records) == 0 {
		return nil
	}
	f.full.Store(true)
	err := f.a.Records(ctx, f.part, records, next)
	f.full.Store(false)
	if err != nil {
		return &deliverError{err}
	}
	f.next = next
	return nil
}

// fetch asks the partition's leader for records from offset on.
func (f *fetcher) fetch(ctx context.Context, offset int64, wait time.Duration, minBytes int32) (*fetch.ResponsePartition, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+fetchMargin)
	defer cancel()
	msg, err := f.b.client.Transport.RoundTrip(ctx, f.b.client.Addr, &fetch.Request{
		ReplicaID: -1, MaxWaitTime: int32(wait / time.Millisecond), MinBytes: minBytes, MaxBytes: f.b.cfg.FetchMaxBytes,
		IsolationLevel: int8(f.isolation), SessionID: 0, SessionEpoch: -1,
		Topics: []fetch.RequestTopic{{Topic: f.part.Topic, Partitions: []fetch.RequestPartition{{
			Partition: int32(f.part.ID), CurrentLeaderEpoch: -1, FetchOffset: offset, LogStartOffset: -1,
			PartitionMaxBytes: f.b.cfg.FetchMaxBytes,
		}}}},
	})
	if err != nil {
		return nil, err
	}
	res, ok := msg.(*fetch.Response)
	switch {
	case !ok:
		return nil, fmt.Errorf("the answer to a fetch is a %T", msg)
	case res.ErrorCode != 0:
		return nil, kafka.Error(res.ErrorCode)
	case len(res.Topics) != 1 || len(res.Topics[0].Partitions) != 1:
		return nil, errors.New("the answer to a fetch is not about one partition")
	}
	return &res.Topics[0].Partitions[0], nil
}

// fetchMargin is what an answer may take beyond the wait that was asked for: a batch of FetchMaxBytes over a slow line.
const fetchMargin = 30 * time.Second

// outOfRange answers a log that no longer has the offset: it goes on at the log's beginning if that has moved past us, and nowhere else.
func (f *fetcher) outOfRange(ctx context.Context) error {
	all, err := f.b.bounds(ctx, map[stream.Partition]int64{f.part: -1})
	if err != nil {
		return err
	}
	switch at := all[f.part]; {
	case f.next < at.First:
		f.b.log.Warn("the log's retention removed records before they were read; they are lost",
			"partition", f.part.String(), "first", f.next, "next", at.First)
		f.a.Removed(f.part, at.First)
		f.next = at.First
		return nil
	case f.next > at.End:
		if f.late++; f.late >= lateTries {
			return &deliverError{fmt.Errorf("offset %d is beyond the end of the log (%d): the log was truncated, or the topic was deleted and made again", f.next, at.End)}
		}
	}
	return kafka.OffsetOutOfRange
}

// batchEnd finds where the batch that holds f.next ends: the smallest offset at which a fetch no longer begins with that batch.
func (f *fetcher) batchEnd(ctx context.Context, res *fetch.ResponsePartition) (int64, error) {
	end := res.LastStableOffset
	if f.isolation == kafka.ReadUncommitted {
		end = res.HighWatermark // what comes behind an open transaction is read too
	}
	inside, outside := f.next, max(end, f.next+1)
	probe := func(offset int64) error {
		res, err := f.fetch(ctx, offset, 0, 0)
		if err != nil {
			return err
		}
		if res.ErrorCode != 0 {
			return kafka.Error(res.ErrorCode)
		}
		if first, ok := firstBase(res.RecordSet.Records); ok && first <= f.next {
			inside = offset
		} else {
			outside = offset
		}
		return nil
	}
	for step := int64(1); inside+step < outside; step *= 2 { // gallop, since a batch is short and a log is long
		before := outside
		if err := probe(inside + step); err != nil {
			return 0, err
		}
		if outside != before {
			break
		}
	}
	for inside+1 < outside {
		if err := probe(inside + (outside-inside)/2); err != nil {
			return 0, err
		}
	}
	return outside, nil
}
