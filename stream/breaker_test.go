package stream_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"vecmill/stream"
	"vecmill/stream/streamtest"
)

// TestABreakerThatOpensSaysWhatGoesOn has references whose objects are gone: of a plan whose objects were removed nothing would ever be finished.
func TestABreakerThatOpensSaysWhatGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := several(t, slices.Repeat([]string{ref(streamtest.Missing, 1)}, 4), func(c *stream.Config) { c.Breaker = stream.BreakerConfig{Window: 4, MaxFailures: 3} })
		const want = "3 of the last 4 records failed, which looks like a fault of the system, not of the data; if it is the data's, as where objects were removed, breaker: {window: 0} of the pipeline makes each a dead letter; last: "
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	})
}
