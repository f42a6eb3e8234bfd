//go:build integration

package sinks

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vecmill/integration/harness"
	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks/deliver"
	"vecmill/sinks/redissink"
	"vecmill/sinks/sinktest"
)

// server is a redis-server that can be killed and started again.
type server struct {
	dir, port string
	program   string
	options   []string // besides those that every server has
	process   *harness.Process
}

func startRedis(t testing.TB) *server {
	t.Helper()
	for _, program := range []string{"redis-server", "redis-cli"} {
		if _, err := exec.LookPath(program); err != nil {
			harness.Missing(t, program, "apt-get install redis-server")
		}
	}
	s := &server{dir: t.TempDir(), port: fmt.Sprint(harness.FreePort(t)), program: "redis-server"}
	s.start(t)
	return s
}

func (s *server) start(t testing.TB) {
	t.Helper()
	s.process = harness.Start(t, harness.Command{
		Name: "redis-server", Path: s.program, Log: filepath.Join(s.dir, "log"),
		Args: append([]string{"--bind", "127.0.0.1", "--port", s.port, "--dir", s.dir, "--appendonly", "yes", "--appendfsync", "always", "--save", ""}, s.options...),
	})
	for range 200 {
		if out, err := exec.Command("redis-cli", "-p", s.port, "PING").CombinedOutput(); err == nil && strings.TrimSpace(string(out)) == "PONG" {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("redis-server does not answer")
}

// cli runs commands, one a line, and gives the lines of the answers.
func (s *server) cli(t *testing.T, commands string) []string {
	t.Helper()
	cmd := exec.Command("redis-cli", "-p", s.port, "--no-raw")
	cmd.Stdin = strings.NewReader(commands)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli: %v: %s", err, out)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

func (s *server) config() redissink.Config {
	c := redissink.NewDefaultConfig()
	c.URL, c.ModelDigest = "redis://127.0.0.1:"+s.port, "m"
	c.Deliver.BatchRows, c.Deliver.BatchAge, c.Deliver.Timeout = 37, 20*time.Millisecond, 2*time.Second
	c.Deliver.Retry = retry.Policy{Attempts: 200, Base: 20 * time.Millisecond, Max: 200 * time.Millisecond}
	return c
}

func (s *server) sink(t *testing.T) *deliver.Sink { return s.open(t, s.config()) }

func (s *server) open(t *testing.T, c redissink.Config) *deliver.Sink {
	t.Helper()
	sink, err := redissink.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

// TestRedis writes two sources while the server is killed and started again, several times; a sink that is dropped without closing is followed by another. Then
// redis-cli says that every row is there, once, and that a tombstone has taken its own away.
func TestRedis(t *testing.T) {
	s := startRedis(t)
	sources := []schemas.SourceID{{Pipeline: "p", Topic: "t", Partition: 0}, {Pipeline: "p", Topic: "t", Partition: 1}}
	const end, step = 600, 12
	for round, upTo := range []int64{200, 420, end} {
		sink := s.sink(t)
		next := map[schemas.SourceID]int64{}
		for _, src := range sources {
			at, known, err := sink.Resume(t.Context(), src, 0)
			if err != nil || known != (round > 0) {
				t.Fatalf("round %d: resumed at %d, known %v, %v", round, at, known, err)
			}
			next[src] = at
		}
		killed := make(chan struct{})
		go func() {
			defer close(killed)
			time.Sleep(30 * time.Millisecond)
			s.process.Kill(t)
		}()
		lost := false
		for at := int64(0); at < upTo; at += step {
			for _, src := range sources {
				if at+step <= next[src] {
					continue
				}
				first := max(at, next[src])
				r, rows := sinktest.Make(src, first, min(at+step, upTo))
				if err := sink.Write(t.Context(), r, rows, func(err error) { lost = lost || err != nil && round == 2 }); err != nil {
					t.Fatal(err)
				}
			}
			if at == 96 {
				<-killed
				s.start(t)
			}
		}
		if round == 1 { // dropped, as by a crash: what is durable of it, the next one finds out
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			_ = sink.Close(gone)
			continue
		}
		if err := sink.Close(t.Context()); err != nil || lost {
			t.Fatalf("round %d: %v, lost %v", round, err, lost)
		}
	}
	var commands strings.Builder
	var want []string
	for _, src := range sources {
		_, rows := sinktest.Make(src, 0, end)
		for i := range rows {
			r := &rows[i]
			fmt.Fprintf(&commands, "HMGET %s row_id offset window\n", redissink.Key("vecmill", r.Head, r.Window, r.RefID))
			want = append(want, fmt.Sprintf(`1) "%s"`, r.RowID), fmt.Sprintf(`2) "%d"`, r.Offset), fmt.Sprintf(`3) "%d"`, r.Window))
		}
	}
	got := s.cli(t, commands.String())
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("line %d is %s, want %s", i, got[i], want[i])
		}
	}
	if n := s.cli(t, `EVAL "return #redis.call('KEYS', 'vecmill:head:*')" 0`); n[0] != fmt.Sprintf("(integer) %d", len(want)/3) {
		t.Errorf("%s rows, want %d", n[0], len(want)/3)
	}
	s.deletes(t, sources[0], end)
	s.expires(t)
}

// expires writes a row that stays for an hour.
func (s *server) expires(t *testing.T) {
	t.Helper()
	c := s.config()
	c.Prefix, c.TTL = "short", time.Hour
	sink := s.open(t, c)
	src := schemas.SourceID{Pipeline: "p", Topic: "t"}
	r, rows := sinktest.Make(src, 0, 1)
	key := redissink.Key("short", rows[0].Head, rows[0].Window, rows[0].RefID)
	put(t, sink, r, rows...)
	var left int
	if _, err := fmt.Sscanf(s.cli(t, "PTTL "+key)[0], "(integer) %d", &left); err != nil || left <= 0 || left > int(time.Hour.Milliseconds()) {
		t.Errorf("the row stays for %d ms more; %v", left, err)
	}
	if err := sink.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// deletes takes the first reference of a source away.
func (s *server) deletes(t *testing.T, src schemas.SourceID, at int64) {
	t.Helper()
	_, rows := sinktest.Make(src, 0, 1)
	key := redissink.Key("vecmill", rows[0].Head, rows[0].Window, rows[0].RefID)
	if n := s.cli(t, "EXISTS "+key); n[0] != "(integer) 1" {
		t.Fatalf("before the tombstone: %v", n)
	}
	sink := s.sink(t)
	if _, _, err := sink.Resume(t.Context(), src, 0); err != nil {
		t.Fatal(err)
	}
	r := schemas.Range{Source: src, Span: schemas.Span{First: at, Next: at + 1}, Skipped: []schemas.Span{{First: at, Next: at + 1}}, Deletes: []schemas.Deletion{{Offset: at, RefID: rows[0].RefID}}}
	if err := sink.Write(t.Context(), r, nil, func(error) {}); err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.cli(t, "EXISTS "+key); n[0] != "(integer) 0" {
		t.Errorf("after the tombstone: %v", n)
	}
}
