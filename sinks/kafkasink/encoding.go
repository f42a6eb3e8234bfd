package kafkasink

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"vecmill/schemas"
	"vecmill/sinks/arrowrow"
	"vecmill/sinks/avrorow"
	"vecmill/sinks/jsonrow"
)

// Encoding is what the value of a message is.
type Encoding struct {
	contentType string
	frame       int64 // bytes around a row, at most, beyond what JSON would need
	check       func(*schemas.Row) error
	encode      func(*schemas.Row) ([]byte, error)
}

// JSON is an object of jsonrow.
func JSON() Encoding {
	return Encoding{"application/json", 0, jsonrow.Check, func(r *schemas.Row) ([]byte, error) { return jsonrow.Append(nil, r) }}
}

// Avro is Confluent's wire format: a zero byte, the id of avrorow's schema in a registry, and the row.
func Avro(schemaID int) Encoding {
	rows := avrorow.NewEncoder()
	head := binary.BigEndian.AppendUint32([]byte{0}, uint32(schemaID))
	return Encoding{"application/avro", int64(len(head)), anything, func(r *schemas.Row) ([]byte, error) { return rows.Append(bytes.Clone(head), r) }}
}

// arrowFrame is what the schema of an Arrow stream takes, at most.
const arrowFrame = 32 << 10

// Arrow is a stream of Arrow's IPC format: the columns of the row's task and one record of one row.
func Arrow() Encoding {
	return Encoding{"application/vnd.apache.arrow.stream", arrowFrame, anything, arrowStream}
}

func anything(*schemas.Row) error { return nil }

func arrowStream(r *schemas.Row) ([]byte, error) {
	b, err := arrowrow.NewBuilder(memory.DefaultAllocator, r.Task)
	if err != nil {
		return nil, err
	}
	defer b.Release()
	if err := b.Append(r); err != nil {
		return nil, err
	}
	rec := b.NewRecord()
	defer rec.Release()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(b.Schema()))
	if err := w.Write(rec); err != nil {
		return nil, fmt.Errorf("row %s as Arrow: %w", r.RowID, err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("row %s as Arrow: %w", r.RowID, err)
	}
	return out.Bytes(), nil
}
