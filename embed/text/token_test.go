package text

import "testing"

func TestTokensAreSpelledFoundAndJoined(t *testing.T) {
	tok, err := Load("testdata/base")
	if err != nil {
		t.Fatal(err)
	}
	ids := tok.Encode("Hello Straße 😀", Parse, 0).IDs
	var spelled []string
	for _, id := range ids {
		s := tok.Token(id)
		if back, ok := tok.Find(s); !ok || back != id {
			t.Fatalf("token %d is spelled %q, which is token %d (%v)", id, s, back, ok)
		}
		spelled = append(spelled, s)
	}
	if got := tok.Join(spelled); got != "Hello Straße 😀" {
		t.Errorf("joined %q", got)
	}
	for name, c := range map[string]struct {
		in   []string
		want string
	}{
		"a token of the vocabulary is decoded":        {[]string{"ĠParis"}, " Paris"},
		"text with a space stands for itself":         {[]string{" Île"}, " Île"},
		"accented letters alone are read as bytes":    {[]string{"Île"}, "\ufffdle"},
		"special tokens stand for themselves":         {[]string{"<mask>"}, "<mask>"},
		"bytes of one character may be in two tokens": {[]string{"Ã", "©"}, "é"},
	} {
		if got := tok.Join(c.in); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if id, ok := tok.Role("mask_token"); !ok || tok.Token(id) != "<mask>" {
		t.Errorf("mask_token is %d (%v), %q", id, ok, tok.Token(id))
	}
	if tok.Token(-1) != "" || tok.Token(1<<30) != "" {
		t.Error("an id that does not exist has a token")
	}
	if _, ok := tok.Find("no such token"); ok {
		t.Error("found a token that does not exist")
	}
}
