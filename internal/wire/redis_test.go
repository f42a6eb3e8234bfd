package wire

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"

	"vecmill/internal/config"
)

// TestAnIndexInRedisIsOfTheHeadsThatGiveVectors has a head of each precision: two indexes, each over the column that its rows have, and no row is refused.
func TestAnIndexInRedisIsOfTheHeadsThatGiveVectors(t *testing.T) {
	w := newInputWorld(t, "live")
	w.produce(t, "live", record(`{"v":1,"id":"a","inline_text":"hello"}`))
	db := miniredis.RunT(t)
	var mu sync.Mutex
	made := map[string]string{}
	if err := db.Server().Register("FT.CREATE", func(c *server.Peer, _ string, args []string) {
		mu.Lock()
		defer mu.Unlock()
		made[args[0]] = strings.Join(args[1:slices.Index(args, "TAG")-1], " ")
		c.WriteOK()
	}); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`telemetry: {listen: ""}
kafka: {brokers: [%q]}
runtime: {cache_dir: %q}
pipelines:
- name: p
  topics: [live]
  model: {path: %q, threads: 1}
  heads: [{task: embedding, name: single}, {task: embedding, name: half, dtype: fp16}]
  commit_interval: 100ms
  outputs: [{redis: {url: "redis://%s", index: hnsw, dimension: 16, metric: ip}}]
  dead_letters: {url: "file://%s/dead"}
`, w.kafka.ListenAddrs()[0], filepath.Join(w.dir, "cache"), w.model, db.Addr(), w.dir)
	c, err := config.Parse([]byte(text), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	if s := w.run(t, c, 1).Stats()[0].Stream; s.Computed != 1 || len(s.Dead) > 0 {
		t.Errorf("%+v", s)
	}
	for name, want := range map[string]string{
		"vecmill:single": "ON HASH PREFIX 1 vecmill:single: SCHEMA vector VECTOR HNSW 6 TYPE FLOAT32 DIM 16 DISTANCE_METRIC IP",
		"vecmill:half":   "ON HASH PREFIX 1 vecmill:half: SCHEMA vector_f16 VECTOR HNSW 6 TYPE FLOAT16 DIM 16 DISTANCE_METRIC IP",
	} {
		if made[name] != want {
			t.Errorf("index %s: %q, want %q", name, made[name], want)
		}
	}
	for key, size := range map[string]int{"vecmill:single:0:a vector": 64, "vecmill:half:0:a vector_f16": 32} {
		key, field, _ := strings.Cut(key, " ")
		if v := db.HGet(key, field); len(v) != size {
			t.Errorf("%s of %s has %d bytes, want %d", field, key, len(v), size)
		}
	}
	if len(made) != 2 {
		t.Errorf("%d indexes", len(made))
	}
}
