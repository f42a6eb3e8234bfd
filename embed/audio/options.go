package audio

import (
	"fmt"
	"math"
)

// Long is what happens to audio that is longer than the model shall see at once.
type Long string

// The policies for long audio.
const (
	Fail     Long = "fail"     // refused as too large
	Truncate Long = "truncate" // cut to MaxSeconds, and flagged
	Window   Long = "window"   // cut into windows of WindowSeconds, each a sample of its own
)

// Options say how audio is prepared. The zero value means the defaults.
type Options struct {
	MaxSeconds        float64 // longest audio that is one sample; default 30
	Long              Long    // what happens to longer audio; default Fail
	WindowSeconds     float64 // length of a window, for Window, without overlap; default MaxSeconds, which it may not exceed
	MaxDecodedSeconds float64 // longest audio that Window takes apart; bounds memory; default 3600
}

// withDefaults fills what is zero.
func (o Options) withDefaults() Options {
	if o.MaxSeconds == 0 {
		o.MaxSeconds = 30
	}
	if o.Long == "" {
		o.Long = Fail
	}
	if o.WindowSeconds == 0 {
		o.WindowSeconds = o.MaxSeconds
	}
	if o.MaxDecodedSeconds == 0 {
		o.MaxDecodedSeconds = math.Max(3600, o.MaxSeconds)
	}
	return o
}

// Validate names the first option that makes no sense. It accepts the zero value.
func (o Options) Validate() error {
	o = o.withDefaults()
	const day = 86400
	switch {
	case o.Long != Fail && o.Long != Truncate && o.Long != Window:
		return fmt.Errorf("long: %q is not one of fail, truncate, window", o.Long)
	case !(o.MaxSeconds > 0 && o.MaxSeconds <= day):
		return fmt.Errorf("max_seconds: %v is not above 0 and at most %d", o.MaxSeconds, day)
	case !(o.WindowSeconds > 0 && o.WindowSeconds <= o.MaxSeconds):
		return fmt.Errorf("window_seconds: %v is not above 0 and at most max_seconds (%v)", o.WindowSeconds, o.MaxSeconds)
	case !(o.MaxDecodedSeconds >= o.MaxSeconds && o.MaxDecodedSeconds <= day):
		return fmt.Errorf("max_decoded_seconds: %v is not between max_seconds (%v) and %d", o.MaxDecodedSeconds, o.MaxSeconds, day)
	}
	return nil
}

// seconds is the longest audio that is ever held decoded.
func (o Options) seconds() float64 {
	if o.Long == Window {
		return o.MaxDecodedSeconds
	}
	return o.MaxSeconds
}
