package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/apache/arrow/go/v17/arrow/float16"

	"vecmill/embed"
	"vecmill/embed/heads"
	"vecmill/embed/ortsession"
	"vecmill/internal/config"
	"vecmill/model"
	"vecmill/schemas"
)

// model loads a pipeline's checkpoint and tries it: nil if it cannot be loaded. The rows are those of the trial, if there was one.
func (d *doctor) model(ctx context.Context, p *config.Pipeline) (*loadedModel, []schemas.Row) {
	name := p.Name
	check := "model " + name
	began := time.Now()
	m, err := d.load(ctx, d.c, p, d.stores, slog.New(slog.DiscardHandler))
	if err != nil {
		d.fault(check, err)
		return nil, nil
	}
	d.say(check, Sound, "%s, digest %s, preprocessing %s, %d sessions on %s in %s, loaded in %v",
		m.spec.Class, short(m.digest), short(m.pre.Digest()), len(m.sessions), p.Model.Provider, precisionName(m.precision), time.Since(began).Round(time.Millisecond))
	if m.why != "" {
		d.say(check, Sound, "precision auto is %s: %s", precisionName(m.precision), m.why)
	}
	if oneLength(m.spec) {
		d.say(check, Doubt, "%s", saysOneLength)
	}
	if p, ok := m.pre.(decoder); ok {
		d.say(string(m.spec.Modality)+" "+name, Sound, "%s", p.Decoders())
	}
	t, err := tryOut(ctx, p, m)
	switch {
	case err != nil:
		d.say(check, Trouble, "a trial of three items: %v", err)
	case t.worst > neighbourTolerance(m.precision):
		d.say(check, Trouble, "an item alone and the same item in a batch differ by %.2g: batches change results here; report it with this machine's processor", t.worst)
	default:
		d.say(check, Sound, "an item alone equals the item in a batch (within %.1g); three items in %v", max(t.worst, 1e-7), t.took.Round(time.Millisecond))
	}
	if p.Model.OnGPU() {
		d.placement(ctx, p, m)
	}
	return m, t.rows
}

// outing is what came of a trial.
type outing struct {
	worst float64       // the largest difference between an item alone and in a batch
	took  time.Duration // of the batch
	rows  []schemas.Row // of the batch
}

// neighbourTolerance is how much a number may change with the batch that it is computed in: kernels add in another order, and the last bit of a sum may turn
// the rounding of a half, or that to whole numbers, which is coarse. It is relative to the largest number of a row.
func neighbourTolerance(p model.Precision) float64 {
	switch p {
	case model.Half:
		return 5e-3
	case model.Int8:
		return 2e-2
	}
	return 1e-3
}

// tryOut computes three items of different lengths, each alone and all in one batch, and gives the largest difference: of what the heads make, and of the outputs themselves, as of the frames, words and pixels of
// trial items next to nothing may be told.
func tryOut(ctx context.Context, p *config.Pipeline, m *loadedModel) (t outing, err error) {
	provider := ortsession.Provider(p.Model.Provider)
	ctx, cancel := context.WithTimeout(ctx, timeOn(provider))
	defer cancel()
	defer func() { err = overtime(ctx, provider, err) }()
	items, err := trialItems(m)
	if err != nil {
		return t, err
	}
	own, raw := *m, heads.NewRaw(m.spec)
	own.heads = append(slices.Clip(m.heads), raw)
	alone := make([][]schemas.Row, len(items))
	for i := range items {
		one, err := computeAll(ctx, p, &own, items[i:i+1])
		if err != nil {
			return t, err
		}
		alone[i] = one[0]
	}
	began := time.Now()
	together, err := computeAll(ctx, p, &own, items)
	if err != nil {
		return t, err
	}
	t.took = time.Since(began)
	for i := range items {
		if len(alone[i]) != len(together[i]) {
			return t, fmt.Errorf("item %d gives %d rows alone and %d in a batch", i, len(alone[i]), len(together[i]))
		}
		for j := range alone[i] {
			t.worst = max(t.worst, apart(&alone[i][j].Payload, &together[i][j].Payload))
		}
		t.rows = append(t.rows, slices.DeleteFunc(together[i], func(r schemas.Row) bool { return r.Task == raw.Task() })...)
	}
	return t, nil
}

// apart is how much two payloads differ: 1 where words do.
func apart(a, b *schemas.Payload) float64 {
	if a.Text != b.Text || a.Label != b.Label || a.Choice != b.Choice {
		return 1
	}
	x, y := numbers(a), numbers(b)
	if len(x) != len(y) {
		return 1
	}
	largest, worst := 1e-6, 0.0
	for i := range x {
		largest = max(largest, math.Abs(x[i]))
		d := math.Abs(x[i] - y[i])
		if math.IsNaN(d) {
			return 1
		}
		worst = max(worst, d)
	}
	return worst / largest
}

func numbers(p *schemas.Payload) []float64 {
	out := []float64{float64(p.Score)}
	for _, v := range p.Vector {
		out = append(out, float64(v))
	}
	for _, v := range p.Half {
		out = append(out, float64(float16.FromBits(v).Float32()))
	}
	for _, v := range p.Probabilities {
		out = append(out, float64(v))
	}
	return append(out, p.Likelihood.NLL)
}

// computeAll runs items through an engine of their own, in one batch.
func computeAll(ctx context.Context, p *config.Pipeline, m *loadedModel, items []embed.Job) ([][]schemas.Row, error) {
	own := *p
	own.Batch = config.Batch{MaxCost: 1 << 30, MaxItems: len(items), Window: max(len(items), 64), Linger: config.Duration(100 * time.Millisecond)}
	if p.Batch.Packing {
		own.Batch.Packing, own.Batch.Row, own.Batch.MaxCost = true, p.Batch.Row, p.Batch.MaxCost
	}
	e, err := newEngine(&own, m, nil, nil, nil)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	var running, jobs sync.WaitGroup
	running.Go(func() { e.Run(ctx) })
	defer running.Wait()
	defer stop()
	rows, faults := make([][]schemas.Row, len(items)), make([]error, len(items))
	for i, job := range items {
		job.Blob = bytes.Clone(job.Blob) // the engine owns it
		jobs.Add(1)
		job.Done = func(r []schemas.Row, err error) {
			defer jobs.Done()
			rows[i], faults[i] = r, err
		}
		if err := e.Submit(ctx, job); err != nil {
			return nil, err
		}
	}
	jobs.Wait()
	for i, err := range faults {
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return rows, nil
}

// trialItems are three objects of different sizes for the model.
func trialItems(m *loadedModel) (items []embed.Job, err error) {
	for i := range 3 {
		ref := schemas.Ref{ID: fmt.Sprintf("trial-%d", i), Modality: m.spec.Modality}
		job := embed.Job{Ref: ref}
		switch m.spec.Modality {
		case schemas.Audio:
			job.Blob = hum(0.5 + 0.75*float64(i))
		case schemas.Image:
			job.Blob = gradient(120+70*i, 200-50*i)
		case schemas.Text:
			job.Blob = []byte([]string{"a", "it is", "it is so, and"}[i]) // short: any model takes it
			switch m.spec.Class {
			case "Data2VecTextForQuestionAnswering":
				job.Ref.Question = "is it"
			case "Data2VecTextForMultipleChoice":
				job.Ref.Choices = []string{"so", "is not"}
			}
		default:
			return nil, fmt.Errorf("there is no object to try modality %q with", m.spec.Modality)
		}
		items = append(items, job)
	}
	return items, nil
}

// hum is a WAV file of 16 kHz.
func hum(seconds float64) []byte {
	n := int(seconds * 16000)
	b := []byte("RIFF")
	b = binary.LittleEndian.AppendUint32(b, uint32(36+2*n))
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	for _, v := range []uint16{1, 1, 16000, 0, 32000, 0, 2, 16} {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	b = binary.LittleEndian.AppendUint32(append(b, "data"...), uint32(2*n))
	for i := range n {
		t := float64(i) / 16000
		v := 9000*math.Sin(2*math.Pi*(180+60*t)*t) + 3000*math.Sin(2*math.Pi*1730*t)
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(v)))
	}
	return b
}

// gradient is a PNG picture.
func gradient(w, h int) []byte {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetNRGBA(x, y, color.NRGBA{uint8(x * 255 / w), uint8(y * 255 / h), uint8((x ^ y) & 255), 255})
		}
	}
	var b bytes.Buffer
	_ = png.Encode(&b, img) // into memory
	return b.Bytes()
}
