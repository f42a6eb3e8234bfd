package wire

import (
	"slices"
	"testing"

	"vecmill/embed/ortsession"
)

// TestASessionGivesWhatHeadsRead is with heads of one output, of two, and of an optional one.
func TestASessionGivesWhatHeadsRead(t *testing.T) {
	for _, c := range []struct {
		class, heads string
		want         []string
	}{
		{"Data2VecAudioForCTC", "[{task: transcript}]", []string{"logits"}},
		{"Data2VecAudioForCTC", "[{task: transcript}, {task: embedding}]", []string{"last_hidden_state", "logits"}},
		{"Data2VecTextForQuestionAnswering", "[{task: answers}]", []string{"end_logits", "start_logits"}},
		{"Data2VecTextModel", "[{task: embedding, pooling: first_last}]", []string{"hidden_states.1", "last_hidden_state"}},
	} {
		t.Run(c.class+" "+c.heads, func(t *testing.T) {
			cfg, p := pipelineFor(t, classCase{c.class, c.class + "/base"}.checkpoint(t), "    heads: "+c.heads)
			m := load(t, cfg, p)
			s, ok := m.sessions[0].(*ortsession.Session)
			if !ok {
				t.Fatalf("the session is a %T", m.sessions[0])
			}
			var got []string
			for _, o := range s.Outputs() {
				got = append(got, o.Name)
			}
			if slices.Sort(got); !slices.Equal(got, c.want) {
				t.Errorf("the session gives %v, want %v", got, c.want)
			}
		})
	}
}
