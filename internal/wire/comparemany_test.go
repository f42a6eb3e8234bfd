package wire

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"vecmill/internal/backfill"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/schemas"
)

// made is an output whose rows are made when they are asked for. It implements past.
type made struct {
	past   // the rest is not asked for
	next   int64
	topics []schemas.SourceID                                                // that it has, of the old pipeline or of the new one
	row    func(src schemas.SourceID, offset int64, l *schemas.Lineage) bool // fills in id and content; false: there is none
	fate   func(src schemas.SourceID, offset int64) (dead bool, deletes string)
	each   func() // told of each row
}

func (m *made) sources(_ context.Context, pipeline string) (all []schemas.SourceID, err error) {
	for _, src := range m.topics {
		if src.Pipeline == pipeline {
			all = append(all, src)
		}
	}
	return all, nil
}

func (m *made) nameless(schemas.SourceID) []schemas.Span { return nil }

func (m *made) ranges(_ context.Context, src schemas.SourceID, in schemas.Span) ([]schemas.Range, error) {
	r := schemas.Range{Source: src, Span: in}
	for o := in.First; o < in.Next; o++ {
		dead, deletes := m.fate(src, o)
		switch {
		case deletes != "":
			r.Deletes = append(r.Deletes, schemas.Deletion{Offset: o, RefID: deletes})
			r.Skipped = schemas.AppendOffset(r.Skipped, o)
		case dead:
			r.Dead = schemas.AppendOffset(r.Dead, o)
		case !m.row(src, o, &schemas.Lineage{}):
			r.Skipped = schemas.AppendOffset(r.Skipped, o)
		}
	}
	return []schemas.Range{r}, nil
}

func (m *made) rows(_ context.Context, src schemas.SourceID, in schemas.Span, each func(l *schemas.Lineage) error) error {
	l := schemas.Lineage{}
	for o := in.First; o < min(in.Next, m.next); o++ {
		if l = (schemas.Lineage{Offset: o}); !m.row(src, o, &l) {
			continue
		}
		if m.each != nil {
			m.each()
		}
		if err := each(&l); err != nil {
			return err
		}
	}
	return nil
}

func comparisonOf(t testing.TB, d *divided, old, now past) *comparison {
	conf := config.NewDefaultConfig()
	r := &Reembed{Old: &config.Pipeline{Name: "old"}, New: &config.Pipeline{Name: "new"}, auditor: &auditor{c: conf, stores: &stores{cfg: conf}}}
	return r.comparison(t.Context(), d, old, now)
}

// TestAComparisonFindsTheSameHoweverLittleItHolds goes through what chance has two pipelines write of three partitions, all at once, and with few offsets and few ids held.
func TestAComparisonFindsTheSameHoweverLittleItHolds(t *testing.T) {
	const n = 300
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		type record struct {
			id, content, deletes string
			fates                [2]int // of the old and the new pipeline: 0 rows, 1 dead, 2 skipped
		}
		var log [3][]record
		for p := range log {
			for range n {
				x := record{id: fmt.Sprint("r", rng.IntN(200)), content: fmt.Sprint(rng.IntN(4))}
				if rng.IntN(12) == 0 {
					x.deletes = x.id
				} else if rng.IntN(3) == 0 {
					x.fates = [2]int{max(0, rng.IntN(8)-5), rng.IntN(3)}
				}
				log[p] = append(log[p], x)
			}
		}
		of := func(which int) *made {
			m := &made{next: n}
			pipeline := []string{"old", "new"}[which]
			for p := range log {
				m.topics = append(m.topics, schemas.SourceID{Pipeline: pipeline, Topic: "refs", Partition: p})
			}
			m.topics = append(m.topics, schemas.SourceID{Pipeline: pipeline, Topic: "manifest:m"})
			m.fate = func(src schemas.SourceID, o int64) (bool, string) {
				x := &log[src.Partition][o]
				return x.fates[which] == 1, x.deletes
			}
			m.row = func(src schemas.SourceID, o int64, l *schemas.Lineage) bool {
				if src.Topic != "refs" { // of the plan
					l.RefID, l.ContentHash = fmt.Sprint("r", o), "0"
					return o < 100
				}
				x := &log[src.Partition][o]
				l.RefID, l.ContentHash = x.id, x.content
				return x.deletes == "" && x.fates[which] == 0
			}
			return m
		}
		d := &divided{plan: &plan.Plan{Name: "m", Items: 1}, bounds: []backfill.Bound{}, want: map[schemas.SourceID]int64{}}
		for p := range log {
			d.want[schemas.SourceID{Pipeline: "new", Topic: "refs", Partition: p}] = n
			d.bounds = append(d.bounds, backfill.Bound{Source: schemas.SourceID{Pipeline: "old", Topic: "refs", Partition: p}, Next: 150, Stream: 20})
		}
		var want *Verified
		for _, most := range [][2]int{{1 << 20, 1 << 20}, {7, 1 << 20}, {1 << 20, 50}, {64, 11}, {1, 6}} {
			c, v := comparisonOf(t, d, of(0), of(1)), &Verified{}
			c.offsets, c.ids = int64(most[0]), most[1]
			if err := c.run(t.Context(), v); err != nil {
				t.Fatal(err)
			}
			if want == nil {
				want = v
			}
			if len(v.Offences) != 2 || v.Buried == 0 || v.Buried != want.Buried || !slices.Equal(v.Offences, want.Offences) {
				t.Fatalf("seed %d with %v: %+v, want %+v", seed, most, v, want)
			}
		}
	}
}

// manyLacking are two outputs of one partition, of which the new one lacks one of each so many references.
func manyLacking(n, oneOf int64) (d *divided, old, now *made) {
	was, is := schemas.SourceID{Pipeline: "old", Topic: "refs"}, schemas.SourceID{Pipeline: "new", Topic: "refs"}
	row := func(src schemas.SourceID, o int64, l *schemas.Lineage) bool {
		if src.Pipeline == "new" && o%oneOf == 0 {
			return false
		}
		if l.Offset == o { // it is asked for
			l.RefID, l.ContentHash = "s3://box/of/objects/"+strconv.FormatInt(o, 10)+".flac", "d41d8cd98f00b204e9800998ecf8427e"
		}
		return true
	}
	fate := func(schemas.SourceID, int64) (bool, string) { return false, "" }
	old, now = &made{next: n, topics: []schemas.SourceID{was}, row: row, fate: fate}, &made{next: n, topics: []schemas.SourceID{is}, row: row, fate: fate}
	return &divided{plan: &plan.Plan{}, bounds: []backfill.Bound{}, want: map[schemas.SourceID]int64{is: n}}, old, now
}

// TestAComparisonHoldsNoMoreWithMoreReferences has all references of a log be lacking.
func TestAComparisonHoldsNoMoreWithMoreReferences(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector, with which make race runs it, takes memory of its own")
	}
	const n, most = 60_000, 1 << 12
	d, old, now := manyLacking(n, 1)
	inside := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, peak, rows := inside(), uint64(0), 0
	old.each = func() {
		if rows++; rows%20_000 == 0 {
			peak = max(peak, inside())
		}
	}
	c, v := comparisonOf(t, d, old, now), &Verified{}
	c.offsets, c.ids = most, most
	if err := c.run(t.Context(), v); err != nil || len(v.Offences) != 1 || !strings.HasPrefix(v.Offences[0], fmt.Sprintf("%d references", n)) {
		t.Fatalf("%v, %v", v.Offences, err)
	}
	t.Logf("%d bytes more", peak-before)
	if each := float64(peak-before) / most; each > 400 { // of n they would be 16 each
		t.Errorf("%d bytes more were in memory, %.0f for each that may be held", peak-before, each)
	}
}

// BenchmarkComparison reports the most memory that the process had while two outputs were compared of which the new one lacks one of 16 references:
// of a million, or of VECMILL_COMPARED.
func BenchmarkComparison(b *testing.B) {
	compared := int64(1_000_000)
	if said := os.Getenv("VECMILL_COMPARED"); said != "" {
		var err error
		if compared, err = strconv.ParseInt(said, 10, 64); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		d, old, now := manyLacking(compared, 16)
		v := &Verified{}
		if err := comparisonOf(b, d, old, now).run(b.Context(), v); err != nil || len(v.Offences) != 1 {
			b.Fatal(v, err)
		}
		var kib float64
		if status, err := os.ReadFile("/proc/self/status"); err == nil {
			if _, after, ok := bytes.Cut(status, []byte("VmHWM:")); ok {
				_, _ = fmt.Sscan(string(after), &kib)
			}
		}
		b.ReportMetric(kib*1024/1e6, "peak-MB")
	}
}
