package backfill

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"

	"vecmill/internal/backfill/plan"
	"vecmill/schemas"
)

// Source enumerates the references that are to be computed.
type Source interface {
	// Each gives references from state on, nil for the beginning, with the state that belongs to them. Calls of give come one at a time.
	Each(ctx context.Context, state json.RawMessage, give func(items []plan.Item, state any) error) error
}

// MakeOptions say what goes into a plan.
type MakeOptions struct {
	Known  func(*schemas.Ref) bool   // computed already; nil: nothing is
	For    func(*schemas.Ref) string // the pipelines that take it, as plan.Item has them; nil: they are not told
	Sample int                       // references to keep aside; 0: as many as a plan that is gone on with has, and with its seed, else the usual number
	Seed   uint64
	Wait   func(context.Context) error // before each part of what the source gives is taken; may be nil
	Tell   func(Counts)                // told of the progress from time to time; may be nil
	Copies *Copies                     // counts copies; nil: nobody does
}

// A sample unless another is asked for: a run that makes its plan asks for none, and who finishes that plan may want to know what the run takes.
const (
	UsualSample = 512
	UsualSeed   = 1
)

// Counts are what an enumeration came across.
type Counts struct {
	Seen    int64 `json:"seen"`
	Planned int64 `json:"planned"`
	Known   int64 `json:"known"`           // computed already, and left out
	Bytes   int64 `json:"bytes"`           // of the planned ones, where the source says
	Lists   int64 `json:"lists,omitempty"` // keys that were left out for being called as lists of references are

	Unreadable int64 `json:"unreadable,omitempty"` // of the planned ones, lines that are no reference: a run makes dead letters of them
	Untaken    int64 `json:"untaken,omitempty"`    // of the planned ones, references that no pipeline takes: likewise

	Copied *Copied `json:"copies,omitempty"` // of the planned ones; nil: results are not reused, so that all are computed
}

// Draft is a plan that is enumerated and not finished.
type Draft struct {
	Counts
	Deletions int64       // of the planned ones: references that compute nothing
	Sizes     Sizes       // of the objects
	Sample    []plan.Item // of the objects, in an order that is as random as the seed. Behind an interruption it is whole after Recall

	left   []leftAt
	copies Sizes     // of the planned ones
	near   [33]int64 // those of contents that an item before has, as Copies has them
}

// leftAt is a reference of the sample that the plan's parts alone have.
type leftAt struct {
	index  int
	number int64
}

// objects are what a run computes of what is planned.
func (d *Draft) objects() int64 { return d.Planned - d.Unreadable - d.Deletions }

// drafting is what is saved with the parts.
type drafting struct {
	Source    json.RawMessage `json:"source"`
	Counts    Counts          `json:"counts"`
	Deletions int64           `json:"deletions,omitempty"`
	Sizes     Sizes           `json:"sizes"`
	Sample    []picked        `json:"sample"`
	Picked    *picking        `json:"picked,omitempty"` // how the sample is drawn; builds before this one did not say
}

// picking is how a sample is drawn: one that is gone on with in another way would be none.
type picking struct {
	Sample int    `json:"sample"`
	Seed   uint64 `json:"seed"`
}

// picked is a reference of the sample: those with the smallest ranks are kept.
type picked struct {
	Rank uint64       `json:"rank"`
	Ref  *schemas.Ref `json:"ref,omitempty"`
	At   *int64       `json:"at,omitempty"` // the number of a long one, as of inline data, which is saved with the plan's parts alone: nil of others, and in what builds before this one saved
	Size int64        `json:"size"`
}

// longRef is how many bytes of JSON a reference has at least that is not saved again and again.
const longRef = 4 << 10

// saved is what is saved of a draft.
func (d drafting) saved() drafting {
	d.Sample = slices.Clone(d.Sample)
	for i := range d.Sample {
		if d.Sample[i].At != nil {
			d.Sample[i].Ref = nil
		}
	}
	return d
}

// Make enumerates src into w, whose saved state is state, to the end. It saves from time to time; interrupted, it is called again with what NewWriter gives.
func Make(ctx context.Context, w *plan.Writer, state json.RawMessage, src Source, o MakeOptions) (*Draft, error) {
	var d drafting
	if state != nil {
		if err := json.Unmarshal(state, &d); err != nil {
			return nil, fmt.Errorf("the plan's progress: %w", err)
		}
	}
	if err := d.draw(&o); err != nil {
		return nil, err
	}
	if state != nil && o.Copies != nil {
		if err := o.again(ctx, w); err != nil {
			return nil, err
		}
	}
	saved := newSaving()
	err := src.Each(ctx, d.Source, func(items []plan.Item, at any) error {
		if o.Wait != nil {
			if err := o.Wait(ctx); err != nil {
				return err
			}
		}
		for _, it := range items {
			if err := d.add(w, it, &o); err != nil {
				return err
			}
		}
		var err error
		if d.Source, err = json.Marshal(at); err != nil {
			return fmt.Errorf("the source's progress: %w", err)
		}
		if o.Tell != nil {
			o.Tell(d.Counts)
		}
		if w.Full() || saved.due() {
			return saved.do(func() error { return w.Save(ctx, d.saved()) })
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if l, ok := src.(interface{ Lists() int64 }); ok {
		d.Counts.Lists = l.Lists()
	}
	if err := w.Save(ctx, d.saved()); err != nil { // what follows takes a while, and may be interrupted too
		return nil, err
	}
	return d.draft(o.Copies), nil
}

// Redraft is the draft of a complete plan, of w, by the state that was saved last. Its sample is whole; copies are counted if somebody counts them, with the pipelines that of says take a reference.
func Redraft(ctx context.Context, w *plan.Writer, state json.RawMessage, copies *Copies, of func(*schemas.Ref) string) (*Draft, error) {
	var d drafting
	if err := json.Unmarshal(state, &d); err != nil {
		return nil, fmt.Errorf("the plan's progress: %w", err)
	}
	if copies != nil {
		o := MakeOptions{For: of, Copies: copies}
		if err := o.again(ctx, w); err != nil {
			return nil, err
		}
	}
	out := d.draft(copies)
	return out, out.Recall(ctx, w)
}

// draft is what was drafted, with the copies that were counted; nil: nobody has.
func (d *drafting) draft(copies *Copies) *Draft {
	out := &Draft{Counts: d.Counts, Deletions: d.Deletions, Sizes: d.Sizes}
	if copies != nil {
		var found Copied
		found, out.copies, out.near = copies.found()
		out.Copied = &found
	}
	for i, p := range d.Sample {
		it := plan.Item{Size: p.Size}
		if p.Ref != nil {
			it.Ref = *p.Ref
		} else {
			out.left = append(out.left, leftAt{i, *p.At})
		}
		out.Sample = append(out.Sample, it)
	}
	return out
}

// Recall reads what a plan that was gone on with has of the sample. Each part is read once at most.
func (d *Draft) Recall(ctx context.Context, w *plan.Writer) error {
	r := w.Reader()
	slices.SortFunc(d.left, func(a, b leftAt) int { return cmp.Compare(a.number, b.number) })
	for _, l := range d.left {
		ref, err := r.Ref(ctx, l.number)
		if err == nil {
			d.Sample[l.index].Ref, err = schemas.ParseRef([]byte(ref))
		}
		if err != nil {
			return fmt.Errorf("reading the sample again: %w", err)
		}
	}
	d.left = nil
	return nil
}

// draw settles how the sample is drawn: as it was begun, if that is asked for, or nothing is.
func (d *drafting) draw(o *MakeOptions) error {
	asked := picking{o.Sample, o.Seed}
	switch {
	case d.Picked == nil && o.Sample == 0:
		asked = picking{UsualSample, UsualSeed}
	case d.Picked != nil && o.Sample == 0:
		asked = *d.Picked
	case d.Picked != nil && asked != *d.Picked:
		return fmt.Errorf("it was begun with --sample %d --seed %d, and what it has come across since cannot be drawn again; finish it with these, or plan at another place", d.Picked.Sample, d.Picked.Seed)
	}
	d.Picked = &asked
	return nil
}

func (d *drafting) add(w *plan.Writer, it plan.Item, o *MakeOptions) error {
	d.Counts.Seen++
	if o.Known != nil && it.Ref.ID != "" && o.Known(&it.Ref) {
		d.Counts.Known++
		return nil
	}
	if o.For != nil && it.Ref.ID != "" {
		if it.For = o.For(&it.Ref); it.For == "" {
			d.Counts.Untaken++
		}
	}
	at, err := w.Add(it)
	if err != nil {
		return err
	}
	if o.Copies != nil {
		o.Copies.note(&it, at)
	}
	d.Counts.Planned++
	switch {
	case it.Ref.ID == "":
		d.Counts.Unreadable++
	case it.Ref.Deleted:
		d.Deletions++
	default:
		d.Counts.Bytes += max(it.Size, 0)
		d.Sizes[sizeOf(it.Size)]++
		d.pick(it, at)
	}
	return nil
}

// again counts the copies among what was planned before an interruption.
func (o *MakeOptions) again(ctx context.Context, w *plan.Writer) error {
	at := int64(0)
	return w.Saved(ctx, func(ref string, size int64) error {
		it := plan.Item{Size: size}
		if json.Unmarshal([]byte(ref), &it.Ref) == nil && it.Ref.ID != "" && o.For != nil {
			it.For = o.For(&it.Ref)
		}
		o.Copies.note(&it, at)
		at++
		return nil
	})
}

// pick keeps the references whose hash with the seed is smallest: a sample that does not depend on order, and can be gone on with.
func (d *drafting) pick(it plan.Item, number int64) {
	p, most := picked{Rank: rank(d.Picked.Seed, it.Ref.ID), Size: it.Size}, d.Picked.Sample
	n := len(d.Sample)
	if n >= most && p.Rank >= d.Sample[n-1].Rank {
		return
	}
	ref := it.Ref
	p.Ref = &ref
	if b, err := json.Marshal(ref); err == nil && len(b) >= longRef {
		long := number
		p.At = &long
	}
	at, _ := slices.BinarySearchFunc(d.Sample, p.Rank, func(x picked, rank uint64) int {
		switch {
		case x.Rank < rank:
			return -1
		case x.Rank > rank:
			return 1
		}
		return 0
	})
	d.Sample = slices.Insert(d.Sample, at, p)
	if len(d.Sample) > most {
		d.Sample = d.Sample[:most]
	}
}

func rank(seed uint64, id string) uint64 {
	h := fnv.New64a()
	h.Write(binary.LittleEndian.AppendUint64(nil, seed))
	h.Write([]byte(id))
	// FNV's last bytes hardly reach its high bits: names that count up would be picked by their beginning.
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
