// Package audit proves the conservation law from the outside: with nothing but the files in the output it says, per source, which
// offsets are covered, and that each covered offset is exactly one of row(s), dead letter, skipped and lost.
package audit

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"vecmill/schemas"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetsink"
)

// Report is what was found of one source.
type Report struct {
	Topic     string   `json:"topic"`
	Partition int      `json:"partition"`
	Next      int64    `json:"next_offset"` // the chain covers [0, Next)
	Files     int      `json:"files"`
	Rows      int64    `json:"rows"`
	Computed  int64    `json:"computed"` // offsets with rows
	Dead      int64    `json:"dead"`
	Skipped   int64    `json:"skipped"`
	Lost      int64    `json:"lost"`
	Models    []string `json:"model_digests"`
	Offences  []string `json:"offences,omitempty"` // the first few, each naming its offset
}

// OK says that nothing is missing and nothing is there twice.
func (r *Report) OK() bool { return len(r.Offences) == 0 }

// mostOffences is how many are listed: enough to see a pattern.
const mostOffences = 20

func (r *Report) offend(format string, args ...any) {
	if len(r.Offences) < mostOffences {
		r.Offences = append(r.Offences, fmt.Sprintf(format, args...))
	}
}

// Parquet audits every chain of a pipeline in a store.
func Parquet(ctx context.Context, st objectstore.Store, prefix, pipeline string) ([]Report, error) {
	sources, err := find(ctx, st, prefix, pipeline)
	if err != nil {
		return nil, err
	}
	var out []Report
	for _, src := range sources {
		r, err := source(ctx, st, prefix, src)
		if err != nil {
			return nil, fmt.Errorf("auditing %s: %w", src, err)
		}
		out = append(out, *r)
	}
	return out, nil
}

// find lists the sources that have files.
func find(ctx context.Context, st objectstore.Store, prefix, pipeline string) ([]schemas.SourceID, error) {
	root := path.Dir(path.Dir(parquetsink.Dir(prefix, schemas.SourceID{Pipeline: pipeline, Topic: "t"}))) + "/"
	names, err := st.List(ctx, root, "")
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", root, err)
	}
	var out []schemas.SourceID
	for _, n := range names {
		parts := strings.Split(strings.TrimPrefix(n, root), "/")
		if len(parts) != 3 || !strings.HasSuffix(n, ".parquet") {
			continue
		}
		topic, err := url.PathUnescape(parts[0])
		number, perr := strconv.Atoi(parts[1])
		if err != nil || perr != nil {
			continue
		}
		if src := (schemas.SourceID{Pipeline: pipeline, Topic: topic, Partition: number}); !slices.Contains(out, src) {
			out = append(out, src)
		}
	}
	return out, nil
}

// source audits one chain. Only one file's rows are held at a time, and the ids of all.
func source(ctx context.Context, st objectstore.Store, prefix string, src schemas.SourceID) (*Report, error) {
	r := &Report{Topic: src.Topic, Partition: src.Partition}
	files, err := parquetsink.Chain(ctx, st, prefix, src, 0)
	if errors.Is(err, parquetsink.ErrBrokenChain) {
		r.offend("%v", err)
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	if len(files) > 0 && files[0].Range.First != 0 {
		r.offend("offsets 0 to %d are not covered: the first file is missing", files[0].Range.First-1)
	}
	ids := map[rowKey]bool{}
	for i := range files {
		r.Files++
		r.Next = files[i].Range.Next
		rows, err := parquetsink.ReadRows(ctx, st, files[i].Name)
		if err != nil {
			r.offend("%s cannot be read: %v", files[i].Name, err)
			continue
		}
		r.file(&files[i].Range, rows, ids)
	}
	return r, nil
}

// rowKey tells rows of one source apart: a reference that was sent twice has the same row ids at two offsets, and that is no fault.
type rowKey struct {
	offset int64
	id     string
}

// file accounts for one file: every offset of its range has one fate, and no row was seen before.
func (r *Report) file(rg *schemas.Range, rows []schemas.Row, ids map[rowKey]bool) {
	fates := make(map[int64]string, rg.Len())
	give := func(o int64, fate string) {
		switch was := fates[o]; {
		case o < rg.First || o >= rg.Next:
			r.offend("offset %d (%s) is outside of its file's range [%d, %d)", o, fate, rg.First, rg.Next)
		case was != "" && was != fate:
			r.offend("offset %d is %s and %s", o, was, fate)
		}
		fates[o] = fate
	}
	for i := range rows {
		row := &rows[i]
		key := rowKey{row.Offset, row.RowID}
		if ids[key] {
			r.offend("offset %d: row %s is there twice", row.Offset, row.RowID)
		}
		ids[key] = true
		if !slices.Contains(r.Models, row.ModelDigest) {
			r.Models = append(r.Models, row.ModelDigest)
		}
		give(row.Offset, "a row")
	}
	r.Rows += int64(len(rows))
	count := func(spans []schemas.Span, fate string, n *int64) {
		for _, s := range spans {
			*n += s.Len()
			for o := s.First; o < s.Next; o++ {
				give(o, fate)
			}
		}
	}
	r.Computed += int64(len(fates))
	count(rg.Dead, "dead", &r.Dead)
	count(rg.Skipped, "skipped", &r.Skipped)
	count(rg.Lost, "lost", &r.Lost)
	for o := rg.First; o < rg.Next; o++ {
		if fates[o] == "" {
			r.offend("offset %d has no row, no dead letter and was not skipped", o)
		}
	}
}
