package simulate

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/objectletters"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetsink"
	"vecmill/stream"
	"vecmill/stream/streamtest"
)

// oracle looks from the outside: at every file and letter the moment it lands, at every commit the moment the broker takes it, and at
// everything together at the end. It keeps the first offences.
type oracle struct {
	w  *world
	mu struct {
		sync.Mutex
		offences []string
		files    map[string]landedFile   // by name
		ends     map[string]int64        // where the chain of an output's partition ends; a chain that is not there ends at 0
		topic    map[string]sinks.Letter // letters that the dead-letter topic has acknowledged, by name
		contests map[string]bool         // chains for whose files two writers have contended
	}
}

type landedFile struct{ first, next int64 }

// mostOffences is enough to see a pattern.
const mostOffences = 8

func newOracle(w *world) *oracle {
	o := &oracle{w: w}
	o.mu.files, o.mu.ends, o.mu.contests = map[string]landedFile{}, map[string]int64{}, map[string]bool{}
	o.mu.topic = map[string]sinks.Letter{}
	return o
}

func (o *oracle) offend(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	o.w.tr.add("oracle", "OFFENCE %s", text)
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.mu.offences) < mostOffences {
		o.mu.offences = append(o.mu.offences, text)
	}
}

// verdict is nil if every invariant held.
func (o *oracle) verdict() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.mu.offences) == 0 {
		return nil
	}
	return fmt.Errorf("%s", strings.Join(o.mu.offences, "\n  "))
}

// landed is told of every object that the cloud has just taken.
func (o *oracle) landed(name string, meta http.Header, replaced bool) {
	if !strings.HasPrefix(name, outputs+"/") || !strings.HasSuffix(name, ".parquet") || strings.HasPrefix(name, outputs+"/"+lake+"/") {
		return
	}
	if replaced {
		o.offend("%s was overwritten: it has had two writers", name)
	}
	number := func(key string) int64 {
		n, err := strconv.ParseInt(meta.Get("X-Amz-Meta-Vecmill-"+key), 10, 64)
		if err != nil {
			o.offend("%s says no %s", name, key)
		}
		return n
	}
	f := landedFile{number("First-Offset"), number("Next-Offset")}
	chain := name[:strings.LastIndex(name, "/")]
	o.mu.Lock()
	end := o.mu.ends[chain]
	o.mu.files[name], o.mu.ends[chain] = f, max(end, f.next)
	o.mu.Unlock()
	if f.first != end && !replaced {
		o.offend("%s covers offsets %d to %d, and the chain ended at %d", name, f.first, f.next-1, end)
	}
	dead, err := parquetsink.ParseSpans(meta.Get("X-Amz-Meta-Vecmill-Dead"))
	if err != nil {
		return // too long for the metadata; judge looks at the file
	}
	part, err := strconv.Atoi(chain[strings.LastIndex(chain, "/")+1:])
	if err != nil {
		o.offend("%s is no chain of a partition", chain)
	}
	o.buriedAll(name, part, dead)
}

// buriedAll says that every dead offset has its letter already.
func (o *oracle) buriedAll(where string, part int, dead []schemas.Span) {
	for _, s := range dead {
		for offset := s.First; offset < s.Next; offset++ {
			if _, there, err := o.letter(part, offset); !there || err != nil {
				o.offend("%s says that offset %d is dead, and there is no letter of it yet (I1)", where, offset)
			}
		}
	}
}

// stored is told of every transaction that has just committed in the database.
func (o *oracle) stored(r schemas.Range) { o.extend(table, "a transaction", r) }

// extend adds a range to what an output has of its source, which must end where it begins.
func (o *oracle) extend(out, what string, r schemas.Range) {
	chain := chainOf(out, r.Source.Partition)
	o.mu.Lock()
	end := o.mu.ends[chain]
	o.mu.ends[chain] = max(end, r.Next)
	o.mu.Unlock()
	if r.First != end {
		o.offend("%s covers offsets %d to %d, and output %s ended at %d", what, r.First, r.Next-1, out, end)
	}
	o.buriedAll(what, r.Source.Partition, r.Dead)
}

// barred is told of every file that came second to its name.
func (o *oracle) barred(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.contests[name[:strings.LastIndex(name, "/")]] = true
}

// contested says whether a zombie has written in an output of a partition. Then outputs may differ about a record whose fetch was given up by one
// writer and not by the other: each output is exactly-once by itself, and nothing holds them together while two owners write.
func (o *oracle) contested(part int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.ContainsFunc(o.w.required(), func(out string) bool { return o.mu.contests[chainOf(out, part)] })
}

// committed is told of every commit before the broker takes it.
func (o *oracle) committed(part int, next int64) {
	for _, out := range o.w.required() {
		o.mu.Lock()
		end := o.mu.ends[chainOf(out, part)]
		o.mu.Unlock()
		if end < next {
			o.offend("partition %d is committed up to %d, and output %s has it up to %d (I1)", part, next, out, end)
		}
	}
}

func source(part int) schemas.SourceID {
	return schemas.SourceID{Pipeline: pipeline, Topic: topic, Partition: part}
}

func chainOf(out string, part int) string {
	return outputs + "/" + objectstore.SourceDir(out, source(part))
}

func letterName(part int, offset int64) string {
	return letters + "/" + objectletters.Name("", source(part), offset)
}

// judge reads everything at the end (I8).
func (o *oracle) judge(ctx context.Context) {
	out, err := o.w.store(direct{o.w.cloud}, outputs)
	if err != nil {
		o.offend("%v", err)
		return
	}
	for part := range o.w.log.parts {
		var first *verdict
		for _, name := range o.w.required() {
			v, err := o.read(ctx, out, name, part)
			if err != nil {
				o.offend("output %s: %v", name, err)
				continue
			}
			o.judgeChain(name, part, v)
			if first == nil {
				first = v
				continue
			}
			for _, e := range o.w.log.parts[part] {
				if a, b := first.fate[e.Offset], v.fate[e.Offset]; a != b && !o.forgotten(e, a) && (!o.contested(part) || !o.undecided(part, e)) {
					o.offend("offset %d of partition %d is %s in one output and %s in another", e.Offset, part, a, b)
				}
			}
		}
	}
}

// forgotten says whether a Parquet output may have an offset as skipped, though its record had rows: it was brought up from the table, where tombstones had
// taken all of them already.
func (o *oracle) forgotten(e entry, fate string) bool {
	return fate == "skipped" && e.forsaken() == len(e.refs(0)) && o.bringsUp()
}

// bringsUp says whether outputs are brought up from one that takes rows away.
func (o *oracle) bringsUp() bool { return o.w.plan.Table || o.w.plan.Lake }

// undecided says whether a record may end as a row or as a dead letter.
func (o *oracle) undecided(part int, e entry) bool {
	_, outcome := e.kind.Fate()
	l, there, err := o.letter(part, e.Offset)
	return err == nil && there && outcome == stream.Computed && o.excused(l.Reason)
}

// verdict is what an output says of a partition.
type verdict struct {
	end  int64
	fate map[int64]string
	rows map[int64][]schemas.Row
	gone map[int64]int // how often tombstones have taken rows of an offset, as far as the output tells; nil: this output takes nothing away
}

// read goes through the whole chain.
func (o *oracle) read(ctx context.Context, st objectstore.Store, out string, part int) (*verdict, error) {
	switch out {
	case table:
		return o.w.db.read(source(part))
	case lake:
		return o.readLake(ctx, st, source(part))
	}
	files, err := parquetsink.Chain(ctx, st, out, source(part), 0)
	if err != nil {
		return nil, err
	}
	v := &verdict{fate: map[int64]string{}, rows: map[int64][]schemas.Row{}}
	for _, f := range files {
		rows, err := parquetsink.ReadRows(ctx, st, f.Name)
		if err != nil {
			return nil, err
		}
		if f.Range.First != v.end {
			return nil, fmt.Errorf("%s begins at %d, the chain ended at %d", f.Name, f.Range.First, v.end)
		}
		v.end = f.Range.Next
		for _, r := range rows {
			v.rows[r.Offset] = append(v.rows[r.Offset], r)
			if len(v.rows[r.Offset]) == 1 {
				v.give(r.Offset, "row")
			}
		}
		v.giveAll(f.Range)
	}
	return v, nil
}

// giveAll gives the fates of a range's offsets that have no row.
func (v *verdict) giveAll(r schemas.Range) {
	for fate, spans := range map[string][]schemas.Span{"dead": r.Dead, "skipped": r.Skipped, "lost": r.Lost} {
		for _, s := range spans {
			for offset := s.First; offset < s.Next; offset++ {
				v.give(offset, fate)
			}
		}
	}
}

func (v *verdict) give(offset int64, fate string) {
	if was := v.fate[offset]; was != "" {
		fate = min(was, fate) + " and " + max(was, fate)
	}
	v.fate[offset] = fate
}

// judgeChain holds every offset of a chain to what its record demands.
func (o *oracle) judgeChain(out string, part int, v *verdict) {
	if want := o.w.log.final(part); v.end != want {
		o.offend("output %s of partition %d ends at %d, the log at %d", out, part, v.end, want)
		return
	}
	at := int64(0)
	for _, e := range o.w.log.parts[part] {
		for ; at < e.Offset; at++ {
			if v.fate[at] != "skipped" {
				o.offend("offset %d of partition %d is not in the log, and in output %s it is %q", at, part, out, v.fate[at])
			}
		}
		at++
		if v.gone == nil && o.forgotten(e, v.fate[e.Offset]) {
			continue
		}
		err := o.judgeRecord(part, e, v.fate[e.Offset], v.rows[e.Offset], v.gone != nil)
		if n, gone := e.forsaken(), v.gone[e.Offset]; err == nil && v.gone != nil && v.fate[e.Offset] == "row" && (gone > n || gone == 0 && n > 0) {
			err = fmt.Errorf("its rows are gone %d times; tombstones name %d of its references", gone, n)
		}
		if err != nil {
			o.offend("offset %d of partition %d (%s) in output %s: %v", e.Offset, part, e.kind, out, err)
		}
	}
}

// judgeRecord has takes for an output that takes rows away.
func (o *oracle) judgeRecord(part int, e entry, fate string, rows []schemas.Row, takes bool) error {
	_, outcome := e.kind.Fate()
	want := map[stream.Outcome]string{stream.Computed: "row", stream.Dead: "dead", stream.Skipped: "skipped"}[outcome]
	letter, there, err := o.letter(part, e.Offset)
	if err != nil {
		return err
	}
	if want == "row" && there && o.excused(letter.Reason) {
		want = fate // it was given up once, and perhaps computed after a crash
		if fate != "row" && fate != "dead" {
			want = "row or dead"
		}
	}
	switch {
	case fate != want:
		return fmt.Errorf("its fate is %q, want %q", fate, want)
	case fate == "dead" && !there:
		return fmt.Errorf("it is dead and has no letter")
	case outcome == stream.Computed && there && !o.excused(letter.Reason):
		return fmt.Errorf("it has a letter (%s: %s)", letter.Reason, letter.Message)
	case outcome == stream.Skipped && there:
		return fmt.Errorf("it is skipped and has a letter (%s)", letter.Reason)
	case there && string(letter.Value) != string(e.Value):
		return fmt.Errorf("its letter does not hold its value")
	case there && outcome == stream.Dead && letter.Reason != reasonOf(e.kind) && !o.excused(letter.Reason):
		return fmt.Errorf("its letter says %s (%s), want %s", letter.Reason, letter.Message, reasonOf(e.kind))
	case fate == "row":
		return o.judgeRows(part, e, rows, takes)
	}
	return nil
}

// excused are the reasons for which a good record may die in this world: retries that were used up.
func (o *oracle) excused(r schemas.Reason) bool {
	return r == schemas.ReasonFetchFailed && o.w.plan.losesInputs()
}

func reasonOf(k streamtest.Kind) schemas.Reason {
	switch k {
	case streamtest.Garbage:
		return schemas.ReasonSchema
	case streamtest.Missing:
		return schemas.ReasonFetchMissing
	case streamtest.Damaged:
		return schemas.ReasonDecode
	case streamtest.Panics:
		return schemas.ReasonPanic
	}
	return schemas.ReasonModel
}

// judgeRows compares rows with what the objects of the record make, each alone (I7). Those of a reference that a tombstone names are not in an output that takes
// rows away, and perhaps not in one that was brought up from it.
func (o *oracle) judgeRows(part int, e entry, rows []schemas.Row, takes bool) error {
	refs, of := e.refs(part), map[string][]schemas.Row{}
	for i := range rows {
		if !slices.Contains(refs, rows[i].RefID) {
			return fmt.Errorf("it has a row of %s", rows[i].RefID)
		}
		of[rows[i].RefID] = append(of[rows[i].RefID], rows[i])
	}
	for n, ref := range refs {
		got := of[ref]
		switch {
		case e.deleted[n] && takes && len(got) > 0:
			return fmt.Errorf("a tombstone names %s, and its rows are there", ref)
		case e.deleted[n] && len(got) == 0 && o.bringsUp():
			continue
		}
		kind := e.kind
		if n > 0 {
			kind = streamtest.Good
		}
		if err := judgeRef(part, ref, got, vectors(kind, int64(part), e.Offset+int64(n))); err != nil {
			return err
		}
	}
	return nil
}

// judgeRef compares the rows of one reference.
func judgeRef(part int, ref string, rows []schemas.Row, want []float32) error {
	slices.SortFunc(rows, func(a, b schemas.Row) int { return a.Window - b.Window })
	if len(rows) != len(want) {
		return fmt.Errorf("%s has %d rows, want %d", ref, len(rows), len(want))
	}
	for i := range rows {
		r := &rows[i]
		switch {
		case r.Window != i:
			return fmt.Errorf("row %d is of window %d", i, r.Window)
		case len(r.Vector) != 1 || r.Vector[0] != want[i]:
			return fmt.Errorf("window %d is %v, want %v", i, r.Vector, want[i])
		case r.Topic != topic || r.Partition != part:
			return fmt.Errorf("window %d says it is of %s, %s/%d", i, ref, r.Topic, r.Partition)
		case r.RowID != schemas.RowID(&r.Lineage):
			return fmt.Errorf("window %d has a row id that is not its lineage's", i)
		}
	}
	return nil
}

// buried is told of a letter that the dead-letter topic has acknowledged.
func (o *oracle) buried(l sinks.Letter) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.topic[letterName(l.Source.Partition, l.Offset)] = l
}

// judgeTopic looks for every acknowledged letter in the topic.
func (o *oracle) judgeTopic(ctx context.Context, b *kafkaBroker) {
	keys, err := b.keys(ctx)
	if err != nil {
		o.offend("%v", err)
		return
	}
	o.mu.Lock()
	all := maps.Clone(o.mu.topic)
	o.mu.Unlock()
	for name, l := range all {
		if key := fmt.Sprintf("%s/%d", l.Source, l.Offset); !keys[key] {
			o.offend("the letter %s was acknowledged and is not in the topic", name)
		}
	}
}

func (o *oracle) letter(part int, offset int64) (l sinks.Letter, there bool, err error) {
	o.mu.Lock()
	l, there = o.mu.topic[letterName(part, offset)]
	o.mu.Unlock()
	if there {
		return l, true, nil
	}
	o.w.cloud.mu.Lock()
	obj := o.w.cloud.mu.objects[letterName(part, offset)]
	o.w.cloud.mu.Unlock()
	if obj == nil {
		return l, false, nil
	}
	l, err = objectletters.Parse(obj.body)
	if err == nil && (l.Source != source(part) || l.Offset != offset) {
		err = fmt.Errorf("the letter %s is of %s offset %d", letterName(part, offset), l.Source, l.Offset)
	}
	return l, true, err
}
