package text

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"vecmill/schemas"
)

// read is the text of an object by options.
func read(t *testing.T, o Options, blob []byte) (string, string, error) {
	t.Helper()
	in, err := newInput(o.withDefaults(1))
	if err != nil {
		t.Fatal(err)
	}
	return in.text(t.Context(), blob)
}

// Python's codecs are the judge: testdata/charsets.py. Where Python refuses, so do we, and with "replace" a text comes out all the same.
func TestCharsetsDecodeAsPython(t *testing.T) {
	raw, err := os.ReadFile("testdata/charsets.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Charset, Bytes string
		Text           *string
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 120 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		b, err := hex.DecodeString(c.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := read(t, Options{Charset: c.Charset}, b)
		switch {
		case c.Text == nil && err == nil:
			t.Errorf("%s %x: Python refuses it, taken as %q", c.Charset, b, got)
		case c.Text != nil && (err != nil || got != *c.Text):
			t.Errorf("%s %x: %q, %v, want %q", c.Charset, b, got, err, *c.Text)
		}
		if reason, ok := schemas.Rejected(err); err != nil && (!ok || reason != schemas.ReasonDecode) {
			t.Errorf("%s %x: %v", c.Charset, b, err)
		}
		if got, _, err := read(t, Options{Charset: c.Charset, InvalidUTF8: Replace}, b); err != nil || c.Text == nil && !strings.ContainsRune(got, '\ufffd') {
			t.Errorf("%s %x, replaced: %q, %v", c.Charset, b, got, err)
		}
	}
}

func TestDetectionSaysWhatItFound(t *testing.T) {
	for _, c := range []struct {
		format     Format
		blob       string
		text, name string
	}{
		{PlainText, "plain", "plain", "utf-8"},
		{PlainText, "Zo\xc3\xab", "Zoë", "utf-8"},
		{PlainText, "Zo\xeb", "Zoë", "windows-1252"},
		{PlainText, "\x93q\x94", "“q”", "windows-1252"},
		{PlainText, "\xef\xbb\xbfmark", "mark", "utf-8-sig"},
		{PlainText, "\xff\xfea\x00b\x00", "ab", "utf-16"},
		{PlainText, "\xfe\xff\x00a\x00b", "ab", "utf-16"},
		{HTML, `<meta charset="shift_jis"><p>` + "\x93\xfa\x96\x7b", "日本", "shift_jis"},
		{HTML, `<meta http-equiv="Content-Type" content="text/html; charset=koi8-r"><p>` + "\xd2\xd5", "ру", "koi8-r"},
		{PlainText, `<meta charset="shift_jis">`, `<meta charset="shift_jis">`, "utf-8"},
	} {
		got, name, err := read(t, Options{Charset: Detect, Format: c.format}, []byte(c.blob))
		if err != nil || got != c.text || name != c.name {
			t.Errorf("%q: %q in %s, %v; want %q in %s", c.blob, got, name, err, c.text, c.name)
		}
	}
	if _, name, err := read(t, Options{}, []byte("a")); err != nil || name != "" {
		t.Errorf("without detection: %q, %v", name, err)
	}
}

func TestFieldsOfJSON(t *testing.T) {
	const doc = "\ufeff" + ` {"a": {"b.c": "dotted", "d": [ "x", {"e": "deep \u00e9 \ud83d\ude00"} ], "n": 5, "none": null}, "": "empty", "s/t": "slash", "half": "\ud83d!"}`
	for field, want := range map[string]string{"a.d.0": "x", "a.d.1.e": "deep é 😀", "/a/b.c": "dotted", "/": "empty", "/s~1t": "slash"} {
		got, _, err := read(t, Options{Format: JSON, Field: field}, []byte(doc))
		if err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", field, got, err, want)
		}
	}
	for field, says := range map[string]string{
		"b": "no field b", "a.d.2": "a list of 2", "a.d.x": "a list of 2", "a.n": "not a string", "a.none": "not a string", "a": "not a string",
		"a.n.x": "neither object nor list", "half": "surrogate",
	} {
		_, _, err := read(t, Options{Format: JSON, Field: field}, []byte(doc))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", field, err, says)
		}
	}
	if got, _, err := read(t, Options{Format: JSON, Field: "half", InvalidUTF8: Replace}, []byte(doc)); err != nil || got != "\ufffd!" {
		t.Errorf("half a pair: %q, %v", got, err)
	}
	for _, doc := range []string{`{"a":`, ``, `{"a": "x"} trailing`, `nul`, "{\"a\": \"\x01\"}"} {
		_, _, err := read(t, Options{Format: JSON, Field: "a"}, []byte(doc))
		if reason, ok := schemas.Rejected(err); !ok || reason != schemas.ReasonDecode && reason != schemas.ReasonSchema {
			t.Errorf("%q: %v", doc, err)
		}
	}
}

func TestMarkupIsStripped(t *testing.T) {
	for _, c := range []struct {
		format     Format
		blob, want string
	}{
		{HTML, "<p>One  <b>two</b>\n three.</p><p>Four&amp;five &lt;six&gt; caf&eacute;</p>", "One two three.\n\nFour&five <six> café"},
		{HTML, "<html><head><title>T</title><style>p{}</style><script>if (a<b) {}</script></head><body>x<!-- no --><br>y<div>z</div></body></html>", "T\n\nx\ny\nz"},
		{HTML, "<ul><li>a<li>b</ul><pre>  keep\n  this </pre>end", "a\nb\n\n  keep\n  this \n\nend"},
		{HTML, "<table><tr><td>1<td>2<tr><td>3<td>4</table>", "1\t2\n3\t4"},
		{HTML, `<img alt="A cat" src=x> <svg><text>no</text></svg><textarea>no</textarea>sits`, "A cat sits"},
		{HTML, "in<b>si</b>de", "inside"},
		{HTML, "unclosed <p", "unclosed"},
		{HTML, "a < b and c > d", "a < b and c > d"},
		{Markdown, "# Title\n\nSome *emphasis*, `code` and a [link](http://x.example).\n\n* one\n* two\n\n> quoted\n", "Title\n\nSome emphasis, code and a link.\n\none\ntwo\n\nquoted"},
		{Markdown, "| a | b |\n|---|---|\n| 1 | ~~2~~ |\n", "a\tb\n1\t2"},
		{Markdown, "text <b>bold</b> <script>alert(1)</script> &copy;", "text bold ©"},
		{Markdown, "```go\nx := 1\n\ny := 2\n```\n", "x := 1\n\ny := 2\n"},
		{Markdown, "plain", "plain"},
	} {
		got, _, err := read(t, Options{Format: c.format}, []byte(c.blob))
		if err != nil || got != c.want {
			t.Errorf("%s %q:\n got %q, %v\nwant %q", c.format, c.blob, got, err, c.want)
		}
	}
	for _, blob := range []string{"<p> </p>", "<script>x</script>"} {
		_, _, err := read(t, Options{Format: HTML}, []byte(blob))
		if reason, _ := schemas.Rejected(err); reason != schemas.ReasonTooShort {
			t.Errorf("%q: %v", blob, err)
		}
	}
}

// What is known to make parsers of Markdown and HTML slow stays quick.
func TestMarkupIsReadInTime(t *testing.T) {
	for name, part := range map[string]string{
		"brackets": "[", "stars": "*a ", "quotes": "> ", "ticks": "`a``", "links": "[a](", "images": "![", "angles": "<", "emphasis": "_a*", "tags": "<a ", "entities": "&",
		"lists": "- ", "numbers": "1) ", "tables": "|a", "references": "[a]: b\n", "strikes": "~~a", "comments": "<!--", "headers": "# a\n", "tabs": "\t",
	} {
		blob := []byte(strings.Repeat(part, 12_000/len(part)))
		for _, f := range []Format{Markdown, HTML} {
			began := time.Now()
			if _, _, err := read(t, Options{Format: f}, blob); err != nil {
				if _, ok := schemas.Rejected(err); !ok {
					t.Errorf("%s as %s: %v", name, f, err)
				}
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("%s as %s: %v for 12 kB", name, f, took)
			} else if testing.Verbose() {
				fmt.Println(name, f, took)
			}
		}
	}
}

func TestOptionsOfInputAreChecked(t *testing.T) {
	for says, o := range map[string]Options{
		"charset: \"ebcdic-9\"":  {Charset: "ebcdic-9"},
		"not decoded by anybody": {Charset: "iso-2022-kr"},
		"format: \"pdf\"":        {Format: "pdf"},
		"field: missing":         {Format: JSON},
		"is for format json":     {Field: "a"},
		"empty name":             {Format: JSON, Field: "a..b"},
	} {
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want %q", o, err, says)
		}
	}
}

// Whatever the bytes, formats and character sets: a text or a rejection.
func FuzzInput(f *testing.F) {
	f.Add([]byte("<p>a<td>b"), 0)
	f.Add([]byte("# a\n|b|\n|-|\n[x]: y"), 1)
	f.Add([]byte(`{"a": "\ud800\udc00"}`), 2)
	f.Add([]byte("\xff\xfea\x00"), 3)
	f.Add([]byte("\xa4\xa2\x8f\xa2"), 4)
	options := []Options{
		{Format: HTML, Charset: Detect},
		{Format: Markdown, InvalidUTF8: Replace},
		{Format: JSON, Field: "a", InvalidUTF8: Replace},
		{Charset: UTF16},
		{Charset: "euc-jp"},
		{Charset: "gb18030", InvalidUTF8: Replace},
		{Charset: "iso-2022-jp"},
	}
	f.Fuzz(func(t *testing.T, b []byte, which int) {
		o := options[uint(which)%uint(len(options))]
		got, _, err := read(t, o, b)
		if _, ok := schemas.Rejected(err); err != nil && !ok {
			t.Errorf("%v", err)
		}
		if err == nil && firstInvalid(got) >= 0 {
			t.Errorf("%+v %q: text that is not UTF-8: %q", o, b, got)
		}
		if in, _ := newInput(o.withDefaults(1)); int64(len(got)) > in.longest(int64(len(b)))+1024 && !bytes.Contains(b, []byte("&")) {
			t.Errorf("%d bytes of text from %d", len(got), len(b))
		}
	})
}

// An object in another wrapping and character set is the text that it holds; the digest tells, and detection is noted on every window.
func TestObjectsAreReadBeforeTheyAreTokenized(t *testing.T) {
	plain, wrapped := newPreprocessor(t, Options{}), newPreprocessor(t, Options{Format: HTML, Charset: Detect})
	if plain.Digest() == wrapped.Digest() {
		t.Error("the digest does not tell")
	}
	want, err := plain.Preprocess(t.Context(), schemas.Ref{}, []byte("Zoë sat."))
	if err != nil {
		t.Fatal(err)
	}
	got, err := wrapped.Preprocess(t.Context(), schemas.Ref{}, []byte("<p>Zo\xeb <i>sat</i>.<script>no</script>"))
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got[0].Inputs) != fmt.Sprint(want[0].Inputs) {
		t.Errorf("%v, want %v", got[0].Inputs, want[0].Inputs)
	}
	if got[0].Notes[schemas.CharsetNote] != "windows-1252" || want[0].Notes != nil {
		t.Errorf("notes %v, %v", got[0].Notes, want[0].Notes)
	}
}
