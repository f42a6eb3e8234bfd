package kafkasource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"vecmill/stream"
)

// world is an in-process cluster on a virtual network, inside a synctest bubble.
type world struct {
	t    *testing.T
	net  *kfake.VirtualNetwork
	kafk *kfake.Cluster
}

// inWorld runs f, with the bubble's own t, in virtual time with a cluster of n brokers and a topic "refs".
func inWorld(t *testing.T, brokers int, partitions int32, f func(t *testing.T, w *world), more ...kfake.Opt) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var vn kfake.VirtualNetwork
		ports := make([]int, brokers)
		for i := range ports {
			ports[i] = 9092 + i
		}
		c, err := kfake.NewCluster(append(more, kfake.NumBrokers(brokers), kfake.Ports(ports...), kfake.SeedTopics(partitions, "refs"), kfake.ListenFn(vn.Listen),
			kfake.GroupMinSessionTimeout(time.Second))...)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		f(t, &world{t: t, net: &vn, kafk: c})
	})
}

func (w *world) config() Config {
	cfg := NewDefaultConfig()
	cfg.Brokers, cfg.Topics, cfg.Group = w.kafk.ListenAddrs(), []string{"refs"}, "g"
	cfg.Dial = w.net.DialContext
	cfg.SessionTimeout, cfg.HeartbeatInterval = 9*time.Second, time.Second
	cfg.RebalanceTimeout, cfg.DrainTimeout = 30*time.Second, 20*time.Second
	cfg.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	if testing.Verbose() {
		cfg.Log = slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	}
	return cfg
}

// produce writes n records to partition, with values "p/0" on from the given number.
func (w *world) produce(partition, from, n int) {
	w.t.Helper()
	tr := &kafka.Transport{Dial: w.net.DialContext}
	defer tr.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(w.kafk.ListenAddrs()...), Transport: tr}
	recs := make([]kafka.Record, n)
	for i := range recs {
		recs[i] = kafka.Record{
			Value:   kafka.NewBytes(fmt.Appendf(nil, "%d/%d", partition, from+i)),
			Headers: []kafka.Header{{Key: "h", Value: []byte("v")}},
		}
	}
	res, err := client.Produce(w.t.Context(), &kafka.ProduceRequest{Topic: "refs", Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(recs...)})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// member is one Run of a source with its ledger.
type member struct {
	*ledger
	stop context.CancelFunc
	done chan error
}

func (w *world) join(cfg Config, l *ledger) *member {
	w.t.Helper()
	s, err := New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{ledger: l, stop: cancel, done: make(chan error, 1)}
	go func() { m.done <- s.Run(ctx, l) }()
	return m
}

// leave ends the member as SIGTERM does.
func (m *member) leave(t *testing.T) {
	t.Helper()
	m.stop()
	if err := <-m.done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// logged is a log to look into.
type logged struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *logged) has(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.all.String(), s)
}

// eventually waits, in virtual time, until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 3000 {
		if ok() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

// ledger is a stream.Assignments that checks the order of calls which the contract promises, and remembers what it got.
type ledger struct {
	t *testing.T
	// start overrides where to begin; nil means at the commit, or at the first offset.
	start func(p stream.Partition, b stream.Bounds) int64
	// gate, if set, is called by Records before it takes anything; its error is Records'.
	gate func(ctx context.Context) error
	// drain, if set, is called by Revoked before it commits.
	drain func(ctx context.Context)
	// assigning, if set, is Assigned's error.
	assigning error

	mu struct {
		sync.Mutex
		c         stream.Committer // nil: no assignment
		last      stream.Committer
		next      map[stream.Partition]int64
		ends      map[stream.Partition]int64 // the largest that were told
		bounds    map[stream.Partition]stream.Bounds
		values    []string
		assigned  int
		revoked   int
		lost      int
		spare     int
		removed   int64
		commitErr error
	}
}

func newLedger(t *testing.T) *ledger { return &ledger{t: t} }

func (l *ledger) Assigned(_ context.Context, c stream.Committer, parts map[stream.Partition]stream.Bounds) (map[stream.Partition]int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.assigning != nil {
		return nil, l.assigning
	}
	if l.mu.c != nil {
		l.t.Error("Assigned before the assignment before it was revoked or lost")
	}
	l.mu.c, l.mu.last, l.mu.bounds = c, c, parts
	l.mu.assigned++
	l.mu.next, l.mu.ends = map[stream.Partition]int64{}, map[stream.Partition]int64{}
	for p, b := range parts {
		at := max(b.Committed, b.First)
		if l.start != nil {
			at = l.start(p, b)
		}
		l.mu.next[p] = at
	}
	start := map[stream.Partition]int64{}
	for p, n := range l.mu.next {
		start[p] = n
	}
	return start, nil
}

func (l *ledger) Records(ctx context.Context, p stream.Partition, recs []stream.Record, next int64) error {
	if l.gate != nil {
		if err := l.gate(ctx); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.c == nil {
		l.t.Errorf("Records of %s outside an assignment", p)
		return nil
	}
	at := l.mu.next[p]
	for _, r := range recs {
		if r.Offset < at {
			l.t.Errorf("%s: offset %d after %d", p, r.Offset, at-1)
		}
		at = r.Offset + 1
		l.mu.values = append(l.mu.values, string(r.Value))
	}
	if next < at {
		l.t.Errorf("%s: next %d is before the records' end %d", p, next, at)
	}
	if next > l.mu.ends[p] {
		l.t.Errorf("%s: read up to %d, and the log was said to end at %d", p, next, l.mu.ends[p])
	}
	l.mu.next[p] = next
	return nil
}

func (l *ledger) Revoked(ctx context.Context) {
	if _, ok := ctx.Deadline(); !ok {
		l.t.Error("Revoked without a deadline")
	}
	if l.drain != nil {
		l.drain(ctx)
	}
	c, next := l.finish(func() { l.mu.revoked++ })
	if c == nil || ctx.Err() != nil {
		return
	}
	err := c.Commit(ctx, next)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.commitErr = err
}

func (l *ledger) Removed(p stream.Partition, next int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if next <= l.mu.next[p] {
		l.t.Errorf("%s: removed up to %d, which is not after %d", p, next, l.mu.next[p])
	}
	l.mu.removed += next - l.mu.next[p]
	l.mu.next[p] = next
}

func (l *ledger) Ends(p stream.Partition, end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.c == nil {
		l.t.Errorf("Ends of %s outside an assignment", p)
	}
	l.mu.ends[p] = max(l.mu.ends[p], end)
}

// end is where the log of a partition ends, as far as was told.
func (l *ledger) end(id int) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.ends[stream.Partition{Topic: "refs", ID: id}]
}

func (l *ledger) Spare() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.c != nil {
		l.t.Error("Spare within an assignment")
	}
	l.mu.spare++
}

func (l *ledger) Lost() { l.finish(func() { l.mu.lost++ }) }

func (l *ledger) finish(count func()) (stream.Committer, map[stream.Partition]int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.c == nil {
		l.t.Error("Revoked or Lost without an assignment")
	}
	c := l.mu.c
	l.mu.c = nil
	count()
	return c, l.mu.next
}

func (l *ledger) count() int { l.mu.Lock(); defer l.mu.Unlock(); return len(l.mu.values) }

func (l *ledger) values() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.mu.values...)
}

// events are the numbers of calls to Assigned, Revoked and Lost.
func (l *ledger) events() [3]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return [3]int{l.mu.assigned, l.mu.revoked, l.mu.lost}
}

func (l *ledger) spares() int { l.mu.Lock(); defer l.mu.Unlock(); return l.mu.spare }

func (l *ledger) owns() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.c == nil {
		return 0
	}
	return len(l.mu.next)
}

func (l *ledger) lastCommit() error { l.mu.Lock(); defer l.mu.Unlock(); return l.mu.commitErr }

// distinct fails the test if a value came twice, and counts the values.
func distinct(t *testing.T, ls ...*ledger) int {
	t.Helper()
	seen := map[string]bool{}
	for _, l := range ls {
		for _, v := range l.values() {
			if seen[v] {
				t.Errorf("%s was delivered twice", v)
			}
			seen[v] = true
		}
	}
	return len(seen)
}

// frozenNet is a network that can stop: bytes neither arrive nor leave, and connections stay open, as for a stopped process.
type frozenNet struct {
	dial dialFunc
	mu   struct {
		sync.Mutex
		thawed chan struct{} // nil: not frozen
	}
}

func (f *frozenNet) freeze() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.thawed = make(chan struct{})
}

func (f *frozenNet) thaw() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.mu.thawed)
	f.mu.thawed = nil
}

func (f *frozenNet) wait() {
	f.mu.Lock()
	ch := f.mu.thawed
	f.mu.Unlock()
	if ch != nil {
		<-ch
	}
}

func (f *frozenNet) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := f.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &frozenConn{c, f}, nil
}

type frozenConn struct {
	net.Conn
	net *frozenNet
}

func (c *frozenConn) Read(b []byte) (int, error) {
	c.net.wait()
	n, err := c.Conn.Read(b)
	c.net.wait()
	return n, err
}

func (c *frozenConn) Write(b []byte) (int, error) { c.net.wait(); return c.Conn.Write(b) }

var errBoom = errors.New("boom")
