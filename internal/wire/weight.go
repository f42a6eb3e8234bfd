package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"time"

	"vecmill/internal/backfill"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks/parquetsink"
	"vecmill/stream"
)

// A trial keeps so many rows, to know what they weigh in files.
const (
	weighedRows  = 4096
	weighedBytes = 64 << 20
)

// weigh says how many files a pipeline's run writes, how large they are, and what it holds in memory besides what its trial took; nothing where there was none.
func (t *trial) weigh(e *backfill.Expectation, machines int) error {
	if e.Tried == 0 {
		return nil
	}
	blobs := min(float64(t.p.MaxInFlight)*float64(e.Bytes)/float64(e.Items), float64(t.p.MemoryBudget), float64(e.Bytes))
	e.Held = collected * max(blobs-float64(t.blobs), 0)
	for i := range t.p.Outputs {
		c, format := t.p.Outputs[i].Files()
		if c == nil {
			e.Held += min(float64(t.p.Outputs[i].Buffered()), collected*e.OutputBytes)
			continue
		}
		n := files(c, e, machines)
		size, err := t.fileSize(c, parquetsink.Format(format), e.Rows/n, int64(e.OutputBytes/n))
		if err != nil {
			return err
		}
		if size > float64(c.RollBytes) {
			n, size = math.Ceil(n*size/float64(c.RollBytes)), float64(c.RollBytes)
		}
		bytes := n * size
		e.Files += int64(n)
		e.FileBytes += bytes
		e.Held += min(float64(c.MaxBuffered), collected*e.OutputBytes/n) + bytes/n
	}
	return nil
}

// collected is what a live byte comes to in Go's heap: the collector runs when there is as much garbage.
const collected = 2

// files is how many an output closes by rows, by age (each machine its own) and by memory.
func files(c *config.Parquet, e *backfill.Expectation, machines int) float64 {
	return max(math.Ceil(e.Rows/float64(c.RollRows)), float64(machines)*math.Ceil(e.Wall.Value/c.RollAge.D().Seconds()), math.Ceil(e.OutputBytes/float64(c.MaxBuffered)))
}

// fileSize is how large a file of so many rows is, by encoding rows of the trial: as many, or, of a larger file, by what the second half of them adds to the first.
func (t *trial) fileSize(c *config.Parquet, format parquetsink.Format, rows float64, guess int64) (float64, error) {
	cfg := filesConfig(c, format, t.m)
	has := len(t.kept)
	full, err := parquetsink.Weigh(cfg, t.kept[:min(has, int(math.Round(rows)))], guess)
	if err != nil || float64(has) >= rows || has < 2 {
		return float64(full), err
	}
	half, err := parquetsink.Weigh(cfg, t.kept[:has/2], guess)
	return float64(full) + float64(full-half)/float64(has-has/2)*(rows-float64(has)), err
}

// placed gives rows the lineage that a run's have, as far as it weighs.
func placed(rows []schemas.Row, ref *schemas.Ref, blob *stream.Blob) []schemas.Row {
	sum := sha256.Sum256(blob.Data)
	for i := range rows {
		l := &rows[i].Lineage
		l.RefID, l.URI, l.ETag, l.Version, l.ContentHash = ref.ID, ref.Place(), blob.ETag, blob.Version, hex.EncodeToString(sum[:])
		l.RowID, l.Timings.Fetch = schemas.RowID(l), time.Millisecond
		if l.Attributes == nil {
			l.Attributes = ref.Attributes
		}
	}
	return rows
}

// keep takes rows of a trial that are not there yet: what is computed again would weigh little.
func (t *trial) keep(rows []schemas.Row) {
	for i := range rows {
		if n := rows[i].Size(); len(t.kept) < weighedRows && t.bytes+n <= weighedBytes && !t.seen[rows[i].RowID] {
			t.seen[rows[i].RowID] = true
			t.kept, t.bytes = append(t.kept, rows[i]), t.bytes+n
		}
	}
}
