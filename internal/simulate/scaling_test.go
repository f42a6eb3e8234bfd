package simulate

import (
	"testing"
	"time"
)

// loaded is a world of one steady kind: many records at the start, a model that takes its time for each batch, latencies of a store, nothing that goes wrong. Time is virtual, so a worker
// has a machine of its own however many there are; what they wait for, each other among it, is real.
func loaded(source Source, workers, partitions, records int) Plan {
	p := quiet(1)
	p.Source, p.Workers, p.Partitions, p.Records, p.Trickle = source, workers, partitions, records, 0
	p.Calm = 0
	p.Pipeline = PipelinePlan{
		MaxInFlight: 128, Fetchers: 16, Budget: 1 << 20, CommitInterval: time.Second, RollRows: 256, RollAge: 2 * time.Second, MaxBuffered: 1 << 20, Uploads: 2, Infer: 100 * time.Millisecond,
	}
	return p
}

// A worker more brings a worker's throughput: twice the records in a group of twice the workers take as long. What is compared is what more records take, as
// joining and the last file take the same however many records there are.
func TestWorkersAddUp(t *testing.T) {
	const partitions, few, many = 8, 60, 240
	for _, source := range []Source{Scripted, Kafka} {
		took := func(workers, records int) time.Duration {
			res := stage.Run(t, loaded(source, workers, partitions, records), nil)
			if res.Err != nil {
				t.Fatal(res.Err)
			}
			return res.Settled
		}
		alone := 0.0
		for _, workers := range []int{1, 2, 4} {
			short, long := took(workers, few), took(workers, many)
			rate := float64(partitions*(many-few)) / (long - short).Seconds()
			if workers == 1 {
				alone = rate
			}
			t.Logf("%s: %d workers, %d partitions: %.1f records a second, %.2f of %d times one worker's (%v, %v)", source, workers, partitions, rate, rate/alone/float64(workers), workers, short, long)
			if rate < 0.8*alone*float64(workers) {
				t.Errorf("%s: %d workers compute %.1f records a second, one %.1f", source, workers, rate, alone)
			}
		}
	}
}
