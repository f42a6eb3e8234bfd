package plan

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"vecmill/schemas"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetfile"
)

// A part is closed at so many references or bytes of them.
const (
	partItems = 100_000
	partBytes = 64 << 20
)

// Item is one reference with what is known of its object.
type Item struct {
	Ref  schemas.Ref
	Raw  string // in place of Ref: a line that is no reference. A run makes it a dead letter, with its number
	Size int64  // bytes; -1 if not known
	For  string // pipelines that take it, with commas between them (Plan.For); "": nobody asked, or none
}

// Writer makes a plan. It is for one goroutine. What was added is safe after Save or Finish.
type Writer struct {
	at      Place
	plan    Plan
	b       *array.RecordBuilder
	pending int64
	bytes   int64 // of what is pending
}

var columns = arrow.NewSchema([]arrow.Field{
	{Name: "ref", Type: arrow.BinaryTypes.String},
	{Name: "id", Type: arrow.BinaryTypes.String},
	{Name: "uri", Type: arrow.BinaryTypes.String},
	{Name: "etag", Type: arrow.BinaryTypes.String},
	{Name: "size", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
}, nil)

// progress is progress.json.
type progress struct {
	Plan
	State json.RawMessage `json:"state"`
}

// Title is what makes a plan the plan that it is.
type Title struct {
	Name   string // of the manifest in the output, which no other list may have; "": Base and eight letters that no other plan has, made when the plan is begun
	Base   string
	Source string // what is enumerated

	// Same refuses to go on with a plan that was begun under a source; nil: one that differs from Source is refused.
	Same func(begun string) error
}

// NewWriter begins a plan, or goes on with one that was not finished: state is then what was saved last, else nil. A place with a complete plan is refused, one
// that was begun under another title, and one with what is left of a plan that was computed. One that is gone on with keeps the source that it was begun under.
func NewWriter(ctx context.Context, at Place, title Title) (w *Writer, state json.RawMessage, err error) {
	if _, err := Load(ctx, at); !errors.Is(err, ErrNoPlan) {
		if err == nil {
			err = fmt.Errorf("there is a complete plan at %s already; run it, or plan at another place", at)
		}
		return nil, nil, err
	}
	if err := unsettled(ctx, at); err != nil {
		return nil, nil, err
	}
	w = &Writer{at: at, b: array.NewRecordBuilder(memory.DefaultAllocator, columns)}
	w.plan = Plan{Version: Version, Name: title.Name, Source: title.Source}
	if w.plan.Name == "" { // a list that is planned anew is another one: under the old name its first references would pass for computed
		w.plan.Name = title.Base + "-" + strings.ToLower(rand.Text()[:8])
	}
	body, err := at.read(ctx, progressName)
	if errors.Is(err, objectstore.ErrNotFound) {
		return w, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", at.shown(progressName), err)
	}
	var p progress
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", at.shown(progressName), err)
	}
	if title.Name != "" && p.Name != title.Name {
		return nil, nil, fmt.Errorf("a plan named %s was begun at %s, and this one is named %s; finish it with the same words, or plan at another place", p.Name, at, title.Name)
	}
	if p.Version != Version || title.Same == nil && p.Source != title.Source {
		return nil, nil, fmt.Errorf("a plan named %s of %s was begun at %s; finish it with the same words, or plan at another place", p.Name, p.Source, at)
	}
	if title.Same != nil {
		if err := title.Same(p.Source); err != nil {
			return nil, nil, fmt.Errorf("a plan named %s was begun at %s: %w", p.Name, at, err)
		}
	}
	w.plan = p.Plan
	return w, p.State, nil
}

// Items is the number of references so far: the next one's offset.
func (w *Writer) Items() int64 { return w.plan.Items + w.pending }

// Reader reads what was saved.
func (w *Writer) Reader() *Reader { return NewReader(w.at, &w.plan) }

// Saved calls each for what was saved, in order: references as JSON, and what else a run makes dead letters of; size is -1 where it is not known. It holds one part at a time.
func (w *Writer) Saved(ctx context.Context, each func(ref string, size int64) error) error {
	r := w.Reader()
	for i := range w.plan.Parts {
		body, err := r.body(ctx, &w.plan.Parts[i])
		if err == nil {
			err = parquetfile.Scan(bytes.NewReader(body), int64(len(body)), []string{"ref", "size"}, func(row []parquetfile.Value) error {
				size := row[1].Int
				if row[1].Null {
					size = -1
				}
				return each(row[0].Text, size)
			})
		}
		if err != nil {
			return fmt.Errorf("reading part %s of the plan: %w", w.plan.Parts[i].Name, err)
		}
	}
	return nil
}

// Add appends a reference, whose offset it gives.
func (w *Writer) Add(it Item) (int64, error) {
	text := it.Raw
	if it.Ref.ID != "" {
		b, err := json.Marshal(it.Ref)
		if err != nil {
			return 0, fmt.Errorf("reference %s: %w", it.Ref.ShownID(), err)
		}
		text = string(b)
	}
	w.text(0, text)
	w.text(1, it.Ref.ID)
	w.text(2, it.Ref.URI)
	w.text(3, it.Ref.ETag)
	size := w.b.Field(4).(*array.Int64Builder)
	if it.Size < 0 {
		size.AppendNull()
	} else {
		size.Append(it.Size)
		w.plan.Bytes += it.Size
	}
	if it.For != "" {
		if w.plan.For == nil {
			w.plan.For = map[string]int64{}
		}
		w.plan.For[it.For]++
	}
	if it.Ref.Deleted {
		w.plan.Deletions++
	}
	w.pending++
	w.bytes += int64(len(text) + len(it.Ref.ID) + len(it.Ref.URI) + len(it.Ref.ETag))
	return w.Items() - 1, nil
}

func (w *Writer) text(column int, s string) { w.b.Field(column).(*array.StringBuilder).Append(s) }

// Full says that what is pending makes a part: Save should follow.
func (w *Writer) Full() bool { return w.pending >= partItems || w.bytes >= partBytes }

// Save makes everything that was added durable, with the state that belongs to it.
func (w *Writer) Save(ctx context.Context, state any) error {
	if err := w.flush(ctx); err != nil {
		return err
	}
	s, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("saving progress: %w", err)
	}
	body, err := json.MarshalIndent(progress{w.plan, s}, "", " ")
	if err == nil {
		err = w.at.Store.Put(ctx, w.at.name(progressName), body, "application/json")
	}
	return err
}

// Finish makes the plan complete. about is what its maker adds. A plan without references is complete too.
func (w *Writer) Finish(ctx context.Context, about any) (*Plan, error) {
	if err := w.flush(ctx); err != nil {
		return nil, err
	}
	var err error
	if w.plan.About, err = json.Marshal(about); err != nil {
		return nil, fmt.Errorf("finishing the plan: %w", err)
	}
	w.plan.Created = time.Now().UTC().Truncate(time.Second)
	if err := w.complete(ctx); err != nil {
		return nil, err
	}
	w.b.Release()
	p := w.plan
	return &p, nil
}

// complete writes plan.json, once for all that plan here: runs number their rows by it.
func (w *Writer) complete(ctx context.Context) error {
	body, err := json.MarshalIndent(w.plan, "", " ")
	if err == nil {
		err = w.at.Store.PutIfAbsent(ctx, w.at.name(planName), body, nil)
	}
	if errors.Is(err, objectstore.ErrExists) {
		var there []byte
		switch there, err = w.at.read(ctx, planName); {
		case err == nil && bytes.Equal(there, body): // an earlier try has landed
			return nil
		case err == nil:
			return fmt.Errorf("%w at %s; it is the one to run", ErrFinished, w.at)
		}
	}
	return err
}

// flush writes what is pending as a part. Its name says its content, too: another planner of this place, or a run that ended before it saved, may have come by other references to the same offset.
func (w *Writer) flush(ctx context.Context) error {
	if w.pending == 0 {
		return nil
	}
	body, err := encode(w.b)
	if err != nil {
		return fmt.Errorf("encoding references from %d on: %w", w.plan.Items, err)
	}
	sum := sha256.Sum256(body)
	p := Part{First: w.plan.Items, Items: w.pending, Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:])}
	p.Name = fmt.Sprintf("part-%012d-%s.parquet", p.First, p.SHA256[:8])
	if err := w.at.Store.Put(ctx, w.at.name(p.Name), body, "application/vnd.apache.parquet"); err != nil {
		return err
	}
	w.plan.Parts = append(w.plan.Parts, p)
	w.plan.Items += w.pending
	w.pending, w.bytes = 0, 0
	return nil
}

func encode(b *array.RecordBuilder) ([]byte, error) {
	rec := b.NewRecord()
	defer rec.Release()
	var out bytes.Buffer
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd), parquet.WithDictionaryDefault(false))
	w, err := pqarrow.NewFileWriter(columns, &out, props, pqarrow.DefaultWriterProps())
	if err != nil {
		return nil, err
	}
	if err := w.Write(rec); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
