package wire

import (
	"os"
	"slices"
	"strings"
	"testing"

	"vecmill/internal/predict"
	"vecmill/model/graph"
)

// TestTheReadmeHasEveryClass keeps README's table of supported classes: a row each, with the tasks of predict, the usual one first, and the heads
// that fit.
func TestTheReadmeHasEveryClass(t *testing.T) {
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if class := strings.TrimSpace(cells[0]); len(cells) == 3 && slices.Contains(graph.Classes(), class) {
			rows[class] = cells
		}
	}
	for _, c := range classCases() {
		row, ok := rows[c.class]
		if !ok {
			t.Errorf("%s has no row", c.class)
			continue
		}
		var tasks, fitting []string
		for _, task := range predict.Tasks() {
			if task.Classes == nil || slices.Contains(task.Classes, strings.TrimPrefix(c.class, "TF")) {
				tasks = append(tasks, task.Name)
			}
		}
		for _, head := range fittingHeads(t, c.checkpoint(t)) {
			fitting = append(fitting, string(head))
		}
		if got, want := strings.TrimSpace(row[1]), strings.Join(tasks, ", "); got != want {
			t.Errorf("%s: tasks %q, want %q", c.class, got, want)
		}
		if got, want := strings.TrimSpace(row[2]), strings.Join(fitting, ", "); got != want {
			t.Errorf("%s: heads %q, want %q", c.class, got, want)
		}
	}
}
