package status

import (
	"strings"
	"testing"
	"time"

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
	for _, class := range []FaultClass{
		FaultClass(schemas.PlaceDimension), FaultClass(schemas.PlaceMetric), FaultClass(schemas.PlaceModel), FaultClass(schemas.PlaceLayout), FaultClass(schemas.PlaceUnreachable),
		FaultSlow, FaultAnswer, FaultRefused, FaultNewModel, FaultStopped,
	} {
		if FaultAdvice("outputs[0]", class) == "" || FaultAdvice(PlaceKafka, class) == "" {
			t.Errorf("no advice for %s", class)
		}
	}
	for _, class := range []FaultClass{FaultClass(schemas.PlaceUnreachable), FaultSlow, FaultAnswer} {
		if said := FaultAdvice(PlaceFetch, class); !strings.Contains(said, "fetch-failed") || strings.Contains(said, "output") {
			t.Errorf("of a store that is %s: %s", class, said)
		}
	}
	for _, class := range []FaultClass{FaultClass(schemas.PlaceUnreachable), FaultSlow, FaultAnswer} { // which never end a pipeline, and are of no output
		if said := FaultAdvice(PlaceKafka, class); !strings.Contains(said, "goes on by itself") || strings.Contains(said, "output") {
			t.Errorf("of brokers that are %s: %s", class, said)
		}
	}
	var all []stream.Place
	for i := range 3 * placesShown {
		all = append(all, stream.Place{Partition: stream.Partition{Topic: "t", ID: i}, End: int64(i)})
	}
	p := Of(About{}, stream.Stats{}, embed.Stats{}, all)
	if p.Partitions != len(all) || !p.LagKnown || len(p.Places) != placesShown || p.Places[0].Lag != int64(len(all)-1) || p.Recent == nil || p.Letters == nil || p.Faults == nil {
		t.Errorf("%d of %d, the first %+v", len(p.Places), p.Partitions, p.Places[0])
	}
}

func TestSetsOfPartitionsAreToldApart(t *testing.T) {
	place := func(id int) stream.Place {
		return stream.Place{Partition: stream.Partition{Topic: "t", ID: id}, Durable: 7, End: 9}
	}
	of := func(places ...stream.Place) uint32 {
		return Of(About{}, stream.Stats{}, embed.Stats{}, places).Assigned
	}
	moved := place(1)
	moved.Durable = 8
	if of(place(1), place(2)) != of(place(2), moved) {
		t.Error("one set is two")
	}
	all := map[uint32]bool{of(): true, of(place(1)): true, of(place(2)): true, of(place(1), place(2)): true, of(place(1), place(3)): true}
	if len(all) != 5 {
		t.Errorf("of 5 sets are %d", len(all))
	}
}

func TestStagesSayHowLongTheyWereBusyAndWaitedFor(t *testing.T) {
	p := Of(About{Fetchers: 3, Sessions: 2, Slots: 16, Window: 64}, stream.Stats{Fetch: 9 * time.Second, ReserveWait: 4 * time.Second, FetchQueue: 8, Unfetched: 12, Write: 7 * time.Second, HoldBack: 2, Writers: 2},
		embed.Stats{Queue: 6, Collate: 3 * time.Second, Infer: 7 * time.Second, Samples: 5, Waiting: 48}, nil) // of a worker that has no partitions any more
	if p.LagKnown {
		t.Error("the lag of no partition is known")
	}
	stages := map[string]Stage{}
	for _, s := range p.Stages {
		stages[s.Name] = s
	}
	if i := stages["infer"]; i.Busy != 7 || i.Workers != 2 { // batches are put together beside the sessions, not in their time
		t.Errorf("%+v", i)
	}
	if f, b, w := stages["fetch"], stages["batch"], stages["write"]; f.Busy != 5 || f.Wait != 12 || f.Workers != 3 || f.Queue != 12 || f.Limit != 16 || b.Wait != 6 || b.Busy != 3 || b.Workers != 2 || b.Queue != 48 || b.Limit != 64 || w.Busy != 7 || w.Wait != 2 || w.Workers != 2 || p.Samples != 5 {
		t.Errorf("%+v", stages)
	}
}
