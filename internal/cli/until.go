package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// errUntil is the cause of the end of a run whose time is up.
var errUntil = errors.New("the time of --until has come")

// untilLayouts are moments with a date, as people write them; local time where no zone is told.
var untilLayouts = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"}

// untilTime is the moment that --until means: a duration from now on, a time of day, which is the next one, or a date with a time.
func untilTime(now time.Time, s string) (time.Time, error) {
	at, err := untilMoment(now, s)
	if err == nil && !at.After(now) {
		err = fmt.Errorf("--until %s is over: that was at %s", s, at.Format(time.RFC3339))
	}
	return at, err
}

func untilMoment(now time.Time, s string) (time.Time, error) {
	if d, err := time.ParseDuration(s); err == nil {
		return now.Add(d), nil
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		if c, err := time.Parse(layout, s); err == nil {
			at := time.Date(now.Year(), now.Month(), now.Day(), c.Hour(), c.Minute(), c.Second(), 0, now.Location())
			if !at.After(now) {
				at = time.Date(now.Year(), now.Month(), now.Day()+1, c.Hour(), c.Minute(), c.Second(), 0, now.Location()) // not 24 hours: clocks are put back
			}
			return at, nil
		}
	}
	for _, layout := range untilLayouts {
		if at, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("--until %q is neither a duration, as 2h30m, nor a time, as 06:00 or 2026-01-31T06:00 or 2026-01-31T06:00:00Z", s)
}

// rateOf is what --max-rate means: N or N/s, more than 0.
func rateOf(s string) (float64, error) {
	n, err := strconv.ParseFloat(strings.TrimSuffix(s, "/s"), 64)
	if err != nil || !(n > 0) || n > 1e9 { // NaN is not more than 0
		return 0, fmt.Errorf("--max-rate %q is not a number of references a second, as 200/s or 0.5/s", s)
	}
	return n, nil
}
