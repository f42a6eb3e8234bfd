//go:build integration

package crash

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"vecmill/integration/fixture"
	"vecmill/internal/config"
	"vecmill/schemas"
)

func TestCrash(t *testing.T) {
	site := fixture.Open(t)
	t.Run("a worker that is killed again and again writes every offset once", func(t *testing.T) { testKills(t, site) })
	t.Run("a worker that wakes late writes nothing twice", func(t *testing.T) { testZombie(t, site) })
	t.Run("a rolling restart loses and repeats nothing", func(t *testing.T) { testRolling(t, site) })
}

const partitions = 3

// load is what has been published to one topic for one pipeline of its name.
type load struct {
	site  *fixture.Site
	topic string
	ids   map[fixture.Place]string // by place; "" for a tombstone
	dead  []fixture.Place
	gone  []fixture.Place // tombstones
}

func newLoad(t *testing.T, site *fixture.Site, topic string) *load {
	t.Helper()
	site.Kafka.CreateTopic(t, topic, partitions)
	return &load{site: site, topic: topic, ids: map[fixture.Place]string{}}
}

// publish appends n texts, among them some that are too long for the model and some tombstones.
func (l *load) publish(t *testing.T, n int) {
	t.Helper()
	first := len(l.ids)
	values, ids := make([][]byte, n), make([]string, n)
	for i := range n {
		k := first + i
		text := fmt.Sprintf("play song number %d by the band %s", k, strings.Repeat("again and ", k%7)+"again")
		if isDead(k) {
			text = strings.Repeat("far too long ", 100)
		}
		if isGone(k) {
			continue
		}
		ids[i] = fmt.Sprintf("text-%d", k)
		values[i] = fixture.JSON(t, schemas.Ref{ID: ids[i], Inline: []byte(text), Modality: schemas.Text})
	}
	for i, at := range l.site.Publish(t, l.topic, values...) {
		l.ids[at] = ids[i]
		switch {
		case isGone(first + i):
			l.gone = append(l.gone, at)
		case isDead(first + i):
			l.dead = append(l.dead, at)
		}
	}
}

func isDead(k int) bool { return k%40 == 7 }
func isGone(k int) bool { return k%50 == 3 }

// config has small files, so that a kill lands among many PUTs, and few records in flight, so that work lasts.
func (l *load) config(t *testing.T, session time.Duration) *config.Config {
	t.Helper()
	p := l.site.Pipeline(t, l.topic, schemas.Text, l.topic)
	p.MaxInFlight = 120                // a file holds no more than these, since a range is never split
	p.Outputs[0].Parquet.RollRows = 80 // 40 records, two heads
	p.Breaker = config.Breaker{Window: 200, MaxFailures: 100}
	c := l.site.Config(p)
	c.Kafka.SessionTimeout = config.Duration(session)
	return c
}

// check waits for nothing: every worker has stopped. It wants every published record in the output exactly once, as what it is.
func (l *load) check(t *testing.T) {
	t.Helper()
	out := l.site.Audit(t, l.topic, l.topic)
	letters := l.site.Letters(t, l.topic, l.topic)
	if len(letters) != len(l.dead) || len(out.Dead) != len(l.dead) {
		t.Errorf("%d dead letters for %d dead offsets, want %d of each", len(letters), len(out.Dead), len(l.dead))
	}
	for _, at := range l.dead {
		if letters[at].Reason != schemas.ReasonTooLarge || !slices.Contains(out.Dead, at) {
			t.Errorf("%v: letter with reason %q, dead in the files: %v", at, letters[at].Reason, slices.Contains(out.Dead, at))
		}
	}
	if len(out.Skipped) != len(l.gone) {
		t.Errorf("%d offsets are skipped, want the %d tombstones", len(out.Skipped), len(l.gone))
	}
	if want := len(l.ids) - len(l.dead) - len(l.gone); len(out.Rows) != want {
		t.Errorf("%d records have rows, want %d", len(out.Rows), want)
	}
	for at, rows := range out.Rows {
		if len(rows) != 2 || rows[0].RefID != l.ids[at] || rows[1].RefID != l.ids[at] {
			t.Errorf("%v has %d rows, the first of %s; want two of %s", at, len(rows), rows[0].RefID, l.ids[at])
		}
	}
	l.site.Readback(t, l.topic, l.topic, out)
	t.Logf("%d records: %d with rows, %d dead, %d tombstones, in %d files", len(l.ids), len(out.Rows), len(out.Dead), len(out.Skipped), out.Files)
}

// checkCommand wants `backfill audit` to see the same as check does, and to see it when a file goes missing.
func (l *load) checkCommand(t *testing.T, c *config.Config) {
	t.Helper()
	all, code := l.site.AuditCommand(t, l.topic+"-audit", c)
	var computed, dead, skipped int64
	for _, a := range all {
		computed, dead, skipped = computed+a.Computed, dead+a.Dead, skipped+a.Skipped
	}
	want := [3]int64{int64(len(l.ids) - len(l.dead) - len(l.gone)), int64(len(l.dead)), int64(len(l.gone))}
	if code != 0 || len(all) != partitions || [3]int64{computed, dead, skipped} != want {
		t.Errorf("backfill audit: exit code %d, %d sources, %d with rows, %d dead, %d skipped; want 0, %d and %v", code, len(all), computed, dead, skipped, partitions, want)
	}
	keys := l.site.S3.Keys(t, fixture.Bucket, fixture.OutputPrefix+"/"+l.topic+"/"+l.topic+"/1/")
	lost := keys[len(keys)/2]
	if err := l.site.S3.Client().RemoveObject(t.Context(), fixture.Bucket, lost, minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	all, code = l.site.AuditCommand(t, l.topic+"-audit-again", c)
	offences := 0
	for _, a := range all {
		offences += len(a.Offences)
	}
	if code != 1 || offences == 0 {
		t.Errorf("without %s backfill audit has exit code %d and %d offences, want 1 and at least one", lost, code, offences)
	}
}

// unfinished is the number of records that no file covers yet.
func (l *load) unfinished(t *testing.T) int64 {
	t.Helper()
	return l.site.Unfinished(t, l.topic, l.topic)
}
