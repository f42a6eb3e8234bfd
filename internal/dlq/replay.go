package dlq

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sort"
	"strings"
	"time"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
)

// Log is the topics that records go back to. Append tries once: after an error that is not permanent its records may be there or not. Settled are ends behind which nothing lies that was there when it was called; it waits for what
// brokers do not show yet.
type Log interface {
	Partitions(ctx context.Context, topic string) ([]stream.Partition, error)
	Settled(ctx context.Context, parts []stream.Partition, waiting func(context.Context) error) (map[stream.Partition]stream.Bounds, error)
	Scan(ctx context.Context, p stream.Partition, from, to int64, each func(stream.Record) error) error
	Append(ctx context.Context, p stream.Partition, recs []stream.Record) error
}

// ReplayOptions say what is replayed, and where to.
type ReplayOptions struct {
	Filter    Filter
	To        string // another topic; "" means the one that the record was read from
	DryRun    bool   // say what would be done, and do nothing
	Again     bool   // also letters that were replayed before
	BatchSize int    // bytes of one append at most, one record aside; 0 means 256 KiB
	Permanent func(error) bool
	Retry     retry.Policy // of appends with unclear answers

	// Settled gives the offsets of a source in a span that have rows in its outputs, and are dead in none: their letters are of tries that were cut off. nil asks no output.
	Settled func(ctx context.Context, src schemas.SourceID, in schemas.Span) ([]schemas.Span, error)
}

// Outcome is what became of one letter.
type Outcome struct {
	Letter string `json:"letter"`
	To     string `json:"to,omitempty"`  // topic/partition
	What   string `json:"outcome"`       // replayed, would-replay, skipped, failed
	Why    string `json:"why,omitempty"` // of skipped and failed
}

// The outcomes.
const (
	Replayed    = "replayed"
	WouldReplay = "would-replay"
	Skipped     = "skipped" // it was replayed before, or its record has rows
	Failed      = "failed"
)

// Summary counts outcomes.
type Summary struct {
	Replayed int64 `json:"replayed"`
	Would    int64 `json:"would_replay"`
	Skipped  int64 `json:"skipped"`
	Failed   int64 `json:"failed"`
}

// ManifestTopic begins the topic of a letter whose record was a line of a manifest.
const ManifestTopic = "manifest:"

// Replay puts the records of letters back. tell is called for every letter with what became of it. An error ends it; what was done until then is kept, and
// the next Replay goes on behind it.
func Replay(ctx context.Context, from sinks.LetterReader, log Log, o ReplayOptions, tell func(Outcome)) (Summary, error) {
	if o.BatchSize == 0 {
		o.BatchSize = 256 << 10
	}
	marks, err := from.Replayed(ctx)
	if err != nil {
		return Summary{}, err
	}
	r := &replay{o: o, from: from, log: log, marks: marks, tell: tell, topics: map[string]*topic{}, lanes: map[stream.Partition]*lane{}, within: map[schemas.SourceID]schemas.Span{}}
	if err := r.survey(ctx); err != nil {
		return r.sum, err
	}
	seen := map[schemas.Origin]bool{}
	err = from.Letters(ctx, func(l sinks.StoredLetter) error {
		if !o.Filter.takes(&l) || seen[l.Origin()] {
			return nil
		}
		seen[l.Origin()] = true
		return r.one(ctx, &l)
	})
	for _, ln := range r.lanes {
		if err == nil {
			err = r.flush(ctx, ln)
		}
	}
	return r.sum, err
}

// replay is one run.
type replay struct {
	o      ReplayOptions
	from   sinks.LetterReader
	log    Log
	marks  map[schemas.Origin]bool
	tell   func(Outcome)
	topics map[string]*topic
	lanes  map[stream.Partition]*lane
	within map[schemas.SourceID]schemas.Span   // where the letters of each source lie, when they were surveyed
	rows   map[schemas.SourceID][]schemas.Span // offsets there that have rows
	sum    Summary
}

// topic is a topic that records go to.
type topic struct {
	parts []stream.Partition
	err   error // it cannot be written to
}

// lane is a partition that records go to.
type lane struct {
	part    stream.Partition
	from    int64                   // a replay of a letter that has no mark lies here or behind
	present map[schemas.Origin]bool // letters that records of the log name
	known   bool                    // the log was read, up to scanned
	scanned int64
	waiting []pending
	size    int
}

type pending struct {
	of  schemas.Origin
	rec stream.Record
}

// survey finds out where records go and reads what is there already (R1), and has the outputs say which of them have rows (R4). Without a log records go nowhere.
func (r *replay) survey(ctx context.Context) error {
	err := r.from.Letters(ctx, func(l sinks.StoredLetter) error {
		if !r.o.Filter.takes(&l) || r.marks[l.Origin()] && !r.o.Again {
			return nil
		}
		within, more := r.within[l.Source]
		if within.Next = max(within.Next, l.Offset+1); !more || l.Offset < within.First {
			within.First = l.Offset
		}
		if r.within[l.Source] = within; r.log == nil {
			return nil
		}
		ln, err := r.lane(ctx, &l)
		if err == nil && ln != nil {
			ln.from = min(ln.from, r.earliest(&l))
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, ln := range r.lanes {
		if err := r.scan(ctx, ln); err != nil {
			return err
		}
	}
	if r.o.Settled == nil {
		return nil
	}
	r.rows = map[schemas.SourceID][]schemas.Span{}
	for src, within := range r.within {
		if r.rows[src], err = r.o.Settled(ctx, src, within); err != nil {
			return fmt.Errorf("asking the outputs of %s: %w", src, err)
		}
	}
	return nil
}

// verdict says why a letter is not replayed, whatever the log says; "" if it is.
func (r *replay) verdict(l *sinks.StoredLetter) (what, why string) {
	switch {
	case r.marks[l.Origin()] && !r.o.Again:
		return Skipped, "it was replayed before"
	case l.Key == nil && l.Value == nil:
		return Failed, "its record was not in the log any more: publish the reference again"
	case l.Reason != schemas.ReasonSinkReject && in(r.rows[l.Source], l.Offset): // what one output refused, others may have
		return Skipped, "its record has rows: the try that wrote the letter was cut off, and the next one succeeded"
	}
	return "", ""
}

// in says whether an offset is in one of some ascending spans.
func in(spans []schemas.Span, offset int64) bool {
	i := sort.Search(len(spans), func(i int) bool { return spans[i].Next > offset })
	return i < len(spans) && spans[i].First <= offset
}

// earliest is the first offset at which a replay of a letter may lie: behind it in its own topic, anywhere in another.
func (r *replay) earliest(l *sinks.StoredLetter) int64 {
	switch {
	case r.o.Again:
		return math.MaxInt64 // what was replayed before does not matter
	case r.o.To == "" || r.o.To == l.Source.Topic:
		return l.Offset + 1
	}
	return 0
}

// lane gives the place that a letter's record goes to: its own partition, or the one of that number, counted round, in another topic. It is nil if there is none.
func (r *replay) lane(ctx context.Context, l *sinks.StoredLetter) (*lane, error) {
	name := l.Source.Topic
	if r.o.To != "" {
		name = r.o.To
	} else if strings.HasPrefix(name, ManifestTopic) {
		return nil, nil
	}
	t := r.topics[name]
	if t == nil {
		t = &topic{}
		if t.parts, t.err = r.log.Partitions(ctx, name); ctx.Err() != nil {
			return nil, ctx.Err()
		}
		r.topics[name] = t
	}
	if t.err != nil || len(t.parts) == 0 {
		return nil, nil
	}
	part := t.parts[l.Source.Partition%len(t.parts)]
	ln := r.lanes[part]
	if ln == nil {
		ln = &lane{part: part, from: math.MaxInt64, present: map[schemas.Origin]bool{}}
		r.lanes[part] = ln
	}
	return ln, nil
}

// scan reads what is new in a lane's log.
func (r *replay) scan(ctx context.Context, ln *lane) error {
	all, err := r.log.Settled(ctx, []stream.Partition{ln.part}, nil)
	if err != nil {
		return err
	}
	b := all[ln.part]
	from := max(ln.from, b.First)
	if ln.known {
		from = max(ln.scanned, b.First)
	}
	if from < b.End {
		if err := r.log.Scan(ctx, ln.part, from, b.End, func(rec stream.Record) error {
			if o, ok := replayOf(rec.Headers); ok {
				ln.present[o] = true
			}
			return nil
		}); err != nil {
			return err
		}
	}
	ln.known, ln.scanned = true, max(ln.scanned, b.End)
	return nil
}

// replayOf reads the header of a replayed record.
func replayOf(headers []sinks.Header) (schemas.Origin, bool) {
	for _, h := range headers {
		if h.Key == schemas.ReplayHeader {
			o, err := schemas.ParseOrigin(string(h.Value))
			return o, err == nil
		}
	}
	return schemas.Origin{}, false
}

// one deals with one letter.
func (r *replay) one(ctx context.Context, l *sinks.StoredLetter) error {
	of := l.Origin()
	if what, why := r.verdict(l); what != "" {
		r.report(of, nil, what, why)
		return nil
	}
	ln, err := r.lane(ctx, l)
	switch {
	case err != nil:
		return err
	case ln == nil:
		r.report(of, nil, Failed, r.nowhere(l))
		return nil
	}
	if !ln.known { // the letter came after the survey, and is the first of its partition
		ln.from = r.earliest(l)
		if err := r.scan(ctx, ln); err != nil {
			return err
		}
	}
	switch {
	case ln.present[of] && !r.o.Again:
		r.report(of, ln, Skipped, "its record is in the topic already: a replay before this one was interrupted")
		if r.o.DryRun {
			return nil
		}
		return r.from.MarkReplayed(ctx, []schemas.Origin{of})
	case r.o.DryRun:
		r.report(of, ln, WouldReplay, "")
		return nil
	}
	p := pending{of, record(l)}
	n := recordSize(&p.rec)
	if ln.size > 0 && ln.size+n > r.o.BatchSize {
		if err := r.flush(ctx, ln); err != nil {
			return err
		}
	}
	ln.waiting, ln.size = append(ln.waiting, p), ln.size+n
	return nil
}

// nowhere says why a letter has no place to go to.
func (r *replay) nowhere(l *sinks.StoredLetter) string {
	name := l.Source.Topic
	if r.o.To != "" {
		name = r.o.To
	} else if strings.HasPrefix(name, ManifestTopic) {
		return "its record was a line of a manifest: write a new one with --manifest FILE, or name a topic with --to"
	}
	if t := r.topics[name]; t != nil && t.err != nil {
		return t.err.Error()
	}
	return "topic " + name + " has no partitions"
}

// record is what is appended for a letter: the record as it arrived, with the names of its letter and of its first letter in place of older ones.
func record(l *sinks.StoredLetter) stream.Record {
	out := stream.Record{Key: l.Key, Value: l.Value}
	first := l.Origin().String()
	for _, h := range l.Headers {
		switch h.Key {
		case schemas.ReplayHeader:
		case schemas.FirstOriginHeader:
			first = string(h.Value)
		default:
			out.Headers = append(out.Headers, h)
		}
	}
	out.Headers = append(out.Headers, sinks.Header{Key: schemas.ReplayHeader, Value: []byte(l.Origin().String())}, sinks.Header{Key: schemas.FirstOriginHeader, Value: []byte(first)})
	return out
}

func recordSize(r *stream.Record) int {
	n := 32 + len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += 8 + len(h.Key) + len(h.Value)
	}
	return n
}

// flush appends what waits in a lane, and marks it. A batch that the broker refuses is appended record by record, so that one does not take the others with it.
func (r *replay) flush(ctx context.Context, ln *lane) error {
	batch := ln.waiting
	ln.waiting, ln.size = nil, 0
	if len(batch) == 0 {
		return nil
	}
	refused, err := r.append(ctx, ln, batch)
	switch {
	case err == nil:
		return r.landed(ctx, ln, batch)
	case !refused:
		return err
	case len(batch) == 1:
		r.report(batch[0].of, ln, Failed, err.Error())
		return nil
	}
	for _, p := range batch {
		ln.waiting = []pending{p}
		if err := r.flush(ctx, ln); err != nil {
			return err
		}
	}
	return nil
}

func (r *replay) permanent(err error) bool { return r.o.Permanent != nil && r.o.Permanent(err) }

// landing is how long an append that was given up may take until it is in the log, if it ever is.
const landing = 5 * time.Second

// append brings all of a batch into the log, or fails. What an unclear answer left there is found by reading, once nothing of it can land any more (R2). refused says that the broker does not take the records, which a look that fails never does, whatever its error.
func (r *replay) append(ctx context.Context, ln *lane, batch []pending) (refused bool, err error) {
	unclear, landed := false, time.Time{}
	_, err = retry.Do(ctx, r.o.Retry, r.permanent, func(ctx context.Context) error {
		if unclear {
			if !retry.Sleep(ctx, time.Until(landed)) {
				return ctx.Err()
			}
			if err := r.scan(ctx, ln); err != nil {
				return err
			}
		}
		var recs []stream.Record
		for _, p := range batch {
			if !ln.present[p.of] {
				recs = append(recs, p.rec)
			}
		}
		if len(recs) == 0 {
			return nil
		}
		err := r.log.Append(ctx, ln.part, recs)
		unclear, landed = err != nil, time.Now().Add(landing)
		refused = err != nil && r.permanent(err)
		return err
	})
	return refused, err
}

// landed marks a batch that is in the log (R3).
func (r *replay) landed(ctx context.Context, ln *lane, batch []pending) error {
	var of []schemas.Origin
	for _, p := range batch {
		of = append(of, p.of)
		r.report(p.of, ln, Replayed, "")
	}
	if err := r.from.MarkReplayed(ctx, of); err != nil {
		return fmt.Errorf("%w; the records are in the topic, and the next replay finds them there", err)
	}
	return nil
}

func (r *replay) report(of schemas.Origin, ln *lane, what, why string) {
	switch what {
	case Replayed:
		r.sum.Replayed++
	case WouldReplay:
		r.sum.Would++
	case Skipped:
		r.sum.Skipped++
	default:
		r.sum.Failed++
	}
	if r.tell == nil {
		return
	}
	o := Outcome{Letter: of.String(), What: what, Why: why}
	if ln != nil {
		o.To = ln.part.String()
	}
	r.tell(o)
}

// ErrFailed says that some letters could not be replayed.
var ErrFailed = errors.New("some letters could not be replayed")
