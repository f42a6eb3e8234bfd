package kafkasink

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/ipc"

	"vecmill/schemas"
	"vecmill/sinks/arrowrow"
	"vecmill/sinks/avrorow"
	"vecmill/sinks/sinktest"
)

func TestAMessageOfArrowIsAStreamOfTheRow(t *testing.T) {
	e := Arrow()
	for o := range int64(len(schemas.Tasks())) {
		row := sinktest.Row(src, o, 1)
		m, err := e.message(&row)
		if err != nil || header(&m, HeaderContentType) != "application/vnd.apache.arrow.stream" || string(m.Key) != row.RefID {
			t.Fatalf("%v in %+v", err, m)
		}
		r, err := ipc.NewReader(bytes.NewReader(m.Value))
		if err != nil {
			t.Fatal(err)
		}
		if !r.Next() {
			t.Fatalf("no record: %v", r.Err())
		}
		rows, err := arrowrow.Rows(r.Record())
		if err != nil || len(rows) != 1 || !reflect.DeepEqual(rows[0], row) {
			t.Errorf("read back %+v, want %+v; %v", rows, row, err)
		}
		if r.Next() {
			t.Error("another record")
		}
		r.Release()
	}
}

func TestAMessageOfAvroNamesItsSchema(t *testing.T) {
	e := Avro(0x01020304)
	row := sinktest.Row(src, 0, 0)
	m, err := e.message(&row)
	if err != nil || m.Value[0] != 0 || binary.BigEndian.Uint32(m.Value[1:]) != 0x01020304 {
		t.Fatalf("%v, % x", err, m.Value[:5])
	}
	want, err := avrorow.NewEncoder().Append(nil, &row)
	if err != nil || !bytes.Equal(m.Value[5:], want) {
		t.Errorf("the row is % x, want % x; %v", m.Value[5:], want, err)
	}
}
