package wire

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"vecmill/internal/config"
)

func TestAnOutputThatDoesNotAnswerIsInTheLogAndDoesNotFillIt(t *testing.T) {
	var b strings.Builder
	told := tries(slog.New(slog.NewTextHandler(&b, nil)), &config.Pipeline{Name: "speech"}, "outputs[1]")
	for n := 1; n < 60; n++ {
		told(n, errors.New("connection refused"))
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 5 || !strings.Contains(lines[0], "tries=2") || !strings.Contains(lines[4], "tries=32") {
		t.Fatalf("%d lines:\n%s", len(lines), b.String())
	}
	for _, want := range []string{"pipeline=speech", "output=outputs[1]", "connection refused", "WARN"} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("no %s in %s", want, lines[0])
		}
	}
}
