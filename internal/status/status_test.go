package status

import (
	"testing"

	"vecmill/embed"
	"vecmill/schemas"
	"vecmill/stream"
)

func TestEveryReasonHasAdviceAndManyPartitionsAreCut(t *testing.T) {
	for _, reason := range schemas.Reasons() {
		if advice[reason] == "" {
			t.Errorf("no advice for %s", reason)
		}
	}
	var all []stream.Place
	for i := range 3 * placesShown {
		all = append(all, stream.Place{Partition: stream.Partition{Topic: "t", ID: i}, End: int64(i)})
	}
	p := Of(About{}, stream.Stats{}, embed.Stats{}, all)
	if p.Partitions != len(all) || len(p.Places) != placesShown || p.Places[0].Lag != int64(len(all)-1) || p.Recent == nil || p.Letters == nil {
		t.Errorf("%d of %d, the first %+v", len(p.Places), p.Partitions, p.Places[0])
	}
}
