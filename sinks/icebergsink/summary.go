package icebergsink

import (
	"bytes"
	"cmp"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"vecmill/schemas"
)

// The keys of a snapshot's summary.
const (
	progressKey   = "vecmill.progress"
	rangesKey     = "vecmill.ranges"
	tombstonesKey = "vecmill.tombstones"
	goneKey       = "vecmill.gone"
	commitKey     = "vecmill.commit"
	writerKey     = "vecmill.writer"
)

// ErrProgressExpired says that the snapshots which knew the progress are expired. The newest of them knows all of it and is the one to keep.
var ErrProgressExpired = errors.New("the table's snapshots with vecmill.progress are expired")

// ErrBadSummary says that a summary has our keys and not our content.
var ErrBadSummary = errors.New("the snapshot's summary is damaged")

// Snapshot is what the protocol needs of a table's snapshot.
type Snapshot struct {
	ID      int64
	Summary map[string]string
}

// Progress is, for every source of a table, the first offset that is not in it.
type Progress map[schemas.SourceID]int64

// jsonProgress is the partitions of one topic in a summary. Every snapshot has that of all sources, so it is short.
type jsonProgress struct {
	Pipeline string        `json:"pipeline"`
	Topic    string        `json:"topic"`
	Next     map[int]int64 `json:"next"` // by partition
}

// jsonRange is a range in a summary; spans are lengths in turn: from the range's beginning to the first span, of that span, to the next span and so on.
// They are small numbers that repeat, whatever the offsets are, and shrink to nearly nothing.
type jsonRange struct {
	Pipeline  string  `json:"pipeline"`
	Topic     string  `json:"topic"`
	Partition int     `json:"partition"`
	First     int64   `json:"first"`
	Next      int64   `json:"next"`
	Dead      []int64 `json:"dead,omitempty"`
	Skipped   []int64 `json:"skipped,omitempty"`
	Lost      []int64 `json:"lost,omitempty"`

	Deletes []jsonDeletion `json:"deletes,omitempty"`
}

// jsonDeletion is a tombstone of a range.
type jsonDeletion struct {
	Offset int64  `json:"offset"`
	RefID  string `json:"ref_id"`
}

// mostNames is the longest text that ranges with the names of their tombstones may have: every snapshot's is in the metadata, which each commit writes anew.
const mostNames = 16 << 10

// Progress is that of the newest ancestor which has it; empty for a table that the protocol never wrote to.
func (v *View) Progress() (Progress, error) {
	for i := range v.Ancestors {
		if s, ok := v.Ancestors[i].Summary[progressKey]; ok {
			p, err := parseProgress(s)
			if err != nil {
				return nil, fmt.Errorf("snapshot %d: %w", v.Ancestors[i].ID, err)
			}
			return p, nil
		}
	}
	if v.Truncated {
		return nil, ErrProgressExpired
	}
	return Progress{}, nil
}

// Ranges are the ranges whose rows a snapshot adds; none for the snapshots of others.
func (s *Snapshot) Ranges() ([]schemas.Range, error) {
	text, ok := s.Summary[rangesKey]
	if !ok {
		return nil, nil
	}
	all, err := parseRanges(text)
	if err != nil {
		return nil, fmt.Errorf("snapshot %d: %w", s.ID, err)
	}
	return all, nil
}

// Gone are the offsets of rows that the snapshot's tombstones take away: some of this snapshot's own, which are in no file, and some of earlier ones.
func (s *Snapshot) Gone() (Offsets, error) { return s.offsets(goneKey) }

// Nameless are the offsets of the snapshot's tombstones if its ranges do not have them, because they are many.
func (s *Snapshot) Nameless() (Offsets, error) { return s.offsets(tombstonesKey) }

func (s *Snapshot) offsets(key string) (Offsets, error) {
	text, ok := s.Summary[key]
	if !ok {
		return nil, nil
	}
	o, err := parseOffsets(text)
	if err != nil {
		return nil, fmt.Errorf("snapshot %d: %s: %w", s.ID, key, err)
	}
	return o, nil
}

// Ours says that the protocol made the snapshot.
func (s *Snapshot) Ours() bool { return s.Summary[progressKey] != "" }

func (p Progress) encode() (string, error) {
	byTopic := map[[2]string]map[int]int64{}
	for src, next := range p {
		key := [2]string{src.Pipeline, src.Topic}
		if byTopic[key] == nil {
			byTopic[key] = map[int]int64{}
		}
		byTopic[key][src.Partition] = next
	}
	all := make([]jsonProgress, 0, len(byTopic))
	for key, next := range byTopic {
		all = append(all, jsonProgress{key[0], key[1], next})
	}
	slices.SortFunc(all, func(a, b jsonProgress) int { // equal progress gives equal text
		return cmp.Or(cmp.Compare(a.Pipeline, b.Pipeline), cmp.Compare(a.Topic, b.Topic))
	})
	b, err := json.Marshal(all)
	return pack(b), err
}

func parseProgress(s string) (Progress, error) {
	var all []jsonProgress
	if err := unpack(s, &all); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrBadSummary, progressKey, err)
	}
	p := Progress{}
	for _, j := range all {
		for part, next := range j.Next {
			src := schemas.SourceID{Pipeline: j.Pipeline, Topic: j.Topic, Partition: part}
			if _, twice := p[src]; twice || next < 0 || part < 0 {
				return nil, fmt.Errorf("%w: %s: %s is there twice or negative", ErrBadSummary, progressKey, src)
			}
			p[src] = next
		}
	}
	return p, nil
}

// encodeRanges writes ranges with their tombstones, or without if there are too many: then the offsets of these are told apart.
func encodeRanges(all []schemas.Range) (text string, nameless Offsets, err error) {
	list, some := make([]jsonRange, len(all)), false
	for i := range all {
		r := &all[i]
		list[i] = jsonRange{
			Pipeline: r.Source.Pipeline, Topic: r.Source.Topic, Partition: r.Source.Partition, First: r.First, Next: r.Next,
			Dead: lengths(r.Dead, r.First), Skipped: lengths(r.Skipped, r.First), Lost: lengths(r.Lost, r.First),
		}
		for _, d := range r.Deletes {
			some = true
			list[i].Deletes = append(list[i].Deletes, jsonDeletion(d))
		}
	}
	b, err := json.Marshal(list)
	if text = pack(b); err != nil || !some || len(text) <= mostNames {
		return text, nil, err
	}
	for i := range list {
		list[i].Deletes = nil
	}
	b, err = json.Marshal(list)
	return pack(b), tombstonesOf(all), err
}

func parseRanges(s string) ([]schemas.Range, error) {
	var list []jsonRange
	if err := unpack(s, &list); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrBadSummary, rangesKey, err)
	}
	all := make([]schemas.Range, len(list))
	for i := range list {
		j, r := &list[i], &all[i]
		r.Source = schemas.SourceID{Pipeline: j.Pipeline, Topic: j.Topic, Partition: j.Partition}
		r.Span = schemas.Span{First: j.First, Next: j.Next}
		if j.First < 0 || j.Next <= j.First || j.Partition < 0 {
			return nil, fmt.Errorf("%w: %s: [%d, %d) is empty or negative", ErrBadSummary, rangesKey, j.First, j.Next)
		}
		var err error
		for _, part := range []struct {
			to   *[]schemas.Span
			from []int64
		}{{&r.Dead, j.Dead}, {&r.Skipped, j.Skipped}, {&r.Lost, j.Lost}} {
			if *part.to, err = spans(part.from, r.Span); err != nil {
				return nil, fmt.Errorf("%s: %w", rangesKey, err)
			}
		}
		for k, d := range j.Deletes {
			if d.Offset < r.First || d.Offset >= r.Next || k > 0 && d.Offset < j.Deletes[k-1].Offset {
				return nil, fmt.Errorf("%w: %s: a tombstone at offset %d is out of order or outside of [%d, %d)", ErrBadSummary, rangesKey, d.Offset, r.First, r.Next)
			}
			r.Deletes = append(r.Deletes, schemas.Deletion(d))
		}
	}
	return all, nil
}

func lengths(spans []schemas.Span, at int64) (out []int64) {
	for _, s := range spans {
		out = append(out, s.First-at, s.Next-s.First)
		at = s.Next
	}
	return out
}

// spans checks that the spans ascend, do not overlap and lie inside of a range.
func spans(lengths []int64, in schemas.Span) (out []schemas.Span, err error) {
	at := in.First
	for len(lengths) > 0 {
		if len(lengths) == 1 || lengths[0] < 0 || lengths[1] < 1 || lengths[0] > in.Next-at || lengths[1] > in.Next-at-lengths[0] {
			return nil, fmt.Errorf("%w: a span behind offset %d is empty, overlaps or lies outside of [%d, %d)", ErrBadSummary, at, in.First, in.Next)
		}
		s := schemas.Span{First: at + lengths[0], Next: at + lengths[0] + lengths[1]}
		out = append(out, s)
		at, lengths = s.Next, lengths[2:]
	}
	return out, nil
}

// Every snapshot's summary is in the table's metadata, which every commit writes anew: long ones are packed.
const (
	packed   = "deflate:"
	longText = 1 << 10
	mostText = 64 << 20
)

func pack(text []byte) string {
	if len(text) < longText {
		return string(text)
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return string(text) // cannot happen in memory, and the long form is as good
	}
	return packed + base64.StdEncoding.EncodeToString(b.Bytes())
}

func unpack(text string, into any) error {
	rest, ok := strings.CutPrefix(text, packed)
	if !ok {
		return json.Unmarshal([]byte(text), into)
	}
	raw, err := base64.StdEncoding.DecodeString(rest)
	if err != nil {
		return err
	}
	r := flate.NewReader(bytes.NewReader(raw))
	b, err := io.ReadAll(io.LimitReader(r, mostText+1))
	if err != nil {
		return err
	}
	if len(b) > mostText {
		return fmt.Errorf("more than %d bytes", mostText)
	}
	return json.Unmarshal(b, into)
}
