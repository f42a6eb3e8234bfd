package wire

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"vecmill/internal/audit"
	"vecmill/internal/backfill"
	"vecmill/internal/backfill/ledger"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetfile"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/pgvectorsink"
	"vecmill/stream"
)

// doneWorks is what the outputs have.
type doneWorks struct {
	takers
	set  *ledger.Set
	tags *ledger.Sieve // what they have by entity tags alone, of any name; nil: no pipeline looks for contents in its outputs
	o    *PlanOptions
	byID bool // what is there under another id is not known
}

// close gives the memory back.
func (d *doneWorks) close() {
	d.set.Close()
	if d.tags != nil {
		d.tags.Close()
	}
}

// knownWorks reads what the pipelines' outputs have.
func knownWorks(ctx context.Context, c *config.Config, s *stores, models []*loadedModel, o PlanOptions) (*doneWorks, error) {
	inputs, err := newInputs(c, o.Log)
	if err != nil {
		return nil, err
	}
	t := takers{c, models, inputs}
	d := &doneWorks{takers: t, set: t.asked(), o: &o, byID: o.byID}
	if slices.ContainsFunc(c.Pipelines, func(p config.Pipeline) bool { return p.ReuseOutputs }) {
		d.tags = ledger.NewSieve()
	}
	for i := range c.Pipelines {
		if o.Again && !c.Pipelines[i].ReuseOutputs {
			continue
		}
		if err := d.pipeline(ctx, i, s); err != nil {
			d.close()
			return nil, err
		}
	}
	return d, nil
}

// copies counts the items of a plan that are copies; nil if no pipeline reuses results.
func (d *doneWorks) copies() *backfill.Copies {
	if !slices.ContainsFunc(d.c.Pipelines, func(p config.Pipeline) bool { return p.ReuseResults > 0 }) {
		return nil
	}
	reuses := func(r *schemas.Ref) bool {
		for i := range d.models {
			if yes, _ := d.take(i, r); yes && d.c.Pipelines[i].ReuseResults > 0 {
				return true
			}
		}
		return false
	}
	kinds := make([][]ledger.Kind, len(d.models)) // none of a pipeline that does not look into its outputs
	for i, m := range d.models {
		if d.c.Pipelines[i].ReuseOutputs {
			kinds[i] = kindsOf(&d.c.Pipelines[i], m)
		}
	}
	return backfill.NewCopies(reuses, func(r *schemas.Ref) bool { return d.tags != nil && d.copied(r, kinds) })
}

// copied says whether every pipeline that takes a reference finds its content in its outputs, as far as entity tags tell.
func (d *doneWorks) copied(r *schemas.Ref, kinds [][]ledger.Kind) bool {
	object, taken := objectOf(r), false
	for i := range d.models {
		if yes, _ := d.take(i, r); !yes {
			continue
		}
		if taken = true; len(kinds[i]) == 0 {
			return false
		}
		for _, object.Kind = range kinds[i] {
			if text := taggedText(&object); text == "" || !d.tags.Has(text) {
				return false
			}
		}
	}
	return taken
}

// taggedText is a work's by the content that its entity tag tells, whatever it is called; "": it tells none. A part of an object is told by the bytes that it is.
func taggedText(w *ledger.Work) string {
	_, inline := strings.CutPrefix(w.URI, schemas.InlinePlace)
	if !inline && !backfill.TellsContent(w.ETag) {
		return ""
	}
	part := ""
	if i := strings.LastIndex(w.URI, "#bytes="); i >= 0 && !inline {
		part, _, _ = strings.Cut(w.URI[i:], idMark) // a content has no id
	}
	return fmt.Sprintf("%q %q %q", w.Kind, []string{w.ETag, part}, w.Beside)
}

// asked is an empty set for what the pipelines would compute.
func (t *takers) asked() *ledger.Set {
	lists := make([][]ledger.Kind, len(t.models))
	for i, m := range t.models {
		lists[i] = kindsOf(&t.c.Pipelines[i], m)
	}
	return ledger.NewSet(lists...)
}

// kindsOf are what a pipeline computes, by head: none if the options of one of them have no digest, as without that head no object is complete.
func kindsOf(p *config.Pipeline, m *loadedModel) (all []ledger.Kind) {
	if len(m.options) < len(m.heads) {
		return nil
	}
	for _, h := range m.options {
		all = append(all, ledger.Kind{Pipeline: p.Name, Model: m.digest, Preprocess: m.pre.Digest(), Head: h.name, Options: h.digest})
	}
	return all
}

// pipeline reads the first required output of a pipeline that can be read: required outputs agree.
func (d *doneWorks) pipeline(ctx context.Context, i int, s *stores) error {
	p := &d.c.Pipelines[i]
	for j := range p.Outputs {
		out := &p.Outputs[j]
		if out.BestEffort {
			continue
		}
		if files, _ := out.Files(); files != nil {
			store, prefix, err := s.openPatient(ctx, files.URL)
			if err != nil {
				return err
			}
			if err := d.files(ctx, audit.Parquet{Store: store, Prefix: prefix, Layout: parquetsink.Layout(files.Layout)}, i); err != nil {
				return fmt.Errorf("reading what %s has already: %w", files.URL, err)
			}
			return nil
		}
		if out.Postgres != nil {
			return d.table(ctx, out.Postgres, p.Name)
		}
		if out.Iceberg != nil {
			return icebergWorks(ctx, out.Iceberg, s, p.Name, d.rows(p.Name))
		}
	}
	return nil
}

// table adds the works of a pipeline's rows in a table.
func (d *doneWorks) table(ctx context.Context, c *config.Postgres, pipeline string) error {
	r, err := pgvectorsink.OpenReader(ctx, c.URL.Reveal(), c.Table)
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	defer r.Close()
	return r.Works(ctx, pipeline, d.rows(pipeline))
}

// rows adds the works of a pipeline's rows in a table.
func (d *doneWorks) rows(pipeline string) func(l *schemas.Lineage, heads string) error {
	options := map[string]map[string]string{} // few, each of many rows
	return func(l *schemas.Lineage, heads string) error {
		if options[heads] == nil {
			options[heads] = parseHeads(heads)
		}
		d.addRow(pipeline, l, options[heads])
		return nil
	}
}

// add makes a work known, if it is told which options its head had, and which object it was.
func (d *doneWorks) add(w *ledger.Work, options map[string]string) {
	if w.Options = options[w.Head]; w.Options == "" || w.ETag == "" {
		return
	}
	d.set.Add(w)
	if d.tags != nil {
		if text := taggedText(w); text != "" {
			d.tags.Add(text)
		}
	}
}

// besideOf is the hash of what went beside a row's text. A row that says that there was something, and not what, is of an older build.
func besideOf(l *schemas.Lineage) (hash string, ok bool) {
	hash = l.Attributes[schemas.CompanionHashNote]
	return hash, hash != "" || l.Attributes[schemas.CompanionNote] == ""
}

// addRow makes the work of a row known, if it says what went beside its text.
func (d *doneWorks) addRow(pipeline string, l *schemas.Lineage, options map[string]string) {
	beside, ok := besideOf(l)
	if !ok {
		return
	}
	kind := ledger.Kind{Pipeline: pipeline, Model: l.ModelDigest, Preprocess: l.PreprocessDigest, Head: l.Head}
	w := objectOfRow(l)
	w.Kind, w.Beside = kind, beside
	d.named(&w, l.RefID)
	d.add(&w, options)
}

// objectOfRow is what a row's reference meant, but for what was beside it.
func objectOfRow(l *schemas.Lineage) ledger.Work {
	w := ledger.Work{URI: l.URI, ETag: l.ETag}
	if l.URI == schemas.InlinePlace && l.ContentHash != "" {
		w.URI, w.ETag = inlineObject(l.RefID, l.ContentHash)
	}
	return w
}

// idMark is in no URI.
const idMark = "\x00"

// named makes a work one of its id alone, where references are known by that, too: readers of an output that is computed again find its rows by their ids, of which an object may have several.
func (d *doneWorks) named(w *ledger.Work, id string) {
	if d.byID {
		w.URI += idMark + id
	}
}

// inlineObject is what stands for URI and entity tag of inline data: nothing but its id tells that it is the same one, and the SHA-256 of its bytes, in hex, that it did not change.
func inlineObject(id, hash string) (uri, etag string) {
	return schemas.InlinePlace + id, "sha256:" + hash
}

// objectOf is the part of a reference's work that is the same for all kinds. Without an ETag its object is not pinned.
func objectOf(r *schemas.Ref) ledger.Work {
	w := ledger.Work{URI: r.Place(), ETag: schemas.PlainETag(r.ETag), Beside: r.CompanionHash()}
	if r.Inline != nil {
		sum := sha256.Sum256(r.Inline)
		w.URI, w.ETag = inlineObject(r.ID, hex.EncodeToString(sum[:]))
	}
	return w
}

// files adds the works of a pipeline's files, several at once, but for rows of references that were deleted behind them.
func (d *doneWorks) files(ctx context.Context, q audit.Parquet, i int) error {
	names, err := q.Names(ctx, d.c.Pipelines[i].Name)
	if err != nil {
		return err
	}
	p := outputFiles{store: q.Store, names: names, lanes: d.o.Listers, told: d.o.Reading}
	return p.read(ctx, func(ctx context.Context, n int, f notedFile, all *noted) error {
		return d.file(ctx, q.Store, names[n], f, all, i)
	})
}

// file adds the works of a file. What was beside a text is among the rows' attributes; nothing is beside anything else, and where nothing was deleted, nothing was inline and ids do not count, its rows are read by fewer columns.
func (d *doneWorks) file(ctx context.Context, store objectstore.Store, name string, f notedFile, all *noted, i int) error {
	options, pipeline := parseHeads(f.heads), d.c.Pipelines[i].Name
	if len(options) == 0 {
		return nil // it has no rows, or was written before files said which options their heads had: not known to be the same
	}
	if !all.any && !d.byID && d.models[i].spec.Modality != schemas.Text {
		inline, err := d.fewColumns(ctx, store, name, pipeline, options)
		if err != nil || !inline {
			return err
		}
	}
	return parquetsink.Backwards(ctx, store, name, func(l *schemas.Lineage) error {
		if !all.took(f, l) {
			d.addRow(pipeline, l, options)
		}
		return nil
	})
}

// fewColumns adds the works of a file's rows but for those of inline data, whose ids and hashes it does not read; it says whether there are any.
func (d *doneWorks) fewColumns(ctx context.Context, store objectstore.Store, name, pipeline string, options map[string]string) (inline bool, err error) {
	scan := func(columns []string, each func([]parquetfile.Value) error) error {
		return parquetsink.Scan(ctx, store, name, columns, each)
	}
	err = ledger.Scan(scan, func(w *ledger.Work) error {
		w.Pipeline = pipeline
		inline = inline || w.URI == schemas.InlinePlace
		d.add(w, options)
		return nil
	})
	return inline, err
}

// known says whether every pipeline that would take a reference has all its heads' rows of it. Only a reference that pins its object, or has it inline, can be known: another's object may
// have changed. A reference that one pipeline alone lacks is made that pipeline's; with several that lack it, the others compute it again, and so they do where they read other topics: made one's
// alone, it would be a dead letter of those that read the topic which it is published to.
func (d *doneWorks) known(r *schemas.Ref) bool {
	if d.o.Again || r.Deleted {
		return false
	}
	object := objectOf(r)
	if object.ETag == "" {
		return false
	}
	d.named(&object, r.ID)
	var taken, lacking []int
	for i := range d.models {
		if yes, _ := d.take(i, r); yes {
			taken = append(taken, i)
			if !d.set.Complete(i, &object) {
				lacking = append(lacking, i)
			}
		}
	}
	if len(lacking) == 1 && len(taken) > 1 && d.together(taken) {
		d.assign(lacking[0], r)
	}
	return len(taken) > 0 && len(lacking) == 0
}

// together says whether pipelines read the same topics.
func (d *doneWorks) together(pipelines []int) bool {
	topics := func(i int) []string { return slices.Compact(slices.Sorted(slices.Values(d.c.Pipelines[i].Topics))) }
	for _, i := range pipelines[1:] {
		if !slices.Equal(topics(i), topics(pipelines[0])) {
			return false
		}
	}
	return true
}

// assign makes a reference a pipeline's alone, if it is sure that the run's pipeline takes it then.
func (d *doneWorks) assign(i int, r *schemas.Ref) {
	own := *r
	own.Route = d.c.Pipelines[i].Name
	if yes, sure := d.take(i, &own); yes && sure {
		r.Route = own.Route
	}
}

// takers are pipelines that are asked which references they take before there is a record that these come in.
type takers struct {
	c      *config.Config
	models []*loadedModel // by pipeline
	inputs []input        // likewise
}

// names are the pipelines that take a reference, with commas between them.
func (t *takers) names(r *schemas.Ref) string {
	var all []string
	for i := range t.models {
		if yes, _ := t.take(i, r); yes {
			all = append(all, t.c.Pipelines[i].Name)
		}
	}
	return strings.Join(all, ",")
}

// take says whether a pipeline takes a reference. It is not sure where the pipeline's condition asks about the record.
func (t *takers) take(i int, r *schemas.Ref) (yes, sure bool) {
	if r.Modality != "" && r.Modality != t.models[i].spec.Modality || r.Route != "" && r.Route != t.c.Pipelines[i].Name {
		return false, true
	}
	if f := t.inputs[i].filter; f != nil && f.AsksRecord() {
		return true, false
	}
	return t.inputs[i].takes(stream.Candidate{Record: &stream.Record{}, Ref: r}), true
}
