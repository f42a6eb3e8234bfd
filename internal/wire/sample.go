package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"vecmill/embed/heads"
	"vecmill/internal/config"
	"vecmill/model"
	"vecmill/schemas"
	"vecmill/stream"
)

// SampleOptions say what comes with sample messages.
type SampleOptions struct {
	Topic string // "" means any: every pipeline is asked
	stream.Record
}

// sampleTimeout is how long a registry may take to answer for one sample.
const sampleTimeout = 15 * time.Second

// Explain writes how the pipelines of a configuration would take sample messages, and which rows these would give. Nothing is fetched and no model runs.
func Explain(ctx context.Context, w io.Writer, c *config.Config, values [][]byte, o SampleOptions) error {
	inputs, err := newInputs(c, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	x := &explainer{w: w, c: c, o: o, inputs: inputs, models: make([]*sampleModel, len(c.Pipelines))}
	for i, v := range values {
		fmt.Fprintf(w, "message %d, %d bytes\n", i+1, len(v))
		x.message(ctx, v)
	}
	if !x.asked {
		return fmt.Errorf("no pipeline reads topic %s", o.Topic)
	}
	return nil
}

// Messages takes a sample file apart: a sequence of JSON values, or one message of anything else.
func Messages(b []byte) [][]byte {
	var all [][]byte
	d := json.NewDecoder(bytes.NewReader(b))
	for {
		var v json.RawMessage
		switch err := d.Decode(&v); {
		case errors.Is(err, io.EOF) && len(all) > 0:
			return all
		case err != nil:
			if at := d.InputOffset(); len(all) > 0 { // the rest is what somebody wants to know about
				return append(all, bytes.TrimSpace(b[at:]))
			}
			return [][]byte{b}
		}
		all = append(all, v)
	}
}

type explainer struct {
	w      io.Writer
	c      *config.Config
	o      SampleOptions
	inputs []input
	models []*sampleModel
	asked  bool
}

func (x *explainer) message(ctx context.Context, value []byte) {
	for i := range x.c.Pipelines {
		p := &x.c.Pipelines[i]
		topic := x.o.Topic
		switch {
		case topic == "" && len(p.Topics) > 0:
			topic = p.Topics[0]
		case topic != "" && !slices.Contains(p.Topics, topic):
			continue
		}
		x.asked = true
		fmt.Fprintf(x.w, "  pipeline %s, format %s, topic %s\n", p.Name, p.Input.Format, topic)
		rec := x.o.Record
		rec.Value = value
		asking, cancel := context.WithTimeout(ctx, sampleTimeout)
		refs, err := x.inputs[i].decoder.Decode(asking, topic, &rec)
		cancel()
		reason, rejected := schemas.Rejected(err)
		switch {
		case rejected:
			fmt.Fprintf(x.w, "    dead letter, reason %s: %s\n", reason, strings.TrimPrefix(err.Error(), string(reason)+": "))
		case errors.Is(err, context.DeadlineExceeded):
			fmt.Fprintf(x.w, "    the schema registry does not answer: a record would wait for it\n")
		case err != nil:
			fmt.Fprintf(x.w, "    the pipeline would stop: %v\n", err)
		case len(refs) == 0:
			fmt.Fprintf(x.w, "    skipped: there is no reference in it\n")
		}
		for j := range refs {
			if err == nil {
				x.reference(ctx, i, stream.Candidate{Topic: topic, Record: &rec, Ref: &refs[j]})
			}
		}
	}
}

func (x *explainer) reference(ctx context.Context, i int, at stream.Candidate) {
	p, r := &x.c.Pipelines[i], at.Ref
	shown := *r
	if n := len(r.Inline); n > 100 {
		shown.Inline = fmt.Appendf(nil, "%d bytes", n)
	}
	b, err := json.Marshal(shown)
	if err != nil {
		b = fmt.Appendf(nil, "%+v", shown)
	}
	fmt.Fprintf(x.w, "    reference %s\n", b)
	m := x.model(ctx, i)
	switch yes, err := x.inputs[i].asks(at); {
	case r.Deleted:
		fmt.Fprintf(x.w, "      a tombstone: outputs that can take away the rows of %q\n", r.ID)
	case r.Route != "" && r.Route != p.Name:
		fmt.Fprintf(x.w, "      not taken: its route is %s\n", r.Route)
	case r.Modality != "" && m.modality != "" && r.Modality != m.modality:
		fmt.Fprintf(x.w, "      not taken: it is %s, and the model takes %s\n", r.Modality, m.modality)
	case err != nil:
		fmt.Fprintf(x.w, "      dead letter: %v\n", err)
	case !yes:
		fmt.Fprintf(x.w, "      not taken: where is false\n")
	default:
		fmt.Fprintf(x.w, "      taken")
		if m.err != nil {
			fmt.Fprintf(x.w, " if its modality is the model's, which could not be opened: %v", m.err)
		}
		fmt.Fprintln(x.w)
		x.rows(p, m, r)
	}
}

// asks is the pipeline's condition on a reference.
func (in *input) asks(c stream.Candidate) (bool, error) {
	if in.filter == nil || c.Ref.Deleted {
		return true, nil
	}
	return in.filter.Takes(c)
}

// rows says what one window of a reference would give of each head.
func (x *explainer) rows(p *config.Pipeline, m *sampleModel, r *schemas.Ref) {
	for i := range p.Heads {
		h := &p.Heads[i]
		var names []string
		for _, c := range schemas.PayloadColumns(schemas.Task(h.Task)) {
			names = append(names, c.Name)
		}
		fmt.Fprintf(x.w, "      row of head %s: %s", h.Name, strings.Join(names, ", "))
		switch {
		case m.digest == "":
		case r.Inline != nil:
			fmt.Fprintf(x.w, "; row_id %s", m.rowID(r, h.Name))
		case r.ETag != "" && r.Version == "":
			fmt.Fprintf(x.w, "; row_id %s where the bucket has no versions", m.rowID(r, h.Name))
		default:
			fmt.Fprintf(x.w, "; row_id once the object's entity tag is known")
		}
		fmt.Fprintln(x.w)
	}
}

// sampleModel is what is known of a pipeline's model without running it.
type sampleModel struct {
	modality    schemas.Modality // "": not known
	digest, pre string           // "": not known
	err         error
}

func (m *sampleModel) rowID(r *schemas.Ref, head string) string {
	return schemas.RowID(&schemas.Lineage{RefID: r.ID, ETag: r.ETag, ModelDigest: m.digest, PreprocessDigest: m.pre, Head: head})
}

// model opens a pipeline's checkpoint, once. One that would have to be fetched stays unknown.
func (x *explainer) model(ctx context.Context, i int) *sampleModel {
	if x.models[i] == nil {
		m := &sampleModel{}
		m.err = m.open(ctx, x.c, &x.c.Pipelines[i])
		x.models[i] = m
	}
	return x.models[i]
}

func (m *sampleModel) open(ctx context.Context, c *config.Config, p *config.Pipeline) error {
	if strings.Contains(p.Model.Path, "://") {
		return errors.New("it is fetched when a worker starts")
	}
	spec, err := model.Open(p.Model.Path)
	if err != nil {
		return err
	}
	m.modality = spec.Modality
	pre, err := newPreprocessor(p, spec, int64(c.Fetch.MaxObjectBytes))
	if err != nil {
		return err
	}
	cache, err := cacheDir(c)
	if err != nil {
		return err
	}
	if p.Model.OnGPU() && p.Model.Precision == "auto" {
		return errors.New("precision auto is decided on the GPU when a worker starts")
	}
	precision, _, err := precisionOf(p, spec, nil, nil)
	if err != nil {
		return err
	}
	graph, err := spec.Compile(ctx, cache, compileOptions(p, spec, pre, precision))
	if err != nil {
		return err
	}
	for i := range p.Heads {
		if _, err := heads.New(headConfig(&p.Heads[i]), spec, graph); err != nil {
			return fmt.Errorf("heads: %w", err)
		}
	}
	m.pre = pre.Digest()
	m.digest, err = graph.Digest(ctx)
	return err
}
