//go:build integration

package sinks

import (
	"bytes"
	"fmt"
	"maps"
	"os/exec"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"vecmill/schemas"
	"vecmill/sinks/sinktest"
)

// TestRowsGoThroughAPipe gives rows' hashes to redis-cli --pipe, which docs/sinks.md compares the output with, as BenchmarkRedis does.
func TestRowsGoThroughAPipe(t *testing.T) {
	s := startRedis(t)
	r, rows := sinktest.MakeOf([]schemas.Task{schemas.TaskEmbedding}, schemas.SourceID{Pipeline: "p", Topic: "t"}, 0, 60)
	sink := s.sink(t)
	put(t, sink, r, rows...)
	if err := sink.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, dumped := s.dump(t, s.config().Prefix, len(rows))
	s.pipe(t, text)
	db := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + s.port})
	defer db.Close()
	for key, want := range dumped {
		if got, err := db.HGetAll(t.Context(), "bulk:"+key).Result(); err != nil || len(want) < 5 || !maps.Equal(got, want) {
			t.Errorf("bulk:%s has %d fields, want the %d of %s: %v", key, len(got), len(want), key, err)
		}
	}
}

// dump are the hashes of so many rows under a prefix, and the commands that set them under other keys.
func (s *server) dump(tb testing.TB, prefix string, rows int) (commands []byte, hashes map[string]map[string]string) {
	tb.Helper()
	db := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + s.port})
	defer db.Close()
	keys, err := db.Keys(tb.Context(), prefix+":head:*").Result()
	if err != nil || len(keys) != rows {
		tb.Fatalf("%d keys, want %d: %v", len(keys), rows, err)
	}
	var out bytes.Buffer
	hashes = map[string]map[string]string{}
	for _, k := range keys {
		fields, err := db.HGetAll(tb.Context(), k).Result()
		if err != nil {
			tb.Fatal(err)
		}
		hashes[k] = fields
		fmt.Fprintf(&out, "*%d\r\n$4\r\nHSET\r\n$%d\r\nbulk:%s\r\n", 2+2*len(fields), len("bulk:"+k), k)
		for name, v := range fields {
			fmt.Fprintf(&out, "$%d\r\n%s\r\n$%d\r\n%s\r\n", len(name), name, len(v), v)
		}
	}
	return out.Bytes(), hashes
}

// pipe gives commands to redis-cli --pipe, and says how long it was at it.
func (s *server) pipe(tb testing.TB, commands []byte) time.Duration {
	tb.Helper()
	cmd := exec.Command("redis-cli", "-p", s.port, "--pipe")
	cmd.Stdin = bytes.NewReader(commands)
	begin := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("errors: 0")) {
		tb.Fatalf("redis-cli --pipe: %v: %s", err, out)
	}
	return time.Since(begin)
}
