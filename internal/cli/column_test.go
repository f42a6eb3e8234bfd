package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/internal/demo"
)

// TestATableIsPlannedAndRunAndItsBadRowsAreLettersWithTheirLine runs a CSV file with a column of texts, and a plan of it.
func TestATableIsPlannedAndRunAndItsBadRowsAreLettersWithTheirLine(t *testing.T) {
	dir := t.TempDir()
	if err := demo.WriteModels(filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("call,said\n")
	for i := range 20 {
		fmt.Fprintf(&table, "c%d,\"Will it rain,\nin city %d tomorrow?\"\n", i, i)
	}
	table.WriteString("c20\n") // line 42
	csv, empty := filepath.Join(dir, "calls.csv"), filepath.Join(dir, "empty.csv")
	write(t, csv, table.String())
	write(t, empty, "")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"run", "--manifest", csv}, 1, "none of its columns (call, said) is uri"},
		{[]string{"run", "--manifest", csv, "--column", "text=said"}, exitUsage, `no field "text"`},
		{[]string{"run", "--manifest", csv, "--column", "said"}, exitUsage, `no field "said"`},
		{[]string{"run", "--manifest", csv, "--column", "uri="}, exitUsage, "want FIELD=COLUMN"},
		{[]string{"run", "--manifest", csv, "--column", "uri"}, 1, "it has no column uri for uri"},
		{[]string{"run", "--manifest", empty}, 1, "it is empty, and its first line should name the columns"},
		{[]string{"run", "--plan", csv, "--column", "id=call"}, exitUsage, "goes with --manifest"},
		{[]string{"run", "--manifest", csv, "--column", "inline_text=said", "--column", "id=call"}, 0, "21 references, 20 rows, 0 skipped, 1 dead letters (schema 1)"},
		{[]string{"plan", "--source", csv, "--column", "inline_text=said", "--try", "0", "--out", filepath.Join(dir, "plan")}, 0, "21 of 21 references"},
		{[]string{"run", "--plan", filepath.Join(dir, "plan")}, 0, "21 references, 20 rows, 0 skipped, 1 dead letters (schema 1)"},
	} {
		conf := filepath.Join(dir, c.args[1][2:]+".yaml") // an output for each way
		write(t, conf, intents(dir, `
  heads: [{task: classification}]
  outputs: [{parquet: {url: "%s"}}]
  dead_letters: {url: "%s"}
`, fileURL(dir, "out"), fileURL(dir, "dead"+c.args[1])))
		code, out, stderr := call(backfiller, append(c.args, "--config", conf)...)
		if code != c.code || !strings.Contains(out+stderr, c.want) {
			t.Fatalf("%q: exit %d, want %d and %q\n%s%s", c.args, code, c.code, c.want, out, stderr)
		}
		if strings.Contains(out+stderr, "go on with: ") {
			t.Errorf("%q would only say it again:\n%s%s", c.args, out, stderr)
		}
		if c.args[0] == "plan" || code != 0 {
			continue
		}
		if code, out, stderr := call(worker, "dlq", "list", "--config", conf); code != 0 || !strings.Contains(out, "line 42: it has 1 fields, and the first line has 2") {
			t.Errorf("letters: exit %d\n%s%s", code, out, stderr)
		}
	}
}

// TestOtherColumnsMakeAnotherList names a wrong column first, which makes dead letters of all rows, and then the right one.
func TestOtherColumnsMakeAnotherList(t *testing.T) {
	r := newListRun(t, 0)
	write(t, r.conf, intents(r.dir, `
  heads: [{task: classification}]
  outputs: [{parquet: {url: "%s"}}]
  dead_letters: {url: "%s"}
`, fileURL(r.dir, "rows"), fileURL(r.dir, "dead")))
	write(t, r.list, "call,said\nc0,Will it rain?\nc1,Will it snow?\n")
	wrong, right := []string{"--manifest", r.list, "--column", "uri=call"}, []string{"--manifest", r.list, "--column", "id=call", "--column", "inline_text=said"}
	r.step(0, "2 references, 0 rows, 0 skipped, 2 dead letters (schema 2)", append([]string{"run"}, wrong...)...)
	r.step(0, "0 references, 0 rows", append([]string{"run"}, wrong...)...)
	r.step(0, "0 written of 2", append([]string{"status"}, right...)...)
	r.step(0, "2 references, 2 rows", append([]string{"run"}, right...)...)
	r.step(0, "0 references, 0 rows", append([]string{"run"}, right...)...)
	r.step(0, "2 written of 2", append([]string{"status"}, right...)...)
}
