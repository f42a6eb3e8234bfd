package generate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

// read makes a configuration of options.
func read(t *testing.T, options map[string]json.RawMessage) Config {
	t.Helper()
	c := NewDefaultConfig()
	places := c.Fields()
	for name, raw := range options {
		if places[name] == nil {
			t.Fatalf("no option %s", name)
		}
		if err := json.Unmarshal(raw, places[name]); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return c
}

// TestScoresAreProcessedAsInTheReference compares with testdata/processors.json, which testdata/make.py wrote with the reference's own processors.
func TestScoresAreProcessedAsInTheReference(t *testing.T) {
	b, err := os.ReadFile("testdata/processors.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Options map[string]json.RawMessage
		IDs     []int32
		Scores  []float32
		Result  []*float32
	}
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 100 {
		t.Fatalf("only %d cases", len(cases))
	}
	for i, c := range cases {
		cfg := read(t, c.Options)
		got := slices.Clone(c.Scores)
		for _, p := range cfg.processors(4, cfg.limit(4)) {
			p(c.IDs, got)
		}
		for k, want := range c.Result {
			switch {
			case want == nil && got[k] != minusInf, want != nil && !(math.Abs(float64(got[k]-*want)) <= 2e-5*math.Max(1, math.Abs(float64(*want)))):
				t.Errorf("case %d, %v: score %d is %v, want %v", i, c.Options, k, got, show(c.Result))
			}
		}
	}
}

func show(all []*float32) string {
	var s []string
	for _, v := range all {
		if v == nil {
			s = append(s, "-Inf")
		} else {
			s = append(s, fmt.Sprint(*v))
		}
	}
	return strings.Join(s, " ")
}

// table is a model that looks at the last token alone: row i of it are the logits behind token i. It checks what the search asks of it.
type table struct {
	t      *testing.T
	logits [][]float32
	rows   []int32 // last token of each row
	steps  int
	fail   error
}

func (m *table) Start(_ context.Context, prompt []int32) ([]float32, error) {
	m.rows = []int32{prompt[len(prompt)-1]}
	return m.logits[m.rows[0]], m.fail
}

func (m *table) Step(ctx context.Context, parents []int, tokens []int32) ([][]float32, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.steps++
	var out [][]float32
	for i, p := range parents {
		if p < 0 || p >= len(m.rows) {
			m.t.Fatalf("row %d of %d is continued", p, len(m.rows))
		}
		out = append(out, m.logits[tokens[i]])
	}
	m.rows = slices.Clone(tokens)
	return out, nil
}

// abc knows four tokens: 0 is followed by 1 or, nearly as likely, 2; 1 by anything; 2 by 3; 3 ends.
func abc(t *testing.T) *table {
	return &table{t: t, logits: [][]float32{{-9, 1, .9, -9}, {0, 0, 0.01, 0}, {-9, -9, -9, 5}, {5, 0, 0, 0}}}
}

func spell(id int32) string { return string('a' + id) }

func TestTheSearchFindsWhatItShould(t *testing.T) {
	for _, c := range []struct{ name, options, want string }{
		{"greedy takes the best each time", `{"max_new_tokens": 4}`, "[[0 1 2 3 0]]"},
		{"a text ends with its end", `{"max_new_tokens": 9, "eos_token_id": 3}`, "[[0 1 2 3]]"},
		{"with one of its ends", `{"max_new_tokens": 9, "eos_token_id": [3, 2]}`, "[[0 1 2]]"},
		{"within the model's length", `{"max_new_tokens": 99}`, "[[0 1 2 3 0 1 2 3]]"},
		{"twenty more by default", `{"max_length": 20, "eos_token_id": 3}`, "[[0 1 2 3]]"},
		{"at max_length", `{"max_length": 3}`, "[[0 1 2]]"},
		{"where a string ends", `{"max_new_tokens": 9, "stop_strings": "cd"}`, "[[0 1 2 3]]"},
		{"beams see further", `{"max_new_tokens": 2, "num_beams": 2}`, "[[0 2 3]]"},
		{"and give several texts, padded", `{"max_new_tokens": 3, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": 3, "pad_token_id": 9}`, "[[0 2 3 9] [0 1 2 3]]"},
		{"which the length may favour", `{"max_new_tokens": 3, "num_beams": 3, "eos_token_id": 3, "length_penalty": 9.0}`, "[[0 1 2 3]]"},
		{"sampling from one token is no choice", `{"max_new_tokens": 3, "do_sample": true, "top_k": 1, "num_return_sequences": 2}`, "[[0 1 2 3] [0 1 2 3]]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var o map[string]json.RawMessage
			if err := json.Unmarshal([]byte(c.options), &o); err != nil {
				t.Fatal(err)
			}
			got, err := Texts(t.Context(), abc(t), []int32{0}, read(t, o), 8, spell)
			if err != nil || fmt.Sprint(got) != c.want {
				t.Errorf("got %v, %v, want %s", got, err, c.want)
			}
		})
	}
}

func TestSamplingDrawsByProbabilityAndSeed(t *testing.T) {
	model := &table{t: t, logits: [][]float32{{0, float32(math.Log(3)), minusInf + 1, -80}, nil, nil, nil}}
	model.logits[0][2] = -80
	counts := map[int32]int{}
	for seed := range 2000 {
		c := Config{MaxNewTokens: new(1), DoSample: new(true), Seed: uint64(seed)}
		one, err := Texts(t.Context(), model, []int32{0}, c, 8, spell)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Texts(t.Context(), model, []int32{0}, c, 8, spell)
		if err != nil || !slices.Equal(one[0], again[0]) {
			t.Fatalf("seed %d gives %v, then %v, %v", seed, one, again, err)
		}
		counts[one[0][1]]++
	}
	if share := float64(counts[1]) / 2000; share < 0.72 || share > 0.78 || counts[2]+counts[3] > 0 {
		t.Errorf("drew %v, want three of four to be 1 and the others 0", counts)
	}
}

func TestATextDoesNotDependOnItsNeighbours(t *testing.T) {
	c := Config{MaxNewTokens: new(6), DoSample: new(true), EOSTokenID: IDs{3}, PadTokenID: new(int32(9)), Seed: 5}
	one, err := Texts(t.Context(), abc(t), []int32{0}, c, 99, spell)
	if err != nil {
		t.Fatal(err)
	}
	c.NumReturnSequences = new(5)
	five, err := Texts(t.Context(), abc(t), []int32{0}, c, 99, spell)
	if err != nil || !slices.Equal(five[0][:len(one[0])], one[0]) {
		t.Errorf("alone %v, among five %v, %v", one, five, err)
	}
}

func TestBeamsAreDrawnWithoutRepetition(t *testing.T) {
	c := Config{MaxNewTokens: new(1), DoSample: new(true), NumBeams: new(3), NumReturnSequences: new(3)}
	texts, err := Texts(t.Context(), abc(t), []int32{1}, c, 9, spell)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int32]bool{}
	for _, text := range texts {
		seen[text[1]] = true
	}
	if len(texts) != 3 || len(seen) != 3 {
		t.Errorf("drew %v", texts)
	}
}

func TestWhatMakesNoSenseIsRefused(t *testing.T) {
	failing := errors.New("no power")
	for _, c := range []struct{ name, options, want string }{
		{"no length", `{"max_length": null}`, "max_new_tokens"},
		{"several of one", `{"num_return_sequences": 2}`, "one result"},
		{"more texts than beams", `{"num_beams": 2, "num_return_sequences": 3}`, "more than num_beams"},
		{"no heat", `{"temperature": 0}`, "temperature"},
		{"too much of the mass", `{"top_p": 1.5}`, "top_p"},
		{"a negative k", `{"top_k": -1}`, "top_k"},
		{"an empty word", `{"bad_words_ids": [[]]}`, "bad_words_ids"},
		{"every token banned", `{"suppress_tokens": [0, 1, 2, 3]}`, "ban every token"},
		{"a prompt as long as all", `{"max_length": 1}`, "max_length is 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var o map[string]json.RawMessage
			if err := json.Unmarshal([]byte(c.options), &o); err != nil {
				t.Fatal(err)
			}
			if _, err := Texts(t.Context(), abc(t), []int32{0}, read(t, o), 8, spell); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
		})
	}
	nan := abc(t)
	nan.logits[0][1] = float32(math.NaN())
	if _, err := Texts(t.Context(), nan, []int32{0}, NewDefaultConfig(), 8, spell); !errors.Is(err, errNotFinite) {
		t.Errorf("NaN gives %v", err)
	}
	for beams := range 2 {
		broken := abc(t)
		broken.fail = failing
		c := NewDefaultConfig()
		c.NumBeams = new(beams + 1)
		if _, err := Texts(t.Context(), broken, []int32{0}, c, 8, spell); !errors.Is(err, failing) {
			t.Errorf("a model that fails gives %v", err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Texts(ended, abc(t), []int32{0}, NewDefaultConfig(), 8, spell); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended gives %v", err)
	}
}

func FuzzConfigFields(f *testing.F) {
	for _, s := range []string{`[[[1,2],0.5]]`, `[3,1.5]`, `"never"`, `[1,2]`, `null`, `true`, `0.5`, `[[1],[2,3]]`, `"stop"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		c := NewDefaultConfig()
		for _, place := range c.Fields() {
			if json.Unmarshal([]byte(value), place) != nil {
				continue
			}
		}
		if c.Validate() == nil && c.MaxNewTokens == nil && c.MaxLength == nil {
			t.Error("accepted a configuration that never ends")
		}
	})
}
