package wire

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"vecmill/embed"
	"vecmill/embed/audio"
	"vecmill/internal/config"
	"vecmill/schemas"
)

// memory compares what the configuration may use with what there is. What models take is told with each of them.
func (d *doctor) memory() {
	want, past := heapLimit(d.c), int64(0)
	for i := range d.c.Pipelines {
		past += pastBytes(&d.c.Pipelines[i])
	}
	have, from := availableMemory(d.machine)
	also := ""
	if past > 0 {
		also = fmt.Sprintf("; %s of that are for row groups of reuse_outputs, and up to 20 bytes for each content of the outputs come on top", mib(past))
	}
	switch {
	case have == 0:
		d.say("memory", Doubt, "budgets and buffers may take %s; how much this machine has could not be found out%s", mib(want), also)
	case want > have:
		d.say("memory", Trouble, "budgets and buffers may take %s, and %s has %s; lower memory_budget or max_buffered, or give it more%s", mib(want), from, mib(have), also)
	case want > have/10*8:
		d.say("memory", Doubt, "budgets and buffers may take %s of the %s of %s, which leaves little for weights and ONNX Runtime; lower memory_budget or max_buffered%s", mib(want), mib(have), from, also)
	default:
		d.say("memory", Sound, "budgets and buffers may take %s of the %s of %s; weights and ONNX Runtime's own memory come on top%s", mib(want), mib(have), from, also)
	}
}

// room compares what computing takes, of this pipeline and those before it, on top of budgets and buffers with what there is. Each batch that runs at once may be the longest item that the configuration takes in one window.
func (d *doctor) room(p *config.Pipeline, m *loadedModel, w weighed) {
	if p.Model.OnGPU() { // the device's memory
		return
	}
	check := "memory " + p.Name
	each, what := w.full, "a full batch"
	if p.Batch.MaxBytes > 0 {
		each = min(each, float64(p.Batch.MaxBytes))
	}
	if w.alone > each {
		each, what = w.alone, longestName(m, w.steps)
	}
	executors, _ := m.callers()
	d.computing += int64(len(m.sessions))*m.graph.Weights + int64(len(executors))*int64(each)
	want := heapLimit(d.c) + d.computing
	text := fmt.Sprintf("%d sessions have weights of %s each, and %d batches at once take %s each in the arena, as %s does", len(m.sessions), mib(m.graph.Weights), len(executors), mib(int64(each)), what)
	switch have, from := availableMemory(d.machine); {
	case have > 0 && want > have:
		d.say(check, Doubt, "%s; with budgets and buffers, and pipelines before this one, that is %s, and %s has %s: %s, or give it more", text, mib(want), from, mib(have), lessRoom(p, m, w.alone >= each))
	default:
		d.say(check, Sound, "%s; with budgets and buffers, and pipelines before this one, that is %s", text, mib(want))
	}
}

// longestName is what a person calls the longest item.
func longestName(m *loadedModel, steps int) string {
	switch m.spec.Modality {
	case schemas.Audio:
		return fmt.Sprintf("a recording of %.0f s by itself", float64(steps)*m.stepSeconds())
	case schemas.Text:
		return fmt.Sprintf("a text of %d tokens by itself", steps)
	}
	return "a picture by itself"
}

// lessRoom says what makes the arena smaller.
func lessRoom(p *config.Pipeline, m *loadedModel, alone bool) string {
	var all []string
	switch {
	case m.division.Callers > 1:
		all = append(all, "set model.callers: 1")
	case len(m.sessions) > 1:
		all = append(all, "set model.sessions: 1")
	}
	switch {
	case !alone:
		all = append(all, "lower batch.max_cost")
	case m.spec.Modality == schemas.Audio && p.Audio.Long == string(audio.Overlap):
		all = append(all, "lower audio.window_seconds")
	case m.spec.Modality == schemas.Audio:
		all = append(all, "lower audio.max_seconds, with audio.long: window for what is longer")
	case m.spec.Modality == schemas.Text:
		all = append(all, "lower text.max_tokens")
	}
	return strings.Join(append(all, "lower memory_budget"), ", ")
}

// longestItem is how often the trial's words, or half a second, are in the longest item that the configuration takes in one window, and how many steps it has.
func longestItem(ctx context.Context, p *config.Pipeline, m *loadedModel, item embed.Job) (times float64, steps int, err error) {
	switch m.spec.Modality {
	case schemas.Audio:
		seconds := p.Audio.MaxSeconds
		if p.Audio.Long == string(audio.Overlap) {
			seconds = p.Audio.WindowSeconds
		}
		return seconds / halfSecond, int(seconds / m.stepSeconds()), nil
	case schemas.Text:
		times = float64(sort.Search(m.spec.Text.MaxTokens(), func(n int) bool {
			_, err := m.pre.Preprocess(ctx, item.Ref, stretch(m, item.Blob, float64(n+1)))
			return err != nil
		}))
	}
	samples, err := m.pre.Preprocess(ctx, item.Ref, stretch(m, item.Blob, times))
	if err != nil {
		return 0, 0, err
	}
	return times, samples[0].Length(), nil
}

func mib(n int64) string { return strconv.FormatInt(n>>20, 10) + " MiB" }
