//go:build integration

package postgres

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/internal/config"
	"vecmill/schemas"
)

const (
	pipelineName = "kafka-to-postgres"
	pipelineTab  = "lake.rows" // in a schema of its own
	partitions   = 3
)

// lot is what has been published, by the number of the record.
type lot struct {
	values [][]byte
	places []fixture.Place
}

// What becomes of record k: its text may be too long, or the model may have no number for it, or it may be taken back later.
func tooLong(k int) bool   { return k%40 == 7 }
func unknown(k int) bool   { return k%50 == 9 }
func takenBack(k int) bool { return k%20 == 1 }

func publish(t *testing.T, site *fixture.Site, n int) *lot {
	t.Helper()
	l := &lot{}
	for k := range n {
		text := fmt.Sprintf("play song number %d by the band again", k)
		switch {
		case tooLong(k):
			text = strings.Repeat("far too long ", 100)
		case unknown(k):
			text = "what is the weather" // poisoned: see notFinite
		}
		l.values = append(l.values, fixture.JSON(t, schemas.Ref{ID: fmt.Sprintf("text-%d", k), Inline: []byte(text), Modality: schemas.Text}))
	}
	l.places = site.Publish(t, pipelineName, l.values...)
	return l
}

// takeBack publishes tombstones, each to the partition of its record: that of its number.
func (l *lot) takeBack(t *testing.T, site *fixture.Site) (taken int) {
	t.Helper()
	values := make([][]byte, len(l.values))
	for k := range values {
		ref := schemas.Ref{ID: fmt.Sprintf("nothing-%d", k), Modality: schemas.Text, Deleted: true} // of a reference that never was
		if takenBack(k) {
			ref.ID = fmt.Sprintf("text-%d", k)
			taken++
		}
		values[k] = fixture.JSON(t, ref)
	}
	for k, at := range site.Publish(t, pipelineName, values...) {
		if at.Partition != l.places[k].Partition {
			t.Fatalf("the tombstone of record %d is in partition %d, the record in %d", k, at.Partition, l.places[k].Partition)
		}
	}
	return taken
}

// notFinite is a copy of the demo's text model that knows no number for the word "weather".
func notFinite(t *testing.T) string {
	t.Helper()
	from, dir := fixture.Demo(t, "text-intent"), t.TempDir()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if e.Name() == "model.safetensors" {
			forgetWord(t, b, wordNumber(t, filepath.Join(from, "vocab.json"), "Ġweather"))
		}
		if err := os.WriteFile(filepath.Join(dir, e.Name()), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func wordNumber(t *testing.T, file, word string) int {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var vocabulary map[string]int
	if err := json.Unmarshal(b, &vocabulary); err != nil {
		t.Fatal(err)
	}
	n, ok := vocabulary[word]
	if !ok {
		t.Fatalf("the demo's vocabulary has no %q", word)
	}
	return n
}

// forgetWord makes one row of the word embeddings NaN, in place.
func forgetWord(t *testing.T, file []byte, number int) {
	t.Helper()
	header := file[8 : 8+binary.LittleEndian.Uint64(file)]
	var tensors map[string]struct {
		Shape   []int
		Offsets []int `json:"data_offsets"`
	}
	if err := json.Unmarshal(bytes.TrimSpace(header), &tensors); err != nil {
		t.Fatal(err)
	}
	words := tensors["data2vec_text.embeddings.word_embeddings.weight"]
	if len(words.Shape) != 2 {
		t.Fatal("the demo's text model has no word embeddings")
	}
	row := file[8+len(header)+words.Offsets[0]+4*words.Shape[1]*number:]
	for i := range words.Shape[1] {
		binary.LittleEndian.PutUint32(row[4*i:], math.Float32bits(float32(math.NaN())))
	}
}

// TestKafkaToPostgres runs the worker from Kafka to a table, and to files beside it. Two subtests share the servers.
func TestKafkaToPostgres(t *testing.T) {
	s, site := harness.StartPostgres(t), fixture.Open(t)
	s.PSQL(t, "CREATE SCHEMA lake")
	t.Run("killed again and again", func(t *testing.T) { killedWorkers(t, s, site) })
	t.Run("vectors of another dimension", func(t *testing.T) { anotherDimension(t, s, site) })
}

// pipelineTo is a pipeline to files and to a table.
func pipelineTo(t *testing.T, s *harness.Postgres, site *fixture.Site, name, table string, dimension int) config.Pipeline {
	t.Helper()
	site.Kafka.CreateTopic(t, name, partitions)
	p := site.Pipeline(t, name, schemas.Text, name)
	p.MaxInFlight = 120
	p.Breaker.MaxFailures = new(100)
	p.Outputs[0].Parquet.RollRows = 80
	url := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(url, []byte(s.DSN()), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Outputs = append(p.Outputs, config.Output{Postgres: &config.Postgres{
		URLFile: url, Table: table, Dimension: dimension, Metric: "cosine", BatchRows: 50, BatchAge: config.Duration(200 * time.Millisecond), MaxBuffered: 16 << 20, Connections: 4,
	}})
	return p
}

// anotherDimension wants every record of a table that takes other vectors in the dead letters, and in neither output.
func anotherDimension(t *testing.T, s *harness.Postgres, site *fixture.Site) {
	const name, records = "another-dimension", 9
	c := site.Config(pipelineTo(t, s, site, name, "lake.other", 95))
	var values [][]byte
	for k := range records {
		values = append(values, fixture.JSON(t, schemas.Ref{ID: fmt.Sprint(k), Inline: []byte("play a song"), Modality: schemas.Text}))
	}
	site.Publish(t, name, values...)
	w := site.StartWorker(t, name, c)
	site.AwaitCommitted(t, name, []string{name}, 2*time.Minute, w)
	fixture.Stop(t, w)
	letters, files := site.Letters(t, name, name), site.Audit(t, name, name)
	for at, l := range letters {
		if l.Reason != schemas.ReasonSinkReject || !strings.Contains(l.Message, "a vector of 96 numbers by head embedding, and table lake.other takes 95") {
			t.Errorf("the letter of %v says %s: %s", at, l.Reason, l.Message)
		}
	}
	if n := s.PSQL(t, "SELECT count(*) FROM lake.other"); n != "0" || len(letters) != records || len(files.Dead) != records || len(files.Rows) != 0 {
		t.Errorf("%s rows in the table, %d letters, %d dead and %d rows in files; want 0, %d, %d and 0", n, len(letters), len(files.Dead), len(files.Rows), records, records)
	}
	if all, code := site.AuditCommand(t, "audit-other", c); code != 0 {
		t.Errorf("backfill audit: exit code %d: %+v", code, all)
	}
}

// killedWorkers kills the worker again and again. In the end every record is there once, what was taken back is gone from the table, and the audit of both
// outputs agrees.
func killedWorkers(t *testing.T, s *harness.Postgres, site *fixture.Site) {
	p := pipelineTo(t, s, site, pipelineName, pipelineTab, 96)
	p.Model.Path = notFinite(t)
	c := site.Config(p)
	c.Kafka.SessionTimeout = config.Duration(3 * time.Second)

	const records = 1500
	l := publish(t, site, records)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 6 {
		w := site.StartWorker(t, fmt.Sprint("victim-", i), c)
		w.WaitForLog(t, "assigned", time.Minute)
		time.Sleep(time.Duration(100+r.IntN(900)) * time.Millisecond)
		w.Kill(t)
	}
	if n := s.PSQL(t, "SELECT count(*) FROM "+pipelineTab); n == "0" {
		t.Error("no kill came after a row was written: they prove little")
	}
	taken := l.takeBack(t, site)
	w := site.StartWorker(t, "survivor", c)
	site.AwaitCommitted(t, pipelineName, []string{pipelineName}, 3*time.Minute, w)
	fixture.Stop(t, w)

	l.check(t, s, site, taken)
	all, code := site.AuditCommand(t, "audit", c)
	if code != 0 || len(all) != 2*partitions {
		t.Errorf("backfill audit: exit code %d and %d sources, want 0 and %d", code, len(all), 2*partitions)
	}
	for _, a := range all {
		for _, o := range a.Offences {
			t.Errorf("backfill audit: %s", o)
		}
	}
	s.PSQL(t, "DELETE FROM "+pipelineTab+` WHERE ref_id = 'text-0'`)
	if all, code = site.AuditCommand(t, "audit-again", c); code != 1 {
		t.Errorf("backfill audit without the row of record 0: exit code %d: %+v", code, all)
	}
}

// check compares the table, as psql reads it, the files, and the letters with what was published.
func (l *lot) check(t *testing.T, s *harness.Postgres, site *fixture.Site, taken int) {
	t.Helper()
	files, letters := site.Audit(t, pipelineName, pipelineName), site.Letters(t, pipelineName, pipelineName)
	table := map[string]int{}
	for line := range strings.Lines(s.PSQL(t, `SELECT ref_id, partition, "offset", count(DISTINCT row_id) FROM `+pipelineTab+` GROUP BY 1, 2, 3`) + "\n") {
		f := strings.Split(strings.TrimSpace(line), "|")
		table[strings.Join(f[:3], "|")]++
		if f[3] != "2" {
			t.Errorf("the table has %s rows of %s, want 2", f[3], f[0])
		}
	}
	want, dead := 0, 0
	for k, at := range l.places {
		key := fmt.Sprintf("text-%d|%d|%d", k, at.Partition, at.Offset)
		letter, isDead := letters[at]
		switch {
		case tooLong(k) && letter.Reason != schemas.ReasonTooLarge, unknown(k) && !tooLong(k) && letter.Reason != schemas.ReasonModel:
			t.Errorf("record %d has a letter: %v, %s (%s)", k, isDead, letter.Reason, letter.Message)
		case tooLong(k), unknown(k):
			dead++
			if table[key] != 0 || len(files.Rows[at]) != 0 {
				t.Errorf("record %d is dead, and has rows", k)
			}
		case isDead:
			t.Errorf("record %d has a letter: %s (%s)", k, letter.Reason, letter.Message)
		case takenBack(k):
			if table[key] != 0 {
				t.Errorf("record %d was taken back, and is in the table", k)
			}
		default:
			want++
			if table[key] != 1 || len(files.Rows[at]) != 2 {
				t.Errorf("record %d is in the table %d times, and has %d rows in files; want 1 and 2", k, table[key], len(files.Rows[at]))
			}
		}
	}
	if len(table) != want || len(letters) != dead || taken == 0 {
		t.Errorf("the table has %d records and there are %d letters, want %d and %d; %d were taken back", len(table), len(letters), want, dead, taken)
	}
	t.Logf("%d records: %d in the table, %d dead, %d taken back; %d files", len(l.places), len(table), len(letters), taken, files.Files)
}
