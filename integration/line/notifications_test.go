//go:build integration

package line

import (
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/internal/config"
	"vecmill/schemas"
)

// testNotifications has a store tell by itself, through Kafka, of objects that are put and removed, and wants their rows and their tombstones.
func testNotifications(t *testing.T, site *fixture.Site) {
	const topic, bucket, odd = "notifications", "pictures", "a b/ü+1&2=%41.png"
	site.Kafka.CreateTopic(t, topic, 1)
	store := harness.StartNotifyingS3(t, site.Kafka.Addr(), topic)
	store.CreateBucket(t, bucket)
	var bodies [][]byte
	for _, s := range fixture.Samples(t) {
		if s.Modality == schemas.Image {
			bodies = append(bodies, s.Body)
		}
	}
	dir := t.TempDir()
	p := site.Pipeline(t, "notified", schemas.Image, topic)
	p.Input.Format, p.Input.Keys = "s3-event", "plain"
	p.Outputs[0].Parquet.URL, p.DeadLetters = "file://"+dir+"/rows", config.DeadLetters{URL: "file://" + dir + "/dead"}
	c := site.Config(p)
	c.S3.Endpoint = store.URL()
	worker := site.StartWorker(t, "notified", c)
	told := func(least int64) { // the store tells of an object after it has answered
		t.Helper()
		for until := time.Now().Add(time.Minute); site.Kafka.EndOffsets(t, topic)[0] < least; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("the store has not told of %d changes: %d records", least, site.Kafka.EndOffsets(t, topic)[0])
			}
		}
		site.AwaitCommitted(t, topic, []string{p.Group}, time.Minute, worker)
	}
	before := site.Kafka.EndOffsets(t, topic)[0] // a test event
	store.Put(t, bucket, odd, bodies[0])
	store.Put(t, bucket, "gone.png", bodies[1])
	told(before + 2)
	store.Remove(t, bucket, "gone.png") // not before it was read, or its row is a dead letter
	told(before + 3)
	fixture.Stop(t, worker)

	rows := harness.QueryParquet(t, dir, "SELECT uri, count(*) AS n, count(etag) AS etags, min(attributes['s3_event'][1]) AS event FROM rows GROUP BY uri ORDER BY uri")
	want := []string{"s3://" + bucket + "/" + odd, "s3://" + bucket + "/gone.png"}
	if len(rows) != len(want) {
		t.Fatalf("rows of %v, want those of %v", rows, want)
	}
	for i, r := range rows {
		if r["uri"] != want[i] || r["n"] != 2. || r["etags"] != 2. || r["event"] == nil {
			t.Errorf("rows %v, want two of %s with its entity tag and event", r, want[i])
		}
	}
	all, code := site.AuditCommand(t, "notified", c)
	if code != 0 || len(all) != 1 || all[0].Dead != 0 || all[0].Computed != 2 {
		t.Errorf("the audit ends with %d: %+v", code, all)
	}
}
