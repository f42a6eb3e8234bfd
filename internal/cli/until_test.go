package cli

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // Berlin, wherever the test runs
)

func TestATimeOrADurationIsTheMomentThatPeopleMean(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 10, 24, 22, 30, 0, 0, berlin) // clocks are put back in the night
	for _, c := range []struct{ text, want string }{
		{"90m", "2026-10-25T00:00:00+02:00"},
		{"1h30m10s", "2026-10-25T00:00:10+02:00"},
		{"23:00", "2026-10-24T23:00:00+02:00"},
		{"06:00", "2026-10-25T06:00:00+01:00"},
		{"22:30", "2026-10-25T22:30:00+01:00"},
		{"22:30:01", "2026-10-24T22:30:01+02:00"},
		{"2026-10-25 06:00", "2026-10-25T06:00:00+01:00"},
		{"2026-10-25T06:00", "2026-10-25T06:00:00+01:00"},
		{"2026-10-25T06:00:00Z", "2026-10-25T06:00:00Z"},
		{"2026-10-24T22:29", "is over"},
		{"0s", "is over"},
		{"-5m", "is over"},
		{"tomorrow", "neither a duration"},
		{"25:00", "neither a duration"},
		{"", "neither a duration"},
	} {
		at, err := untilTime(now, c.text)
		if got := at.Format(time.RFC3339); err == nil && got != c.want || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %s, %v; want %s", c.text, got, err, c.want)
		}
	}
}

func TestARateIsReferencesASecond(t *testing.T) {
	for text, want := range map[string]float64{"200/s": 200, "0.5": 0.5, "1e3/s": 1000} {
		if got, err := rateOf(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "-1/s", "fast", "NaN", "Inf", "10/m", "200 /s"} {
		if got, err := rateOf(text); err == nil || !strings.Contains(err.Error(), "--max-rate") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
