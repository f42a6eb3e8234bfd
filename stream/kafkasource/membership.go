package kafkasource

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"vecmill/internal/retry"
)

// membership is this process's standing in one generation, as its own heartbeats see it.
type membership struct {
	b   *broker
	gen *kafka.Generation
	// rebalance is closed when the broker asks the members to rejoin, lost when it is no longer ours.
	rebalance, lost chan struct{}
	mu              struct {
		sync.Mutex
		coordinator net.Addr // nil: to be looked up
		seen        time.Time
		rebalancing bool
		isLost      bool
	}
}

func newMembership(b *broker, gen *kafka.Generation) *membership {
	m := &membership{b: b, gen: gen, rebalance: make(chan struct{}), lost: make(chan struct{})}
	m.mu.seen = time.Now()
	return m
}

// beat sends heartbeats until ctx ends or the membership is lost. Its failures are retried faster than its successes are repeated.
func (m *membership) beat(ctx context.Context) {
	wait := m.b.cfg.HeartbeatInterval
	for !m.isLost() && retry.Sleep(ctx, wait) {
		if wait = m.b.cfg.HeartbeatInterval; !m.check(ctx) {
			wait /= 3
		}
	}
}

// check sends one heartbeat and draws the conclusions. It says whether the coordinator gave an answer to build on.
func (m *membership) check(ctx context.Context) bool {
	began := time.Now()
	err := m.heartbeat(ctx)
	switch {
	case err == nil:
		m.saw(began)
	case evicted(err):
		m.lose(err)
	case errors.Is(err, kafka.RebalanceInProgress):
		m.saw(began)
		m.rejoin()
	case ctx.Err() != nil:
		return false
	default:
		m.forgetCoordinator()
		if silent := time.Since(m.lastSeen()); silent > m.b.cfg.SessionTimeout {
			m.lose(fmt.Errorf("no answer from the coordinator for %v: %w", silent.Round(time.Millisecond), err))
			return true
		}
		m.b.log.Debug("heartbeat failed", "err", err)
		return false
	}
	return true
}

func (m *membership) heartbeat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, max(m.b.cfg.SessionTimeout/4, m.b.cfg.HeartbeatInterval))
	defer cancel()
	addr, err := m.coordinator(ctx)
	if err != nil {
		return err
	}
	res, err := m.b.client.Heartbeat(ctx, &kafka.HeartbeatRequest{
		Addr: addr, GroupID: m.gen.GroupID, GenerationID: m.gen.ID, MemberID: m.gen.MemberID,
	})
	if err != nil {
		return err
	}
	return HeartbeatAnswer(res)
}

// HeartbeatAnswer reads the answer to a heartbeat. kafka-go v0.4.51 decodes the two fields of version 1 and later in the wrong order, so that its Error is
// always nil and an eviction goes unseen: on the wire the throttle time comes first, and what it takes for the low half of that is the error code.
func HeartbeatAnswer(res *kafka.HeartbeatResponse) error {
	if code := kafka.Error(int16(res.Throttle.Milliseconds())); code != 0 {
		return code
	}
	return res.Error // of version 0, which has no throttle time
}

// coordinator is the address of the group's coordinator. kafka-go routes commits by itself, but not heartbeats.
func (m *membership) coordinator(ctx context.Context) (net.Addr, error) {
	m.mu.Lock()
	addr := m.mu.coordinator
	m.mu.Unlock()
	if addr != nil {
		return addr, nil
	}
	res, err := m.b.client.FindCoordinator(ctx, &kafka.FindCoordinatorRequest{Key: m.gen.GroupID, KeyType: kafka.CoordinatorKeyTypeConsumer})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return nil, fmt.Errorf("finding the group's coordinator: %w", err)
	}
	addr = kafka.TCP(net.JoinHostPort(res.Coordinator.Host, strconv.Itoa(res.Coordinator.Port)))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.coordinator = addr
	return addr, nil
}

func (m *membership) forgetCoordinator() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.coordinator = nil
}

// saw notes an answer to a heartbeat that was sent at the given time: the broker's session clock began no earlier.
func (m *membership) saw(at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.seen = at
}

func (m *membership) lastSeen() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.seen
}

func (m *membership) rejoin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.mu.rebalancing {
		m.mu.rebalancing = true
		close(m.rebalance)
	}
}

// lose marks the membership as gone (I3: what follows must be Lost, not Revoked).
func (m *membership) lose(why error) {
	m.mu.Lock()
	first := !m.mu.isLost
	m.mu.isLost = true
	m.mu.Unlock()
	if first {
		m.b.log.Warn("no longer a member of the group's generation", "generation", m.gen.ID, "member", m.gen.MemberID, "err", why)
		close(m.lost)
	}
}

func (m *membership) isLost() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.isLost
}
