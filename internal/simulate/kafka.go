package simulate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"vecmill/internal/retry"
	"vecmill/sinks"
	"vecmill/sinks/kafkaletters"
	"vecmill/stream"
	"vecmill/stream/kafkasource"
)

// kafkaBroker is an in-process Kafka on a virtual network, with faults on the way to it. Its clients are real ones.
type kafkaBroker struct {
	w       *world
	net     kfake.VirtualNetwork
	cluster *kfake.Cluster
	wire    *kafka.Transport // of the world's own client, which nothing befalls
	client  *kafka.Client
	mu      struct {
		sync.Mutex
		committed []int64
		rejoin    int // heartbeats to be answered with a rebalance
		tries     int64
		open      map[*faultyConn]struct{}
	}
}

// The group, and the topic of dead letters.
const (
	groupID     = "g"
	letterTopic = "letters"
)

func newKafkaBroker(w *world) (*kafkaBroker, error) {
	b := &kafkaBroker{w: w}
	b.mu.open = map[*faultyConn]struct{}{}
	for range w.plan.Partitions {
		b.mu.committed = append(b.mu.committed, -1)
	}
	var err error
	b.cluster, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.SeedTopics(int32(w.plan.Partitions), topic), kfake.SeedTopics(1, letterTopic),
		kfake.ListenFn(b.net.Listen), kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		return nil, err
	}
	b.wire = &kafka.Transport{Dial: b.net.DialContext}
	b.client = &kafka.Client{Addr: kafka.TCP(b.cluster.ListenAddrs()...), Transport: b.wire}
	b.cluster.ControlKey(int16(kmsg.OffsetCommit), b.onCommit)
	b.cluster.ControlKey(int16(kmsg.Heartbeat), b.onHeartbeat)
	return b, nil
}

func (b *kafkaBroker) close() {
	b.wire.CloseIdleConnections()
	b.cluster.Close()
}

// dice is a generator for one event at the broker; the order of these differs between runs, and so do they.
func (b *kafkaBroker) dice() *rand.Rand {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.tries++
	return b.w.d.of("kafka", b.mu.tries)
}

// onCommit shows every commit to the oracle, and loses some.
func (b *kafkaBroker) onCommit(req kmsg.Request) (kmsg.Response, error, bool) {
	b.cluster.KeepControl()
	r, ok := req.(*kmsg.OffsetCommitRequest)
	if !ok {
		return nil, nil, false
	}
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			b.w.oracle.committed(int(p.Partition), p.Offset)
			b.w.tr.add("kafka", "%s commits %d of partition %d", r.MemberID, p.Offset, p.Partition)
		}
	}
	if chance(b.dice(), b.w.commitFaults()) {
		return nil, errors.New("simulate: the commit is lost"), true
	}
	return nil, nil, false
}

// onHeartbeat asks a member to rejoin when a rebalance is wanted.
func (b *kafkaBroker) onHeartbeat(req kmsg.Request) (kmsg.Response, error, bool) {
	b.cluster.KeepControl()
	b.mu.Lock()
	wanted := b.mu.rejoin > 0
	b.mu.rejoin = max(b.mu.rejoin-1, 0)
	b.mu.Unlock()
	if !wanted {
		return nil, nil, false
	}
	res, ok := req.ResponseKind().(*kmsg.HeartbeatResponse)
	if !ok {
		return nil, nil, false
	}
	res.ErrorCode = int16(kafka.RebalanceInProgress)
	return res, nil, true
}

func (b *kafkaBroker) rebalance() { b.mu.Lock(); defer b.mu.Unlock(); b.mu.rejoin++ }

func (b *kafkaBroker) ownerOf(int) string { return "" }

// run produces the log as its time comes, follows the group's commits, and cuts the connections when the broker restarts.
func (b *kafkaBroker) run(ctx context.Context) {
	var wg sync.WaitGroup
	for part := range b.w.log.parts {
		wg.Go(func() { b.produce(ctx, part) })
	}
	for _, o := range b.w.plan.Faults.Windows {
		if o.What == BrokerDown {
			wg.Go(func() {
				if retry.Sleep(ctx, o.From) {
					b.cut()
				}
			})
		}
	}
	for retry.Sleep(ctx, 250*time.Millisecond) {
		b.look(ctx)
	}
	wg.Wait()
}

func (b *kafkaBroker) produce(ctx context.Context, part int) {
	for _, e := range b.w.log.parts[part] {
		if wait := e.at - b.w.now(); wait > 0 && !retry.Sleep(ctx, wait) {
			return
		}
		rec := kafka.Record{Key: kafka.NewBytes(e.Key)}
		if e.Value != nil {
			rec.Value = kafka.NewBytes(e.Value)
		}
		res, err := b.client.Produce(ctx, &kafka.ProduceRequest{Topic: topic, Partition: part, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(rec)})
		if err == nil {
			err = res.Error
		}
		if err == nil && res.BaseOffset != e.Offset {
			err = fmt.Errorf("it is at offset %d", res.BaseOffset)
		}
		if err != nil && ctx.Err() == nil {
			b.w.oracle.offend("the world's own producer fails at offset %d of partition %d: %v", e.Offset, part, err)
			return
		}
	}
}

// look asks for the group's offsets.
func (b *kafkaBroker) look(ctx context.Context) {
	all := make([]int, len(b.w.log.parts))
	for i := range all {
		all[i] = i
	}
	res, err := b.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: groupID, Topics: map[string][]int{topic: all}})
	if err != nil || res.Error != nil {
		return // the next look will tell
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range res.Topics[topic] {
		was := b.mu.committed[p.Partition]
		if p.CommittedOffset < was {
			b.w.oracle.offend("the commit of partition %d moves back from %d to %d (I2)", p.Partition, was, p.CommittedOffset)
		}
		b.mu.committed[p.Partition] = p.CommittedOffset
	}
}

func (b *kafkaBroker) finished() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for part, n := range b.mu.committed {
		if n != b.w.log.final(part) {
			return false
		}
	}
	return true
}

func (b *kafkaBroker) where() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ends []int64
	for part := range b.mu.committed {
		ends = append(ends, b.w.log.final(part))
	}
	return fmt.Sprintf("committed %v of %v", b.mu.committed, ends)
}

// source is the real kafkasource, over the process's own network.
func (b *kafkaBroker) source(p *process, log *slog.Logger) (stream.Source, error) {
	g := &b.w.plan.Group
	c := kafkasource.NewDefaultConfig()
	c.Brokers, c.Topics, c.Group, c.ClientID = b.cluster.ListenAddrs(), []string{topic}, groupID, p.name
	c.SessionTimeout, c.HeartbeatInterval, c.DrainTimeout = g.Session, g.Heartbeat, g.Drain
	c.RebalanceTimeout = max(g.Rebalance, g.Drain+g.Heartbeat+5*time.Second)
	c.FetchMaxBytes = 2 << 10
	c.Log = log
	c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		return b.dial(ctx, p, network, addr)
	}
	return kafkasource.New(c)
}

// letters is the real dead-letter topic, over the process's own network. A letter that the store has acknowledged is shown to the oracle, which looks for
// it in the topic at the end.
func (b *kafkaBroker) letters(p *process) (sinks.DeadLetters, error) {
	t := &kafka.Transport{ClientID: p.name, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return b.dial(ctx, p, network, addr)
	}}
	st, err := kafkaletters.New(kafkaletters.Config{Brokers: b.cluster.ListenAddrs(), Topic: letterTopic, Transport: t, Retry: b.w.policy(topicAttempts)})
	return &shownLetters{st, b.w.oracle, t}, err
}

// topicAttempts outlast an outage of the broker.
const topicAttempts = 40

type shownLetters struct {
	sinks.DeadLetters
	oracle *oracle
	wire   *kafka.Transport
}

// Put implements sinks.DeadLetters.
func (s *shownLetters) Put(ctx context.Context, l sinks.Letter) error {
	err := s.DeadLetters.Put(ctx, l)
	if err == nil {
		s.oracle.buried(l)
	}
	return err
}

// Close implements sinks.DeadLetters.
func (s *shownLetters) Close(ctx context.Context) error {
	defer s.wire.CloseIdleConnections()
	return s.DeadLetters.Close(ctx)
}

// keys are the keys of all letters in the topic: pipeline/topic/partition/offset.
func (b *kafkaBroker) keys(ctx context.Context) (map[string]bool, error) {
	out := map[string]bool{}
	for next := int64(0); ; {
		res, err := b.client.Fetch(ctx, &kafka.FetchRequest{Topic: letterTopic, Offset: next, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second})
		if err == nil {
			err = res.Error
		}
		if err != nil {
			return nil, fmt.Errorf("reading the letters' topic: %w", err)
		}
		before := next
		for {
			rec, err := res.Records.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("reading the letters' topic: %w", err)
			}
			key, err := io.ReadAll(rec.Key)
			if err != nil {
				return nil, fmt.Errorf("reading the letters' topic: %w", err)
			}
			out[string(key)] = true
			next = max(next, rec.Offset+1)
		}
		if next == before {
			return out, nil
		}
	}
}

func (b *kafkaBroker) dial(ctx context.Context, p *process, network, addr string) (net.Conn, error) {
	if err := p.sleep(ctx, time.Millisecond); err != nil {
		return nil, err
	}
	if b.w.brokerDown() {
		return nil, errNoAnswer
	}
	if p.isolated() {
		return nil, errors.Join(errNoAnswer, hang(ctx))
	}
	raw, err := b.net.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := &faultyConn{Conn: raw, b: b, p: p}
	b.mu.Lock()
	b.mu.open[c] = struct{}{}
	b.mu.Unlock()
	b.w.meter.add(p.name, connections, 1)
	return c, nil
}

// cut breaks every connection.
func (b *kafkaBroker) cut() {
	b.mu.Lock()
	var open []*faultyConn
	for c := range b.mu.open {
		open = append(open, c)
	}
	b.mu.Unlock()
	slices.SortFunc(open, func(a, b *faultyConn) int { return len(a.p.name) - len(b.p.name) })
	for _, c := range open {
		_ = c.Close() // it is broken already, as far as its user is concerned
	}
}

// faultyConn is a connection of one process. While the process pauses nothing passes; while it is isolated its requests vanish, and the connection is broken
// afterwards; now and then an answer is lost.
type faultyConn struct {
	net.Conn
	b      *kafkaBroker
	p      *process
	mu     sync.Mutex
	broken bool
}

func (c *faultyConn) Read(buf []byte) (int, error) {
	n, err := c.Conn.Read(buf)
	c.b.w.meter.add(c.p.name, answered, n)
	if gone := c.p.pass(); gone != nil {
		return 0, gone
	}
	if err == nil && chance(c.b.dice(), c.b.w.commitFaults()/8) {
		_ = c.Close()
		return 0, errReset
	}
	return n, err
}

func (c *faultyConn) Write(buf []byte) (int, error) {
	if kind := requestOf(buf); kind != "" {
		c.b.w.meter.add(c.p.name, "kafka "+kind, 1)
	}
	if err := c.p.pass(); err != nil {
		return 0, err
	}
	c.mu.Lock()
	broken := c.broken
	c.broken = broken || c.p.isolated()
	now := c.broken
	c.mu.Unlock()
	switch {
	case broken && !c.p.isolated():
		_ = c.Close()
		return 0, errReset
	case now:
		return len(buf), nil // into a black hole
	case c.b.w.brokerDown():
		_ = c.Close()
		return 0, errReset
	}
	return c.Conn.Write(buf)
}

// Close implements net.Conn.
func (c *faultyConn) Close() error {
	c.b.mu.Lock()
	_, open := c.b.mu.open[c]
	delete(c.b.mu.open, c)
	c.b.mu.Unlock()
	if open {
		c.b.w.meter.add(c.p.name, connections, -1)
	}
	return c.Conn.Close()
}

// What the meter counts of a process's connections to the broker, beside its requests: those that are open, and the bytes of answers.
const (
	connections = "connections"
	answered    = "bytes of answers"
)

// requestOf names the request that is written; "" is a piece of a larger one.
func requestOf(buf []byte) string {
	if len(buf) < 6 || int(binary.BigEndian.Uint32(buf)) != len(buf)-4 {
		return ""
	}
	return kmsg.NameForKey(int16(binary.BigEndian.Uint16(buf[4:])))
}
