package wire

import (
	"testing"

	"vecmill/embed"
	"vecmill/schemas"
)

// taskHead is a head that says what it makes.
type taskHead struct {
	embed.Head
	task schemas.Task
}

func (h taskHead) Task() schemas.Task { return h.task }

func TestMapsOfClassesGetRoomForTheirRuns(t *testing.T) {
	vector, mask := taskHead{task: schemas.TaskEmbedding}, taskHead{task: schemas.TaskMasks}
	small, large := rowReserve([]embed.Head{vector}), rowReserve([]embed.Head{vector, mask})
	runs := int64(16 * 50_000) // 16 bytes each
	if small > 64<<10 || large-small < runs {
		t.Errorf("%d bytes for vectors, %d with a map", small, large)
	}
}
