package kafkasource

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"
)

// On real sockets: nothing of a source outlives Run, not even a long poll that the broker has not answered.
func TestRunLeavesNoGoroutineBehind(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(3, "refs"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	before := goleak.IgnoreCurrent()
	cfg := NewDefaultConfig()
	cfg.Brokers, cfg.Topics, cfg.Group = c.ListenAddrs(), []string{"refs"}, "g"
	cfg.FetchMaxWait = 30 * time.Second
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	l := newLedger(t)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, l) }()
	for l.owns() == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // into the long poll
	cancel()
	began := time.Now()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > leaveTimeout {
		t.Errorf("leaving took %v", took)
	}
	goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*clientConn).read"),
		goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*clientConn).write"))
}
