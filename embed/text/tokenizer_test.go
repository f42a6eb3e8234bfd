package text

import (
	"bufio"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// vector is one text and what the reference makes of it, special tokens around it included.
type vector struct {
	Variant string  `json:"v"`
	Text    string  `json:"t"`
	Plain   bool    `json:"p"`
	IDs     []int32 `json:"i"`
	Offsets []int32 `json:"o"`
	Words   []int32 `json:"w"`
}

func readVectors(tb testing.TB) []vector {
	tb.Helper()
	f, err := os.Open("testdata/vectors.jsonl.gz")
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	var all []vector
	for d := json.NewDecoder(z); d.More(); {
		var v vector
		if err := d.Decode(&v); err != nil {
			tb.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

func load(tb testing.TB, variant string) *Tokenizer {
	tb.Helper()
	t, err := Load(filepath.Join("testdata", variant))
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// flat puts the special tokens around an encoding, in the layout of a vector.
func flat(t *Tokenizer, e *Encoding) (ids, offsets, words []int32) {
	before, after := t.Around()
	ids = slices.Concat(before, e.IDs, after)
	offsets = make([]int32, 2*len(before))
	words = slices.Repeat([]int32{-1}, len(before))
	for _, o := range e.Offsets {
		offsets = append(offsets, o[0], o[1])
	}
	words = append(words, e.Words...)
	return ids, append(offsets, make([]int32, 2*len(after))...), append(words, slices.Repeat([]int32{-1}, len(after))...)
}

// TestEncodingEqualsTheReference compares ids, offsets and words with the tokenizers library on nasty strings: with a RoBERTa tokenizer, one with a
// prefix space, one of vocab.json and merges.txt, and one that uses everything else the format can say.
func TestEncodingEqualsTheReference(t *testing.T) {
	vectors := readVectors(t)
	if len(vectors) < 2000 {
		t.Fatalf("only %d vectors", len(vectors))
	}
	tokenizers := map[string]*Tokenizer{}
	failed := map[string]int{}
	for _, v := range vectors {
		k := tokenizers[v.Variant]
		if k == nil {
			k = load(t, v.Variant)
			tokenizers[v.Variant] = k
		}
		specials := Parse
		if v.Plain {
			specials = Plain
		}
		ids, offsets, words := flat(k, k.Encode(v.Text, specials, 0))
		if slices.Equal(ids, v.IDs) && slices.Equal(offsets, v.Offsets) && slices.Equal(words, v.Words) {
			continue
		}
		if failed[v.Variant]++; failed[v.Variant] < 4 {
			t.Errorf("%s %q, plain %v:\n ids  %v\n want %v\n offsets %v\n want    %v\n words %v\n want  %v",
				v.Variant, v.Text, v.Plain, ids, v.IDs, offsets, v.Offsets, words, v.Words)
		}
	}
	for name, n := range failed {
		t.Errorf("%s: %d vectors differ", name, n)
	}
}

// TestEveryCharacterIsOfTheReferencesClass covers all of Unicode, as the reference splits it.
func TestEveryCharacterIsOfTheReferencesClass(t *testing.T) {
	f, err := os.Open("testdata/classes.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	kinds := map[string]class{"L": letter, "N": number, "S": space, "O": other}
	changes := map[rune]string{}
	for s := bufio.NewScanner(f); s.Scan(); {
		var r rune
		var kind string
		if _, err := fmt.Sscanf(s.Text(), "%x %s", &r, &kind); err != nil {
			t.Fatal(err)
		}
		changes[r] = kind
	}
	kind, wrong := "", 0
	for r := range rune(utf8.MaxRune + 1) {
		if k, ok := changes[r]; ok {
			kind = k
		}
		if want, ok := kinds[kind]; ok && runeClass(r) != want {
			if wrong++; wrong < 10 {
				t.Errorf("%U: class %d, want %s", r, runeClass(r), kind)
			}
		}
	}
	if len(changes) < 1000 || wrong > 0 {
		t.Errorf("%d characters differ, %d changes of class", wrong, len(changes))
	}
}

func TestInvalidUTF8IsReplacedAsInPython(t *testing.T) {
	raw, err := os.ReadFile("testdata/utf8.json")
	if err != nil {
		t.Fatal(err)
	}
	var pairs [][2]string
	if err := json.Unmarshal(raw, &pairs); err != nil {
		t.Fatal(err)
	}
	for _, p := range pairs {
		b, err := hex.DecodeString(p[0])
		if err != nil {
			t.Fatal(err)
		}
		if got := replaceInvalid(string(b)); got != p[1] {
			t.Errorf("% x becomes %q, want %q", b, got, p[1])
		}
		if (firstInvalid(string(b)) < 0) != utf8.Valid(b) {
			t.Errorf("% x: first invalid byte at %d", b, firstInvalid(string(b)))
		}
	}
	if len(pairs) < 300 {
		t.Errorf("only %d pairs", len(pairs))
	}
}

// TestBothMergersAgree compares the queue for long words with the scan for short ones.
func TestBothMergersAgree(t *testing.T) {
	k := load(t, "base")
	rng := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		w := make([]byte, 2+rng.IntN(longWord-2))
		for i := range w {
			w[i] = "abeht or"[rng.IntN(8)]
		}
		a := k.bpe.split(nil, string(w))
		b := slices.Clone(a)
		a, b = a[:k.bpe.mergeShort(a)], b[:k.bpe.mergeLong(b)]
		if !slices.Equal(a, b) {
			t.Fatalf("%q: %v and %v", w, a, b)
		}
	}
}

func TestALimitGivesTheFirstTokensOfTheWhole(t *testing.T) {
	for _, v := range readVectors(t) {
		if v.Variant != "base" {
			continue
		}
		k := load(t, "base")
		whole := k.Encode(v.Text, Parse, 0)
		for limit := 1; limit <= min(len(whole.IDs)+1, 9); limit++ {
			part := k.Encode(v.Text, Parse, limit)
			n := min(limit, len(whole.IDs))
			if len(part.IDs) < n || !slices.Equal(part.IDs[:n], whole.IDs[:n]) || !slices.Equal(part.Offsets[:n], whole.Offsets[:n]) {
				t.Fatalf("%q with limit %d: %v of %v", v.Text, limit, part.IDs, whole.IDs)
			}
			if (len(part.IDs) > limit) != (len(whole.IDs) > limit) {
				t.Fatalf("%q with limit %d does not tell that there is more", v.Text, limit)
			}
		}
	}
}

func TestACachedWordDoesNotKeepTheTextItCameFrom(t *testing.T) {
	c := newCache()
	k := load(t, "base")
	text := []byte("harbour")
	w := string(text)
	first, _ := c.symbols(&k.bpe, w, nil)
	again, _ := c.symbols(&k.bpe, "harbour", nil)
	if !slices.Equal(first, again) || &first[0] != &again[0] {
		t.Error("the second look-up of a word merges again")
	}
	long := strings.Repeat("x", cachedWord+1)
	a, room := c.symbols(&k.bpe, long, nil)
	if b, _ := c.symbols(&k.bpe, long, room); &a[0] != &b[0] {
		t.Error("a word over the cache's limit is kept")
	}
}

func TestDecodingSkipsSpecialTokensWhenAsked(t *testing.T) {
	k := load(t, "base")
	ids, _, _ := flat(k, k.Encode("a 👍🏽 <mask> b", Parse, 0))
	if got := k.Decode(ids, false); got != "<s>a 👍🏽<mask> b</s>" {
		t.Errorf("%q", got)
	}
	if got := k.Decode(append(ids, -1, 1<<20), true); got != "a 👍🏽 b" {
		t.Errorf("%q", got)
	}
	half := k.Encode("👍", Parse, 0).IDs
	if got := k.Decode(half[:1], false); got != "\ufffd" {
		t.Errorf("half a character decodes to %q", got)
	}
}

// FuzzEncode proves that encoding never panics, that decoding gives the text back, and that offsets stay inside it.
func FuzzEncode(f *testing.F) {
	for i, v := range readVectors(f) {
		if i%10 == 0 {
			f.Add(v.Text)
		}
	}
	base, added := load(f, "base"), load(f, "added")
	f.Fuzz(func(t *testing.T, s string) {
		s = replaceInvalid(s)
		if !utf8.ValidString(s) {
			t.Fatalf("%q is still not UTF-8", s)
		}
		runes := int32(utf8.RuneCountInString(s))
		for _, k := range []*Tokenizer{base, added} {
			for _, specials := range []Specials{Parse, Plain} {
				e := k.Encode(s, specials, 0)
				last := int32(0)
				for i, o := range e.Offsets {
					if o[0] > o[1] || o[1] > runes || e.Words[i] < last {
						t.Fatalf("%q: token %d at %v, word %d", s, i, o, e.Words[i])
					}
					last = e.Words[i]
				}
				if back := k.Decode(e.IDs, false); k == base && specials == Plain && back != s && !strings.Contains(s, "<mask>") {
					t.Fatalf("%q comes back as %q", s, back)
				}
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	k := load(b, "base")
	text := strings.Repeat("The harbour lights went out one by one, and we're still waiting for the boat's bell in 2019.\n", 50)
	for _, c := range []struct{ name, text string }{{"english", text}, {"cjk", strings.Repeat("東京は日本の首都です。今日は天気がいい。", 100)}, {"one long word", strings.Repeat("ab", 4000)}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.text)))
			b.ReportAllocs()
			tokens := 0
			for b.Loop() {
				tokens += len(k.Encode(c.text, Parse, 0).IDs)
			}
			b.ReportMetric(float64(tokens)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}
