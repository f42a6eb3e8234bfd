package beam

import (
	"bytes"
	"compress/gzip"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const small = `# a comment
\data\
ngram 1=5
ngram 2=4
ngram 3=1

\1-grams:
-1.0	<unk>
-99	<s>	-0.5
-0.7	</s>
-0.4	a	-0.3
-0.9	b	-0.2

\2-grams:
-0.2	<s> a	-0.1
-0.6	a b	-0.25
-0.8	b </s>
-0.3	b a

\3-grams:
-0.05	<s> a b

\end\
`

func TestSentencesAreScoredWithBackoff(t *testing.T) {
	m, err := ReadARPA(strings.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		words string
		want  float64
	}{
		{"n-grams that are there", "a b", -0.2 - 0.05 - (0.25 + 0.8)},
		{"the empty sentence backs off to its end", "", -0.5 - 0.7},
		{"an unknown word breaks the context", "x a", -0.5 - 1.0 - 0.4 - (0.3 + 0.7)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := m.LogProb(split(c.words)...); math.Abs(got-c.want) > 1e-5 {
				t.Errorf("%q scores %v, want %v", c.words, got, c.want)
			}
		})
	}
}

func TestPrunedSuffixesArePutBack(t *testing.T) {
	text := strings.Replace(small, "-0.6	a b	-0.25\n", "", 1)
	text = strings.Replace(text, "ngram 2=4", "ngram 2=3", 1)
	m, err := ReadARPA(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.LogProb("a", "b"), -0.2-0.05-0.8; math.Abs(got-want) > 1e-5 {
		t.Errorf("scores %v, want %v", got, want)
	}
}

func TestARPAFaultsAreNamedByTheirLine(t *testing.T) {
	for _, c := range []struct{ name, old, new, fault string }{
		{"another beginning", "\\data\\", "\\date\\", "want \\data\\"},
		{"a count that is none", "ngram 2=4", "ngram 2=x", "is not a count"},
		{"counts out of order", "ngram 2=4", "ngram 4=4", "want the count of 2-grams"},
		{"too few n-grams", "ngram 2=4", "ngram 2=5", "4 2-grams, the header says 5"},
		{"a word that is no unigram", "-0.3	b a", "-0.3	b z", "is no unigram"},
		{"a probability that is none", "-0.3	b a", "minus	b a", "is not a number"},
		{"an infinite backoff", "a	-0.3", "a	-inf", "is not a number"},
		{"a context that is missing", "-0.05	<s> a b", "-0.05	b b a", "context"},
		{"a word twice", "-0.9	b", "-0.9	a", "twice"},
		{"no end", "\\end\\", "", "unexpected EOF"},
		{"too many fields", "-0.3	b a", "-0.3	b a 1 2", "5 fields"},
		{"order 1", "ngram 2=4\nngram 3=1\n", "", "order 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadARPA(strings.NewReader(strings.Replace(small, c.old, c.new, 1)))
			if err == nil || !strings.Contains(err.Error(), c.fault) || !strings.HasPrefix(err.Error(), "line ") {
				t.Errorf("error %v, want one with %q and its line", err, c.fault)
			}
		})
	}
}

func TestLanguageModelsAreKnownByTheirBytes(t *testing.T) {
	dir := t.TempDir()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(small)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"plain": []byte(small), "gzip": packed.Bytes()} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := OpenModel(path)
		if err != nil {
			t.Fatal(err)
		}
		if m.Order() != 3 || !m.Has("a") || m.Has("<unk>") || m.Has("c") {
			t.Errorf("%s: order %d", name, m.Order())
		}
	}
	if _, err := OpenModel(filepath.Join(dir, "none")); err == nil {
		t.Error("opened a file that is not there")
	}
}

// TestEveryCutOfABinaryIsRefusedOrHarmless cuts and flips real binaries; what opens must not panic when it is asked.
func TestEveryCutOfABinaryIsRefusedOrHarmless(t *testing.T) {
	for _, path := range binaries(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for cut := 0; cut < len(data); cut += 1 + len(data)/97 {
			ask(data[:cut])
		}
		for at := 0; at < len(data); at += 1 + len(data)/997 {
			bad := bytes.Clone(data)
			bad[at] ^= 0x55
			ask(bad)
		}
	}
}

func ask(data []byte) {
	if m, err := ParseBinary(data); err == nil {
		m.LogProb("a", "b", "ab", "c", "a")
	}
}

func binaries(t testing.TB) []string {
	t.Helper()
	all, err := filepath.Glob("testdata/reference/*/language_model/*.bin")
	if err != nil || len(all) == 0 {
		t.Fatalf("no binaries (%v)", err)
	}
	return all
}

func FuzzParseBinary(f *testing.F) {
	for _, path := range binaries(f) {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(_ *testing.T, data []byte) { ask(data) })
}

func FuzzReadARPA(f *testing.F) {
	f.Add(small)
	f.Fuzz(func(_ *testing.T, text string) {
		if m, err := ReadARPA(strings.NewReader(text)); err == nil {
			m.LogProb("a", "b", "", "c")
		}
	})
}

func FuzzParseAlphabet(f *testing.F) {
	f.Add([]byte(`{"labels": ["", " ", "a"], "is_bpe": false}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := ParseAlphabet(data)
		if err != nil {
			return
		}
		n := len(a.Labels())
		if n > 1000 {
			return
		}
		if _, err := NewDecoder(a, nil).Decode(t.Context(), make([]float32, 3*n), NewDefaultOptions()); err != nil {
			t.Error(err)
		}
	})
}
