package audio

import (
	"math"
	"slices"
)

// What Speech takes for speech. Levels are decibels of full scale, of 20 ms each.
const (
	speechFrame = 0.02 // seconds
	speechOn    = 10.0 // over the noise: speech begins after speechRun such frames
	speechOff   = 6.0  // over the noise: what is below, for speechHang, ends it
	speechLeast = -55.0
	speechRun   = 3
	speechHang  = 0.5 // seconds
	speechPad   = 0.2 // seconds that are kept on both sides
	noiseFirst  = -35.0
	noiseRise   = 3.0 // decibels a second that the noise is taken to rise at most, a tenth of it during speech
)

// voice finds stretches of speech in a stream by its energy: the noise is the lowest level lately, speech what is well above it. It hears no difference between a voice and any other sound that comes and
// goes; steady noise is followed and left out.
type voice struct {
	frame, hang, pad int // in samples
	noise            float64
	begun            bool
	run              int // loud frames in a row
	at               int // samples judged
	last             int // end of the last loud frame
	ended            int // end of the stretch before
	open             bool
	from             int // of the open stretch
	levels           []float32
	levelsFrom       int
}

func newVoice(rate int) *voice {
	n := func(seconds float64) int { return max(int(math.Round(seconds*float64(rate))), 1) }
	return &voice{frame: n(speechFrame), hang: n(speechHang), pad: n(speechPad), noise: noiseFirst}
}

// least is the shortest window: it is longer than a stretch that has just begun, which there is no place to cut in.
func (v *voice) least() int { return v.pad + speechRun*v.frame + 1 }

// hear judges the next frame.
func (v *voice) hear(x []float32) {
	sum := 0.0
	for _, s := range x {
		sum += float64(s) * float64(s)
	}
	level := 10 * math.Log10(sum/float64(len(x))+1e-10)
	talking := v.open && v.at-v.last < v.hang
	rise, over := noiseRise*speechFrame, speechOn
	if talking {
		rise, over = rise/10, speechOff
	}
	v.at += v.frame
	v.noise = min(v.noise+rise, level)
	if !v.begun {
		v.begun, v.noise = true, min(level, noiseFirst)
	}
	v.run++
	if level < v.noise+over || level < speechLeast {
		v.run = 0
	}
	switch {
	case v.run > 0 && talking, v.run >= speechRun && v.open:
		v.last = v.at
	case v.run >= speechRun:
		v.open, v.last = true, v.at
		v.from = max(v.at-speechRun*v.frame-v.pad, v.ended)
		v.levels, v.levelsFrom = v.levels[:0], v.at-v.frame
	}
	if v.open {
		v.levels = append(v.levels, float32(level))
	}
}

// done is the stretch that is over, if one is: speech of which nothing more follows, with its margins; or, where it has become as long as a window, its part up to the quietest moment of the window's last 40 %. Stretches
// that begin within a quarter of a window are one.
func (v *voice) done(window int, last bool) (from, to int, ok bool) {
	silent := v.at-v.last >= v.hang && v.at-v.from >= window/4+v.pad+speechRun*v.frame
	switch {
	case !v.open:
		return 0, 0, false
	case silent || last:
		from, to = v.from, min(v.last+v.pad, v.at)
		v.open = false
	case v.at-v.from >= window:
		k := max(len(v.levels)*6/10, 1)
		k += slices.Index(v.levels[k:], slices.Min(v.levels[k:]))
		from, to = v.from, v.levelsFrom+k*v.frame
		v.from, v.levelsFrom = to, to
		v.levels = append(v.levels[:0], v.levels[k:]...)
		v.open = v.last > to
	default:
		return 0, 0, false
	}
	v.ended = to
	return from, to, true
}

// needs is the first sample that may still belong to a stretch.
func (v *voice) needs() int {
	if v.open {
		return v.from
	}
	return max(v.at-speechRun*v.frame-v.pad, v.ended)
}

// speech gives stretches of speech, each a window of its own. A recording with none is one window of its beginning, so that every recording has a row.
func (c *cutter) speech() error {
	if whole, err := c.whole(); whole || err != nil {
		return err
	}
	w := int(c.p.windowSamples)
	if c.voice == nil {
		c.voice = newVoice(c.p.extractor.SamplingRate)
		c.lead = slices.Clone(c.x[:w])
	}
	v := c.voice
	for c.total()-v.at >= v.frame {
		v.hear(c.x[v.at-c.base : v.at-c.base+v.frame])
		if from, to, ok := v.done(w, false); ok {
			if err := c.utter(from, to); err != nil {
				return err
			}
		}
		if need := v.needs(); need-c.base > w/2 {
			c.forward(need)
		}
	}
	if !c.ended {
		return nil
	}
	if from, to, ok := v.done(w, true); ok {
		if err := c.utter(from, to); err != nil {
			return err
		}
	}
	if c.number == 0 {
		c.x, c.base = c.lead, 0
		return c.give(len(c.lead), 0, nil)
	}
	return nil
}

// utter gives a stretch, unless it is too short for a frame of the model.
func (c *cutter) utter(from, to int) error {
	c.forward(from)
	if to-from < c.p.tail {
		return nil
	}
	c.lead = nil
	return c.give(to, from, nil)
}
