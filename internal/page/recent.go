package page

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"vecmill/internal/status"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
)

// Bounds of what Recent keeps of one pipeline.
const (
	itemsKept   = 12
	lettersKept = 8
	objectMost  = 512 << 10 // bytes of an object that is kept to be shown
	textMost    = 400       // bytes of a text, a message, a result
	itemEvery   = 500 * time.Millisecond
)

// Recent keeps a few of a pipeline's latest items with their objects, and its latest letters: at most itemsKept * objectMost bytes. At full rate
// it takes two items a second, so that a reader can follow and the pipeline does not feel it. A nil Recent keeps nothing. It is a stream.Witness.
type Recent struct {
	mu      sync.Mutex
	items   []*kept // oldest first
	letters []status.Letter
	serial  int64     // of the last item
	taken   time.Time // when the last item was
}

// kept is one item. Several references of a record have its position, and may have one id, for two versions of an object.
type kept struct {
	status.Item
	at            stream.Position
	id            string
	etag, version string
	data          []byte
}

// Which names an item among those of a pipeline: the serial number tells references of one record apart.
type Which struct {
	At     stream.Position
	Serial int64
}

// Fetched implements stream.Witness.
func (r *Recent) Fetched(at stream.Position, ref *schemas.Ref, b *stream.Blob) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.taken) < itemEvery && len(r.items) == itemsKept {
		return
	}
	r.taken = now
	r.serial++
	k := &kept{at: at, id: ref.ID, etag: b.ETag, version: b.Version, Item: status.Item{
		Serial: r.serial, ID: short(ref.ShownID()), URI: short(schemas.ShownURI(ref.Place())), Partition: at.String(), Offset: at.Offset, At: now.UnixMilli(), Bytes: len(b.Data),
	}}
	if ref.Modality == schemas.Text {
		k.Text = short(strings.ToValidUTF8(string(b.Data[:min(len(b.Data), 4*textMost)]), "\ufffd"))
	} else if len(b.Data) <= objectMost {
		if k.Media = mediaType(b.Data); k.Media != "" {
			k.data = slices.Clone(b.Data)
		}
	}
	r.items = append(r.items, k)
	if len(r.items) > itemsKept {
		r.items = slices.Delete(r.items, 0, 1)
	}
}

// Computed implements stream.Witness.
func (r *Recent) Computed(at stream.Position, rows []schemas.Row) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.items {
		if k.at != at || k.Computed {
			continue
		}
		k.Computed = true
		for i := range rows {
			if row := &rows[i]; row.RefID == k.id && row.ETag == k.etag && row.Version == k.version && row.Window == 0 {
				k.Results = append(k.Results, resultOf(row))
			}
		}
	}
}

// Buried implements stream.Witness. The letter is of the whole record, with all of its references.
func (r *Recent) Buried(l *sinks.Letter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := stream.Partition{Topic: l.Source.Topic, ID: l.Source.Partition}
	for _, k := range r.items {
		if k.at == (stream.Position{Partition: p, Offset: l.Offset}) {
			k.Dead = l.Reason
		}
	}
	r.letters = append(r.letters, status.Letter{Partition: p.String(), Offset: l.Offset, Reason: l.Reason, Message: short(l.Message), At: time.Now().UnixMilli()})
	if len(r.letters) > lettersKept {
		r.letters = slices.Delete(r.letters, 0, 1)
	}
}

// Last gives what is kept of a pipeline, the last first.
func (r *Recent) Last(pipeline string) ([]status.Item, []status.Letter) {
	items, letters := []status.Item{}, []status.Letter{}
	if r == nil {
		return items, letters
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range slices.Backward(r.items) {
		it := k.Item
		if k.data != nil {
			it.Object = objectPath(pipeline, Which{k.at, k.Serial})
		}
		items = append(items, it)
	}
	for _, l := range slices.Backward(r.letters) {
		letters = append(letters, l)
	}
	return items, letters
}

// Object gives an object that is kept. Its bytes are not to be changed.
func (r *Recent) Object(w Which) ([]byte, bool) {
	if r == nil {
		return nil, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.items {
		if k.at == w.At && k.Serial == w.Serial && k.data != nil {
			return k.data, true
		}
	}
	return nil, false
}

// barsShown is how many labels of one result are shown.
const barsShown = 4

func resultOf(r *schemas.Row) status.Result {
	out := status.Result{Head: r.Head, Task: string(r.Task), Score: r.Score}
	switch {
	case len(r.Vector)+len(r.Half) > 0:
		out.Value = fmt.Sprintf("%d numbers", len(r.Vector)+len(r.Half))
	case len(r.Labels) > 0:
		for _, l := range r.Labels[:min(len(r.Labels), barsShown)] {
			out.Bars = append(out.Bars, status.Bar{Label: l.Label, Score: l.Score})
		}
	case len(r.Areas) > 0:
		for _, a := range r.Areas[:min(len(r.Areas), barsShown)] {
			out.Bars = append(out.Bars, status.Bar{Label: a.Label, Score: float32(a.Share)})
		}
	case len(r.Segments) > 0:
		out.Value = fmt.Sprintf("%d segments, the first %s from %.2f to %.2f s", len(r.Segments), r.Segments[0].Label, r.Segments[0].Start, r.Segments[0].End)
	case len(r.Entities) > 0:
		var said []string
		for _, e := range r.Entities[:min(len(r.Entities), barsShown)] {
			said = append(said, e.Label+" "+e.Text)
		}
		out.Value = short(strings.Join(said, ", "))
	case len(r.Fillings) > 0:
		for _, f := range r.Fillings[:min(len(r.Fillings), barsShown)] {
			out.Bars = append(out.Bars, status.Bar{Label: f.Text, Score: f.Score})
		}
	case len(r.Probabilities) > 0:
		for i, p := range r.Probabilities[:min(len(r.Probabilities), barsShown)] {
			out.Bars = append(out.Bars, status.Bar{Label: fmt.Sprintf("choice %d", i), Score: p})
		}
	case r.Task == schemas.TaskPerplexity:
		out.Value = fmt.Sprintf("perplexity %.1f over %d tokens", r.Likelihood.Perplexity, r.Likelihood.Tokens)
	case len(r.Answers) > 0:
		out.Value = short(r.Answers[0].Text)
	default:
		out.Value = short(r.Text)
	}
	return out
}

// short is enough of a text for a page.
func short(s string) string {
	if len(s) <= textMost {
		return s
	}
	end := textMost
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
