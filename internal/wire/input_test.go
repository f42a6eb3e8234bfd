package wire

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

// inputs is a text model, a broker and a registry for pipelines that differ in their inputs.
type inputs struct {
	model, dir string
	kafka      *kfake.Cluster
	registry   *srfake.Registry
}

func newInputWorld(t *testing.T, topics ...string) *inputs {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topics...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	w := &inputs{model: classCase{"Data2VecTextModel", "Data2VecTextModel/base"}.checkpoint(t), dir: t.TempDir(), kafka: broker, registry: srfake.New()}
	t.Cleanup(w.registry.Close)
	return w
}

// config has one pipeline for each name and its settings.
func (w *inputs) config(t *testing.T, pipelines ...[2]string) *config.Config {
	t.Helper()
	text := fmt.Sprintf("telemetry: {listen: \"\"}\nkafka: {brokers: [%q]}\nruntime: {cache_dir: %q}\npipelines:\n", w.kafka.ListenAddrs()[0], filepath.Join(w.dir, "cache"))
	for _, p := range pipelines {
		text += fmt.Sprintf("- name: %s\n  model: {path: %q, threads: 1}\n  heads: [{task: embedding}]\n  commit_interval: 100ms\n  outputs: [{parquet: {url: \"file://%s/rows\"}}]\n  dead_letters: {url: \"file://%s/dead\"}\n%s\n",
			p[0], w.model, w.dir, w.dir, p[1])
	}
	c, err := config.Parse([]byte(text), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *inputs) produce(t *testing.T, topic string, recs ...kafka.Record) {
	t.Helper()
	tr := &kafka.Transport{}
	defer tr.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(w.kafka.ListenAddrs()...), Transport: tr}
	res, err := client.Produce(t.Context(), &kafka.ProduceRequest{Topic: topic, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(recs...)})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		t.Fatal(err)
	}
}

func record(value string, headers ...string) kafka.Record {
	r := kafka.Record{Value: kafka.NewBytes([]byte(value))}
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, kafka.Header{Key: headers[i], Value: []byte(headers[i+1])})
	}
	return r
}

// run runs a worker until each pipeline has settled so many records.
func (w *inputs) run(t *testing.T, c *config.Config, settled ...int64) *Worker {
	t.Helper()
	return w.runTo(t, c, io.Discard, settled...)
}

// runTo is run with a log.
func (w *inputs) runTo(t *testing.T, c *config.Config, log io.Writer, settled ...int64) *Worker {
	t.Helper()
	worker, err := Open(t.Context(), c, Options{Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- worker.Run(ctx) }()
	for ctx.Err() == nil {
		ready := true
		for i, n := range settled {
			s := worker.Stats()[i].Stream
			sum := s.Computed + s.Skipped
			for _, dead := range s.Dead {
				sum += dead
			}
			ready = ready && sum >= n
		}
		if ready {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if ctx.Err() != nil {
		t.Errorf("it has not settled %d records in a minute: %+v", settled, worker.Stats())
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return worker
}

// rows are those that a pipeline has written of a topic.
func (w *inputs) rows(t *testing.T, pipeline, topic string) []schemas.Row {
	t.Helper()
	return w.rowsUnder(t, "rows", pipeline, topic)
}

func (w *inputs) rowsUnder(t *testing.T, prefix, pipeline, topic string) (all []schemas.Row) {
	t.Helper()
	st, err := dirstore.Open(filepath.Join(w.dir, prefix))
	if err != nil {
		t.Fatal(err)
	}
	files, err := parquetsink.Chain(t.Context(), st, "", schemas.SourceID{Pipeline: pipeline, Topic: topic}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		rows, err := parquetsink.ReadRows(t.Context(), st, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rows...)
	}
	return all
}

// ids are the references of rows, sorted.
func ids(rows []schemas.Row) string {
	var all []string
	for i := range rows {
		all = append(all, rows[i].RefID)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// TestEveryFormatBecomesRows goes the whole way from a broker's records in each format to Parquet files.
func TestEveryFormatBecomesRows(t *testing.T) {
	w := newInputWorld(t, "avro", "pb", "events", "notes", "changes")
	register := func(name string, kind sr.SchemaType, file string) int {
		text, err := os.ReadFile(filepath.Join("../../schemas", file))
		if err != nil {
			t.Fatal(err)
		}
		cl, err := sr.NewClient(sr.URLs(w.registry.URL()))
		if err != nil {
			t.Fatal(err)
		}
		s, err := cl.CreateSchema(t.Context(), name, sr.Schema{Schema: string(text), Type: kind})
		if err != nil {
			t.Fatal(err)
		}
		return s.ID
	}
	framed := func(id int, indexes, file string) string {
		b, err := os.ReadFile(filepath.Join("../../schemas/testdata/ref", file))
		if err != nil {
			t.Fatal(err)
		}
		return string(binary.BigEndian.AppendUint32([]byte{0}, uint32(id))) + indexes + string(b)
	}
	avro, pb := register("avro-value", sr.TypeAvro, "ref.v1.avsc"), register("pb-value", sr.TypeProtobuf, "ref.v1.proto")
	w.produce(t, "avro", record(framed(avro, "", "v1-inline-text.avro"), "tenant", "a", "other", "x"), record(framed(4711, "", "v1-inline-text.avro")))
	w.produce(t, "pb", record(framed(pb, "\x00", "v1-inline-text.pb")))
	w.produce(t, "events", record(`{"v":1,"id":"e","inline_text":"hello"}`, "ce_specversion", "1.0", "ce_id", "7", "ce_source", "/s", "ce_type", "made"))
	w.produce(t, "changes", record(`{"op":"c","after":{"id":7,"body":"hello"}}`), record(`{"op":"r","after":{"id":8}}`), record(`{"schema":null}`))
	w.produce(t, "notes", record(`{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"a+b.wav"}}},{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"c.wav"}}}]}`),
		record(`{"Service":"Amazon S3","Event":"s3:TestEvent"}`))
	registry := fmt.Sprintf("registry: {urls: [%q]}", w.registry.URL())
	c := w.config(t,
		[2]string{"a", "  topics: [avro]\n  input: {format: avro, " + registry + ", headers: [tenant], header_prefix: h_}"},
		[2]string{"p", "  topics: [pb]\n  input: {format: protobuf, " + registry + "}"},
		[2]string{"e", "  topics: [events]\n  input: {format: cloudevents}"},
		[2]string{"d", "  topics: [changes]\n  input:\n    format: json\n    map: '!has(value.op) ? skip : {\"id\": \"doc-\" + string(value.after.id), \"inline_text\": value.after.body}'"},
		[2]string{"n", "  topics: [notes]\n  input: {format: s3-event}\n  where: 'ref.uri.endsWith(\".txt\")'"},
	)
	s := w.run(t, c, 2, 1, 1, 3, 2).Stats()
	for i, want := range []struct {
		pipeline, topic, ids string
		dead, skipped        int64
	}{{"a", "avro", "t", 1, 0}, {"p", "pb", "t", 0, 0}, {"e", "events", "e", 0, 0}, {"d", "changes", "doc-7", 1, 1}, {"n", "notes", "", 1, 1}} {
		rows, dead := w.rows(t, want.pipeline, want.topic), s[i].Stream.Dead[schemas.ReasonSchema]
		if got := ids(rows); got != want.ids || dead != want.dead || s[i].Stream.Skipped != want.skipped {
			t.Errorf("pipeline %s: rows of %q, want %q; %+v", want.pipeline, got, want.ids, s[i].Stream)
		}
		for _, r := range rows {
			if want.pipeline == "a" && (len(r.Attributes) == 0 || !strings.Contains(fmt.Sprint(r.Attributes), "h_tenant")) || want.pipeline == "e" && !strings.Contains(fmt.Sprint(r.Attributes), "ce_source") {
				t.Errorf("pipeline %s: attributes %v", want.pipeline, r.Attributes)
			}
		}
	}
}

// TestATopicIsSharedByWhatItsPipelinesTake has two pipelines of one topic; what neither takes is a dead letter, once.
func TestATopicIsSharedByWhatItsPipelinesTake(t *testing.T) {
	w := newInputWorld(t, "live")
	ref := func(id, tenant string) kafka.Record {
		return record(fmt.Sprintf(`{"v":1,"id":%q,"inline_text":"hello","attributes":{"tenant":%q}}`, id, tenant))
	}
	w.produce(t, "live", ref("1", "a"), ref("2", "b"), ref("3", "c"), ref("4", "both"))
	where := "  topics: [live]\n  where: 'ref.attributes.tenant in [\"both\", \"%s\"]'"
	s := w.run(t, w.config(t, [2]string{"a", fmt.Sprintf(where, "a")}, [2]string{"b", fmt.Sprintf(where, "b")}), 4, 4).Stats()
	if a, b := ids(w.rows(t, "a", "live")), ids(w.rows(t, "b", "live")); a != "1 4" || b != "2 4" {
		t.Errorf("a has %q, b has %q", a, b)
	}
	for i := range s {
		if s[i].Stream.Skipped != 1 || len(s[i].Stream.Dead) != 1 {
			t.Errorf("pipeline %d: %+v", i, s[i].Stream)
		}
	}
}

// TestEachTenantHasItsOwnPrefix sends two tenants' references in turn through one worker: under each prefix lie that tenant's rows and dead letters, and nothing else.
func TestEachTenantHasItsOwnPrefix(t *testing.T) {
	w := newInputWorld(t, "live")
	var records []kafka.Record
	want := map[string][]string{}
	for i := range 24 {
		tenant, of := []string{"acme", "bolt"}[i%2], fmt.Sprintf("%02d", i)
		object := `"inline_text":"hello"`
		if i >= 22 {
			object = `"inline_text":""` // of which no model makes anything
		} else {
			want[tenant] = append(want[tenant], of)
		}
		records = append(records, record(fmt.Sprintf(`{"v":1,"id":%q,%s,"attributes":{"tenant":%q}}`, of, object, tenant)))
	}
	w.produce(t, "live", records...)
	var pipelines [][2]string
	for _, tenant := range []string{"acme", "bolt"} {
		pipelines = append(pipelines, [2]string{tenant, fmt.Sprintf("  topics: [live]\n  where: 'ref.attributes.tenant == %q'", tenant)})
	}
	c := w.config(t, pipelines...)
	for i := range c.Pipelines {
		p := &c.Pipelines[i]
		p.Outputs[0].Parquet.URL = fmt.Sprintf("file://%s/tenants/%s/rows", w.dir, p.Name)
		p.DeadLetters.URL = fmt.Sprintf("file://%s/tenants/%s/dead", w.dir, p.Name)
	}
	w.run(t, c, 24, 24)
	lying := map[string]int{}
	for i := range c.Pipelines {
		tenant := c.Pipelines[i].Name
		rows := w.rowsUnder(t, "tenants/"+tenant+"/rows", tenant, "live")
		if got := ids(rows); got != strings.Join(want[tenant], " ") {
			t.Errorf("%s has rows of %q, want %q", tenant, got, want[tenant])
		}
		for _, r := range rows {
			if r.Attributes["tenant"] != tenant {
				t.Errorf("%s has a row of %v", tenant, r.Attributes)
			}
		}
	}
	err := fs.WalkDir(os.DirFS(w.dir), ".", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err == nil && (path == "cache" || e.Name() == "_vecmill"): // what the worker looked at its store with
			return fs.SkipDir
		case err == nil && !e.IsDir():
			lying[strings.Join(strings.Split(path, "/")[:min(4, strings.Count(path, "/"))], "/")]++
		}
		return err
	})
	if err != nil || len(lying) != 4 || lying["tenants/acme/dead/acme"] != 1 || lying["tenants/bolt/dead/bolt"] != 1 || lying["tenants/acme/rows/acme"] == 0 || lying["tenants/bolt/rows/bolt"] == 0 {
		t.Errorf("files and letters lie under %v; %v", lying, err)
	}
}

// TestManifestsHoldReferencesInEveryFormat runs a manifest through pipelines whose topics' records are something else; no registry is asked.
func TestManifestsHoldReferencesInEveryFormat(t *testing.T) {
	for _, format := range []string{"s3-event", "json, map: skip", "cloudevents", "avro, registry: {urls: [\"http://127.0.0.1:1\"]}"} {
		w := newInputWorld(t)
		manifest := filepath.Join(w.dir, "m.jsonl")
		if err := os.WriteFile(manifest, []byte(`{"v":1,"id":"m","inline_text":"hello"}`+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg := w.config(t, [2]string{"p", "  topics: [live]\n  input: {format: " + format + "}"})
		worker, err := Open(t.Context(), cfg, Options{Log: slog.New(slog.DiscardHandler), Source: ManifestSource(cfg, manifest, "m", ReadOptions{})})
		if err != nil {
			t.Fatal(err)
		}
		if err := worker.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := ids(w.rows(t, "p", "manifest:m")); got != "m" {
			t.Errorf("%s: rows of %q, %+v", format, got, worker.Stats())
		}
	}
}

// TestABadLineOfAPlanIsNotCalledByItsNumberInThePlan has one as earlier builds planned them: the line itself.
func TestABadLineOfAPlanIsNotCalledByItsNumberInThePlan(t *testing.T) {
	w := newInputWorld(t)
	c, at := w.config(t, [2]string{"p", "  topics: [\"manifest:m\"]"}), filepath.Join(w.dir, "plan")
	place, err := planPlace(t.Context(), &stores{cfg: c}, at)
	if err != nil {
		t.Fatal(err)
	}
	planned, _, err := plan.NewWriter(t.Context(), place, plan.Title{Name: "m"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := planned.Add(plan.Item{Raw: "{garbage", Size: -1}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := planned.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	list, err := OpenPlan(t.Context(), c, at)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	worker, err := Open(t.Context(), c, Options{Log: log, Source: PlanSource(list, ReadOptions{}), Plan: list.Plan()})
	if err == nil {
		err = worker.Run(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	letters, err := OpenLettersAt(t.Context(), c, []config.DeadLetters{c.Pipelines[0].DeadLetters}, log)
	if err != nil {
		t.Fatal(err)
	}
	defer letters.Close()
	n := 0
	if err := letters.Stores[0].Letters(t.Context(), func(l sinks.StoredLetter) error {
		if n++; !strings.Contains(l.Message, fmt.Sprintf("reference %d: ", l.Offset)) {
			t.Errorf("letter %d: %s", l.Offset, l.Message)
		}
		return nil
	}); err != nil || n != 2 {
		t.Errorf("%d letters, %v", n, err)
	}
}

// TestARegistryThatIsAwayIsFoundAtTheStart has a sentence that names the setting.
func TestARegistryThatIsAwayIsFoundAtTheStart(t *testing.T) {
	w := newInputWorld(t, "live")
	_, err := Open(t.Context(), w.config(t, [2]string{"p", "  topics: [live]\n  input: {format: avro, registry: {urls: [\"http://127.0.0.1:1\"]}}"}), Options{Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "pipeline p: asking the schema registry at [http://127.0.0.1:1]") || !strings.Contains(err.Error(), "check input.registry") {
		t.Error(err)
	}
	sinktest.CheckClass(t, "no server", err)
}
