package rest

import (
	"testing"
	"time"
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
