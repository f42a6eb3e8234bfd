//go:build integration

package backfill

import (
	"fmt"
	"strings"
	"testing"

	"vecmill/integration/fixture"
)

// odd has every character that URLs have a meaning for; oddNames are pairwise different, and most of them are not if they are read as parts of URLs.
const odd = "day #1/a?b=c&d%41+e é"

var oddNames = []string{"#1.txt", "#2.txt", "?1.txt", "?2.txt", "%41.txt", "A.txt", "+.txt", " .txt", "%20.txt", "é.txt", "%.txt"}

// TestPrefixesAndKeysAreTakenAsTheyAreWritten plans, computes and checks texts with rows, letters and plans under such prefixes, with all else that a URL would lead to beside them.
func TestPrefixesAndKeysAreTakenAsTheyAreWritten(t *testing.T) {
	l := newLake(t, 0)
	const source, below = "s3://" + fixture.Bucket + "/in/" + odd + "/", "s3://" + fixture.Bucket + "/" + odd
	l.c.Pipelines[0].Outputs[0].Parquet.URL, l.c.Pipelines[0].DeadLetters.URL = below+"/rows", below+"/dead"
	for i, name := range oddNames {
		l.Put(t, odd+"/"+name, []byte(text(i)))
	}
	l.Put(t, "day /1.txt", []byte("Is it read as a URL?"))
	l.Put(t, "day #1/a?b=c&dA+e é/1.txt", []byte("Is it unescaped?"))
	n, at := len(oddNames), below+"/plan #1"
	step := func(want, name string, args ...string) {
		t.Helper()
		if out := l.command(t, name, args...); !strings.Contains(out, want) {
			t.Errorf("%q: want %q in\n%s", args, want, out)
		}
	}
	step(fmt.Sprintf("%d of %d references; 0 are computed already", n, n), "plan", "plan", "--source", source, "--out", at, "--try", "0")
	l.S3.Remove(t, fixture.Bucket, "in/"+odd+"/"+oddNames[0])
	step(fmt.Sprintf("%d references, %d rows, 0 skipped, 1 dead letters (fetch-missing 1)", n, n-1), "run", "run", "--plan", at)
	step(fmt.Sprintf(" in %s/rows: %d written of %d ", below, n, n), "status", "status", "--plan", at)
	step(fmt.Sprintf("0 of %d references, %d are computed already", n-1, n-1), "again", "run", "--source", source) // its plan lies beside the rows
	if all, code := l.AuditCommand(t, "audit", l.c); code != 0 || len(all) != 1 || !all[0].OK() || all[0].Computed != int64(n-1) || all[0].Dead != 1 {
		t.Errorf("the audit has exit code %d: %+v", code, all)
	}
	if code, out := l.WorkerCommand(t, "letters", l.c, "dlq", "list", "--url", below+"/dead"); code != 0 || !strings.Contains(out, "fetch-missing") {
		t.Errorf("dlq list: exit code %d\n%s", code, out)
	}
	for _, o := range l.S3.Keys(t, fixture.Bucket, "") {
		if !strings.HasPrefix(o, "in/") && !strings.HasPrefix(o, odd+"/") {
			t.Errorf("%s was written", o)
		}
	}
}
