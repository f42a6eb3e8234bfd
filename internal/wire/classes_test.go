package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow/float16"

	"vecmill/embed"
	"vecmill/embed/heads"
	"vecmill/internal/config"
	"vecmill/model"
	"vecmill/model/checkpoint"
	"vecmill/model/graph"
	"vecmill/schemas"
)

const goldenCases = "../../model/golden"

// classCase is a golden checkpoint for a class.
type classCase struct {
	class string
	from  string // case in golden
}

// classCases are all supported classes. TensorFlow's have checkpoints that it saved.
func classCases() []classCase {
	var all []classCase
	for _, class := range graph.Classes() {
		from := class + "/base"
		switch {
		case strings.HasPrefix(class, "TF"):
			from = class + "/keras"
		case class == "Data2VecVisionModel":
			from = class + "/relative"
		case class == "Data2VecVisionForImageClassification":
			from = class + "/mean"
		}
		all = append(all, classCase{class, from})
	}
	return all
}

// checkpoint makes a complete checkpoint of a case: what the weights lack of a tokenizer or a processor comes from elsewhere.
func (c classCase) checkpoint(t *testing.T) string {
	t.Helper()
	from := filepath.Join(goldenCases, c.from)
	files, err := checkpoint.Files(from)
	if err != nil {
		t.Fatal(err)
	}
	return c.complete(t, from, files[0])
}

// complete makes a checkpoint of a directory with config.json and weights.
func (c classCase) complete(t *testing.T, from, weights string) string {
	t.Helper()
	dir := t.TempDir()
	copyFile(t, dir, filepath.Join(from, weights))
	var cfg map[string]any
	b, err := os.ReadFile(filepath.Join(from, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &cfg); err != nil {
		t.Fatal(err)
	}
	cfg["architectures"] = []string{c.class}
	write(t, filepath.Join(dir, "config.json"), cfg)
	switch {
	case strings.Contains(c.class, "Text"):
		for _, name := range []string{"vocab.json", "merges.txt", "tokenizer_config.json"} {
			copyFile(t, dir, filepath.Join("../predict/testdata/tokenizer", name))
		}
	case strings.Contains(c.class, "Vision"):
		size := map[string]any{"height": 16, "width": 16}
		write(t, filepath.Join(dir, "preprocessor_config.json"), map[string]any{"do_resize": true, "size": size, "do_center_crop": false})
	case strings.Contains(c.class, "Audio"):
		write(t, filepath.Join(dir, "preprocessor_config.json"), map[string]any{"sampling_rate": 16000, "do_normalize": true})
		vocab := map[string]int{}
		for i, token := range []string{"<pad>", "<s>", "</s>", "<unk>", "|", "a", "b", "c", "d", "e", "f", "g"} {
			vocab[token] = i
		}
		write(t, filepath.Join(dir, "vocab.json"), vocab)
	}
	return dir
}

func copyFile(t *testing.T, dir, from string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, filepath.Base(from)), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path string, v any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// pipelineFor is a pipeline of a checkpoint with heads, settled as a file's would be.
func pipelineFor(t *testing.T, dir, settings string) (*config.Config, *config.Pipeline) {
	t.Helper()
	text := fmt.Sprintf(`
telemetry: {listen: ""}
pipelines:
  - name: p
    model: {path: %q, threads: 1}
    outputs: [{parquet: {url: "file:///rows"}}]
%s
runtime: {cache_dir: %q}
`, dir, settings, t.TempDir())
	c, err := config.Parse([]byte(text), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return c, &c.Pipelines[0]
}

// load is a pipeline's model, closed at the end of the test.
func load(t *testing.T, c *config.Config, p *config.Pipeline) *loadedModel {
	t.Helper()
	m, err := loadModel(t.Context(), c, p, &stores{cfg: c}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// item is an object with its reference.
type item struct {
	ref  schemas.Ref
	blob []byte
}

// rowsOf computes items in an engine of its own, in batches of at most so many, and gives each item's rows and the number of batches.
func rowsOf(t *testing.T, p *config.Pipeline, m *loadedModel, items []item, most int) ([][]schemas.Row, int64) {
	t.Helper()
	p.Batch = config.Batch{
		MaxCost: 1 << 30, MaxItems: most, Window: max(most, 64), Linger: config.Duration(300 * time.Millisecond), Packing: p.Batch.Packing, Row: p.Batch.Row,
	}
	if most == 1 {
		p.Batch.Linger = config.Duration(time.Microsecond)
	}
	e, err := newEngine(p, m, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running, jobs sync.WaitGroup
	running.Go(func() { e.Run(ctx) })
	rows := make([][]schemas.Row, len(items))
	for i, it := range items {
		jobs.Add(1)
		if err := e.Submit(ctx, embed.Job{Ref: it.ref, Blob: it.blob, Done: func(r []schemas.Row, err error) {
			defer jobs.Done()
			if err != nil {
				t.Errorf("item %d: %v", i, err)
			}
			rows[i] = r
		}}); err != nil {
			t.Fatal(err)
		}
	}
	jobs.Wait()
	stop()
	running.Wait()
	return rows, e.Stats().Batches
}

// TestEveryHeadOfEveryClass runs each class, as a pipeline does, with every head that fits it: an item alone gets what it gets in a batch of others that
// pad it, in any order. What it does not prove: that the numbers are right, see model's golden cases and the tests of embed/heads.
func TestEveryHeadOfEveryClass(t *testing.T) {
	seen := map[schemas.Task]bool{}
	for _, c := range classCases() {
		t.Run(c.class, func(t *testing.T) {
			dir := c.checkpoint(t)
			var settings []string
			for _, task := range fittingHeads(t, dir) {
				seen[task] = true
				settings = append(settings, headSettings(task)...)
			}
			sameInAnyBatch(t, dir, c.class, settings)
		})
	}
	for _, task := range schemas.Tasks() {
		if !seen[task] {
			t.Errorf("no class has the head %s", task)
		}
	}
}

// sameInAnyBatch runs heads of a checkpoint on items of its class, alone and in two orders together.
func sameInAnyBatch(t *testing.T, dir, class string, settings []string) {
	t.Helper()
	cfg, p := pipelineFor(t, dir, "    heads: ["+strings.Join(settings, ", ")+"]")
	modelInAnyBatch(t, p, load(t, cfg, p), itemsFor(class))
}

// modelInAnyBatch runs a pipeline's model on items alone and in two orders together. It returns the rows of the items alone.
func modelInAnyBatch(t *testing.T, p *config.Pipeline, m *loadedModel, items []item) [][]schemas.Row {
	t.Helper()
	alone, _ := rowsOf(t, p, m, items, 1)
	for seed := range uint64(2) {
		order := rand.New(rand.NewPCG(seed, 3)).Perm(len(items))
		shuffled := make([]item, len(items))
		for i, at := range order {
			shuffled[i] = items[at]
		}
		together, batches := rowsOf(t, p, m, shuffled, len(items))
		if batches > 2 {
			t.Errorf("%d batches of %d items: nothing is padded", batches, len(items))
		}
		for i, at := range order {
			if d := different(t, together[i], alone[at]); d != "" {
				t.Errorf("item %d: %s", at, d)
			}
		}
	}
	return alone
}

// TestRowsOfOtherPrecisionsAreTheSameInAnyBatch holds that a pipeline takes the precision that its configuration says, under a digest of its own.
func TestRowsOfOtherPrecisionsAreTheSameInAnyBatch(t *testing.T) {
	for _, c := range classCases() {
		if !slices.Contains([]string{"Data2VecAudioModel", "Data2VecTextModel", "Data2VecVisionModel"}, c.class) {
			continue
		}
		t.Run(c.class, func(t *testing.T) {
			cfg, p := pipelineFor(t, c.checkpoint(t), "    heads: [{task: embedding}]")
			single := load(t, cfg, p)
			items := itemsFor(c.class)
			want, _ := rowsOf(t, p, single, items, 1)
			for _, precision := range []string{"int8", "fp16"} {
				p.Model.Precision = precision
				other := load(t, cfg, p)
				if single.digest == other.digest {
					t.Errorf("fp32 and %s have one digest", precision)
				}
				rows := modelInAnyBatch(t, p, other, items)
				if d := different(t, rows[0], want[0]); d == "" {
					t.Errorf("the rows are those of fp32: %s did nothing", precision)
				}
			}
		})
	}
}

// fittingHeads are the tasks that fit a checkpoint.
func fittingHeads(t *testing.T, dir string) []schemas.Task {
	t.Helper()
	spec, err := model.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	g, err := spec.Compile(t.Context(), t.TempDir(), model.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return heads.Fitting(spec, g)
}

// headSettings are the heads of a task to try.
func headSettings(task schemas.Task) []string {
	switch task {
	case schemas.TaskEmbedding:
		return []string{
			"{task: embedding}", "{task: embedding, name: max, pooling: max, normalize: false}",
			"{task: embedding, name: both, pooling: first_last}", "{task: embedding, name: half, dtype: fp16}",
		}
	case schemas.TaskFrames:
		return []string{"{task: frames}", "{task: frames, name: several, function: sigmoid, threshold: 0.4}"}
	case schemas.TaskTranscript:
		return []string{"{task: transcript}", "{task: transcript, name: beams, decoding: {search: beam, beam_width: 8, hotwords: [A]}}"}
	case schemas.TaskXVector:
		return []string{"{task: xvector}", "{task: xvector, name: voice, dtype: fp16, normalize: false}"}
	case schemas.TaskMasks:
		return []string{"{task: masks}", "{task: masks, name: picture, mask: png}"}
	case schemas.TaskAnswers:
		return []string{"{task: answers}", "{task: answers, name: several, top_k: 4, no_answer: true, max_answer_tokens: 3}"}
	}
	return []string{fmt.Sprintf("{task: %s}", task)}
}

// itemsFor are objects of very different sizes for a class.
func itemsFor(class string) []item {
	var all []item
	add := func(ref schemas.Ref, blob []byte) {
		ref.ID = fmt.Sprint(len(all))
		all = append(all, item{ref, blob})
	}
	r := rand.New(rand.NewPCG(5, 5))
	switch {
	case strings.Contains(class, "Audio"):
		for _, n := range []int{1200, 400, 2311, 800, 401} {
			add(schemas.Ref{}, recording(r, n))
		}
	case strings.Contains(class, "Vision"):
		for _, size := range [][2]int{{16, 16}, {40, 12}, {5, 31}, {17, 16}} {
			add(schemas.Ref{}, picture(r, size[0], size[1]))
		}
	default:
		for _, text := range []string{"ann lee is in rome.", "a", "the cat, the dog <mask> of the sea", "the <mask> <mask> sea.", "in the sea, the end. is it"} {
			ref := schemas.Ref{}
			switch class {
			case "Data2VecTextForQuestionAnswering":
				ref.Question = "the cat"
			case "Data2VecTextForMultipleChoice":
				ref.Choices = []string{"sea", "the dog is", "a", "rome"}[:1+r.IntN(4)]
			case "Data2VecTextForSequenceClassification":
				if second := "the dog"; len(text)%2 == 0 {
					ref.TextPair = &second
				}
			}
			add(ref, []byte(text))
		}
	}
	return all
}

// recording is a WAV file of 16 kHz.
func recording(r *rand.Rand, n int) []byte {
	var b bytes.Buffer
	b.WriteString("RIFF")
	for _, v := range []any{uint32(36 + 2*n), []byte("WAVEfmt "), uint32(16), uint16(1), uint16(1), uint32(16000), uint32(32000), uint16(2), uint16(16), []byte("data"), uint32(2 * n)} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	for i := range n {
		_ = binary.Write(&b, binary.LittleEndian, int16(9000*math.Sin(float64(i)*0.07)+3000*r.NormFloat64()))
	}
	return b.Bytes()
}

func picture(r *rand.Rand, w, h int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, color.RGBA{uint8(r.IntN(256)), uint8(x * 7), uint8(y * 9), 255})
		}
	}
	var b bytes.Buffer
	_ = png.Encode(&b, img)
	return b.Bytes()
}

// different says where two lists of rows differ: words and places exactly, numbers by more than a kernel's order of adding may.
func different(t *testing.T, got, want []schemas.Row) string {
	t.Helper()
	if len(got) != len(want) || len(got) == 0 {
		return fmt.Sprintf("%d rows, want %d and some", len(got), len(want))
	}
	for i := range got {
		if d := differ(got[i].Head, decoded(t, wide(got[i].Half)), decoded(t, wide(want[i].Half)), 1e-3); d != "" {
			return d
		}
		a, b := got[i].Payload, want[i].Payload
		a.Half, b.Half = nil, nil
		if d := differ(got[i].Head, decoded(t, a), decoded(t, b), 2e-5); d != "" {
			return d
		}
	}
	return ""
}

// wide are numbers in half precision as float32.
func wide(half []uint16) []float32 {
	out := make([]float32, len(half))
	for i, bits := range half {
		out[i] = float16.FromBits(bits).Float32()
	}
	return out
}

// decoded is a value as JSON has it.
func decoded(t *testing.T, v any) any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// differ says where two JSON values differ; numbers may by so much of theirs.
func differ(at string, got, want any, tolerance float64) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s is %v, want %v", at, got, want)
		}
		for k := range w {
			if d := differ(at+"."+k, g[k], w[k], tolerance); d != "" {
				return d
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s is %v, want %v", at, got, want)
		}
		for i := range w {
			if d := differ(fmt.Sprintf("%s[%d]", at, i), g[i], w[i], tolerance); d != "" {
				return d
			}
		}
	case float64:
		if g, ok := got.(float64); !ok || !(math.Abs(g-w) <= tolerance*max(1, math.Abs(w))) {
			return fmt.Sprintf("%s is %v, want %v", at, got, want)
		}
	default:
		if got != want {
			return fmt.Sprintf("%s is %q, want %q", at, got, want)
		}
	}
	return ""
}

// withAllHeads is a pipeline of a checkpoint with every head that fits it.
func withAllHeads(t *testing.T, dir string) (*config.Config, *config.Pipeline) {
	t.Helper()
	var settings []string
	for _, task := range fittingHeads(t, dir) {
		settings = append(settings, headSettings(task)...)
	}
	return pipelineFor(t, dir, "    heads: ["+strings.Join(settings, ", ")+"]")
}
