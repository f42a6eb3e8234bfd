package demo

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestTheDemoShowsResultsThatAreMostlyRight runs the whole line, twice in one directory as a person would, and reads what a person reads.
func TestTheDemoShowsResultsThatAreMostlyRight(t *testing.T) {
	out := filepath.Join(t.TempDir(), "demo-out")
	for run := range 2 {
		var b bytes.Buffer
		if err := Run(t.Context(), &b, Options{Out: out, Version: "test"}); err != nil {
			t.Fatalf("run %d: %v\n%s", run, err, b.String())
		}
		text := b.String()
		m := regexp.MustCompile(`Items +(\d+), (\d+) of them as expected`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no summary in\n%s", text)
		}
		items, right := number(t, m[1]), number(t, m[2])
		if items < 40 || right < items*85/100 {
			t.Errorf("%d of %d as expected\n%s", right, items, text)
		}
		m = regexp.MustCompile(`same kind for (\d+) of (\d+)`).FindStringSubmatch(text)
		if m == nil || number(t, m[1]) < number(t, m[2])*60/100 {
			t.Errorf("neighbours %v\n%s", m, text)
		}
		for _, want := range []string{"fetch-missing", "Padding ratio", "three consumer groups"} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
		if !strings.HasSuffix(text, "\nbin/worker demo --stay shows it live: it goes on, and serves the page of a worker at work.\n") {
			t.Errorf("the last line is of something else:\n%s", text)
		}
		files, err := filepath.Glob(filepath.Join(out, "*", topic, "*", "*.parquet"))
		if err != nil || len(files) < 3 {
			t.Errorf("%d files in %s (%v)", len(files), out, err)
		}
	}
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
