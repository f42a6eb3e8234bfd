package heads

import (
	"testing"

	"vecmill/schemas"
)

// TestAVersionMakesAHeadAnother has the digest of a head whose code was changed, and holds those that are written in rows.
func TestAVersionMakesAHeadAnother(t *testing.T) {
	cfg := Config{Task: schemas.TaskEmbedding}
	if digest(cfg, 1, nil) == digest(cfg, 0, nil) || digest(cfg, 1, nil) == digest(cfg, 2, nil) {
		t.Error("rows of other code are known")
	}
	if version("none") != 0 {
		t.Error("a task that is none has a version")
	}
	const written = "5421eafd"
	if got := digest(cfg, version(cfg.Task), nil)[:8]; got != written {
		t.Errorf("an embedding's digest is %s, and outputs have %s: all of them would be computed again", got, written)
	}
}
