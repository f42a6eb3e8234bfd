package kafkasource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/stream"
)

// Source reads topics as a member of a consumer group. It implements stream.Source.
type Source struct {
	cfg Config
}

// New checks the settings. Nothing is opened before Run.
func New(cfg Config) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("kafka source: %w", err)
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Source{cfg: cfg}, nil
}

// broker is what one Run uses to speak to the cluster.
type broker struct {
	cfg     *Config
	client  *kafka.Client
	log     *slog.Logger
	failing troubles
	reset   func()         // drops cached metadata, so that the next question about topics is the brokers' to answer; of a Source
	gaps    int            // how often in a row the group was joined anew for partitions that nobody had; of a Source
	parts   map[string]int // how many partitions each topic had when it was last looked at between two generations; of a Source
}

// leaveTimeout bounds how long Run waits for the broker when it leaves the group.
const leaveTimeout = 5 * time.Second

// Run implements stream.Source. It is called once.
func (s *Source) Run(ctx context.Context, a stream.Assignments) error {
	open := newConns(s.cfg.Dial)
	defer open.closeAll()
	transport := &kafka.Transport{
		Dial: open.dial, DialTimeout: 10 * time.Second, MetadataTopics: s.cfg.Topics,
		ClientID: s.cfg.ClientID, TLS: s.cfg.TLS, SASL: s.cfg.SASL,
	}
	defer transport.CloseIdleConnections()
	b := &broker{
		cfg: &s.cfg, log: s.cfg.Log.With("group", s.cfg.Group),
		client: &kafka.Client{Addr: kafka.TCP(s.cfg.Brokers...), Transport: transport}, reset: transport.CloseIdleConnections,
	}
	parts, err := b.preflight(ctx, theGroup, b.cfg.StartAttempts)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("kafka source: %w", err)
	}
	b.parts = parts
	group, err := kafka.NewConsumerGroup(s.groupConfig(open.dial))
	if err != nil {
		return fmt.Errorf("kafka source: %w", err)
	}
	return s.generations(ctx, b, group, a, open)
}

func (s *Source) groupConfig(dial dialFunc) kafka.ConsumerGroupConfig {
	return kafka.ConsumerGroupConfig{
		ID:      s.cfg.Group,
		Brokers: s.cfg.Brokers,
		Topics:  s.cfg.Topics,
		Dialer: &kafka.Dialer{
			ClientID: s.cfg.ClientID, DialFunc: dial, Timeout: 10 * time.Second, TLS: s.cfg.TLS, SASLMechanism: s.cfg.SASL,
		},
		// Round robin first: range gives the first members of a group every surplus partition of every topic.
		GroupBalancers:    []kafka.GroupBalancer{kafka.RoundRobinGroupBalancer{}, kafka.RangeGroupBalancer{}},
		HeartbeatInterval: s.cfg.HeartbeatInterval,
		SessionTimeout:    s.cfg.SessionTimeout,
		RebalanceTimeout:  s.cfg.RebalanceTimeout,
		JoinGroupBackoff:  min(5*time.Second, s.cfg.SessionTimeout/10+time.Millisecond),
		StartOffset:       kafka.FirstOffset, // only a mark for "no commit" here: Assigned decides where to begin
		ErrorLogger: kafka.LoggerFunc(func(msg string, args ...any) {
			s.cfg.Log.Debug("consumer group", "message", fmt.Sprintf(msg, args...))
		}),
	}
}

// generations lives through one generation after the other until ctx ends or one fails, and leaves the group.
func (s *Source) generations(ctx context.Context, b *broker, group *kafka.ConsumerGroup, a stream.Assignments, open *conns) error {
	for tries := 1; ; {
		gen, err := group.Next(ctx)
		if err != nil {
			if ctx.Err() != nil {
				leave(group, open)
				return nil
			}
			if fault := groupFault(err); fault != nil {
				leave(group, open)
				return fmt.Errorf("kafka source: joining group %q: %w", s.cfg.Group, fault)
			}
			b.log.Warn("joining the group failed; trying again", "err", err)
			if !errors.Is(err, kafka.RebalanceInProgress) { // which is how members wait for others
				b.failed(theGroup, tries, err)
				tries++
			}
			continue
		}
		tries = 1
		last, settled := make(chan error, 1), make(chan struct{}) // one result at most: the send never blocks
		gen.Start(func(over context.Context) {
			defer close(settled)
			final, err := newAssignment(b, gen, a).live(ctx, over)
			if errors.Is(err, errAbsent) {
				// A generation that is over already is joined once more whatever comes next, and a leader would have the topic made again: so this member leaves here, and reaches nobody any more.
				giveBack(ctx, b.client, s.cfg.Group, gen.MemberID)
				open.closeAll()
			}
			if final {
				last <- err
				<-over.Done() // leave ends the generation; returning before would make kafka-go rejoin first
			}
		})
		final := false
		select {
		case err = <-last:
			final = true
		case <-settled: // and perhaps final too, if the generation had ended already
			select {
			case err = <-last:
				final = true
			default:
			}
		}
		if final {
			leave(group, open)
			<-settled
			return err
		}
	}
}

// leave leaves the group in an orderly way, and cuts the connections if the broker does not answer in time.
func leave(group *kafka.ConsumerGroup, open *conns) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = group.Close() // it has no error to give
	}()
	t := time.NewTimer(leaveTimeout)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
		open.closeAll()
		<-done
	}
}

// preflight asks for the topics until they are there, at most so many times, and gives the number of partitions of each. Each try after the first asks the brokers, and no cache. Its failures are told as part's.
func (b *broker) preflight(ctx context.Context, part stream.Partition, attempts int) (parts map[string]int, err error) {
	policy := b.cfg.Retry
	policy.Attempts = attempts
	policy.Told = func(tries int, err error) {
		if err != nil { // whoever asks tells when it is over: at a start the group is still to be joined
			b.failed(part, tries, err)
		}
	}
	tries, err := retry.Do(ctx, policy, func(err error) bool { return groupFault(err) != nil }, func(ctx context.Context) (err error) {
		if parts, err = b.findTopics(ctx); err != nil {
			b.log.Debug("kafka is not ready", "err", err)
			b.reset()
		}
		return err
	})
	var missing *missingTopicError
	switch {
	case err == nil:
		return parts, nil
	case errors.As(err, &missing): // also where ctx has ended since: it was the last answer
		return nil, missing
	case groupFault(err) != nil:
		return nil, groupFault(err)
	}
	return nil, fmt.Errorf("no answer from brokers %s after %d tries: %w; check the brokers' addresses, that this machine may reach them, and TLS and SASL settings",
		strings.Join(b.cfg.Brokers, ","), tries, schemas.OfPlace(schemas.PlaceUnreachable, err))
}
