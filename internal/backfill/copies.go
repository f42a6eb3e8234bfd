package backfill

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"math/bits"
	"regexp"

	"vecmill/internal/backfill/ledger"
	"vecmill/internal/backfill/plan"
	"vecmill/schemas"
)

// Copied is what a plan knows of its items' contents before anything is fetched: by entity tags. A run compares contents themselves.
type Copied struct {
	Outputs int64 `json:"outputs"`         // of contents that outputs have under other names
	Within  int64 `json:"within"`          // of contents that an item before has
	Untold  int64 `json:"untold"`          // items that may be copies all the same: their tags do not say it
	About   int   `json:"about,omitempty"` // Within was counted of one content in so many; 0: of all
}

// All are the items that have another's content, as far as tags tell.
func (c *Copied) All() int64 { return c.Outputs + c.Within }

// Copies counts them while a plan is made. It is for one goroutine.
type Copies struct {
	reuses  func(*schemas.Ref) bool // results of its content are reused
	known   func(*schemas.Ref) bool // outputs have its content
	seen    *ledger.Repeats
	outputs int64
	untold  int64
	sizes   Sizes // of copies of what outputs have
	within  [16]within
}

// within counts the items that come again, of the contents of a level.
type within struct {
	sizes Sizes
	near  [33]int64 // by the power of two of how far behind the last one of their content they come
}

// NewCopies counts none so far, of those whose contents' results are reused; known says of which outputs have the content. Close gives its memory back.
func NewCopies(reuses, known func(*schemas.Ref) bool) *Copies {
	return &Copies{reuses: reuses, known: known, seen: ledger.NewRepeats()}
}

// Close gives the memory back; the counts stay.
func (c *Copies) Close() { c.seen.Close() }

var (
	wholeRE = regexp.MustCompile(`^[0-9a-f]{32}$`)        // the MD5 of the content
	partsRE = regexp.MustCompile(`^[0-9a-f]{32}-[0-9]+$`) // the MD5 of the MD5s of its parts: other parts give the same content another one
)

// TellsContent says whether objects of equal entity tag and size have the same content. Tags of stores that count versions do not; neither does one say by being another that the content is, unless it is of one part.
func TellsContent(etag string) bool { return wholeRE.MatchString(etag) || partsRE.MatchString(etag) }

// contentOf is the same for items of the same content that are computed alike, as far as that is told; "": it is not.
func contentOf(it *plan.Item) string {
	r := &it.Ref
	tag, size := schemas.PlainETag(r.ETag), it.Size
	switch {
	case r.Inline != nil:
		tag, size = fmt.Sprintf("sha256:%x", sha256.Sum256(r.Inline)), 0
	case !TellsContent(tag):
		return ""
	}
	span := schemas.ByteRange{}
	if r.Range != nil {
		span = *r.Range
	}
	return fmt.Sprintf("%s %d %d %d %s %q %q", tag, size, span.Off, span.N, r.CompanionHash(), r.Modality, it.For)
}

// note takes an item into account, that is planned at a place.
func (c *Copies) note(it *plan.Item, at int64) {
	if it.Ref.ID == "" || it.Ref.Deleted || !c.reuses(&it.Ref) {
		return
	}
	content := contentOf(it)
	if content == "" {
		c.untold++
		return
	}
	behind, level := c.seen.Note(content, at)
	switch {
	case c.known(&it.Ref):
		c.outputs++
		c.sizes[sizeOf(it.Size)]++
	case behind > 0:
		w := &c.within[level]
		w.sizes[sizeOf(it.Size)]++
		w.near[bits.Len32(uint32(behind-1))]++
	case partsRE.MatchString(schemas.PlainETag(it.Ref.ETag)):
		c.untold++
	}
}

// found are the counts so far.
func (c *Copies) found() (out Copied, sizes Sizes, near [33]int64) {
	out = Copied{Outputs: c.outputs, Untold: c.untold}
	sizes = c.sizes
	level := c.seen.Level()
	for i := range c.within[level:] {
		w := &c.within[level+i]
		for n, x := range w.sizes {
			sizes[n] += x << level
		}
		for n, x := range w.near {
			near[n] += x << level
			out.Within += x << level
		}
	}
	if level > 0 {
		out.About = 1 << level
	}
	return out, sizes, near
}

// sure are the copies that a run on one machine does not compute if it keeps the results of so many contents: those of outputs, and those that come close enough behind another.
func (d *Draft) sure(kept float64) int64 {
	if d.Copied == nil {
		return 0
	}
	sure := d.Copied.Outputs
	for n, x := range d.near {
		if float64(int64(1)<<n) <= kept || kept >= float64(d.Planned) {
			sure += x
		}
	}
	return sure
}

// without is a draft without some of its copies.
func (d *Draft) without(copies int64) *Draft {
	out := *d
	share := float64(copies) / float64(max(d.Copied.All(), 1))
	for i, n := range d.copies {
		out.Sizes[i] -= min(int64(math.Round(float64(n)*share)), out.Sizes[i])
	}
	out.Planned -= min(copies, out.Planned)
	if d.sized() {
		out.Planned = out.Unreadable + out.Deletions
		for _, n := range out.Sizes {
			out.Planned += n
		}
	}
	return &out
}

// part is what is counted of a part of a draft.
func (c *Copied) part(share float64) *Copied {
	if c == nil {
		return nil
	}
	of := func(n int64) int64 { return int64(math.Round(float64(n) * share)) }
	return &Copied{Outputs: of(c.Outputs), Within: of(c.Within), Untold: of(c.Untold), About: c.About}
}

// giveTime is the part of the time to compute that trying copies takes at most, but for two trials.
const giveTime = 4

// giveOut tries what copies take, with what was computed of the sample.
func (x *looked) giveOut(ctx context.Context, o ExpectOptions) error {
	var items []plan.Item
	for i, w := range x.work {
		if w > 0 {
			items = append(items, x.items[i])
		}
	}
	o.For /= giveTime
	return trials(ctx, items, o.Give, o, func(_ int, t Tried) {
		x.given = append(x.given, run{t, float64(t.Items)})
	})
}

// ofCopies is what so many copies take: to be fetched, known by their bytes, and written.
func (x *looked) ofCopies(n float64) (wall, cpu Interval) {
	var sum run
	for _, r := range x.given {
		sum.Wall, sum.CPU, sum.work = sum.Wall+r.Wall, sum.CPU+r.CPU, sum.work+r.work
	}
	if sum.work == 0 {
		return wall, cpu
	}
	unsure := unsteady(x.given)
	return interval(sum.Wall.Seconds()*n/sum.work, unsure), interval(sum.CPU.Seconds()*n/sum.work, unsure)
}
