package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// KafkaConfig says how to run a broker. The zero value is what most tests want.
type KafkaConfig struct {
	Dir        string              // where data and logs live; empty for a directory that goes with the test
	Properties map[string]string   // broker properties, over the harness's own
	Listeners  map[string]Listener // more listeners, by name
	Joins      *Kafka              // the node whose cluster this one is a second broker of; nil for a cluster of its own
}

// Kafka is a node of Apache Kafka in KRaft mode, broker and controller in one process; a second broker of a cluster has no controller.
type Kafka struct {
	owner      testing.TB // whose end is the broker's, also when a subtest restarts it
	dir        string
	lib        string // directory of the jars
	port       int
	controller int               // its port
	listeners  map[string]string // addresses of the others, by name
	properties string            // file
	process    *Process
	transport  *kafka.Transport
}

// kafkaReady is how long a broker may take from its start until it serves groups; a few seconds on an idle machine.
const kafkaReady = 120 * time.Second

// jvmFlags make a small broker that starts fast. The logger writes to stderr, which is the process's log.
var jvmFlags = []string{
	"-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true",
	"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
	"-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
}

// StartKafka starts a broker with its data in a directory that goes with the test, and returns when it serves
// metadata, producer ids and consumer groups.
func StartKafka(tb testing.TB) *Kafka {
	tb.Helper()
	return KafkaConfig{}.Start(tb)
}

// Start starts a broker. If Dir already holds a formatted broker's data, it is used as it is.
func (c KafkaConfig) Start(tb testing.TB) *Kafka {
	tb.Helper()
	if _, err := exec.LookPath("java"); err != nil {
		Missing(tb, "java", "install a JRE, 17 or newer (Debian: apt-get install openjdk-17-jre-headless)")
	}
	k := &Kafka{owner: tb, dir: c.Dir, lib: fetched(tb, "fetch-kafka.sh", "Apache Kafka")}
	if k.dir == "" {
		k.dir = tb.TempDir()
	}
	ports := freePorts(tb, 2)
	k.port, k.controller = ports[0], ports[1]
	k.properties = filepath.Join(k.dir, "server.properties")
	properties := kafkaProperties(k.dataDir(), k.port, k.controller, nil)
	if c.Joins != nil {
		joining(properties, k.port, c.Joins.controller)
	}
	k.listeners = listen(tb, c.Listeners, c.Properties, properties)
	if err := writeProperties(k.properties, properties); err != nil {
		tb.Fatalf("writing Kafka's properties: %v", err)
	}
	k.format(tb)
	k.launch(tb)
	return k
}

func (k *Kafka) dataDir() string { return filepath.Join(k.dir, "data") }

// format prepares an empty data directory, as KRaft wants before its first start.
func (k *Kafka) format(tb testing.TB) {
	tb.Helper()
	if _, err := os.Stat(filepath.Join(k.dataDir(), "meta.properties")); err == nil {
		return
	}
	p := Start(tb, Command{
		Name: "kafka format", Path: "java", Log: filepath.Join(k.dir, "format.log"),
		Args: k.java("kafka.tools.StorageTool", "format", "-t", "dmVjbWlsbC1oYXJuZXNzLQ", "-c", k.properties),
	})
	if state := p.Wait(tb, time.Minute); !state.Success() {
		tb.Fatalf("formatting Kafka's storage: %v\n%s", state, p.LogTail(40))
	}
}

func (k *Kafka) java(args ...string) []string {
	all := append([]string{}, jvmFlags...)
	all = append(all, "-cp", filepath.Join(k.lib, "*"))
	return append(all, args...)
}

func (k *Kafka) launch(tb testing.TB) {
	tb.Helper()
	// What the client knows of a cluster that has just started may be half of it, such as no controller: it asks again soon.
	k.transport = &kafka.Transport{DialTimeout: 5 * time.Second, IdleTimeout: 30 * time.Second, MetadataTTL: time.Second}
	k.owner.Cleanup(k.transport.CloseIdleConnections)
	k.process = startFor(k.owner, tb, Command{
		Name: "kafka", Path: "java", Log: filepath.Join(k.dir, "broker.log"),
		Args: k.java("kafka.Kafka", k.properties),
	})
	k.AwaitReady(tb)
}

// Addr is the broker's host:port, the same over restarts.
func (k *Kafka) Addr() string { return loopback(k.port) }

// ListenerAddr is the host:port at which clients find one of the configured listeners, as the broker advertises it.
func (k *Kafka) ListenerAddr(name string) string { return k.listeners[name] }

// Brokers is the bootstrap list: the one broker.
func (k *Kafka) Brokers() []string { return []string{k.Addr()} }

// Process is the broker's current process.
func (k *Kafka) Process() *Process { return k.process }

// Client is a kafka-go client of the broker. It is valid until Kill, Stop or Restart.
func (k *Kafka) Client() *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(k.Addr()), Transport: k.transport, Timeout: 10 * time.Second}
}

// Kill ends the broker with SIGKILL. What it had acknowledged is still there after Restart.
func (k *Kafka) Kill(tb testing.TB) {
	tb.Helper()
	k.process.Kill(tb)
	k.transport.CloseIdleConnections()
}

// Stop ends the broker in good order.
func (k *Kafka) Stop(tb testing.TB) {
	tb.Helper()
	k.process.Terminate(tb, time.Minute)
	k.transport.CloseIdleConnections()
}

// Pause freezes the broker with SIGSTOP.
func (k *Kafka) Pause(tb testing.TB) { tb.Helper(); k.process.Pause(tb) }

// Resume lets a paused broker go on.
func (k *Kafka) Resume(tb testing.TB) { tb.Helper(); k.process.Resume(tb) }

// Restart starts the broker again on its port and data, after Kill or Stop, and returns when it is ready.
func (k *Kafka) Restart(tb testing.TB) {
	tb.Helper()
	if !isClosed(k.process.Exited()) {
		tb.Fatalf("restarting Kafka: it is still running: Kill or Stop it first")
	}
	k.launch(tb)
}

// AwaitReady returns once the broker serves metadata, producer ids and group coordination; the test fails if the broker
// ends or takes too long.
func (k *Kafka) AwaitReady(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), kafkaReady)
	defer cancel()
	for {
		err := k.ready(ctx)
		if err == nil {
			return
		}
		select {
		case <-k.process.Exited():
			tb.Fatalf("Kafka ended while starting: %v\n%s", k.process.state, k.process.LogTail(40))
		case <-ctx.Done():
			tb.Fatalf("Kafka is not ready after %v: %v\n%s", kafkaReady, err, k.process.LogTail(40))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// ready asks for everything that a producer and a consumer group need at their start. An open port is not enough: the
// broker answers while its coordinators still load.
func (k *Kafka) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c := k.Client()
	meta, err := c.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	if len(meta.Brokers) == 0 {
		return errors.New("metadata: no broker registered")
	}
	ids, err := c.InitProducerID(ctx, &kafka.InitProducerIDRequest{ProducerID: -1, ProducerEpoch: -1})
	if err := firstError(err, func() error { return ids.Error }); err != nil {
		return fmt.Errorf("producer id: %w", err)
	}
	found, err := c.FindCoordinator(ctx, &kafka.FindCoordinatorRequest{Key: readyGroup, KeyType: kafka.CoordinatorKeyTypeConsumer})
	if err := firstError(err, func() error { return found.Error }); err != nil {
		return fmt.Errorf("group coordinator: %w", err)
	}
	offsets, err := c.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: readyGroup, Topics: map[string][]int{"none": {0}}})
	if err := firstError(err, func() error { return offsets.Error }); err != nil {
		return fmt.Errorf("group offsets: %w", err)
	}
	return nil
}

// readyGroup is a group that nobody joins. The offsets topic has one partition here, so its coordinator is everyone's.
const readyGroup = "harness-ready"

// firstError is err, or what the answer itself says if err is nil.
func firstError(err error, answer func() error) error {
	if err != nil {
		return err
	}
	return answer()
}
