//go:build integration

package line

import (
	"slices"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks"
)

const (
	badTopic     = "bad"
	lettersTopic = "bad-letters"
)

// The five pipelines of the bad run: one per modality, and for text one per policy. Two of them write their dead letters
// to a topic, three below a prefix.
const (
	audioPipe, imagePipe               = "b-audio", "b-image"
	failPipe, truncatePipe, windowPipe = "b-fail", "b-truncate", "b-window"
)

var badPipes = []string{audioPipe, imagePipe, failPipe, truncatePipe, windowPipe}

// badRSS bounds the worker's resident set at its peak: five models with the runtime, five budgets that are nearly
// empty here, and nothing near the 2.7 GB of a 30,000 x 30,000 picture.
const badRSS = 900 << 20

// fate is what a record comes to in one pipeline: a number of rows, or a dead letter's reason. Not listed means skipped.
type fate struct {
	rows      int // per head; several for at least two
	dead      schemas.Reason
	truncated bool
}

// several rows per head, however many.
const several = -1

// record is one record of the bad run.
type record struct {
	name  string
	value []byte
	fates map[string]fate
}

func testBadInput(t *testing.T, site *fixture.Site) {
	site.Kafka.CreateTopic(t, badTopic, 2)
	site.Kafka.CreateTopic(t, lettersTopic, 1)
	records := shuffleGoodAndBad(badRecords(t, site), goodRecords(t, site))
	values := make([][]byte, len(records))
	for i := range records {
		values[i] = records[i].value
	}
	places := site.Publish(t, badTopic, values...)
	worker := site.StartWorker(t, "bad", badConfig(t, site))
	site.AwaitCommitted(t, badTopic, badPipes, 2*time.Minute, worker)
	if peak := fixture.PeakRSS(t, worker.PID()); peak > badRSS {
		t.Errorf("the worker's peak resident set is %d MiB, want at most %d", peak>>20, badRSS>>20)
	} else {
		t.Logf("peak resident set %d MiB with five models", peak>>20)
	}
	fixture.Stop(t, worker)
	letters := collectLetters(t, site)
	for _, pipe := range badPipes {
		t.Run(pipe, func(t *testing.T) {
			out := site.Audit(t, pipe, badTopic)
			for i, r := range records {
				checkFate(t, r, r.fates[pipe], places[i], pipe, out, letters[pipe])
			}
			if len(letters[pipe]) != len(out.Dead) {
				t.Errorf("%d dead letters for %d dead offsets", len(letters[pipe]), len(out.Dead))
			}
		})
	}
}

func badConfig(t *testing.T, site *fixture.Site) *config.Config {
	pipe := func(name string, m schemas.Modality) config.Pipeline {
		p := site.Pipeline(t, name, m, badTopic)
		p.MemoryBudget = 64 << 20
		return p
	}
	c := site.Config(pipe(audioPipe, schemas.Audio), pipe(imagePipe, schemas.Image), pipe(failPipe, schemas.Text), pipe(truncatePipe, schemas.Text), pipe(windowPipe, schemas.Text))
	for i, policy := range []string{"fail", "truncate", "window"} {
		c.Pipelines[2+i].Text.Long = policy
	}
	for _, i := range []int{1, 2} {
		c.Pipelines[i].DeadLetters = config.DeadLetters{Topic: lettersTopic}
	}
	c.Fetch.MaxObjectBytes = 4 << 20
	c.Fetch.Buckets = []string{fixture.Bucket + "/in"}
	c.Fetch.Hosts = []string{"localhost"} // allowed by name, and refused because it is a private address
	c.Fetch.Attempts = 2
	return c
}

// shuffleGoodAndBad puts the bad records evenly among the good ones.
func shuffleGoodAndBad(bad, good []record) []record {
	var all []record
	for i, g := range good {
		all = append(all, g)
		for b := i * len(bad) / len(good); b < (i+1)*len(bad)/len(good); b++ {
			all = append(all, bad[b])
		}
	}
	return all
}

// goodRecords are the samples: text for every text pipeline, the rest for its own.
func goodRecords(t *testing.T, site *fixture.Site) []record {
	var all []record
	for _, s := range fixture.Samples(t) {
		ref := schemas.Ref{ID: "good/" + s.File, Modality: s.Modality}
		ref.URI, ref.ETag = site.Put(t, "good/"+s.File, s.Body)
		fates := map[string]fate{}
		switch s.Modality {
		case schemas.Audio:
			fates[audioPipe] = fate{rows: 1}
		case schemas.Image:
			fates[imagePipe] = fate{rows: 1}
		case schemas.Text:
			fates[failPipe], fates[truncatePipe], fates[windowPipe] = fate{rows: 1}, fate{rows: 1}, fate{rows: 1}
		}
		all = append(all, record{"the good sample " + s.File, fixture.JSON(t, ref), fates})
	}
	return all
}

// collectLetters are the dead letters of both stores, by pipeline.
func collectLetters(t *testing.T, site *fixture.Site) map[string]map[fixture.Place]sinks.Letter {
	all := site.TopicLetters(t, lettersTopic)
	if all[imagePipe] == nil || all[failPipe] == nil || len(all) != 2 {
		t.Errorf("topic %s has letters of %d pipelines, want those of %s and %s", lettersTopic, len(all), imagePipe, failPipe)
	}
	for _, pipe := range []string{audioPipe, truncatePipe, windowPipe} {
		all[pipe] = site.Letters(t, pipe, badTopic)
	}
	return all
}

func checkFate(t *testing.T, r record, want fate, at fixture.Place, pipe string, out fixture.Output, letters map[fixture.Place]sinks.Letter) {
	t.Helper()
	rows, dead := out.Rows[at], slices.Contains(out.Dead, at)
	l, has := letters[at]
	switch {
	case want.dead != "":
		if len(rows) > 0 || !dead || l.Reason != want.dead || string(l.Value) != string(r.value) {
			t.Errorf("%s: %d rows, dead %v, letter %v with reason %q (%s); want a dead letter with reason %q and the record's value",
				r.name, len(rows), dead, has, l.Reason, l.Message, want.dead)
		} else {
			t.Logf("%s: %s: %s", r.name, l.Reason, l.Message) // the sentences are worth reading
		}
	case dead || has:
		t.Errorf("%s has a dead letter with reason %q (%s), want none", r.name, l.Reason, l.Message)
	case want == fate{}:
		if !slices.Contains(out.Skipped, at) {
			t.Errorf("%s is not skipped in %s: %d rows", r.name, pipe, len(rows))
		}
	case want.rows != several && len(rows) != 2*want.rows || want.rows == several && len(rows) < 4:
		t.Errorf("%s has %d rows, want %d for each of the two heads (-1: at least 2)", r.name, len(rows), want.rows)
	case rows[0].Truncated != want.truncated:
		t.Errorf("%s: truncated is %v, want %v", r.name, rows[0].Truncated, want.truncated)
	}
}
