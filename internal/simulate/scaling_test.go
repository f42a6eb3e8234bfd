package simulate

import (
	"testing"
	"time"
)

// What the model of each worker computes: a batch of eight every quarter of a second, and nothing more.
const (
	perBatch  = 8
	perSecond = 4 * perBatch
)

// The seconds in which work is counted: every worker has joined and has its partitions by then, and none has run out of records. A batch is one percent of what each computes meanwhile.
const (
	steady = 20
	window = 25
)

// loaded is a world of one steady kind: enough records at the start, a model that takes its time for each batch, latencies of a store, nothing that goes wrong. Time is virtual, so a worker
// has a machine of its own however many there are; what they wait for, each other among it, is real.
func loaded(source Source, workers, partitions int) Plan {
	p := quiet(1)
	p.Source, p.Workers, p.Partitions, p.Trickle, p.Even = source, workers, partitions, 0, true
	p.Records = 1 + min(workers, partitions)*perSecond*(steady+window+3)/partitions
	p.Calm = time.Minute
	p.Pipeline = PipelinePlan{
		MaxInFlight: 128, Fetchers: 16, Budget: 1 << 20, CommitInterval: 5 * time.Second, RollRows: 1_000_000, RollAge: time.Minute, MaxBuffered: 64 << 20, Uploads: 2,
		Infer: perBatch * time.Second / perSecond,
	}
	return p
}

// A worker more brings a worker's throughput for as long as there is a partition for it, and partitions more cost none of it: each worker computes what its model can, 95 of 100 at the least.
func TestWorkersAddUp(t *testing.T) {
	for _, source := range []Source{Scripted, Kafka} {
		for _, partitions := range []int{1, 2, 8, 64, 1000} {
			for _, workers := range []int{1, 2, 4} {
				if source == Kafka && partitions == 1000 && workers != 4 {
					continue // each takes as long as all the others together
				}
				res := stage.Run(t, loaded(source, workers, partitions), nil)
				if res.Err != nil {
					t.Fatal(res.Err)
				}
				sum, least := 0, perSecond*window
				work := res.Meter.Between("items", steady, steady+window)
				for _, n := range work {
					sum, least = sum+n, min(least, n)
				}
				busy := min(workers, partitions)
				t.Logf("%s: %d workers, %d partitions: %d work, %.1f records a second in all, the slowest %.2f of what its model can; settled after %v", source, workers, partitions, len(work),
					float64(sum)/window, float64(least)/(perSecond*window), res.Settled.Round(time.Second))
				if len(work) != busy || float64(least) < 0.95*perSecond*window {
					t.Errorf("%s: %d workers compute %v of %d partitions in %d s, want %d that compute %d each", source, workers, work, partitions, window, busy, perSecond*window)
				}
			}
		}
	}
}

// asks are what a worker asks for: in all, or in a minute in which there is nothing to do.
var asks = []struct {
	what   string
	minute bool
}{
	{connections, false},
	{"store LIST", false},
	{"store PUT", false},
	{"kafka OffsetCommit", false},
	{"kafka JoinGroup", false},
	{"kafka Fetch", true},
	{"kafka Heartbeat", true},
	{"kafka Metadata", true},
	{"kafka ", true},
	{answered, true},
}

// What a worker asks of Kafka and of the store goes with the partitions that it has, and not with the workers beside it.
func TestWhatAWorkerAsksForDoesNotGrowWithTheOthers(t *testing.T) {
	const each, idle = 10, 120 // partitions of each worker; the second from which on there is nothing to do
	alone := map[string]int{}
	for _, workers := range []int{1, 2, 4} {
		p := loaded(Kafka, workers, each*workers)
		p.Records, p.Calm = 60, (idle+61)*time.Second
		res := stage.Run(t, p, nil)
		if res.Err != nil {
			t.Fatal(res.Err)
		}
		for _, a := range asks {
			from, in := 0, "in all"
			if a.minute {
				from, in = idle, "a minute"
			}
			most := 0
			for _, n := range res.Meter.Between(a.what, from, idle+60) {
				most = max(most, n)
			}
			t.Logf("%d workers, %d partitions: %d %q of one worker %s", workers, each*workers, most, a.what, in)
			if workers == 1 {
				alone[a.what] = most
			}
			if grown := float64(most) > 1.1*float64(alone[a.what])+2; grown && a.what != answered || most == 0 {
				t.Errorf("one of %d workers asks for %d %q %s, one alone for %d", workers, most, a.what, in, alone[a.what])
			}
		}
	}
}
