package jsonlsink_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/sinks/jsonlsink"
)

// A mark holds while a file is only appended to.
func TestAMarkHoldsWhileAFileOnlyGrows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if mark, err := jsonlsink.Mark(path); mark != "" || err != nil {
		t.Errorf("a file that is not there is marked %q, %v", mark, err)
	}
	long := strings.Repeat("a line\n", 2000)
	put(long + "half a li")
	mark, err := jsonlsink.Mark(path)
	if err != nil || !strings.HasPrefix(mark, "14000:") {
		t.Fatalf("marked %q, %v", mark, err)
	}
	for _, c := range []struct {
		name, text string
		goes       bool
	}{
		{"as it was", long, true},
		{"longer", long + "another line\n", true},
		{"shorter", long[:len(long)-7], false},
		{"empty", "", false},
		{"other lines, and longer", strings.Repeat("a life\n", 3000), false},
	} {
		put(c.text)
		if goes, err := jsonlsink.Goes(path, mark); goes != c.goes || err != nil {
			t.Errorf("%s: %v, %v", c.name, goes, err)
		}
	}
	put("half a li")
	if mark, err := jsonlsink.Mark(path); mark != "0:" || err != nil {
		t.Errorf("a file without a line is marked %q, %v", mark, err)
	}
	if goes, err := jsonlsink.Goes(path, "0:"); !goes || err != nil {
		t.Errorf("a file that had no line: %v, %v", goes, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for _, m := range []string{mark, "", "-4:ab", "x"} {
		if goes, err := jsonlsink.Goes(path, m); goes || err != nil {
			t.Errorf("%q of a file that is not there: %v, %v", m, goes, err)
		}
	}
}
