package text

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// specOf is a checkpoint whose tokenizer lies in dir and that takes most tokens.
func specOf(dir string, most int) *model.Spec {
	return &model.Spec{
		Dir: dir, Class: "Data2VecTextModel", Modality: schemas.Text,
		Text: &model.TextConfig{VocabSize: 512, MaxPositionEmbeddings: most + 2, PadTokenID: 1},
	}
}

func newPreprocessor(tb testing.TB, opts Options) *Preprocessor {
	tb.Helper()
	p, err := New(specOf("testdata/base", 32), opts)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func prepare(tb testing.TB, p *Preprocessor, text string) []embed.Sample {
	tb.Helper()
	s, err := p.Preprocess(context.Background(), schemas.Ref{}, []byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func wantRejection(t *testing.T, err error, reason schemas.Reason, words string) {
	t.Helper()
	got, ok := schemas.Rejected(err)
	if !ok || got != reason || !strings.Contains(err.Error(), words) {
		t.Errorf("error %v, want a rejection of class %s with %q", err, reason, words)
	}
}

func TestASampleHasTheModelsInputs(t *testing.T) {
	p := newPreprocessor(t, Options{})
	got := prepare(t, p, "é 42")
	if len(got) != 1 {
		t.Fatalf("%d samples", len(got))
	}
	s := got[0]
	ids, mask := s.Inputs[0], s.Inputs[1]
	n := s.Cost
	if ids.Name != "input_ids" || !slices.Equal(ids.Shape, []int{n}) || len(ids.I64) != n || ids.Pad != 1 {
		t.Errorf("input_ids: %s %v %v, pad %v", ids.Name, ids.Shape, ids.I64, ids.Pad)
	}
	if mask.Name != "attention_mask" || !slices.Equal(mask.I64, slices.Repeat([]int64{1}, n)) || mask.Pad != 0 {
		t.Errorf("attention_mask: %s %v, pad %v", mask.Name, mask.I64, mask.Pad)
	}
	if ids.I64[0] != 0 || ids.I64[n-1] != 2 || s.Start != 0 || s.End != float64(n-2) || s.Truncated {
		t.Errorf("ids %v, tokens %v to %v, truncated %v", ids.I64, s.Start, s.End, s.Truncated)
	}
	tag := s.Tag.(*Tokens)
	if len(tag.Offsets) != n || len(tag.Words) != n || tag.Offsets[1] != [2]int32{0, 1} || tag.Words[0] != -1 || tag.Offsets[n-1] != [2]int32{} {
		t.Errorf("tag %+v", tag)
	}
	if _, err := embed.Collate(got); err != nil {
		t.Error(err)
	}
}

func TestLongTextFollowsThePolicy(t *testing.T) {
	word := func(n int) string { return strings.Repeat("1 ", n)[:2*n-1] } // n tokens: "1" and then " 1"
	if n := len(load(t, "base").Encode(word(17), Parse, 0).IDs); n != 17 {
		t.Fatalf("the test's text has %d tokens", n)
	}
	for _, c := range []struct {
		name      string
		opts      Options
		text      string
		windows   [][2]float64 // nil: refused
		truncated bool
	}{
		{"fail: just fits", Options{MaxTokens: 19}, word(17), [][2]float64{{0, 17}}, false},
		{"fail: a token too much", Options{MaxTokens: 18}, word(17), nil, false},
		{"the tokenizer's own limit", Options{}, word(31), nil, false},
		{"truncate: just fits", Options{MaxTokens: 19, Long: Truncate}, word(17), [][2]float64{{0, 17}}, false},
		{"truncate: cut", Options{MaxTokens: 18, Long: Truncate}, word(17), [][2]float64{{0, 16}}, true},
		{"window: fits whole", Options{MaxTokens: 19, Long: Window}, word(17), [][2]float64{{0, 17}}, false},
		{"window: without overlap", Options{MaxTokens: 10, Long: Window}, word(17), [][2]float64{{0, 8}, {8, 16}, {16, 17}}, false},
		{"window: overlapping", Options{MaxTokens: 10, Long: Window, Stride: 3}, word(17), [][2]float64{{0, 8}, {5, 13}, {10, 17}}, false},
		{"window: the last one is full", Options{MaxTokens: 10, Long: Window, Stride: 5}, word(17), [][2]float64{{0, 8}, {3, 11}, {6, 14}, {9, 17}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPreprocessor(t, c.opts)
			got, err := p.Preprocess(context.Background(), schemas.Ref{}, []byte(c.text))
			if c.windows == nil {
				wantRejection(t, err, schemas.ReasonTooLarge, "special ones included: set text.long to take longer texts")
				return
			}
			if err != nil || len(got) != len(c.windows) {
				t.Fatalf("%d windows, %v; want %v", len(got), err, c.windows)
			}
			whole := p.tokenizer.Encode(c.text, Parse, 0)
			for i, s := range got {
				if s.Start != c.windows[i][0] || s.End != c.windows[i][1] || s.Window != i || s.Truncated != c.truncated {
					t.Errorf("window %d: number %d, tokens %v to %v, truncated %v", i, s.Window, s.Start, s.End, s.Truncated)
				}
				want := []int64{0}
				for _, id := range whole.IDs[int(s.Start):int(s.End)] {
					want = append(want, int64(id))
				}
				if ids := s.Inputs[0].I64; !slices.Equal(ids, append(want, 2)) {
					t.Errorf("window %d: ids %v, want %v", i, ids, append(want, 2))
				}
				tag := s.Tag.(*Tokens)
				if got := tag.Offsets[1 : len(tag.Offsets)-1]; !slices.Equal(got, whole.Offsets[int(s.Start):int(s.End)]) {
					t.Errorf("window %d: offsets %v", i, got)
				}
			}
		})
	}
}

func TestTextThatIsNoneIsRefused(t *testing.T) {
	p := newPreprocessor(t, Options{})
	ctx := context.Background()
	_, err := p.Preprocess(ctx, schemas.Ref{}, nil)
	wantRejection(t, err, schemas.ReasonTooShort, "no bytes")
	_, err = p.Preprocess(ctx, schemas.Ref{}, []byte("caf\xe9"))
	wantRejection(t, err, schemas.ReasonDecode, "byte 0xe9 at 3")
	_, err = p.Preprocess(ctx, schemas.Ref{}, []byte("\xff\xfea\x00b\x00"))
	wantRejection(t, err, schemas.ReasonDecode, "byte 0xff at 0")
	long := newPreprocessor(t, Options{Long: Window})
	_, err = long.Preprocess(ctx, schemas.Ref{}, []byte(strings.Repeat("a", maxWord+1)))
	wantRejection(t, err, schemas.ReasonTooLarge, "a word of 1048577 bytes")

	lenient := newPreprocessor(t, Options{InvalidUTF8: Replace})
	got := prepare(t, lenient, "caf\xe9")[0].Inputs[0].I64
	if want := prepare(t, p, "caf\ufffd")[0].Inputs[0].I64; !slices.Equal(got, want) {
		t.Errorf("replaced: %v, want %v", got, want)
	}
}

func TestSpecialTokensInTextAreSpecialUnlessTheTextIsNotTrusted(t *testing.T) {
	text := "a</s><mask>"
	parsed := prepare(t, newPreprocessor(t, Options{}), text)[0].Inputs[0].I64
	plain := prepare(t, newPreprocessor(t, Options{SpecialTokens: Plain}), text)[0].Inputs[0].I64
	if want := []int64{0, 68, 2, 460, 2}; !slices.Equal(parsed, want) {
		t.Errorf("parsed: %v, want %v", parsed, want)
	}
	if slices.Contains(plain[1:len(plain)-1], 2) || slices.Contains(plain, 460) {
		t.Errorf("plain: %v has a special token inside", plain)
	}
}

func TestPreprocessingStopsWithItsContext(t *testing.T) {
	p := newPreprocessor(t, Options{Long: Window})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Preprocess(ctx, schemas.Ref{}, []byte("a")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := p.tokenizer.encode(ctx, strings.Repeat("a b ", 1000), Parse, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v in the middle of a text", err)
	}
}

func TestFootprintBoundsWhatASampleHolds(t *testing.T) {
	text := strings.Repeat("\x01", 5000) // every byte a token
	for _, opts := range []Options{{Long: Truncate}, {Long: Window}, {Long: Window, Stride: 20}, {Long: Window, InvalidUTF8: Replace}} {
		p := newPreprocessor(t, opts)
		bound, err := p.Footprint(schemas.Ref{}, nil, int64(len(text)))
		if err != nil {
			t.Fatal(err)
		}
		held := int64(2 * len(text))
		for _, s := range prepare(t, p, text) {
			tag := s.Tag.(*Tokens)
			held += s.Bytes() + int64(8*len(tag.Offsets)+4*len(tag.Words))
		}
		if held > bound {
			t.Errorf("%+v: holds %d, footprint %d", opts, held, bound)
		}
	}
	if n, err := newPreprocessor(t, Options{}).Footprint(schemas.Ref{}, nil, -1); n != 1<<50 || err != nil {
		t.Errorf("unknown size: %d, %v", n, err)
	}
}

// unmarked takes the tokenizer out of samples: two of them are never equal, since they learn.
func unmarked(all []embed.Sample) []embed.Sample {
	for i := range all {
		all[i].Tag.(*Tokens).marks = nil
	}
	return all
}

func TestConcurrentCallsGiveWhatSingleCallsGive(t *testing.T) {
	p := newPreprocessor(t, Options{Long: Window})
	texts := []string{"The harbour lights went out", "one by one, and we're still", "東京は日本の首都です", strings.Repeat("ab", 90)}
	var want [][]embed.Sample
	for _, s := range texts {
		want = append(want, unmarked(prepare(t, newPreprocessor(t, Options{Long: Window}), s)))
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 400 {
				k := i % len(texts)
				got, err := p.Preprocess(context.Background(), schemas.Ref{}, []byte(texts[k]))
				if err != nil || !reflect.DeepEqual(unmarked(got), want[k]) {
					t.Errorf("%q differs, %v", texts[k], err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestNewNamesWhatDoesNotFit(t *testing.T) {
	for _, c := range []struct {
		name  string
		spec  *model.Spec
		opts  Options
		words string
	}{
		{"an audio checkpoint", &model.Spec{Class: "Data2VecAudioModel"}, Options{}, "not a text checkpoint"},
		{"no tokenizer", specOf("testdata", 32), Options{}, "neither tokenizer.json nor vocab.json"},
		{"more than the model takes", specOf("testdata/base", 20), Options{MaxTokens: 21}, "max_tokens 21 is more than the 20"},
		{"more than the tokenizer takes", specOf("testdata/base", 512), Options{MaxTokens: 33}, "max_tokens 33 is more than the 32"},
		{"no room", specOf("testdata/base", 32), Options{MaxTokens: 2}, "leaves no token"},
		{"stride over the window", specOf("testdata/base", 32), Options{Long: Window, Stride: 30}, "stride 30"},
		{"a policy that does not exist", specOf("testdata/base", 32), Options{Long: "drop"}, `long: "drop"`},
		{"a reading that does not exist", specOf("testdata/base", 32), Options{SpecialTokens: "yes"}, "special_tokens"},
		{"a replacement that does not exist", specOf("testdata/base", 32), Options{InvalidUTF8: "skip"}, "invalid_utf8"},
		{"a negative length", specOf("testdata/base", 32), Options{MaxTokens: -1}, "max_tokens"},
		{"a negative stride", specOf("testdata/base", 32), Options{Stride: -1}, "stride"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := New(c.spec, c.opts)
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("error %v, want one with %q", err, c.words)
			}
		})
	}
	small := specOf("testdata/base", 32)
	small.Text.VocabSize = 400
	if _, err := New(small, Options{}); err == nil || !strings.Contains(err.Error(), "do not belong together") {
		t.Errorf("error %v for a vocabulary larger than the model's", err)
	}
	apart := specOf(t.TempDir(), 32)
	apart.Text.VocabSize = 460
	around := edited(t, "post_processor", map[string]any{"type": "RobertaProcessing", "sep": []any{"<mask>", 460}, "cls": []any{"<s>", 0}})
	if err := os.WriteFile(filepath.Join(apart.Dir, "tokenizer.json"), around, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(apart, Options{}); err == nil || !strings.Contains(err.Error(), "puts <mask>, id 460, around texts") {
		t.Errorf("error %v for a special token that the model does not have", err)
	}
}

// TestATextWithATokenThatTheModelLacksIsRefused is of a mask that was added to the tokenizer alone: the reference fails at such a text, and takes the others.
func TestATextWithATokenThatTheModelLacksIsRefused(t *testing.T) {
	spec := specOf("testdata/base", 32)
	spec.Text.VocabSize = 460
	p, err := New(spec, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s := prepare(t, p, "hello"); len(s) != 1 {
		t.Errorf("%d samples", len(s))
	}
	_, err = p.Preprocess(t.Context(), schemas.Ref{}, []byte("hello <mask>"))
	wantRejection(t, err, schemas.ReasonModel, "the token <mask>, id 460, and the model has 460")
	other := "hello <mask>"
	_, err = p.Preprocess(t.Context(), schemas.Ref{TextPair: &other}, []byte("hello"))
	wantRejection(t, err, schemas.ReasonModel, "the token <mask>, id 460")
}

func TestDigestFollowsOptionsAndFiles(t *testing.T) {
	seen := map[string]string{}
	add := func(name, dir string, opts Options) {
		p, err := New(specOf(dir, 32), opts)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[p.Digest()]; ok {
			t.Errorf("%s and %s have one digest", name, other)
		}
		seen[p.Digest()] = name
	}
	add("default", "testdata/base", Options{})
	add("another configuration", "testdata/prefix", Options{})
	add("other files", "testdata/legacy", Options{})
	add("length", "testdata/base", Options{MaxTokens: 30})
	add("truncate", "testdata/base", Options{Long: Truncate})
	add("stride", "testdata/base", Options{Long: Window, Stride: 4})
	add("plain", "testdata/base", Options{SpecialTokens: Plain})
	add("replace", "testdata/base", Options{InvalidUTF8: Replace})
}

// TestSharedSuite compares with the reference's own encodings where VECMILL_GOLDEN_DIR names the shared golden directory.
func TestSharedSuite(t *testing.T) {
	root := os.Getenv("VECMILL_GOLDEN_DIR")
	if root == "" {
		t.Skip("VECMILL_GOLDEN_DIR is not set")
	}
	dir := filepath.Join(root, "RobertaTokenizer", "suite")
	raw, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	type encoding struct {
		Text         string
		IDs          []int32
		Offsets      [][2]int32
		WordIDs      []*int32 `json:"word_ids"`
		IDsNoSpecial []int32  `json:"ids_no_special"`
		Decode       string
		DecodeSkip   string `json:"decode_skip"`
	}
	var suite struct {
		User []struct {
			Kind   string
			Result json.RawMessage
		}
	}
	if err := json.Unmarshal(raw, &suite); err != nil {
		t.Fatal(err)
	}
	k, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, u := range suite.User {
		var results []encoding
		if u.Kind != "encode" {
			continue
		}
		if err := json.Unmarshal(u.Result, &results); err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			e := k.Encode(r.Text, Parse, 0)
			ids, offsets, words := flat(k, e)
			var wantOffsets, wantWords []int32
			for i, o := range r.Offsets {
				w := int32(-1)
				if r.WordIDs[i] != nil {
					w = *r.WordIDs[i]
				}
				wantOffsets, wantWords = append(wantOffsets, o[0], o[1]), append(wantWords, w)
			}
			if !slices.Equal(ids, r.IDs) || !slices.Equal(offsets, wantOffsets) || !slices.Equal(words, wantWords) || !slices.Equal(e.IDs, r.IDsNoSpecial) {
				t.Errorf("%q differs: %v, want %v", r.Text, ids, r.IDs)
			}
			if k.Decode(ids, false) != r.Decode || k.Decode(ids, true) != r.DecodeSkip {
				t.Errorf("%q comes back as %q, want %q", r.Text, k.Decode(ids, false), r.Decode)
			}
			compared++
		}
	}
	if compared < 30 {
		t.Errorf("only %d texts compared", compared)
	}
}

func TestTheTagLeadsHeadsToTheText(t *testing.T) {
	var _ embed.Pieces = (*Tokens)(nil)
	const text = "Zoë's blaue Häuser stehen in Köln, 42 an der Zahl, und alle sind schön."
	for _, c := range []struct {
		name, text string
		opts       Options
	}{
		{"one window", "in Köln", Options{}},
		{"several windows that share text", text, Options{MaxTokens: 9, Long: Window, Stride: 3}},
		{"cut", text, Options{MaxTokens: 9, Long: Truncate}},
		{"text that was repaired", "ö\xff in Köln", Options{InvalidUTF8: Replace}},
	} {
		t.Run(c.name, func(t *testing.T) {
			points := []rune(strings.ToValidUTF8(c.text, "\uFFFD"))
			for _, s := range prepare(t, newPreprocessor(t, c.opts), c.text) {
				tag := s.Tag.(*Tokens)
				excerpt, from := tag.Excerpt()
				got, own, last := []rune(excerpt), 0, 0
				if string(points[from:from+len(got)]) != excerpt {
					t.Fatalf("window %d: %q is not at %d", s.Window, excerpt, from)
				}
				for i := range s.Cost {
					piece := tag.Piece(i)
					if !piece.Own {
						continue
					}
					if own++; own == 1 && from != max(piece.Start-1, 0) {
						t.Errorf("window %d begins at %d for a token at %d", s.Window, from, piece.Start)
					}
					last = piece.End
					if piece.Unknown || piece.Start < from || piece.End > from+len(got) {
						t.Errorf("window %d, token %d: %+v, the excerpt is %d to %d", s.Window, i, piece, from, from+len(got))
					}
				}
				if own != s.Cost-2 || from+len(got) != min(last+1, len(points)) {
					t.Errorf("window %d: %d tokens of %d, to %d of %d", s.Window, own, s.Cost, from+len(got), last)
				}
			}
		})
	}
}

// BenchmarkPreprocess is of a paragraph of 28 tokens.
func BenchmarkPreprocess(b *testing.B) {
	p := newPreprocessor(b, Options{})
	blob := []byte("The harbour lights went out one by one.")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Preprocess(b.Context(), schemas.Ref{}, blob); err != nil {
			b.Fatal(err)
		}
	}
}
