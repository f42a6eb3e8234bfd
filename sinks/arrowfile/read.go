package arrowfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"

	"vecmill/schemas"
	"vecmill/sinks/arrowrow"
	"vecmill/sinks/parquetfile"
)

// Head is the number of bytes at a file's beginning that hold its schema and metadata, as the first 8 bytes say; 0 if they are not a file's.
func Head(begin []byte) int64 {
	if len(begin) < prefix || binary.LittleEndian.Uint32(begin) != continuation {
		return 0
	}
	return prefix + int64(binary.LittleEndian.Uint32(begin[4:]))
}

// Metadata is the metadata of a file whose beginning, at least Head bytes, is given.
func Metadata(begin []byte) (meta map[string]string, err error) {
	defer recovered(&err)
	r, err := open(bytes.NewReader(begin), int64(len(begin)), newBudget())
	if err != nil {
		return nil, err
	}
	defer r.Release()
	return r.Schema().Metadata().ToMap(), nil
}

// Read reads all rows of a file. It holds everything in memory.
func Read(body []byte) (rows []schemas.Row, err error) {
	err = records(bytes.NewReader(body), int64(len(body)), func(rec arrow.Record) error {
		got, err := arrowrow.Rows(rec)
		rows = append(rows, got...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// Backwards calls each for the lineage of every row of a file, the last first. It holds the lineage of all of them: a stream begins at its beginning. The error of each ends it.
func Backwards(body io.Reader, size int64, each func(l *schemas.Lineage) error) error {
	var all []schemas.Lineage
	if err := records(body, size, func(rec arrow.Record) error {
		rows, err := arrowrow.Rows(rec)
		for i := range rows {
			all = append(all, rows[i].Lineage)
		}
		return err
	}); err != nil {
		return err
	}
	for i := len(all) - 1; i >= 0; i-- {
		if err := each(&all[i]); err != nil {
			return err
		}
	}
	return nil
}

// Part is a record batch of a file: its rows, from First on and before Next, and where in the file it is.
type Part struct {
	First, Next int64 // rows
	At, Bytes   int64
}

// lineageRows is how many rows are decoded at a time.
const lineageRows = 4096

// Lineages calls each for the lineage of every row of a file, the first first, and says which record batches it has. It holds one record batch at a time. The error of each ends it; where a row cannot be read, those before it came.
func Lineages(body io.Reader, size int64, each func(l *schemas.Lineage) error) (parts []Part, err error) {
	next := int64(0)
	err = batches(body, size, func(rec arrow.Record, at, bytes int64) error {
		parts = append(parts, Part{First: next, Next: next + rec.NumRows(), At: at, Bytes: bytes})
		next += rec.NumRows()
		few := lineageOf(rec)
		defer few.Release()
		for i := int64(0); i < few.NumRows(); i += lineageRows {
			some := few.NewSlice(i, min(i+lineageRows, few.NumRows()))
			rows, err := arrowrow.Rows(some)
			some.Release()
			if err != nil {
				return err
			}
			for i := range rows {
				if err := each(&rows[i].Lineage); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return parts, err
}

// lineageOf are the columns of a record batch that say where its rows came from.
func lineageOf(rec arrow.Record) arrow.Record {
	var fields []arrow.Field
	var columns []arrow.Array
	for i, f := range rec.Schema().Fields() {
		if slices.ContainsFunc(schemas.LineageColumns(), func(c schemas.Column) bool { return c.Name == f.Name }) {
			fields, columns = append(fields, f), append(columns, rec.Column(i))
		}
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), columns, rec.NumRows())
}

// ReadPart reads the rows of one record batch: the bytes of the file's head (see Head), and behind them those of the part.
func ReadPart(headAndPart io.Reader, size int64) (rows []schemas.Row, err error) {
	end := binary.LittleEndian.AppendUint32(nil, continuation)
	end = binary.LittleEndian.AppendUint32(end, 0)
	err = records(io.MultiReader(headAndPart, bytes.NewReader(end)), size+prefix, func(rec arrow.Record) error {
		got, err := arrowrow.Rows(rec)
		rows = append(rows, got...)
		return err
	})
	return rows, err
}

// Scan calls each for every row of a file with its values of some columns, which are text or whole numbers. It holds one record batch at a time. The error of each ends it;
// row is valid during the call, texts stay.
func Scan(body io.Reader, size int64, columns []string, each func(row []parquetfile.Value) error) error {
	row := make([]parquetfile.Value, len(columns))
	return records(body, size, func(rec arrow.Record) error {
		cells := make([]func(i int) parquetfile.Value, len(columns))
		for k, name := range columns {
			at := rec.Schema().FieldIndices(name)
			if len(at) != 1 {
				return fmt.Errorf("it has no column %s", name)
			}
			if cells[k] = cellsOf(rec.Column(at[0])); cells[k] == nil {
				return fmt.Errorf("its column %s is of type %s, neither text nor a whole number", name, rec.Column(at[0]).DataType())
			}
		}
		for i := range int(rec.NumRows()) {
			for k := range cells {
				row[k] = cells[k](i)
			}
			if err := each(row); err != nil {
				return err
			}
		}
		return nil
	})
}

// cellsOf gives the values of a column; nil if it is of another type. A missing one is zero, and a text that comes again is not copied again.
func cellsOf(a arrow.Array) func(i int) parquetfile.Value {
	switch a := a.(type) {
	case *array.String:
		before := ""
		return func(i int) parquetfile.Value {
			if a.IsNull(i) {
				return parquetfile.Value{}
			}
			if v := a.Value(i); v != before {
				before = string([]byte(v)) // not a part of the batch, which would stay
			}
			return parquetfile.Value{Text: before}
		}
	case *array.Int32:
		return func(i int) (v parquetfile.Value) {
			if a.IsValid(i) {
				v.Int = int64(a.Value(i))
			}
			return v
		}
	case *array.Int64:
		return func(i int) (v parquetfile.Value) {
			if a.IsValid(i) {
				v.Int = a.Value(i)
			}
			return v
		}
	}
	return nil
}

// records calls each for every record batch, which is valid during the call.
func records(in io.Reader, size int64, each func(arrow.Record) error) error {
	return batches(in, size, func(rec arrow.Record, _, _ int64) error { return each(rec) })
}

// batches calls each for every record batch, which is valid during the call, with where it begins and how many bytes it has.
func batches(in io.Reader, size int64, each func(rec arrow.Record, at, bytes int64) error) (err error) {
	defer recovered(&err)
	b := newBudget()
	m := &messages{in: in, left: size}
	r, err := ipc.NewReaderFromMessageReader(m, ipc.WithAllocator(b))
	if err != nil {
		return err
	}
	defer r.Release()
	for at := size - m.left; r.Next(); at = size - m.left {
		if !filled(r.Record()) {
			return fmt.Errorf("%w: a record batch of %d rows", ErrDamaged, r.Record().NumRows())
		}
		b.left = mostBatch // of the next one
		if err := each(r.Record(), at, size-m.left-at); err != nil {
			return err
		}
	}
	return r.Err()
}

func open(in io.Reader, size int64, b *budget) (*ipc.Reader, error) {
	return ipc.NewReaderFromMessageReader(&messages{in: in, left: size}, ipc.WithAllocator(b))
}

// recovered makes an error of a panic, which is the library's answer to much damage.
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%w: %v", ErrDamaged, v)
	}
}
