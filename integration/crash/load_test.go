//go:build integration

package crash

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"vecmill/integration/fixture"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks"
)

const partitions = 3

// load is what has been published to one topic for one pipeline of its name.
type load struct {
	site    *fixture.Site
	topic   string
	ids     map[fixture.Place]string // by place; "" for a tombstone
	dead    []fixture.Place
	gone    []fixture.Place // tombstones
	objects []string        // URIs of texts in the store
	letters string          // topic of the dead letters; "" for objects in the store
	covered map[int]int64   // by partition: where its chain of files ended when somebody looked last
}

func newLoad(t *testing.T, site *fixture.Site, topic string) *load {
	t.Helper()
	site.Kafka.CreateTopic(t, topic, partitions)
	l := &load{site: site, topic: topic, ids: map[fixture.Place]string{}, covered: map[int]int64{}}
	for i := range 5 {
		uri, _ := site.Put(t, fmt.Sprintf("%s/%d.txt", topic, i), []byte(text(i)))
		l.objects = append(l.objects, uri)
	}
	return l
}

// publish appends n texts, some of them as objects in the store, and among them some that are too long for the model and some tombstones.
func (l *load) publish(t *testing.T, n int) {
	t.Helper()
	first := len(l.ids)
	values, ids := make([][]byte, n), make([]string, n)
	for i := range n {
		k := first + i
		ref := schemas.Ref{ID: fmt.Sprintf("text-%d", k), Inline: []byte(text(k)), Modality: schemas.Text}
		switch {
		case isGone(k):
			continue
		case isDead(k):
			ref.Inline = []byte(strings.Repeat("far too long ", 100))
		case k%10 == 5:
			ref.Inline, ref.URI = nil, l.objects[k/10%len(l.objects)]
		}
		ids[i] = ref.ID
		values[i] = fixture.JSON(t, ref)
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

func text(k int) string {
	return fmt.Sprintf("play song number %d by the band %s", k, strings.Repeat("again and ", k%7)+"again")
}

func isDead(k int) bool { return k%40 == 7 }
func isGone(k int) bool { return k%50 == 3 }

// topUp publishes until n records are open.
func (l *load) topUp(t *testing.T, n int) {
	t.Helper()
	if open := int(l.unfinished(t)); open < n {
		l.publish(t, n-open)
	}
}

// config has small files, so that a kill lands among many PUTs, and few records in flight, so that work lasts.
func (l *load) config(t *testing.T, session time.Duration) *config.Config {
	t.Helper()
	p := l.site.Pipeline(t, l.topic, schemas.Text, l.topic)
	p.MaxInFlight = 120                // a file holds no more than these, since a range is never split
	p.Outputs[0].Parquet.RollRows = 80 // 40 records, two heads
	p.Breaker.MaxFailures = new(100)
	if l.letters != "" {
		p.DeadLetters = config.DeadLetters{Topic: l.letters}
	}
	c := l.site.Config(p)
	c.Kafka.SessionTimeout = config.Duration(session)
	return c
}

// check waits for nothing: every worker has stopped. It wants every published record in the output exactly once, as what it is.
func (l *load) check(t *testing.T) {
	t.Helper()
	out := l.site.Audit(t, l.topic, l.topic)
	letters := l.readLetters(t)
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
	if want := l.computed(); len(out.Rows) != want {
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

// readLetters are the dead letters by place. A letter may be there twice, as at-least-once goes.
func (l *load) readLetters(t *testing.T) map[fixture.Place]sinks.Letter {
	t.Helper()
	if l.letters != "" {
		return l.site.TopicLetters(t, l.letters)[l.topic]
	}
	return l.site.Letters(t, l.topic, l.topic)
}

// computed is how many records should have rows.
func (l *load) computed() int { return len(l.ids) - len(l.dead) - len(l.gone) }

// checkCommand wants `backfill audit` to see the same as check does, and exit code 0.
func (l *load) checkCommand(t *testing.T, c *config.Config) {
	t.Helper()
	all, code := l.site.AuditCommand(t, l.topic+"-audit", c)
	var computed, dead, skipped int64
	for _, a := range all {
		computed, dead, skipped = computed+a.Computed, dead+a.Dead, skipped+a.Skipped
		for _, o := range a.Offences {
			t.Errorf("backfill audit: %s", o)
		}
	}
	want := [3]int64{int64(l.computed()), int64(len(l.dead)), int64(len(l.gone))}
	if code != 0 || len(all) != partitions || [3]int64{computed, dead, skipped} != want {
		t.Errorf("backfill audit: exit code %d, %d sources, %d with rows, %d dead, %d skipped; want 0, %d and %v", code, len(all), computed, dead, skipped, partitions, want)
	}
}

// checkCommandSeesLoss removes a file from the output, which `backfill audit` must notice.
func (l *load) checkCommandSeesLoss(t *testing.T, c *config.Config) {
	t.Helper()
	keys := l.site.S3.Keys(t, fixture.Bucket, fixture.OutputPrefix+"/"+l.topic+"/"+l.topic+"/1/")
	lost := keys[len(keys)/2]
	if err := l.site.S3.Client().RemoveObject(t.Context(), fixture.Bucket, lost, minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	all, code := l.site.AuditCommand(t, l.topic+"-audit-again", c)
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
	n, covered := l.site.Unfinished(t, l.topic, l.topic, l.covered)
	maps.Copy(l.covered, covered)
	return n
}

// awaitMembers returns once the group is stable with n members.
func (l *load) awaitMembers(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		state, members := l.site.Kafka.Group(t, l.topic)
		if state == "Stable" && members == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("group %s is %s with %d members, want Stable with %d", l.topic, state, members, n)
		}
	}
}
