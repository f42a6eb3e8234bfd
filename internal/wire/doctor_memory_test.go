package wire

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"vecmill/embed"
	"vecmill/embed/ortsession"
	"vecmill/internal/config"
)

// TestTheDoctorWeighsTheLongestItem has a container with just enough memory for it, and one with a byte less.
func TestTheDoctorWeighsTheLongestItem(t *testing.T) {
	const embedding = "    heads: [{task: embedding}]"
	text, audio, vision := classCase{"Data2VecTextModel", "Data2VecTextModel/base"}, classCase{"Data2VecAudioModel", "Data2VecAudioModel/base"}, classCase{"Data2VecVisionModel", "Data2VecVisionModel/relative"}
	for _, c := range []struct {
		name, settings string
		of             classCase
		set            func(*config.Pipeline)
		words          []string
	}{
		{"a recording beyond what a batch may cost", "\n    audio: {max_seconds: 4, window_seconds: 4}", audio, func(p *config.Pipeline) { p.Model.Callers = 4 }, []string{"4 batches at once", "a recording of 4 s by itself", "set model.callers: 1, lower audio.max_seconds, with audio.long: window"}},
		{"one that is taken apart", "\n    audio: {max_seconds: 8, long: overlap, window_seconds: 3}", audio, func(p *config.Pipeline) { p.Model.Sessions = 2 }, []string{"2 sessions have weights", "2 batches at once", "a recording of 3 s by itself", "set model.sessions: 1, lower audio.window_seconds"}},
		{"one that batches have", "\n    audio: {max_seconds: 1, window_seconds: 1}\n    batch: {max_cost: 4000}", audio, nil, []string{"1 batches at once", "as a full batch does", ": lower batch.max_cost"}},
		{"a text beyond what a batch may cost", "\n    batch: {max_cost: 8}", text, nil, []string{"1 batches at once", "tokens by itself", ": lower text.max_tokens"}},
		{"texts", "", text, nil, []string{"as a full batch does"}},
		{"pictures", "", vision, nil, []string{"as a full batch does"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf, p := pipelineFor(t, c.of.checkpoint(t), embedding+c.settings)
			if c.set != nil {
				c.set(p)
			}
			m := load(t, conf, p)
			machine := int64(0)
			for round := range 3 { // the first does not know yet what is enough
				var said Finding
				d := newDoctor(conf, func(f Finding) {
					if f.Check == "memory p" {
						said = f
					}
				})
				d.machine = fstest.MapFS{"sys/fs/cgroup/memory.max": {Data: fmt.Append(nil, machine)}}
				d.batches(t.Context(), p, m)
				enough, some := heapLimit(conf)+d.computing, d.computing/100 // what other threads do beside it changes how an arena is filled, by less
				grade, words := Sound, c.words[:len(c.words)-1]
				machine = enough + some
				if round > 0 {
					machine = enough - some
				}
				if round == 2 {
					grade, words = Doubt, c.words
				}
				for _, w := range words {
					if said.Grade != grade || !strings.Contains(said.Text, w) {
						t.Errorf("%+v, want %s with %q", said, grade, w)
					}
				}
			}
		})
	}
}

// TestALongItemIsWeighed is held against the arena of such an item. Where its computing would take too long it is told from a shorter one, or from batches alone: that is too much here, as
// what recordings have one after the other, their pieces, is most of what batches of so small a model take.
func TestALongItemIsWeighed(t *testing.T) {
	const seconds, callers = 6, 3
	conf, p := pipelineFor(t, classCase{"Data2VecAudioModel", "Data2VecAudioModel/base"}.checkpoint(t), "    heads: [{task: embedding}]\n    batch: {max_cost: 60}")
	p.Audio.MaxSeconds, p.Audio.WindowSeconds, p.Model.Callers = seconds, seconds, callers
	m := load(t, conf, p)
	m.recall(conf, p)
	samples, err := m.pre.Preprocess(t.Context(), embed.Job{}.Ref, hum(seconds))
	if err != nil {
		t.Fatal(err)
	}
	inputs, err := embed.Collate(samples)
	if err != nil {
		t.Fatal(err)
	}
	is, err := ortsession.Arena(t.Context(), m.narrow, m.devices[0], inputs)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ took, least, most float64 }{"measured": {0, 0.99, 1.01}, "from half of it": {1.5 * longestTime, 0.7, 2.5}, "from batches": {100 * longestTime, 0.7, 5}} {
		costs := measurement{Costs: embed.Costs{Step: max(c.took, 0.1) / float64(samples[0].Cost)}, At: time.Now()}
		if err := keepMeasured(conf.Runtime.CacheDir, func(all *measurements) { all.Costs[m.key] = costs }); err != nil {
			t.Fatal(err)
		}
		d := newDoctor(conf, func(Finding) {})
		d.batches(t.Context(), p, m)
		if got := float64(d.computing-m.graph.Weights) / callers; got/float64(is) < c.least || got/float64(is) > c.most {
			t.Errorf("%s: an item has %.0f bytes, and its arena %d", name, got, is)
		}
	}
}
