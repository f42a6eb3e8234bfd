package schemas

import (
	"fmt"
	"testing"
)

func TestWhatGoesBesideATextIsToldByItsHash(t *testing.T) {
	text := func(s string) *string { return &s }
	seen := map[string]string{}
	for _, r := range []Ref{
		{}, {TextPair: text("a")}, {TextPair: text("b")}, {Question: "a"}, {Choices: []string{"a"}}, {Choices: []string{"a", ""}}, {Choices: []string{"ab", "c"}}, {Choices: []string{"a", "bc"}}, {Choices: []string{"1:a"}},
	} {
		hash, what := r.CompanionHash(), fmt.Sprintf("%q, question %q, choices %q", r.Companion(), r.Question, r.Choices)
		if before, is := seen[hash]; is {
			t.Errorf("%s has the hash of %s", what, before)
		}
		seen[hash] = what
		if r.CompanionHash() != hash || (hash == "") != (r.Companion() == "") || hash != "" && len(hash) != 32 {
			t.Errorf("%s: %q", what, hash)
		}
	}
	if hash := (&Ref{TextPair: text("")}).CompanionHash(); hash != "" {
		t.Errorf("an empty text has the hash %s", hash)
	}
}
