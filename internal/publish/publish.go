package publish

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"vecmill/internal/pace"
	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
)

// Header is the Kafka header that says which reference of which list a record is: name/run/number.
const Header = "vecmill.backfill"

// Log is a topic's. Append tries once: after an error that is not permanent its records may be there or not. Where they are, what Bounds says may still end before them: brokers show what all in-sync replicas have. Settled waits until
// that includes all that was there when it was called, and calls waiting meanwhile.
type Log interface {
	Partitions(ctx context.Context, topic string) ([]stream.Partition, error)
	Bounds(ctx context.Context, group string, parts []stream.Partition) (map[stream.Partition]stream.Bounds, error)
	Settled(ctx context.Context, parts []stream.Partition, waiting func(context.Context) error) (map[stream.Partition]stream.Bounds, error)
	Scan(ctx context.Context, p stream.Partition, from, to int64, each func(stream.Record) error) error
	Append(ctx context.Context, p stream.Partition, recs []stream.Record) error
}

// State is how far a list was published (P2).
type State struct {
	Run  string  `json:"run"`  // tells this publishing from others of lists of the same name
	Next int64   `json:"next"` // references before it are in the topic
	Ends []int64 `json:"ends"` // by partition

	// Begins are where the partitions ended before the first of them: what lies between is the list's, and perhaps others'. None in what builds before this one saved.
	Begins []int64 `json:"begins,omitempty"`

	By string `json:"by,omitempty"` // what references are divided among partitions by (P1): byContent; "" is their numbers

	Began time.Time `json:"began,omitzero"` // when the first of them could be written. Builds before this one did not say
}

// byContent brings objects with one content together.
const byContent = "content"

// reference is one that was read of the list.
type reference struct {
	rec  stream.Record
	lane int64
}

// bytesOf is what a topic counts of a record, but for a few bytes.
func bytesOf(rec *stream.Record) int {
	n := len(rec.Key) + len(rec.Value)
	for _, h := range rec.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

// Options say what is published, and where to.
type Options struct {
	Name  string // of the list
	Topic string
	Total int64
	From  func(ctx context.Context, n int64) (next func() ([]byte, error), err error)

	Load func(ctx context.Context) (*State, error) // nil: there is none
	Save func(ctx context.Context, s *State) error

	Claims Claims                                  // of all that publish the list to the topic
	By     string                                  // who this publisher is, for people
	Waits  func(by string, most time.Duration)     // hears of a publisher that did not say that it has ended, and of the time that is waited for it; may be nil
	Reads  func(p stream.Partition, at, end int64) // hears every few seconds, while it is read what the topic has already, how far that is; may be nil

	Groups    []string      // whose lag is looked at
	MaxLag    int64         // records that the slowest group may have before it
	ByContent bool          // a publishing that begins divides references by content, where that is told
	Poll      time.Duration // how often that is looked at
	Pace      pace.Pace     // at most Most references are in a round, but for those of P4
	Gate      *pace.Gate    // nothing is published while it is shut; nil is always open

	Permanent func(error) bool
	TooLarge  func(error) bool // says that nothing of an append was written, since the topic takes no request of so many bytes
	Retry     retry.Policy     // of appends with unclear answers
	Tell      func(Progress)   // may be nil
}

// Progress is how far a publishing has come.
type Progress struct {
	Published int64 `json:"published"` // references in the topic, of this run and those before it
	Total     int64 `json:"total"`
	Lag       int64 `json:"lag"` // of the slowest group

	Began time.Time `json:"began,omitzero"` // when the first run of it did
}

// mostBytes are of one round, and so of one append, of several references: brokers take a megabyte by default.
const mostBytes = 256 << 10

func (o *Options) waits(by string, most time.Duration) {
	if o.Waits != nil {
		o.Waits(by, most)
	}
}

// publishing is one run.
type publishing struct {
	o     Options
	log   Log
	terms terms
	claim *holding // nil: there is nothing to write
	open  bool     // a record or a state may be on its way
	state State
	lanes []*lane
	all   []stream.Partition // of the topic, for the lag
	found int64              // behind the last reference that an earlier run had brought into the topic and not saved (P4)
	left  *reference         // the next one, which did not fit into the round before

	landed time.Time // when what was given up of appends has landed, if it ever does
}

// lane is a partition that references go to.
type lane struct {
	part    stream.Partition
	scanned int64          // what lies behind the state's offset (P2) and before it was looked at
	present map[int64]bool // the references that were found there (P3)
	unclear bool           // the last append may have landed or not
	ends    int64          // where the partition ended at least
}

// errAnother says that a topic is not the one any more that was published to.
var errAnother = errors.New("deleted and made again")

// same refuses a log that ends before what was seen of it, or written to it.
func (ln *lane) same(end int64) error {
	if end < ln.ends {
		return fmt.Errorf("%s ends at offset %d, and ended at %d before: topic %s was %w", ln.part, end, ln.ends, ln.part.Topic, errAnother)
	}
	return nil
}

// Run publishes what is not published yet, and returns when all of it is in the topic, ctx ends, another publisher is at work or the log fails for good. It says how far it came, whatever ends it.
// A round that was begun when ctx ends is finished, if that takes no longer than a claim holds.
func Run(ctx context.Context, log Log, o Options) (Progress, error) { return run(ctx, log, o, usual) }

func run(ctx context.Context, log Log, o Options, t terms) (at Progress, err error) {
	p := &publishing{o: o, log: log, terms: t}
	at.Total = o.Total
	writing, end := outlasting(ctx, t.hold)
	defer end()
	err = p.begin(ctx, writing)
	defer func() {
		if p.claim != nil && !p.open {
			p.claim.over(writing)
		}
	}()
	if err != nil {
		return at, err
	}
	at.Began = p.state.Began
	defer func() { at.Published = p.state.Next }()
	values, err := o.From(ctx, p.state.Next)
	if err != nil {
		return at, err
	}
	for {
		if err := o.Gate.Wait(ctx); err != nil {
			return at, err
		}
		at.Published = p.state.Next
		if at.Lag, err = p.look(ctx); err != nil {
			return at, err
		}
		if o.Tell != nil {
			o.Tell(at)
		}
		room := o.MaxLag - at.Lag
		switch {
		case p.state.Next >= o.Total:
			return at, nil
		case room <= 0 && p.state.Next >= p.found:
			if err := p.claim.due(ctx); err != nil {
				return at, err
			}
			if !retry.Sleep(ctx, o.Poll) {
				return at, ctx.Err()
			}
			continue
		}
		if err := p.round(ctx, writing, values, int(min(room, int64(o.Pace.Most()), o.Total-p.state.Next))); err != nil {
			return at, err
		}
	}
}

// outlasting is ctx that ends so much later.
func outlasting(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if retry.Sleep(longer, by) {
			cancel()
		}
	})
	return longer, func() { stop(); cancel() }
}

// begin finds where the list stands, and reads what a run before this one may have written behind that. What is published as a whole is not claimed.
func (p *publishing) begin(ctx, writing context.Context) error {
	bounds, err := p.bounds(ctx)
	if err != nil {
		return err
	}
	saved, err := p.o.Load(ctx)
	if err != nil {
		return err
	}
	if saved == nil || saved.Next < p.o.Total {
		if p.claim, err = take(ctx, &p.o, p.terms); err != nil {
			return err
		}
		if p.all, err = p.log.Partitions(ctx, p.o.Topic); err != nil {
			return err
		}
		if bounds, err = p.log.Settled(ctx, p.all, p.claim.due); err != nil { // P3: others may have written until now
			return err
		}
		if saved, err = p.o.Load(ctx); err != nil {
			return err
		}
	}
	if saved != nil {
		p.state = *saved
	} else if err := p.first(writing, bounds); err != nil {
		return err
	}
	return p.survey(ctx, bounds)
}

// bounds asks for the topic's partitions, and where they end.
func (p *publishing) bounds(ctx context.Context) (b map[stream.Partition]stream.Bounds, err error) {
	if p.all, err = p.log.Partitions(ctx, p.o.Topic); err != nil {
		return nil, err
	}
	return p.log.Bounds(ctx, "", p.all)
}

// first saves the state of a list that begins.
func (p *publishing) first(ctx context.Context, bounds map[stream.Partition]stream.Bounds) error {
	p.state.Run, p.state.Began = rand.Text()[:12], time.Now().UTC()
	for _, part := range p.all {
		p.state.Ends = append(p.state.Ends, bounds[part].End)
	}
	p.state.Begins = slices.Clone(p.state.Ends)
	if p.o.ByContent {
		p.state.By = byContent
	}
	return p.save(ctx, func(context.Context) (*State, error) { return &p.state, nil })
}

// survey makes a lane of each partition, and reads what lies behind the state.
func (p *publishing) survey(ctx context.Context, bounds map[stream.Partition]stream.Bounds) error {
	if len(p.state.Ends) > len(p.all) || len(p.all) == 0 {
		return fmt.Errorf("topic %s has %d partitions, and had %d when the list's publishing began: it was %w", p.o.Topic, len(p.all), len(p.state.Ends), errAnother)
	}
	for i, end := range p.state.Ends {
		part := p.all[i]
		ln := &lane{part: part, scanned: end, ends: end}
		if err := ln.same(bounds[part].End); err != nil {
			return err
		}
		p.lanes = append(p.lanes, ln)
		if p.state.Next >= p.o.Total { // nothing is written any more, and what others have written since may be much
			continue
		}
		if err := p.scan(ctx, ln, bounds[part]); err != nil {
			return err
		}
		for n := range ln.present {
			p.found = max(p.found, n+1)
		}
	}
	return nil
}

// scan reads what lies in a lane behind what was scanned of it. That needs no claim, however long it takes, but looks after its own (P5), so that nobody takes it for silent. What was read before it failed counts.
func (p *publishing) scan(ctx context.Context, ln *lane, b stream.Bounds) error {
	if ln.present == nil {
		ln.present = map[int64]bool{}
	}
	if ln.scanned = max(ln.scanned, b.First); ln.scanned >= b.End {
		return nil
	}
	err := p.log.Scan(ctx, ln.part, ln.scanned, b.End, func(rec stream.Record) error {
		for _, h := range rec.Headers {
			if n, ok := p.number(h); ok {
				ln.present[n] = true
			}
		}
		ln.scanned = rec.Offset + 1
		looked := p.claim.looked
		if err := p.claim.due(ctx); err != nil {
			return err
		}
		if p.claim.looked != looked && p.o.Reads != nil {
			p.o.Reads(ln.part, ln.scanned, b.End)
		}
		return nil
	})
	if err == nil {
		ln.scanned, ln.ends = b.End, b.End
	}
	return err
}

func (p *publishing) header(n int64) sinks.Header {
	return sinks.Header{Key: Header, Value: fmt.Appendf(nil, "%s/%s/%d", p.o.Name, p.state.Run, n)}
}

func (p *publishing) number(h sinks.Header) (int64, bool) {
	if h.Key != Header {
		return 0, false
	}
	word, ok := strings.CutPrefix(string(h.Value), p.o.Name+"/"+p.state.Run+"/")
	n, err := strconv.ParseInt(word, 10, 64)
	return n, ok && err == nil
}

// look asks how far the slowest group is behind.
func (p *publishing) look(ctx context.Context) (lag int64, err error) {
	for _, group := range p.o.Groups {
		bounds, err := p.log.Bounds(ctx, group, p.all)
		if err != nil {
			return 0, err
		}
		behind := int64(0)
		for _, b := range bounds {
			behind += b.End - min(max(b.Committed, b.First), b.End)
		}
		lag = max(lag, behind)
	}
	return lag, nil
}

// round publishes the next references: n at most and mostBytes, but one at least, and all that an earlier run had begun with, whose round may have been a larger one (P4).
func (p *publishing) round(ctx, writing context.Context, values func() ([]byte, error), n int) error {
	batches := make([][]stream.Record, len(p.lanes))
	numbers := make([][]int64, len(p.lanes))
	first, bytes, fresh := p.state.Next, 0, 0
	next := first
	for ; next < p.found || next < first+int64(n); next++ {
		r, err := p.read(values, next)
		if err != nil {
			return fmt.Errorf("reference %d: %w", next, err)
		}
		if next >= p.found && next > first && bytes+bytesOf(&r.rec) > mostBytes {
			p.left = r
			break
		}
		i := r.lane
		batches[i], numbers[i] = append(batches[i], r.rec), append(numbers[i], next)
		bytes += bytesOf(&r.rec)
		if !p.lanes[i].present[next] {
			fresh++
		}
	}
	if err := p.o.Pace.Wait(ctx, fresh); err != nil {
		return err
	}
	if err := p.append(ctx, writing, batches, numbers); err != nil {
		return err
	}
	return p.settle(writing, next)
}

// read gives reference n: the one that the round before has left, or the next of the list.
func (p *publishing) read(values func() ([]byte, error), n int64) (*reference, error) {
	if r := p.left; r != nil {
		p.left = nil
		return r, nil
	}
	value, err := values()
	if errors.Is(err, io.EOF) {
		err = errors.New("the list ends before its end")
	}
	if err != nil {
		return nil, err
	}
	if schemas.IsNoRef(value) { // plans of earlier builds have rows of any length, which no topic takes
		var none schemas.NoRef
		if err := json.Unmarshal(value, &none); err != nil {
			return nil, err
		}
		value = none.JSON()
	}
	r := &reference{rec: stream.Record{Value: []byte(string(value)), Headers: []sinks.Header{p.header(n)}}, lane: n % int64(len(p.lanes))}
	if ref, err := schemas.ParseRef(value); err == nil { // one that is none is a dead letter of whoever reads it
		r.rec.Key, r.lane = []byte(ref.ID), p.lane(n, &ref)
	}
	return r, nil
}

// lane is the partition of a reference (P1).
func (p *publishing) lane(n int64, ref *schemas.Ref) int64 {
	lanes := int64(len(p.lanes))
	if sum, ok := contentSum(ref); ok && p.state.By == byContent {
		return int64(sum % uint64(lanes))
	}
	return n % lanes
}

// sumDigits are those of an MD5.
const sumDigits = 32

// contentSum is a part of a content's MD5, where an entity tag is one: that of a whole object that was put at once. Of a range it is the object's.
func contentSum(ref *schemas.Ref) (uint64, bool) {
	if len(ref.ETag) != sumDigits || ref.Range != nil {
		return 0, false
	}
	sum, err := hex.DecodeString(ref.ETag)
	if err != nil {
		return 0, false
	}
	return binary.BigEndian.Uint64(sum), true
}

// settle saves that all before next is in the topic (P2).
func (p *publishing) settle(ctx context.Context, next int64) error {
	s := State{Run: p.state.Run, Next: next, Begins: p.state.Begins, By: p.state.By, Began: p.state.Began}
	if err := p.save(ctx, func(ctx context.Context) (*State, error) {
		bounds, err := p.log.Bounds(ctx, "", p.all)
		s.Ends = nil
		for _, ln := range p.lanes {
			if s.Ends = append(s.Ends, bounds[ln.part].End); err == nil {
				err = ln.same(bounds[ln.part].End)
			}
		}
		return &s, err
	}); err != nil {
		return err
	}
	p.state = s
	for i, ln := range p.lanes {
		ln.scanned, ln.ends, ln.present = s.Ends[i], s.Ends[i], nil
	}
	return nil
}

// errLate says that others may have written while a state was made.
var errLate = errors.New("the claim did not hold until the state was made")

// save saves a state that is made while the claim holds: where partitions end is asked before another publisher could write (P5).
func (p *publishing) save(ctx context.Context, state func(context.Context) (*State, error)) error {
	out := false // of the time that the claim held; the next try looks again
	_, err := retry.Do(ctx, p.o.Retry, func(error) bool { return !out }, func(ctx context.Context) error {
		own, cancel, err := p.claim.writing(ctx)
		out = false
		if err != nil {
			return err
		}
		defer cancel()
		s, err := state(own)
		if err == nil && p.claim.age() >= p.terms.hold { // the machine was suspended, so that own has not ended: the ends may hide from P3 what others wrote meanwhile
			out = true
			return errLate
		}
		if err == nil {
			p.open = true
			err = p.o.Save(own, s)
		}
		out = own.Err() != nil
		return err
	})
	if err == nil {
		p.open = false
	}
	return err
}

// append brings a round's records into the lanes, without those that are there (P3). ctx ends the tries, writing the one that is under way.
func (p *publishing) append(ctx, writing context.Context, batches [][]stream.Record, numbers [][]int64) error {
	permanent := func(err error) bool { return p.claim.lost || errors.Is(err, errAnother) || p.o.Permanent(err) }
	_, err := retry.Do(ctx, p.o.Retry, permanent, func(ctx context.Context) error {
		if err := p.clear(ctx); err != nil {
			return err
		}
		own, cancel, err := p.claim.writing(writing)
		if err != nil {
			return err
		}
		defer cancel()
		p.open = true
		var g errgroup.Group // one that fails must not make the others unclear
		for i, ln := range p.lanes {
			g.Go(func() error {
				err := p.appendTo(own, ln, batches[i], numbers[i])
				if err == nil { // another lane's failure is no reason to write it again
					batches[i], numbers[i] = nil, nil
				}
				return err
			})
		}
		err = g.Wait()
		p.landed = time.Now().Add(p.terms.late())
		if err != nil && ctx.Err() == nil { // it may have taken as long as a claim holds, and the next try comes later
			err = errors.Join(err, p.claim.due(ctx))
		}
		return err
	})
	return err
}

// clear finds what has landed of appends that got no clear answer, once nothing of them can land any more (P3). However long it reads: if the next look finds no later claim, nobody else has written meanwhile (P5).
func (p *publishing) clear(ctx context.Context) error {
	for _, ln := range p.lanes {
		if !ln.unclear {
			continue
		}
		if err := p.claim.until(ctx, p.landed); err != nil {
			return err
		}
		bounds, err := p.log.Settled(ctx, []stream.Partition{ln.part}, p.claim.due)
		if err != nil {
			return err
		}
		if err := ln.same(bounds[ln.part].End); err != nil {
			return err
		}
		if err := p.scan(ctx, ln, bounds[ln.part]); err != nil {
			return err
		}
		ln.unclear = false
	}
	return nil
}

// appendTo is one try of a lane.
func (p *publishing) appendTo(ctx context.Context, ln *lane, batch []stream.Record, numbers []int64) error {
	var recs []stream.Record
	var missing []int64
	for i, n := range numbers {
		if !ln.present[n] {
			recs, missing = append(recs, batch[i]), append(missing, n)
		}
	}
	if len(recs) == 0 {
		return nil
	}
	err := p.write(ctx, ln.part, recs, missing)
	if ln.unclear = err != nil; !ln.unclear {
		ln.ends += int64(len(recs))
	}
	return err
}

// write appends records. Those that are too large for one request go by halves, one behind the other.
func (p *publishing) write(ctx context.Context, part stream.Partition, recs []stream.Record, numbers []int64) error {
	err := p.log.Append(ctx, part, recs)
	if err == nil || !p.o.TooLarge(err) {
		return err
	}
	half := len(recs) / 2
	if half == 0 {
		return fmt.Errorf("reference %d has %d bytes with its key and its header, and the topic takes no message of so many: raise max.message.bytes of %s, and give the command again: %w", numbers[0], bytesOf(&recs[0]), part.Topic, err)
	}
	if err := p.write(ctx, part, recs[:half], numbers[:half]); err != nil {
		return err
	}
	return p.write(ctx, part, recs[half:], numbers[half:])
}
