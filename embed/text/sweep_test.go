package text

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"vecmill/schemas"
)

// swept is a text of testdata/sweep.py and what the reference makes of it: whole, in windows, and with another text.
type swept struct {
	vector
	Other   string    `json:"u"`
	Most    int       `json:"m"`
	Stride  int       `json:"s"`
	Windows [][]int32 `json:"windows"`
	Pair    []int32   `json:"pair"`
}

// TestRandomTextsEncodeAsTheReference takes the committed sweep, or the one at VECMILL_TOKEN_SWEEP.
func TestRandomTextsEncodeAsTheReference(t *testing.T) {
	dir := filepath.Join("testdata", "sweep")
	if other := os.Getenv("VECMILL_TOKEN_SWEEP"); other != "" {
		dir = other
	}
	f, err := os.Open(filepath.Join(dir, "vectors.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	tokenizers := map[string]*Tokenizer{}
	texts, failed := 0, 0
	for d := json.NewDecoder(z); d.More(); texts++ {
		var v swept
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		k := tokenizers[v.Variant]
		if k == nil {
			if k, err = Load(filepath.Join(dir, v.Variant)); err != nil {
				t.Fatal(err)
			}
			tokenizers[v.Variant] = k
		}
		if why := v.check(t, k, filepath.Join(dir, v.Variant)); why != "" {
			if failed++; failed < 6 {
				t.Errorf("tokenizer %s, %q, plain %v: %s", v.Variant, v.Text, v.Plain, why)
			}
		}
	}
	if failed > 0 || texts < 500 {
		t.Errorf("%d of %d texts differ", failed, texts)
	}
	t.Logf("%d texts, %d tokenizers", texts, len(tokenizers))
}

// check says what differs.
func (v *swept) check(t *testing.T, k *Tokenizer, dir string) string {
	specials := Parse
	if v.Plain {
		specials = Plain
	}
	ids, offsets, words := flat(k, k.Encode(v.Text, specials, 0))
	if !slices.Equal(ids, v.IDs) || !slices.Equal(offsets, v.Offsets) || !slices.Equal(words, v.Words) {
		return fmt.Sprintf("\n ids  %v\n want %v\n offsets %v\n want    %v\n words %v\n want  %v", ids, v.IDs, offsets, v.Offsets, words, v.Words)
	}
	spec := specOf(dir, 4096)
	spec.Class = "Data2VecTextModel"
	p, err := New(spec, Options{MaxTokens: v.Most, Long: Window, Stride: v.Stride, SpecialTokens: specials})
	if err != nil {
		return err.Error()
	}
	samples, err := p.Preprocess(t.Context(), schemas.Ref{}, []byte(v.Text))
	if err != nil {
		return err.Error()
	}
	var windows [][]int32
	for _, s := range samples {
		windows = append(windows, narrow(s.Inputs[0].I64))
	}
	if !slices.EqualFunc(windows, v.Windows, slices.Equal) {
		return fmt.Sprintf("windows of %d, stride %d:\n got  %v\n want %v", v.Most, v.Stride, windows, v.Windows)
	}
	if p, err = New(spec, Options{MaxTokens: v.Most, Long: Truncate, SpecialTokens: specials}); err != nil {
		return err.Error()
	}
	if samples, err = p.Preprocess(t.Context(), schemas.Ref{TextPair: &v.Other}, []byte(v.Text)); err != nil {
		return err.Error()
	}
	if got := narrow(samples[0].Inputs[0].I64); !slices.Equal(got, v.Pair) {
		return fmt.Sprintf("with %q in %d:\n got  %v\n want %v", v.Other, v.Most, got, v.Pair)
	}
	return ""
}

func narrow(ids []int64) []int32 {
	out := make([]int32, len(ids))
	for i, id := range ids {
		out[i] = int32(id)
	}
	return out
}
