package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestABreakerIsWhatTheFileSays has every way to spell one. Of one that is off nobody asks how many failures it takes.
func TestABreakerIsWhatTheFileSays(t *testing.T) {
	const off = 0
	for _, c := range []struct {
		breaker          string
		window, failures int
		fault            string
	}{
		{"", 200, 150, ""},
		{"{}", 200, 150, ""},
		{"{window: null, max_failures: ~}", 200, 150, ""},
		{"{window: 0}", off, off, ""},
		{"{window: 0, max_failures: 150}", off, off, ""},
		{"{window: 0, max_failures: 0}", off, off, ""},
		{"{window: 400}", 400, 300, ""},
		{"{window: 100}", 100, 75, ""},
		{"{window: 10}", 10, 8, ""},
		{"{window: 1}", 1, 1, ""},
		{"{max_failures: 100}", 200, 100, ""},
		{"{window: 20, max_failures: 16}", 20, 16, ""},
		{"{window: 20, max_failures: 20}", 20, 20, ""},
		{"{window: -5}", 0, 0, ".window: -5 is not at least 0, which turns the breaker off"},
		{"{window: -5, max_failures: -10}", 0, 0, ".window: -5 is not at least 0"},
		{"{max_failures: 0}", 0, 0, ".max_failures: 0 is not at least 1; window: 0 turns the breaker off"},
		{"{window: 400, max_failures: -1}", 0, 0, ".max_failures: -1 is not at least 1"},
		{"{max_failures: 201}", 0, 0, ".max_failures: 201 is more than the window (200)"},
		{"{window: 100, max_failures: 150}", 0, 0, ".max_failures: 150 is more than the window (100)"},
	} {
		text := strings.ReplaceAll(good, "MODEL", t.TempDir()) + "    breaker: " + c.breaker + "\n"
		file := filepath.Join(t.TempDir(), "vecmill.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Load(file, noEnv)
		if c.fault != "" {
			if err == nil || !strings.Contains(err.Error(), "pipelines[speech].breaker"+c.fault) {
				t.Errorf("%s: %v, want %q", c.breaker, err, c.fault)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.breaker, err)
			continue
		}
		b := got.Pipelines[0].Breaker
		if *b.Window != c.window || *b.Window > 0 && *b.MaxFailures != c.failures {
			t.Errorf("%s: %d of %d, want %d of %d", c.breaker, *b.MaxFailures, *b.Window, c.failures, c.window)
		}
	}
	for _, name := range []string{"window", "max_failures"} {
		if kind := inSchema("pipelines[].breaker." + name)["type"]; kind != "integer" {
			t.Errorf("%s is a %v in the schema of the chart's values", name, kind)
		}
	}
}

func TestTheEnvironmentTurnsABreakerOff(t *testing.T) {
	c, err := parse(t, good, map[string]string{"VECMILL_PIPELINES_SPEECH_BREAKER_WINDOW": "0"})
	if err != nil {
		t.Fatal(err)
	}
	if got := *c.Pipelines[0].Breaker.Window; got != 0 {
		t.Errorf("a window of %d", got)
	}
}
