package predict

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"

	"vecmill/embed"
	"vecmill/embed/text"
	"vecmill/internal/predict/generate"
	"vecmill/internal/predict/tasks"
	"vecmill/model"
)

// generation is text-generation.
type generation struct {
	spec       *model.Spec
	texts      *texts
	cfg        generate.Config
	asked      bool // max_new_tokens is among the options
	cleanUp    bool
	full       bool // the prompt goes before the text
	ids        bool // the result is tokens
	positions  bool // count positions from 0, as generate() does
	prefix     string
	begin      int32 // the token that stands for an empty prompt
	hole       bool  // cut the prompt on the left to make room
	mostTokens int   // that the model takes
}

func newGeneration(spec *model.Spec, o Options) (worker, error) {
	e, err := newTexts(spec)
	if err != nil {
		return nil, err
	}
	g := &generation{spec: spec, texts: e, asked: o.has("max_new_tokens"), cleanUp: true, full: true, begin: int32(spec.Text.BOSTokenID)}
	if err := g.defaults(); err != nil {
		return nil, err
	}
	var full, asText, tensors *bool
	var stop, long string
	places := g.cfg.Fields()
	maps.Copy(places, e.places()) // max_length is the tokenizer's here, and the model's, below
	maps.Copy(places, map[string]any{
		"return_full_text": &full, "return_text": &asText, "return_tensors": &tensors, "clean_up_tokenization_spaces": &g.cleanUp,
		"prefix": &g.prefix, "handle_long_generation": &long, "stop_sequence": &stop, "bos_token_id": &g.begin, "hf_positions": &g.positions,
	})
	if err := o.read("text-generation", places); err != nil {
		return nil, err
	}
	if e.length > 0 {
		g.cfg.MaxLength = &e.length
	}
	if err := errors.Join(g.results(full, asText, tensors), e.checkTruncation(), unpadded(e.padding)); err != nil {
		return nil, err
	}
	if g.hole = long == "hole"; long != "" && !g.hole {
		return nil, faultf("option handle_long_generation: %q is not \"hole\"", long)
	}
	if stop != "" {
		tokens, err := e.tokens(stop)
		if err != nil {
			return nil, err
		}
		g.cfg.EOSTokenID = tokens.IDs
	}
	if g.mostTokens = e.most; g.positions {
		g.mostTokens = spec.Text.MaxPositionEmbeddings
	}
	e.most = math.MaxInt // handle_long_generation may still cut what the model does not take
	return g, g.cfg.Validate()
}

// results says what is printed of a text.
func (g *generation) results(full, asText, tensors *bool) error {
	switch {
	case tensors != nil && asText != nil, full != nil && asText != nil:
		return faultf("option return_text excludes return_full_text and return_tensors")
	case full != nil && tensors != nil:
		return faultf("option return_full_text excludes return_tensors")
	}
	g.ids = tensors != nil // the reference looks at whether it is given, not at what it is
	if full != nil {
		g.full = *full
	}
	return nil
}

// unpadded accepts every padding that adds nothing to a single text.
func unpadded(padding any) error {
	switch padding {
	case nil, false, true, "longest", "do_not_pad":
		return nil
	}
	return faultf("option padding: %v would put padding behind the text; inputs are run one by one and need none", padding)
}

// defaults reads what the checkpoint says of generation: generation_config.json, or without it config.json, over the reference's defaults, under those of
// its pipeline; and the pipeline's own part of config.json.
func (g *generation) defaults() error {
	g.cfg = generate.NewDefaultConfig()
	for _, id := range g.spec.Text.EOSTokenID {
		g.cfg.EOSTokenID = append(g.cfg.EOSTokenID, int32(id))
	}
	pad := g.texts.tok.Pad()
	g.cfg.PadTokenID = &pad
	config, err := settings(g.spec.Dir, "config.json")
	if err != nil {
		return err
	}
	own, err := settings(g.spec.Dir, "generation_config.json")
	if errors.Is(err, os.ErrNotExist) {
		own, err = config, nil
	} else {
		g.cfg.EOSTokenID = nil // none unless the file names one
	}
	if err != nil {
		return err
	}
	if err := g.take(own); err != nil {
		return err
	}
	g.cfg.MaxNewTokens = new(256) // of the pipeline: the checkpoint's own count only where the pipeline says nothing
	g.cfg.DoSample, g.cfg.Temperature = new(true), new(0.7)
	if n := g.cfg.MaxLength; n != nil && *n != *generate.NewDefaultConfig().MaxLength {
		g.cfg.MaxNewTokens = nil
	}
	var tasks map[string]map[string]json.RawMessage
	if raw, ok := config["task_specific_params"]; ok {
		if err := json.Unmarshal(raw, &tasks); err != nil {
			return fmt.Errorf("config.json: task_specific_params: %w", err)
		}
	}
	if raw, ok := tasks["text-generation"]["prefix"]; ok {
		if err := json.Unmarshal(raw, &g.prefix); err != nil {
			return fmt.Errorf("config.json: prefix: %w", err)
		}
	}
	return g.take(tasks["text-generation"])
}

// settings reads a JSON object of a checkpoint's directory.
func settings(dir, name string) (map[string]json.RawMessage, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return all, nil
}

// take sets those fields of the configuration that settings name.
func (g *generation) take(settings map[string]json.RawMessage) error {
	for name, place := range g.cfg.Fields() {
		raw, ok := settings[name]
		if !ok || string(raw) == "null" || name == "seed" {
			continue
		}
		if err := decode(raw, place); err != nil {
			return fmt.Errorf("the checkpoint's setting %s: %w", name, err)
		}
	}
	return nil
}

// written is a prompt and what was made of it.
type written struct {
	prompt string
	ids    []int32 // of the prompt
	empty  bool    // the prompt: ids are the beginning that every text has
	texts  [][]int32
}

func (g *generation) prepare(_ context.Context, in *Input) (*prepared, error) {
	if in.Text == nil && in.Prompt != nil {
		in.Text = in.Prompt
	}
	s, err := in.text()
	if err != nil {
		return nil, err
	}
	w := &written{prompt: s}
	if w.ids, err = g.tokens(g.prefix + s); err != nil {
		return nil, err
	}
	if len(w.ids) == 0 {
		w.empty, w.ids = true, []int32{g.begin}
	}
	e := encoded{ids: w.ids}
	p := &prepared{runs: [][]embed.Tensor{e.run()}, tag: w}
	p.cached = g.spec.Text.IsDecoder && g.spec.ONNX == "" && (g.cfg.UseCache == nil || *g.cfg.UseCache)
	p.drive = func(ctx context.Context, run runFunc) error {
		d := &decoder{run: run, cfg: g.spec.Text, cached: p.cached, fromZero: g.positions}
		spell := func(id int32) string { return g.texts.tok.Decode([]int32{id}, false) }
		var err error
		w.texts, err = generate.Texts(ctx, d, w.ids, g.cfg, g.mostTokens, spell)
		return err
	}
	return p, nil
}

// tokens are those of a prompt, cut as the options say.
func (g *generation) tokens(s string) ([]int32, error) {
	all, err := g.texts.one(s, g.texts.limit(), -1)
	if err != nil {
		return nil, err
	}
	ids := all[0].ids
	most := g.texts.maxLength
	if !g.hole || most == 0 {
		return ids, nil
	}
	wanted := 0
	switch {
	case g.asked && g.cfg.MaxNewTokens != nil:
		wanted = *g.cfg.MaxNewTokens
	case g.cfg.MaxLength != nil:
		wanted = *g.cfg.MaxLength - len(ids)
	}
	if wanted < 0 || wanted >= most {
		return nil, faultf("option handle_long_generation: %d new tokens leave no room for a prompt in the %d that the tokenizer allows", wanted, most)
	}
	return ids[max(0, len(ids)-max(most-wanted, 0)):], nil
}

func (g *generation) finish(p *prepared, _ [][]embed.Tensor) (result, error) {
	w := p.tag.(*written)
	if g.ids {
		var all []tasks.GeneratedIDs
		for _, ids := range w.texts {
			all = append(all, tasks.GeneratedIDs{IDs: ids})
		}
		return all, nil
	}
	before := ""
	if !w.empty {
		before = g.decode(w.ids)
	}
	var all []tasks.Generated
	for _, ids := range w.texts {
		more := tasks.Continuation(before, g.decode(ids))
		if g.full {
			more = w.prompt + more
		}
		all = append(all, tasks.Generated{Text: more})
	}
	return all, nil
}

func (g *generation) decode(ids []int32) string {
	s := g.texts.tok.Decode(ids, true)
	if g.cleanUp {
		s = text.CleanUp(s)
	}
	return s
}
