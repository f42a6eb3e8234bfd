package encoder_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"vecmill/embed"
	"vecmill/embed/audio"
	"vecmill/embed/encoder"
	"vecmill/embed/heads"
	"vecmill/embed/ortsession"
	"vecmill/embed/text"
	"vecmill/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const demo = "../../internal/demo/"

// open opens one of the bundled models until the end of the test.
func open(t *testing.T, name string, o encoder.Options) *encoder.Encoder {
	t.Helper()
	if o.Cache == "" {
		o.Cache = t.TempDir()
	}
	o.Threads = 1
	e, err := encoder.Open(t.Context(), demo+"models/"+name, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// files are the bundled samples of a modality.
func files(t *testing.T, modality schemas.Modality) (all [][]byte) {
	t.Helper()
	paths, err := filepath.Glob(demo + "samples/" + string(modality) + "/*")
	if err != nil || len(paths) < 12 {
		t.Fatalf("%d samples of %s, %v", len(paths), modality, err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// vectors calls the method of an encoder's modality.
func vectors(t *testing.T, e *encoder.Encoder, inputs [][]byte) ([][]float32, error) {
	t.Helper()
	switch e.Modality() {
	case schemas.Audio:
		return e.Recordings(t.Context(), inputs)
	case schemas.Image:
		return e.Pictures(t.Context(), inputs)
	}
	var texts []string
	for _, b := range inputs {
		texts = append(texts, string(b))
	}
	return e.Texts(t.Context(), texts)
}

// cosine of vectors of any length.
func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab, aa, bb = ab+float64(a[i])*float64(b[i]), aa+float64(a[i])*float64(a[i]), bb+float64(b[i])*float64(b[i])
	}
	return ab / math.Sqrt(aa*bb)
}

func same(a, b []float32) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(x float32) bool { return x != x }) && math.Abs(cosine(a, b)-1) < 1e-9 // 1e-9 of a cosine is 4e-5 of a vector
}

// TestVectorsComeInTheOrderOfTheList shuffles inputs of different lengths, some of them twice: wherever one stands, and whoever is in its batch, it gets what it gets alone.
func TestVectorsComeInTheOrderOfTheList(t *testing.T) {
	for name, modality := range map[string]schemas.Modality{"audio-ctc": schemas.Audio, "text-intent": schemas.Text, "vision-digits": schemas.Image} {
		t.Run(name, func(t *testing.T) {
			e := open(t, name, encoder.Options{})
			if e.Modality() != modality {
				t.Fatalf("the modality is %s", e.Modality())
			}
			inputs := files(t, modality)
			alone := make([][]float32, len(inputs))
			for i := range inputs {
				v, err := vectors(t, e, inputs[i:i+1])
				if err != nil || len(v) != 1 {
					t.Fatalf("%d vectors, %v", len(v), err)
				}
				if alone[i] = v[0]; math.Abs(cosine(v[0], v[0])-1) > 1e-6 {
					t.Errorf("vector %d is no vector", i)
				}
				for k := range i {
					if same(alone[k], alone[i]) {
						t.Errorf("inputs %d and %d have one vector: the test could not tell them apart", k, i)
					}
				}
			}
			order := append(rand.New(rand.NewPCG(1, 2)).Perm(len(inputs)), 0, 1, 2, 0)
			var list [][]byte
			for _, at := range order {
				list = append(list, inputs[at])
			}
			got, err := vectors(t, e, list)
			if err != nil || len(got) != len(order) {
				t.Fatalf("%d vectors of %d, %v", len(got), len(order), err)
			}
			for i, at := range order {
				if !same(got[i], alone[at]) {
					t.Errorf("vector %d is not that of input %d", i, at)
				}
			}
		})
	}
}

func TestAnInputThatFailsCostsItsOwnVectorAlone(t *testing.T) {
	e := open(t, "audio-ctc", encoder.Options{Audio: audio.Options{MaxSeconds: 5}})
	good := files(t, schemas.Audio)[0]
	long := slices.Concat(good[:44], slices.Concat(slices.Repeat([][]byte{good[44:]}, 20)...))
	for i, n := range []int{4, 40} { // the sizes in the header
		size := uint32(len(long) - []int{8, 44}[i])
		copy(long[n:], []byte{byte(size), byte(size >> 8), byte(size >> 16), byte(size >> 24)})
	}
	v, err := e.Recordings(t.Context(), [][]byte{good, []byte("no recording"), nil, good, long})
	faults, ok := errors.AsType[encoder.InputErrors](err)
	if !ok || len(v) != 5 || len(faults) != 3 {
		t.Fatalf("%d vectors, error %v", len(v), err)
	}
	for i, want := range []struct {
		index  int
		reason schemas.Reason
	}{{1, schemas.ReasonDecode}, {2, schemas.ReasonTooShort}, {4, schemas.ReasonTooLarge}} {
		reason, _ := schemas.Rejected(faults[i])
		if faults[i].Index != want.index || reason != want.reason || v[want.index] != nil {
			t.Errorf("fault %d is %v of class %q, want input %d of class %s, and no vector", i, faults[i], reason, want.index, want.reason)
		}
	}
	if reason, ok := schemas.Rejected(err); !ok || reason != schemas.ReasonDecode {
		t.Errorf("the call's error has class %q", reason)
	}
	if !strings.HasPrefix(err.Error(), "input 1: decode: ") || strings.Count(err.Error(), "input ") != 3 {
		t.Errorf("error %q", err)
	}
	if !same(v[0], v[3]) {
		t.Error("one recording has two vectors")
	}
}

func TestErrorsNameAFewInputs(t *testing.T) {
	var all encoder.InputErrors
	for i := range 5 {
		all = append(all, encoder.InputError{Index: 2 * i, Err: errors.New("damaged")})
	}
	if got, want := all.Error(), "input 0: damaged; input 2: damaged; input 4: damaged; and 2 more"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestOptionsCount(t *testing.T) {
	cache := t.TempDir()
	words := []string{strings.Repeat("play some jazz ", 100), "play some jazz"}
	usual := open(t, "text-intent", encoder.Options{Cache: cache})
	v, err := usual.Texts(t.Context(), words)
	if faults, ok := errors.AsType[encoder.InputErrors](err); !ok || len(faults) != 1 || faults[0].Index != 0 {
		t.Fatalf("a text over the model's length: %v", err)
	}
	length := func(v []float32) (sum float64) {
		for _, x := range v {
			sum += float64(x) * float64(x)
		}
		return math.Sqrt(sum)
	}
	if math.Abs(length(v[1])-1) > 1e-6 {
		t.Errorf("a vector of length %v", length(v[1]))
	}
	digest := func(e *encoder.Encoder) string {
		d, err := e.Digest(t.Context())
		if err != nil || len(d) != 64 {
			t.Fatalf("digest %q, %v", d, err)
		}
		return d
	}
	for name, o := range map[string]encoder.Options{
		"truncated":   {Text: text.Options{Long: text.Truncate}},
		"cls":         {Pooling: heads.CLS, Text: text.Options{Long: text.Truncate}},
		"max":         {Pooling: heads.Max, Text: text.Options{Long: text.Truncate}},
		"first_last":  {Pooling: heads.FirstLast, Text: text.Options{Long: text.Truncate}},
		"raw":         {Raw: true, Text: text.Options{Long: text.Truncate}},
		"one by one":  {Batch: embed.BatcherConfig{MaxCost: 1, MaxItems: 1, Window: 1}, Text: text.Options{Long: text.Truncate}},
		"whole words": {Precision: "int8", Text: text.Options{Long: text.Truncate}},
	} {
		t.Run(name, func(t *testing.T) {
			o.Cache = cache
			e := open(t, "text-intent", o)
			got, err := e.Texts(t.Context(), words)
			if err != nil {
				t.Fatal(err)
			}
			if unit := math.Abs(length(got[1])-1) < 1e-6; unit == o.Raw {
				t.Errorf("length %v", length(got[1]))
			}
			other := o.Pooling != "" || o.Precision != ""
			if same(got[1], v[1]) == other {
				t.Errorf("cosine with the usual vector %v", cosine(got[1], v[1]))
			}
			if (digest(e) != digest(usual)) != (o.Precision != "" || o.Pooling == heads.FirstLast) {
				t.Error("the digest is of another graph")
			}
		})
	}
}

func TestConcurrentCallsGetTheirOwn(t *testing.T) {
	e := open(t, "text-intent", encoder.Options{})
	texts := files(t, schemas.Text)
	want, err := vectors(t, e, texts)
	if err != nil {
		t.Fatal(err)
	}
	var calls sync.WaitGroup
	for seed := range uint64(8) {
		calls.Go(func() {
			r := rand.New(rand.NewPCG(seed, 7))
			for range 10 {
				order := r.Perm(len(texts))[:1+r.IntN(len(texts))]
				var list [][]byte
				for _, at := range order {
					list = append(list, texts[at])
				}
				got, err := vectors(t, e, list)
				if err != nil {
					t.Error(err)
					return
				}
				for i, at := range order {
					if !same(got[i], want[at]) {
						t.Errorf("vector %d of a call is not that of its input", i)
					}
				}
			}
		})
	}
	calls.Wait()
}

func TestTheBytesOfACallAreTheCallers(t *testing.T) {
	e := open(t, "vision-digits", encoder.Options{})
	pictures := files(t, schemas.Image)[:4]
	before := slices.Clone(pictures)
	for i := range before {
		before[i] = slices.Clone(pictures[i])
	}
	if _, err := e.Pictures(t.Context(), pictures); err != nil {
		t.Fatal(err)
	}
	for i := range pictures {
		if !slices.Equal(pictures[i], before[i]) {
			t.Errorf("picture %d was changed", i)
		}
	}
}

func TestWhatCannotBeIsSaid(t *testing.T) {
	for name, tc := range map[string]struct {
		dir  string
		o    encoder.Options
		part string
	}{
		"no directory":           {"nowhere", encoder.Options{}, "nowhere"},
		"windows of texts":       {"text-intent", encoder.Options{Text: text.Options{Long: text.Window}}, "long window makes several vectors of one input"},
		"windows of recordings":  {"audio-ctc", encoder.Options{Audio: audio.Options{Long: audio.Overlap}}, "long overlap makes several vectors of one input"},
		"a class token of audio": {"audio-ctc", encoder.Options{Pooling: heads.CLS}, "audio models have no class token"},
		"no such pooling":        {"text-intent", encoder.Options{Pooling: "median"}, `pooling "median" is not one of`},
		"no such precision":      {"text-intent", encoder.Options{Precision: "fp12"}, "fp12"},
		"an impossible batch":    {"text-intent", encoder.Options{Batch: embed.BatcherConfig{MaxItems: 2}}, "max_cost must be at least 1"},
		"negative threads":       {"text-intent", encoder.Options{Threads: -1}, "threads: -1"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.o.Cache = t.TempDir()
			e, err := encoder.Open(t.Context(), demo+"models/"+tc.dir, tc.o)
			if err == nil || !strings.Contains(err.Error(), tc.part) {
				t.Errorf("error %v, want %q in it", err, tc.part)
			}
			if e != nil {
				t.Error("and an encoder")
			}
		})
	}
	if _, err := encoder.Open(t.Context(), demo+"models/text-intent", encoder.Options{Cache: t.TempDir(), Library: "/nowhere/libonnxruntime.so"}); !errors.Is(err, ortsession.ErrNoLibrary) || !strings.Contains(err.Error(), "/nowhere/libonnxruntime.so") {
		t.Errorf("a library that is not there: %v", err)
	}
	e := open(t, "text-intent", encoder.Options{})
	if _, err := e.Pictures(t.Context(), [][]byte{nil}); err == nil || err.Error() != "Data2VecTextForSequenceClassification takes text, and was given image" {
		t.Errorf("pictures for a model of text: %v", err)
	}
	if v, err := e.Texts(t.Context(), nil); v == nil || len(v) != 0 || err != nil {
		t.Errorf("an empty list gave %v, %v", v, err)
	}
}
