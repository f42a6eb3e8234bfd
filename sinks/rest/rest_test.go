package rest

import (
	"slices"
	"testing"
	"time"

	"vecmill/sinks/deliver"
)

func TestRetryAfterHasTwoForms(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-1": 0, "soon": 0, "99999999999999": 0,
		"Sat, 28 Nov 2026 12:01:30 GMT": 90 * time.Second, "Sat, 28 Nov 2026 11:00:00 GMT": 0,
	} {
		if got := retryAfter(s, now); got != want {
			t.Errorf("%q is %v, want %v", s, got, want)
		}
	}
}

// TestEveryCodeHasOneMeaning: what is refused for a row's sake becomes its dead letter, so that nothing may be called so that is the system's fault.
func TestEveryCodeHasOneMeaning(t *testing.T) {
	refused, passing := []int{400, 413, 422}, []int{408, 409, 423, 424, 425, 429}
	for code := 400; code < 600; code++ {
		err := error(&Error{Code: code, Wait: 7 * time.Second})
		want := deliver.Final(err)
		switch {
		case slices.Contains(refused, code):
			want = deliver.Refused(err)
		case slices.Contains(passing, code) || code >= 500:
			want = deliver.Later(err, 7*time.Second)
		}
		if got := Classify(err); got != want { //nolint:errorlint // it is what kind of wrapper that counts
			t.Errorf("%d is %T, want %T", code, got, want)
		}
	}
}
