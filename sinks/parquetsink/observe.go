package parquetsink

import (
	"time"

	"vecmill/schemas"
)

// Reason is why a file was closed. It is an enumeration, so that it can be a metric's label.
type Reason string

// The reasons.
const (
	RollBytes Reason = "bytes"    // the file is large enough
	RollRows  Reason = "rows"     // it has enough rows
	RollAge   Reason = "age"      // its first range has waited long enough
	RollFlush Reason = "flush"    // Flush or Close: a drain, a rebalance, a stop
	RollPress Reason = "pressure" // a Write waits for memory
	RollDay   Reason = "day"      // hive layout: a file without rows that ends a day
)

// Reasons lists every reason.
func Reasons() []Reason { return []Reason{RollBytes, RollRows, RollAge, RollFlush, RollPress, RollDay} }

// Observer is told what becomes of files, from the sink's goroutines, with no lock held. It must not block for long and must not call the sink.
type Observer interface {
	// FileWritten is called for every file that this sink created, before the done of its ranges.
	FileWritten(FileWritten)
	// NameLost is called each time another writer had created the file that this sink was about to.
	NameLost(NameLost)
}

// FileWritten tells of a file that is durable.
type FileWritten struct {
	Source   schemas.SourceID
	Name     string
	Range    schemas.Span // offsets covered
	Rows     int64
	Bytes    int64         // encoded
	Reason   Reason        // why it was closed
	Duration time.Duration // from the beginning of the encoding to the settled PUT
	Conflict bool          // its range was cut because another writer had written a part of it
}

// NameLost tells of a lost race: another owner of the source is alive, or was.
type NameLost struct {
	Source schemas.SourceID
	Name   string
	Winner FileInfo
}
