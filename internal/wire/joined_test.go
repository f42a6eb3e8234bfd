package wire

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"vecmill/internal/telemetry"
	"vecmill/stream"
)

// joining is a source of a group: it is told when it has joined, and with how many partitions, and when its drain is over.
type joining struct {
	joined chan int
	told   chan struct{}
	drain  chan struct{}
}

// Run implements stream.Source.
func (j joining) Run(ctx context.Context, a stream.Assignments) error {
	for {
		select {
		case n := <-j.joined:
			if n == 0 {
				a.(stream.Spare).Spare()
			} else if _, err := a.Assigned(ctx, commitsNothing{}, map[stream.Partition]stream.Bounds{{Topic: "t"}: {Committed: -1}}); err != nil {
				return err
			}
			j.told <- struct{}{}
		case <-ctx.Done():
			<-j.drain
			a.Lost()
			return nil
		}
	}
}

// commitsNothing is never asked to.
type commitsNothing struct{}

func (commitsNothing) Commit(context.Context, map[stream.Partition]int64) error { return nil }

// TestAWorkerIsReadyWhenEachPipelineHasJoinedUntilItDrains: a roll-out goes on when a worker is ready, so one that its brokers do not let in must not be. More workers than
// partitions are no fault, and a lost assignment is the group's.
func TestAWorkerIsReadyWhenEachPipelineHasJoinedUntilItDrains(t *testing.T) {
	a, b := joining{make(chan int), make(chan struct{}), make(chan struct{})}, joining{make(chan int), make(chan struct{}), make(chan struct{})}
	w := newWorker(t, map[string]joining{"a": a, "b": b})
	var err error
	if w.telemetry, err = telemetry.Start(t.Context(), telemetry.Config{Listen: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	readyz := "http://" + w.MetricsAddr() + "/readyz"
	says := func(when, want string) {
		t.Helper()
		said, err := ask(t.Context(), readyz)
		if err != nil || said != want {
			t.Errorf("%s: %q, %v, want %q", when, said, err, want)
		}
	}
	says("before it runs", "503 starting or stopping\n")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	join := func(j joining, partitions int) { j.joined <- partitions; <-j.told }
	join(a, 1)
	says("one of two has joined", "503 pipeline b has not joined its consumer group yet\n")
	join(b, 0)
	says("the other is spare", "200 ok\n")
	for _, l := range w.lines {
		l.pipe.Lost()
	}
	says("an assignment is lost", "200 ok\n")
	stop()
	for range 3000 { // what the end of a context sets off comes by itself
		if said, _ := ask(t.Context(), readyz); said != "200 ok\n" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	says("it drains", "503 starting or stopping\n")
	close(a.drain)
	close(b.drain)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// ask gives the status and the words of an answer.
func ask(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.Status[:4] + string(body), err
}
