package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"vecmill/internal/backfill"
	"vecmill/internal/config"
	"vecmill/schemas"
)

const ratesDoc = "what a machine of another kind computes in a second, by pipeline or modality, in place of measuring this one: text=1200/s (objects) or audio=80s/s (seconds of audio), with commas between them; may be given again"

// ratesFlag is a flag that states rates; it may be given several times.
type ratesFlag map[string]backfill.Rate

func (r ratesFlag) String() string { return "" }

// Set implements flag.Value.
func (r ratesFlag) Set(text string) error {
	for word := range strings.SplitSeq(text, ",") {
		name, rate, ok := strings.Cut(word, "=")
		number, seconds := strings.CutSuffix(rate, "s/s")
		unit := backfill.AudioSeconds
		if !seconds {
			number, unit = strings.TrimSuffix(rate, "/s"), backfill.Objects
		}
		n, err := strconv.ParseFloat(number, 64)
		if !ok || name == "" || err != nil || !(n > 0) || n > 1e9 { // NaN is not more than 0
			return fmt.Errorf("%q is no rate: text=1200/s is of objects, audio=80s/s of seconds of audio", word)
		}
		r[name] = backfill.Rate{PerSecond: n, Unit: unit}
	}
	return nil
}

// check finds names that are neither a pipeline's nor a modality.
func (r ratesFlag) check(c *config.Config) error {
	for name := range r {
		pipeline := slices.ContainsFunc(c.Pipelines, func(p config.Pipeline) bool { return p.Name == name })
		if !pipeline && !slices.Contains(schemas.Modalities(), schemas.Modality(name)) {
			return fmt.Errorf("--rate %s: it is neither a pipeline of the configuration nor a modality", name)
		}
	}
	return nil
}
