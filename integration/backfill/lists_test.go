//go:build integration

package backfill

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"vecmill/integration/fixture"
	"vecmill/schemas"
)

// table is a Parquet file with references to objects as columns call and path, in small row groups. Calls are named with a word before their numbers.
func table(t *testing.T, word string, from, to int) []byte {
	t.Helper()
	s := arrow.NewSchema([]arrow.Field{{Name: "call", Type: arrow.BinaryTypes.String}, {Name: "path", Type: arrow.BinaryTypes.String}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for i := from; i < to; i++ {
		b.Field(0).(*array.StringBuilder).Append(fmt.Sprint(word, i))
		b.Field(1).(*array.StringBuilder).Append(uriOf(i))
	}
	rec := b.NewRecord()
	defer rec.Release()
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(s, &out, parquet.NewWriterProperties(parquet.WithMaxRowGroupLength(50)), pqarrow.DefaultWriterProps())
	if err == nil {
		err = errors.Join(w.Write(rec), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// inBucket is the URI of an object that was put by its name.
func inBucket(name string) string { return "s3://" + fixture.Bucket + "/in/" + name }

// columns are those of table.
var columns = []string{"--column", "id=call", "--column", "uri=path"}

const (
	killRate = 100                     // references a second of commands that are killed at moments of chance
	killLate = 1500 * time.Millisecond // so long behind its start one is killed at the latest
)

// killsWanted is how many of the kills must come before the end of a command with so many references: half of them, and all where it takes longer than they do.
func killsWanted(kills, references int) int {
	return max(kills/2, min(kills, int(float64(references)/killRate/killLate.Seconds())))
}

// killedAnywhere gives a command again and again, kills it at moments that r chooses, and lets it end at last, which says what it says.
func (l *lake) killedAnywhere(t *testing.T, step string, kills int, r *rand.Rand, args []string) (killed int, said string) {
	t.Helper()
	args = append(args, "--max-rate", fmt.Sprintf("%d/s", killRate))
	for k := range kills {
		p := l.start(t, fmt.Sprint(step, "-", k), args...)
		select {
		case <-p.Exited():
		case <-time.After(20*time.Millisecond + time.Duration(r.Int64N(int64(killLate-20*time.Millisecond)))):
			p.Kill(t)
		}
		if p.Wait(t, time.Minute).ExitCode() != 0 {
			killed++
		}
	}
	return killed, l.command(t, step+"-last", args...)
}

// onceEach checks that calls have one row each, from one number up to another.
func (l *lake) onceEach(t *testing.T, word string, from, to int) {
	t.Helper()
	rows := map[string]int{}
	for _, row := range l.rowsOf(t, "intents") {
		if strings.HasPrefix(row.RefID, word) {
			rows[row.RefID]++
		}
	}
	for i := from; i < to; i++ {
		if got := rows[fmt.Sprint(word, i)]; got != 1 {
			t.Errorf("%s%d has %d rows", word, i, got)
		}
	}
	if len(rows) != to-from {
		t.Errorf("%d of %s have rows, want %d", len(rows), word, to-from)
	}
}

// listsAreExactlyOnceThroughKills computes lists that lie in the lake's bucket: one as a manifest, and a table of several files as a source. A list that is put over is another one.
func (l *lake) listsAreExactlyOnceThroughKills(t *testing.T, kills int, r *rand.Rand) {
	t.Helper()
	l.Put(t, "lists/calls.parquet", table(t, "one-", 0, l.objects))
	run := append([]string{"run", "--manifest", inBucket("lists/calls.parquet")}, columns...)
	killed, _ := l.killedAnywhere(t, "list", kills, r, run)
	l.onceEach(t, "one-", 0, l.objects)
	if out := l.command(t, "list-again", run...); !strings.Contains(out, "0 references, 0 rows") {
		t.Errorf("when all of the list is computed, the same command says\n%s", out)
	}

	const files = 3
	for i := range files {
		l.Put(t, fmt.Sprintf("table/day=%d/part-0.parquet", i), table(t, "two-", i*l.objects/files, (i+1)*l.objects/files))
	}
	l.Put(t, "table/_SUCCESS", nil)
	source := append([]string{"run", "--source", inBucket("table/"), "--again"}, columns...)
	more, _ := l.killedAnywhere(t, "table", kills, r, source)
	if least := killsWanted(2*kills, 2*l.objects); killed+more < least {
		t.Errorf("only %d of %d kills came before the end, want %d", killed+more, 2*kills, least)
	}
	l.onceEach(t, "two-", 0, l.objects)

	var once sync.Once
	changing := *l.c
	changing.S3.Endpoint = l.Gate(t, fixture.Gate{Before: func(r *http.Request) {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/lists/calls.parquet") {
			once.Do(func() { l.Put(t, "lists/calls.parquet", table(t, "three-", 0, 20)) })
		}
	}})
	p := l.StartBackfill(t, "list-changing", &changing, run...)
	if code := p.Wait(t, time.Minute).ExitCode(); code != 1 || !strings.Contains(p.Log(), "it was changed since it was looked through first") || !strings.Contains(p.Log(), "give the command again") {
		t.Errorf("when the list is put over while it is read: exit code %d\n%s", code, p.Log())
	}
	l.command(t, "list-changed", run...)
	l.onceEach(t, "three-", 0, 20)
}

// anOldVersionOfAListIsReadToItsEnd puts another list over one while it is read, in a bucket that keeps versions.
func (l *lake) anOldVersionOfAListIsReadToItsEnd(t *testing.T, uri string) {
	t.Helper()
	list := func(id string) []byte { return append(fixture.JSON(t, schemas.Ref{ID: id, URI: uri}), '\n') }
	l.Put(t, "lists/refs.jsonl", list("before"))
	var once sync.Once
	changing := *l.c
	changing.S3.Endpoint = l.Gate(t, fixture.Gate{Before: func(r *http.Request) {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/lists/refs.jsonl") {
			once.Do(func() { l.Put(t, "lists/refs.jsonl", list("behind")) })
		}
	}})
	run := []string{"run", "--manifest", inBucket("lists/refs.jsonl")}
	p := l.StartBackfill(t, "list-versions", &changing, run...)
	if code := p.Wait(t, time.Minute).ExitCode(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.Log())
	}
	l.command(t, "list-versions-again", run...)
	rows := map[string]int{}
	for _, row := range l.rows(t) {
		rows[row.RefID]++
	}
	if rows["before"] != 1 || rows["behind"] != 1 {
		t.Errorf("the old list has %d rows, and the new one %d", rows["before"], rows["behind"])
	}
}
