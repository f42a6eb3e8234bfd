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
	Speech   Long = "speech"   // taken apart at silences: stretches of speech of at most WindowSeconds, each a sample of its own; what is between them is left out
	Overlap  Long = "overlap"  // as the reference's pipelines with chunk_length_s: cut into windows of WindowSeconds that share StrideSeconds with each neighbour
)

// Decoder is what reads the formats that are not built in.
type Decoder string

// The decoders.
const (
	Builtin Decoder = "builtin" // nothing: they are refused by name
	FFmpeg  Decoder = "ffmpeg"  // the program of that name, a process for each object
)

// Options say how audio is prepared. The zero value means the defaults.
type Options struct {
	MaxSeconds        float64   // longest audio that is one sample; default 30
	Long              Long      // what happens to longer audio; default Fail
	WindowSeconds     float64   // length of a window, for Window and Overlap, and at most of a stretch, for Speech; default MaxSeconds, which it may not exceed
	StrideSeconds     float64   // for Overlap: context on each side of a window that does not count; default WindowSeconds/6
	MaxDecodedSeconds float64   // longest audio that Window, Speech and Overlap take apart; default 21600 (6 hours), or MaxSeconds if that is more
	Decoder           Decoder   // what reads AAC, AMR and the like; default Builtin
	Program           string    // for FFmpeg: its name or path; default ffmpeg
	Libraries         Libraries // whether libsndfile and libsoxr of the system take part; default LibrariesOff
	XVectors          bool      // x-vectors are made of the samples: what is too short for their convolutions is too short
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
	if o.StrideSeconds == 0 {
		o.StrideSeconds = o.WindowSeconds / 6
	}
	if o.MaxDecodedSeconds == 0 {
		o.MaxDecodedSeconds = math.Max(6*3600, o.MaxSeconds)
	}
	if o.Decoder == "" {
		o.Decoder = Builtin
	}
	if o.Libraries == "" {
		o.Libraries = LibrariesOff
	}
	switch {
	case o.Decoder != FFmpeg:
		o.Program = "" // without effect, so not in the digest
	case o.Program == "":
		o.Program = "ffmpeg"
	}
	return o
}

// Validate names the first option that makes no sense. It accepts the zero value.
func (o Options) Validate() error {
	o = o.withDefaults()
	const day = 86400
	switch {
	case o.Decoder != Builtin && o.Decoder != FFmpeg:
		return fmt.Errorf("decoder: %q is not one of builtin, ffmpeg", o.Decoder)
	case o.Libraries != LibrariesOff && o.Libraries != LibrariesAuto && o.Libraries != LibrariesRequire:
		return fmt.Errorf("libraries: %q is not one of off, auto, require", o.Libraries)
	case o.Long != Fail && o.Long != Truncate && !o.cuts():
		return fmt.Errorf("long: %q is not one of fail, truncate, window, speech, overlap", o.Long)
	case !(o.MaxSeconds > 0 && o.MaxSeconds <= day):
		return fmt.Errorf("max_seconds: %v is not above 0 and at most %d", o.MaxSeconds, day)
	case !(o.WindowSeconds > 0 && o.WindowSeconds <= o.MaxSeconds):
		return fmt.Errorf("window_seconds: %v is not above 0 and at most max_seconds (%v)", o.WindowSeconds, o.MaxSeconds)
	case o.Long == Overlap && !(o.StrideSeconds > 0 && 2*o.StrideSeconds < o.WindowSeconds):
		return fmt.Errorf("stride_seconds: %v is not above 0 and below half of window_seconds (%v)", o.StrideSeconds, o.WindowSeconds)
	case !(o.MaxDecodedSeconds >= o.MaxSeconds && o.MaxDecodedSeconds <= day):
		return fmt.Errorf("max_decoded_seconds: %v is not between max_seconds (%v) and %d", o.MaxDecodedSeconds, o.MaxSeconds, day)
	}
	return nil
}

// cuts says whether long audio is taken apart.
func (o Options) cuts() bool { return o.Long == Window || o.Long == Speech || o.Long == Overlap }

// seconds is the longest audio that is taken.
func (o Options) seconds() float64 {
	if o.cuts() {
		return o.MaxDecodedSeconds
	}
	return o.MaxSeconds
}
