//go:build integration

package memory

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/internal/config"
	"vecmill/internal/hugepages"
	"vecmill/schemas"
)

const (
	large    = 200 << 20
	budget   = 300 << 20 // one large object and what it decodes to, not two
	slowFile = 1500 * time.Millisecond

	// slack is what the worker may take beyond its baseline and the budget: encoded files on their way to the slow
	// store, the arena that ONNX Runtime keeps for the largest batch, and garbage that the collector has not met yet.
	slack = 96 << 20
)

// run is one modality's large objects.
type run struct {
	modality schemas.Modality
	sample   string                      // a small object
	longest  func() []byte               // a small object that makes the model's largest batch; nil if the sample does
	objects  func(t *testing.T) []object // published in turn, each several times
	rounds   int
}

// object is one object and what becomes of it.
type object struct {
	name string
	body []byte
	dead schemas.Reason
}

func TestMemory(t *testing.T) {
	site := fixture.Open(t)
	for _, r := range []run{
		{schemas.Audio, "audio/speech-01.wav", oneWindow, largeClips, 5},
		{schemas.Image, "image/digit-01.png", nil, largePictures, 5},
		{schemas.Text, "text/sentence-01.txt", nil, largeTexts, 3},
	} {
		t.Run(string(r.modality), func(t *testing.T) { testLarge(t, site, r) })
	}
}

func testLarge(t *testing.T, site *fixture.Site, r run) {
	topic := "large-" + string(r.modality)
	site.Kafka.CreateTopic(t, topic, 2)
	worker := site.StartWorker(t, topic, largeConfig(t, site, r.modality, topic))
	var values [][]byte
	for i := range 20 {
		uri, _ := site.Put(t, r.sample, sample(t, r.sample))
		values = append(values, fixture.JSON(t, schemas.Ref{ID: fmt.Sprint("small-", i), URI: uri}))
	}
	if r.longest != nil {
		uri, _ := site.Put(t, "longest/"+string(r.modality), r.longest())
		values = append(values, fixture.JSON(t, schemas.Ref{ID: "longest-0", URI: uri}), fixture.JSON(t, schemas.Ref{ID: "longest-1", URI: uri}))
	}
	site.Publish(t, topic, values...)
	site.AwaitCommitted(t, topic, []string{topic}, time.Minute, worker)
	base := fixture.PeakRSS(t, worker.PID())

	places, fates := publishLarge(t, site, r, topic)
	site.AwaitCommitted(t, topic, []string{topic}, 4*time.Minute, worker)
	peak := fixture.PeakRSS(t, worker.PID())
	t.Logf("%d objects of about %d MiB: peak resident set %d MiB; %d MiB with small ones, budget %d MiB: %d MiB beyond both",
		len(places), large>>20, peak>>20, base>>20, budget>>20, (peak-base-budget)>>20)
	if huge := fixture.HugePages(t, worker.PID()); huge == 0 && hugepages.ModeOf(os.DirFS("/")) == hugepages.Madvise {
		t.Error("the worker's models lie in small pages")
	}
	if peak > base+budget+slack {
		t.Errorf("the worker's peak resident set is %d MiB, want at most %d + %d + %d", peak>>20, base>>20, budget>>20, slack>>20)
	}
	fixture.Stop(t, worker)
	out := site.Audit(t, topic, topic)
	letters := site.Letters(t, topic, topic)
	for i, at := range places {
		if rows := len(out.Rows[at]); letters[at].Reason != fates[i] || (rows == 0) != (fates[i] != "") {
			t.Errorf("object %d: %d rows, dead letter %q (%s), want %q", i, rows, letters[at].Reason, letters[at].Message, fates[i])
		}
	}
}

// largeConfig has the slow store for its output, and windows for what is long.
func largeConfig(t *testing.T, site *fixture.Site, m schemas.Modality, topic string) *config.Config {
	t.Helper()
	p := site.Pipeline(t, topic, m, topic)
	p.MemoryBudget = budget
	p.Audio.Long, p.Text.Long = "window", "window"
	p.Outputs[0].Parquet.MaxBuffered, p.Outputs[0].Parquet.RollBytes = 16<<20, 8<<20
	c := site.Config(p)
	c.Fetch.MaxObjectBytes = 256 << 20
	c.S3.Endpoint = site.Gate(t, fixture.Gate{Before: func(r *http.Request) {
		if fixture.IsFile(r) {
			time.Sleep(slowFile)
		}
	}})
	return c
}

// publishLarge puts the large objects and publishes each several times, with small ones between them that keep files coming.
func publishLarge(t *testing.T, site *fixture.Site, r run, topic string) (places []fixture.Place, fates []schemas.Reason) {
	t.Helper()
	small, _ := site.Put(t, r.sample, sample(t, r.sample))
	objects := r.objects(t)
	uris := make([]string, len(objects))
	for i, o := range objects {
		uris[i], _ = site.Put(t, "large/"+o.name, o.body)
	}
	t.Cleanup(func() { site.Remove(t, uris...) }) // room for the next modality's
	for round := range r.rounds {
		for i, o := range objects {
			values := [][]byte{fixture.JSON(t, schemas.Ref{ID: fmt.Sprintf("%s-%d", o.name, round), URI: uris[i]})}
			for k := range 30 {
				values = append(values, fixture.JSON(t, schemas.Ref{ID: fmt.Sprintf("between-%s-%d-%d", o.name, round, k), URI: small}))
			}
			places = append(places, site.Publish(t, topic, values...)[0])
			fates = append(fates, o.dead)
		}
	}
	return places, fates
}

func sample(t *testing.T, file string) []byte {
	t.Helper()
	for _, s := range fixture.Samples(t) {
		if s.File == file {
			return s.Body
		}
	}
	t.Fatalf("there is no sample %s", file)
	return nil
}
