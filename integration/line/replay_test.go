//go:build integration

package line

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/internal/config"
	"vecmill/schemas"
)

const (
	replayTopic   = "replay"
	replayLetters = "replay-letters"
	lateID        = "late" // the record whose object comes after it was read
)

// testReplay has two records of garbage and one whose object is missing, beside good ones. The object is put there, and the letters of what was missing are replayed
// three times, the first only to see what would be done: one record more, one result more, and the garbage stays where it is.
func testReplay(t *testing.T, site *fixture.Site) {
	site.Kafka.CreateTopic(t, replayTopic, 2)
	site.Kafka.CreateTopic(t, replayLetters, 1)
	pipe := site.Pipeline(t, replayTopic, schemas.Text, replayTopic)
	pipe.DeadLetters = config.DeadLetters{Topic: replayLetters}
	c := site.Config(pipe)
	late := schemas.Ref{ID: lateID, URI: "s3://" + fixture.Bucket + "/in/replay/late.txt"}
	good := func(id string) []byte {
		return fixture.JSON(t, schemas.Ref{ID: id, Inline: []byte("book a table for two")})
	}
	places := site.Publish(t, replayTopic, good("a"), []byte("no reference"), fixture.JSON(t, late), good("b"), []byte("nor this"))
	dead := []fixture.Place{places[1], places[2], places[4]}
	worker := site.StartWorker(t, "replay", c)
	await := func() {
		t.Helper()
		site.AwaitCommitted(t, replayTopic, []string{replayTopic}, 2*time.Minute, worker)
	}
	await()
	wantLetters(t, site, c, "before", map[schemas.Reason][2]int{schemas.ReasonSchema: {2, 0}, schemas.ReasonFetchMissing: {1, 0}})

	site.Put(t, "replay/late.txt", []byte("play a song"))
	for i, run := range []struct {
		args  []string
		says  string
		total int64 // records in the topic afterwards
	}{
		{[]string{"--dry-run"}, "0 replayed, 1 would be, 0 skipped, 0 failed", 5},
		{nil, "1 replayed, 0 would be, 0 skipped, 0 failed", 6},
		{nil, "0 replayed, 0 would be, 1 skipped, 0 failed", 6},
	} {
		code, out := site.WorkerCommand(t, fmt.Sprint("replay-run-", i), c, append([]string{"dlq", "replay", "--reason", "fetch-missing"}, run.args...)...)
		if total := records(t, site); code != 0 || !strings.Contains(out, run.says) || total != run.total {
			t.Errorf("dlq replay %v ends with exit code %d and %d records in the topic, want %d and %q:\n%s", run.args, code, total, run.total, run.says, out)
		}
	}
	await()
	fixture.Stop(t, worker)
	wantLetters(t, site, c, "after", map[schemas.Reason][2]int{schemas.ReasonSchema: {2, 0}, schemas.ReasonFetchMissing: {1, 1}})
	out := site.Audit(t, replayTopic, replayTopic)
	wantReplayed(t, out, places[2])
	for _, at := range dead {
		if !slices.Contains(out.Dead, at) || len(out.Dead) != len(dead) {
			t.Errorf("the dead offsets are %v, want %v", out.Dead, dead)
		}
	}
	all, code := site.AuditCommand(t, "replay-audit", c)
	if code != 0 || len(all) != 2 {
		t.Errorf("backfill audit ends with exit code %d and %d sources: %+v", code, len(all), all)
	}
}

// records is the number of records in the topic.
func records(t *testing.T, site *fixture.Site) (n int64) {
	t.Helper()
	for _, end := range site.Kafka.EndOffsets(t, replayTopic) {
		n += end
	}
	return n
}

// wantReplayed wants the rows of the late record once, one for each head, from where the replay put it: the end of the partition that it was read from.
func wantReplayed(t *testing.T, out fixture.Output, first fixture.Place) {
	t.Helper()
	found := map[string]int{}
	for at, rows := range out.Rows {
		for _, row := range rows {
			if row.RefID != lateID {
				continue
			}
			found[row.Head]++
			if at.Partition != first.Partition || at.Offset <= first.Offset {
				t.Errorf("a row of the late record is from %v, it was first at %v", at, first)
			}
		}
	}
	if len(found) != 2 || found[string(schemas.TaskLabels)] != 1 || found[string(schemas.TaskEmbedding)] != 1 {
		t.Errorf("the late record has rows %v, want one for each of the two heads", found)
	}
}

// wantLetters compares what dlq list counts, letters and replayed ones among them, by reason.
func wantLetters(t *testing.T, site *fixture.Site, c *config.Config, when string, want map[schemas.Reason][2]int) {
	t.Helper()
	code, out := site.WorkerCommand(t, "letters-"+when, c, "dlq", "list", "--json")
	var l struct {
		Store  string
		Groups []struct {
			Pipeline, Topic string
			Reason          schemas.Reason
			Count, Replayed int
		}
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "{") {
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatalf("dlq list prints %s: %v", line, err)
			}
		}
	}
	if code != 0 || l.Store != replayLetters || len(l.Groups) != len(want) {
		t.Fatalf("%s the replay dlq list ends with exit code %d and %d groups, want %d:\n%s", when, code, len(l.Groups), len(want), out)
	}
	for _, g := range l.Groups {
		if n := want[g.Reason]; g.Pipeline != replayTopic || g.Topic != replayTopic || g.Count != n[0] || g.Replayed != n[1] {
			t.Errorf("%s the replay dlq list counts %+v, want %d letters of which %d are replayed", when, g, n[0], n[1])
		}
	}
}
