package icebergsink

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"vecmill/schemas"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetfile"
)

// searches is how many data files are looked into at once, for each a row group of the columns that say whose a row is.
const searches = 8

// doomed is tombstones by what they name: of a reference that has several, the last, which takes away all that the others do.
type doomed map[object]*Tombstone

// object is a reference of a source, as files have its id.
type object struct {
	src schemas.SourceID
	ref string
}

func objectOf(src schemas.SourceID, ref string) object {
	return object{src, strings.ToValidUTF8(ref, "\uFFFD")}
}

// doom collects the tombstones of ranges; none where they take nothing away.
func (s *Sink) doom(of []schemas.Range) doomed {
	d := doomed{}
	if s.cfg.KeepDeleted {
		return d
	}
	for i := range of {
		for _, x := range of[i].Deletes {
			o := objectOf(of[i].Source, x.RefID)
			x.RefID = o.ref
			if was := d[o]; was == nil || was.Offset < x.Offset {
				d[o] = &Tombstone{o.src, x}
			}
		}
	}
	return d
}

// takes is the tombstone that takes a row away; nil if there is none.
func (d doomed) takes(src schemas.SourceID, ref string, offset int64) *Tombstone {
	if len(d) == 0 {
		return nil
	}
	if t := d[objectOf(src, ref)]; t != nil && offset < t.Offset {
		return t
	}
	return nil
}

// list is the tombstones in one order.
func (d doomed) list() []Tombstone {
	all := make([]Tombstone, 0, len(d))
	for _, t := range d {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b Tombstone) int {
		return cmp.Or(cmp.Compare(a.Source.Pipeline, b.Source.Pipeline), cmp.Compare(a.Source.Topic, b.Source.Topic), cmp.Compare(a.Source.Partition, b.Source.Partition), cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.RefID, b.RefID))
	})
	return all
}

// place is where a doomed row is.
type place struct {
	pos, offset int64
	by          *Tombstone // that took it when it was found
}

// search is what a change knows of the table's data files. They never change: a commit that lost a race is tried again with what the winner added, however long the
// first look took, so that writers who are faster do not hold this one up for ever.
type search struct {
	looked map[string][]place // by URL, also of those that have none

	written []target // what the files of the last try say
	files   []File
}

// target is a row that a file of positions names.
type target struct {
	path, url string
	pos       int64
}

// deletes makes durable which rows of the table are gone, one file for each of its partitions that has some, and adds their offsets to gone.
func (f *search) deletes(ctx context.Context, s *Sink, v *View, away doomed, gone map[schemas.SourceID][]int64) ([]File, error) {
	if len(away) == 0 || len(v.Ancestors) == 0 {
		return nil, nil
	}
	ask, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	all, err := s.cfg.Table.Candidates(ask, *v, away.list())
	if err != nil {
		return nil, fmt.Errorf("looking for the files with rows that tombstones take away: %w", err)
	}
	if err := f.look(ctx, s, all, away); err != nil {
		return nil, err
	}
	var targets []target
	tuples := map[string]Tuple{}
	for _, c := range all {
		for _, p := range f.looked[c.URL] {
			if away.takes(p.by.Source, p.by.RefID, p.offset) == nil { // others have its tombstone
				continue
			}
			tuples[c.Tuple.Path] = c.Tuple
			targets = append(targets, target{c.Tuple.Path, c.URL, p.pos})
			gone[p.by.Source] = append(gone[p.by.Source], p.offset)
		}
	}
	slices.SortFunc(targets, func(a, b target) int { // as Iceberg wants it
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.url, b.url), cmp.Compare(a.pos, b.pos))
	})
	if slices.Equal(targets, f.written) {
		return f.files, nil
	}
	f.written, f.files = nil, nil
	var files []File
	for _, path := range slices.Sorted(maps.Keys(tuples)) {
		file, err := s.writePositions(ctx, v, tuples[path], targets[firstOf(targets, path):firstOf(targets, path+"\x00")])
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	f.written, f.files = targets, files
	return files, nil
}

func firstOf(targets []target, path string) int {
	at, _ := slices.BinarySearchFunc(targets, path, func(t target, path string) int { return cmp.Compare(t.path, path) })
	return at
}

// look reads the candidates that were not looked into yet.
func (f *search) look(ctx context.Context, s *Sink, all []Candidate, away doomed) error {
	if f.looked == nil {
		f.looked = map[string][]place{}
	}
	refs := map[string]bool{}
	for o := range away {
		refs[o.ref] = true
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(searches)
	for _, c := range all {
		mu.Lock()
		_, known := f.looked[c.URL]
		mu.Unlock()
		if known {
			continue
		}
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
			defer cancel()
			places, err := s.places(ctx, &c, refs, away)
			if err != nil {
				return fmt.Errorf("looking in %s for rows that tombstones take away: %w", c.URL, err)
			}
			mu.Lock()
			defer mu.Unlock()
			f.looked[c.URL] = places
			return nil
		})
	}
	return g.Wait()
}

// places are the doomed rows of a data file that are not gone already. The ids of references alone say of most files that they have none.
func (s *Sink) places(ctx context.Context, c *Candidate, refs map[string]bool, away doomed) (all []place, err error) {
	var some bool
	if err := s.scan(ctx, c.URL, c.Bytes, []string{"ref_id"}, func(_ int64, v []parquetfile.Value) { some = some || refs[v[0].Text] }); err != nil || !some {
		return nil, err
	}
	err = s.scan(ctx, c.URL, c.Bytes, []string{PipelineColumn, "topic", "partition", "offset", "ref_id"}, func(pos int64, v []parquetfile.Value) {
		src := schemas.SourceID{Pipeline: v[0].Text, Topic: v[1].Text, Partition: int(v[2].Int)}
		if by := away.takes(src, v[4].Text, v[3].Int); by != nil {
			all = append(all, place{pos, v[3].Int, by})
		}
	})
	if err != nil || len(all) == 0 {
		return nil, err
	}
	gone := map[int64]bool{}
	for _, url := range c.Deletes {
		if err := s.scan(ctx, url, -1, []string{pathColumn, posColumn}, func(_ int64, v []parquetfile.Value) {
			if v[0].Text == c.URL {
				gone[v[1].Int] = true
			}
		}); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(all, func(p place) bool { return gone[p.pos] }), nil
}

// scan reads columns of a file in the table's store, and of the file nothing else. A negative size is not known.
func (s *Sink) scan(ctx context.Context, url string, size int64, columns []string, each func(pos int64, row []parquetfile.Value)) error {
	store, name, err := s.cfg.Files(ctx, url)
	if err != nil {
		return err
	}
	o := objectstore.Info{Name: name, Size: size}
	if size < 0 {
		if o, err = store.Stat(ctx, name); err != nil {
			return err
		}
	}
	pos := int64(0)
	return parquetfile.Scan(objectstore.ReaderAt(ctx, store, o), o.Size, columns, func(row []parquetfile.Value) error {
		each(pos, row)
		pos++
		return nil
	})
}
