package stream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"vecmill/embed"
	"vecmill/internal/budget"
	"vecmill/schemas"
	"vecmill/sinks"
)

// deadLetterWriters is how many letters are written at once: enough to hide a store's latency, few enough to spare it.
const deadLetterWriters = 4

func (p *Pipeline) fetchLoop(ctx context.Context, q *queue) {
	for {
		select {
		case it := <-q.fetches:
			p.process(it)
			<-q.busy
		case <-ctx.Done():
			return
		}
	}
}

// process fetches one reference's object and hands it to the engine. Its span has begun with the record: what is before the fetch in it is the wait for a fetcher. Its contexts are the assignment's: when that is over, so is the work.
func (p *Pipeline) process(it *item) {
	ctx, span := p.recordSpan(it.flight, it.began, attribute.String("ref", it.ref.ShownID()))
	it.span = span
	began := time.Now()
	p.stats.begun(began.Sub(it.began))
	blob, err := p.fetch(ctx, it)
	took := time.Since(began)
	if span.IsRecording() {
		p.span(span.SpanContext(), "vecmill.fetch", began, began.Add(took))
	}
	it.place.Leave()
	p.stats.fetched(took, blob)
	if err == nil {
		err = p.fit(it, blob)
	}
	if err != nil {
		p.finish(it, nil, err)
		return
	}
	if p.cfg.Witness != nil {
		p.cfg.Witness.Fetched(Position{it.part, it.rec.Offset}, &it.ref, blob)
	}
	sum := sha256.Sum256(blob.Data)
	content := hex.EncodeToString(sum[:])
	data, origin := blob.Data, *blob
	blob.Data, origin.Data, it.ref.Inline = nil, nil, nil // the engine alone holds the bytes from here on
	err = p.engine.Submit(ctx, embed.Job{
		Ref: it.ref, Blob: data, Content: content, Trace: span.SpanContext(), Priority: p.priority(it.part.Topic),
		Wanted: func() bool { return it.epoch.ctx.Err() == nil },
		Held:   func(n, took int64) { p.giveBack(it, n, took) },
		Done: func(rows []schemas.Row, err error) {
			for i := range rows {
				p.complete(&rows[i], it, &origin, content, took)
			}
			if err == nil {
				err = p.check(rows)
			}
			p.finish(it, rows, err)
		},
	})
	if err != nil {
		p.finish(it, nil, err)
	}
}

// fetch gets the object, reserving memory for its whole way before its body is read (I4).
// A panic of the fetcher is one record's permanent failure, as one of a decoder is.
func (p *Pipeline) fetch(ctx context.Context, it *item) (b *Blob, err error) {
	defer func() {
		if v := recover(); v != nil {
			b, err = nil, schemas.Rejectf(schemas.ReasonPanic, "fetching %s: panic: %v", schemas.ShownURI(it.ref.URI), v)
		}
	}()
	return p.fetcher.Fetch(ctx, it.ref, func(ctx context.Context, head []byte, size int64) error {
		need, err := p.need(it.ref, head, size)
		if err != nil {
			return err
		}
		need = min(need, p.budget.Total()) // an upper bound, of an object that is not known yet; fit is exact
		began := time.Now()
		need, err = it.room(ctx, need, p.budget.Total(), len(head) > 0)
		var lease *budget.Lease
		if err == nil {
			lease, err = it.place.Reserve(ctx, need)
		}
		p.stats.reserveWait.Add(int64(time.Since(began)))
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return schemas.Reject(schemas.ReasonTooLarge, err)
		}
		it.holds(lease)
		return nil
	})
}

// need bounds the memory of an object before its body is there. One that has to be tried again, of which nothing is known, is taken for the largest
// there may be: the engine's bound for any object is often the whole budget, and would stop all the others until its host answers.
func (p *Pipeline) need(ref schemas.Ref, head []byte, size int64) (int64, error) {
	if len(head) == 0 && size < 0 && p.cfg.MaxObject > 0 {
		if n, err := p.engine.Footprint(ref, nil, p.cfg.MaxObject); err == nil {
			return n, nil
		}
	}
	return p.engine.Footprint(ref, head, size)
}

// fit brings the lease down to what the object turned out to need. A lease that was taken before anything was known of the
// object, or of its first bytes alone, may be too small for it, and leases never grow: then it is refused.
func (p *Pipeline) fit(it *item, b *Blob) error {
	need, err := p.engine.Footprint(it.ref, b.Data, int64(len(b.Data)))
	if err != nil {
		return err
	}
	if held := it.lease.Held(); need > held {
		return schemas.Rejectf(schemas.ReasonTooLarge, "needs %d bytes of memory, %d were reserved", need, held)
	}
	it.lease.Shrink(need)
	return nil
}

// complete adds the lineage that stream knows.
func (p *Pipeline) complete(r *schemas.Row, it *item, from *Blob, hash string, fetch time.Duration) {
	l := &r.Lineage
	l.RefID, l.URI, l.Attributes = it.ref.ID, it.ref.Place(), noted(it.ref.Attributes, l.Attributes)
	l.ETag, l.Version, l.ContentHash = from.ETag, from.Version, hash
	l.Topic, l.Partition, l.Offset = it.part.Topic, it.part.ID, it.rec.Offset
	l.Timings.Fetch = fetch
	l.RowID = schemas.RowID(l)
}

// finish ends a reference, and with the last of its record the record.
func (p *Pipeline) finish(it *item, rows []schemas.Row, err error) {
	_, rejected := schemas.Rejected(err)
	switch {
	case err == nil:
		p.giveBack(it, rowBytes(rows), embed.AllOfIt)
		it.rows = rows
	case rejected:
		failed(it.span, err)
		p.giveBack(it, 0, embed.AllOfIt)
	case it.epoch.ctx.Err() != nil:
		err = errOver
	default:
		failed(it.span, err)
		p.fail(fmt.Errorf("%s offset %d (%s): %w", it.part, it.rec.Offset, schemas.ShownURI(it.ref.URI), err))
	}
	it.span.End()
	if last, worst := it.ended(err); last {
		p.end(it.flight, worst)
	}
}

// end settles a record: with the rows of all its references, as a dead letter if one of them was rejected, not at all at the end of its assignment or where the
// system failed, so that nothing behind it is committed.
func (p *Pipeline) end(f *flight, worst error) {
	switch severity(worst) {
	case 0:
		rows := f.items[0].rows
		for _, it := range f.items[1:] {
			rows = append(rows, it.rows...)
		}
		f.shed()
		p.stats.computed.Add(1)
		p.stats.rows.Add(int64(len(rows)))
		p.judge(false, nil)
		if p.cfg.Witness != nil {
			p.cfg.Witness.Computed(Position{f.part, f.rec.Offset}, rows)
		}
		f.ticket.traces = f.traces()
		p.took(f)
		f.ticket.SettleRows(rows, f.deletes...)
	case 1:
		p.reject(f, worst)
	case 2:
		f.ticket.Drop()
	default:
		f.epoch.hold(f)
	}
}

// shed drops the record itself, which only a letter would still need: finished rows may wait long for their turn.
func (f *flight) shed() {
	f.rec.Key, f.rec.Value, f.rec.Headers = nil, nil, nil
	f.raw.Release()
}

// reject sends a record to the dead letters; without a store for them it stops the pipeline, since skipping silently is loss.
func (p *Pipeline) reject(f *flight, err error) {
	for _, it := range f.items {
		p.giveBack(it, 0, embed.AllOfIt)
		it.rows = nil
	}
	p.judge(true, err)
	if p.dead == nil {
		p.fail(fmt.Errorf("%s offset %d failed for good and no dead-letter store is configured: %w", f.part, f.rec.Offset, err))
		f.epoch.hold(f)
		return
	}
	p.letters <- deadLetter{f, err}
}

// judge feeds the breaker and stops the pipeline when it opens.
func (p *Pipeline) judge(failed bool, err error) {
	if p.breaker.record(failed) {
		p.fail(fmt.Errorf("%d of the last %d records failed, which looks like a fault of the system, not of the data; if it is the data's, as where objects were removed, breaker: {window: 0} of the pipeline makes each a dead letter; last: %w",
			p.breaker.cfg.MaxFailures, p.breaker.cfg.Window, err))
	}
}

func (p *Pipeline) letterLoop(ctx context.Context) {
	for {
		select {
		case d := <-p.letters:
			p.bury(d)
		case <-ctx.Done():
			return
		}
	}
}

// bury makes one dead letter durable, and only then settles its record (I1).
func (p *Pipeline) bury(d deadLetter) {
	f := d.f
	reason, _ := schemas.Rejected(d.err)
	cause, attempts := d.err, 1
	if r, ok := errors.AsType[*schemas.Rejection](d.err); ok {
		cause, attempts = r.Err, max(r.Attempts, 1)
	}
	letter := sinks.Letter{
		Source: schemas.SourceID{Pipeline: p.cfg.Name, Topic: f.part.Topic, Partition: f.part.ID}, Offset: f.rec.Offset,
		Reason: reason, Message: cause.Error(), Attempts: attempts,
		Key: f.rec.Key, Value: f.rec.Value, Headers: f.rec.Headers,
	}
	if len(f.deletes) > 0 {
		letter.Headers = deletedAt(&letter)
	}
	began, traces := time.Now(), f.traces()
	err := p.dead.Put(f.epoch.ctx, letter)
	switch {
	case err == nil:
		for _, t := range traces {
			p.span(t, "vecmill.letter", began, time.Now())
		}
		p.stats.buried(reason)
		if p.cfg.Witness != nil {
			p.cfg.Witness.Buried(&letter)
		}
		p.cfg.Log.Debug("dead letter", "partition", f.part.String(), "offset", f.rec.Offset, "reason", reason, "err", cause)
		f.ticket.traces = traces
		f.ticket.SettleDead(f.deletes...)
	case f.epoch.ctx.Err() != nil:
		f.ticket.Drop()
	default:
		p.fail(fmt.Errorf("writing the dead letter of %s offset %d: %w", f.part, f.rec.Offset, err))
		f.epoch.hold(f)
	}
}

// rowBytes is the memory of finished rows: what the lease shrinks to while they wait for their turn.
func rowBytes(rows []schemas.Row) int64 {
	var n int64
	for i := range rows {
		n += rows[i].Size()
	}
	return n
}

// noted adds what the preprocessor found out to a reference's own attributes, which many rows share.
func noted(own, notes map[string]string) map[string]string {
	if len(notes) == 0 {
		return own
	}
	all := maps.Clone(notes)
	maps.Copy(all, own)
	maps.Copy(all, notes)
	return all
}
