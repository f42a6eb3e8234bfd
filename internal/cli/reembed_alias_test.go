package cli

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"vecmill/internal/config"
	"vecmill/internal/demo"
	"vecmill/internal/wire"
	"vecmill/sinks/qdrantsink/qdranttest"
)

// TestACutOverPointsAliasesOfIndexes computes texts of an index of vectors again, and cuts over: not while the checks fail, nor unasked, then as often as it is asked. A Redis beside it, which has no aliases, is left to somebody else.
func TestACutOverPointsAliasesOfIndexes(t *testing.T) {
	dir, index, keys := t.TempDir(), qdranttest.Start(t), miniredis.RunT(t)
	index.APIKey = "right"
	if err := demo.WriteModels(filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	texts, list := textFiles(t, dir, 10)
	conf, model := filepath.Join(dir, "vecmill.yaml"), filepath.Join(dir, "models", "text-intent")
	first := fmt.Sprintf(`
log: {level: error}
telemetry: {listen: ""}
runtime: {cache_dir: %q}
fetch: {file_roots: [%q]}
pipelines:
- name: texts
  model: {path: %q}
  heads: [{task: embedding}]
  outputs:
  - parquet: {url: "%s"}
  - qdrant: {url: "http://%s", api_key: right, collection: texts_one, dimension: 96}
  - redis: {url: "redis://%s"}
  dead_letters: {url: "%s"}
`, filepath.Join(dir, "cache"), texts, model, fileURL(dir, "rows"), index.Addr, keys.Addr(), fileURL(dir, "dead"))
	write(t, conf, first)
	step := func(code int, want string, args ...string) string {
		t.Helper()
		got, out, stderr := call(backfiller, append(args, "--config", conf)...)
		if got != code || !strings.Contains(out+stderr, want) {
			t.Fatalf("%q: exit %d, want %d and %q\n%s%s", args, got, code, want, out, stderr)
		}
		return out
	}
	shows := func(want string) {
		t.Helper()
		index.Held.Lock()
		defer index.Held.Unlock()
		if got := index.Held.Aliases["shown"]; got != want {
			t.Errorf("the alias shows %q, want %q", got, want)
		}
	}
	again := []string{"reembed", "--old", "texts", "--new", "texts-2", "--no-stream"}
	step(0, "10 references, 10 rows", "run", "--manifest", list)
	added := step(0, "collection: texts_one_texts_2", append(again, "--model", model)...)
	write(t, conf, first+strings.Replace(added, "  model:\n", "  model:\n    precision: int8\n", 1))

	step(exitUsage, `--cut-over: qdrant cannot have the name "shown*"`, append(again, "--cut-over", "shown*")...)
	if _, err := os.Stat(filepath.Join(dir, "rows", "_plans")); err == nil {
		t.Error("it planned first")
	}
	if err := os.Remove(filepath.Join(texts, "7")); err != nil {
		t.Fatal(err)
	}
	step(1, "nothing was cut over", append(again, "--cut-over", "shown")...)
	again = append(again, "--lacking", "1")
	if out := step(0, "to do: Qdrant: POST /collections/aliases", again...); !strings.Contains(out, "\nthe same command with --cut-over texts_current does what can be done here\n") {
		t.Errorf("it does not say what would do it:\n%s", out)
	}
	shows("")
	for range 2 {
		out := step(0, "done: Qdrant: POST /collections/aliases", append(again, "--cut-over", "shown")...)
		shows("texts_one_texts_2")
		if !strings.Contains(out, "to do: redis: readers go to prefix vecmill_texts_2") {
			t.Errorf("Redis:\n%s", out)
		}
	}
	step(1, "texts_one is a collection, and no alias: give the cut-over another name", append(again, "--cut-over", "texts_one")...)
}

// TestAnOutputThatMayLackRowsIsNotCutOver has outputs with best_effort beside the one that is cut over: one on its server, and one on a server that is away, which holds up nothing.
func TestAnOutputThatMayLackRowsIsNotCutOver(t *testing.T) {
	index, dir := qdranttest.Start(t), t.TempDir()
	for _, name := range []string{"one", "two", "trial", "more"} {
		index.Held.Collections[name] = &qdranttest.Collection{}
	}
	at := func(addr, collection string, bestEffort bool) config.Output {
		return config.Output{BestEffort: bestEffort, Qdrant: &config.Qdrant{URL: "http://" + addr, Collection: collection, Batch: config.Delivery{Timeout: config.Duration(time.Second)}}}
	}
	cut := func(cutOver string, outputs ...config.Output) string {
		t.Helper()
		r, err := wire.NewReembed(&config.Config{Pipelines: []config.Pipeline{
			{Name: "old", Outputs: []config.Output{at(index.Addr, "one", false)}}, {Name: "new", Outputs: outputs},
		}}, "old", "new", true, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var out strings.Builder
		if err := (&reembedOptions{cutOver: cutOver}).cut(t.Context(), &out, r); err != nil {
			t.Error(err)
		}
		return out.String()
	}
	files := config.Output{BestEffort: true, Parquet: &config.Parquet{URL: fileURL(dir, "rows"), Layout: "plain"}}
	out := cut("shown", at("127.0.0.1:1", "away", true), at(index.Addr, "two", false), at(index.Addr, "trial", true), files)
	var states []string
	for line := range strings.Lines(out) {
		states = append(states, line[:strings.Index(line, ":")])
	}
	if got, want := strings.Join(states, ", "), "to do, done, to do, to do, to do"; got != want || index.Held.Aliases["shown"] != "two" {
		t.Errorf("%s, want %s; the alias shows %q\n%s", got, want, index.Held.Aliases["shown"], out)
	}
	if _, err := os.Stat(filepath.Join(dir, "rows")); err == nil || strings.Contains(out, "shown.json") {
		t.Errorf("files that may lack rows are pointed to, or it is said:\n%s", out)
	}
	if out := cut("", at(index.Addr, "two", false), at(index.Addr, "more", false)); !strings.Contains(out, "--cut-over does none of it: collection two and collection more of new are in one place") {
		t.Errorf("what would be refused is proposed:\n%s", out)
	}
}

// TestWhatAServerCannotDoIsLeftToSomebodyElse cuts over an index of a server that has none.
func TestWhatAServerCannotDoIsLeftToSomebodyElse(t *testing.T) {
	keys := miniredis.RunT(t)
	pipeline := func(name, prefix string) config.Pipeline {
		return config.Pipeline{Name: name, Heads: []config.Head{{Name: "vectors", Task: "embedding"}}, Outputs: []config.Output{{Redis: &config.Redis{
			URL: config.Secret("redis://" + keys.Addr()), Prefix: prefix, Index: "hnsw", Batch: config.Delivery{Timeout: config.Duration(time.Second)},
		}}}}
	}
	r, err := wire.NewReembed(&config.Config{Pipelines: []config.Pipeline{pipeline("old", "one"), pipeline("new", "two")}}, "old", "new", true, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out strings.Builder
	if err := (&reembedOptions{cutOver: "shown"}).cut(t.Context(), &out, r); err != nil {
		t.Fatal(err)
	}
	want := "to do: Redis: FT.ALIASUPDATE shown:vectors two:vectors\nto do: redis: readers that look rows up by their keys go to prefix two\nto do: workers:"
	if !strings.HasPrefix(out.String(), want) {
		t.Errorf("%s, want %s", &out, want)
	}
}
