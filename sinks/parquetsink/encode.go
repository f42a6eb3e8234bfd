package parquetsink

import (
	"github.com/apache/arrow/go/v17/arrow/memory"

	"vecmill/schemas"
	"vecmill/sinks/arrowrow"
	"vecmill/sinks/parquetfile"
)

// fileRows are the rows of a file, for parquetfile.
type fileRows struct {
	*arrowrow.Builder
	rows []*schemas.Row
}

func (f fileRows) Len() int           { return len(f.rows) }
func (f fileRows) Size(i int) int64   { return f.rows[i].Size() }
func (f fileRows) Append(i int) error { return f.Builder.Append(f.rows[i]) }

// encode makes the bytes of a file, about as many as guessed. No rows give a file with a schema and no row group.
func (s *Sink) encode(rows []*schemas.Row, info *FileInfo, guess int64) ([]byte, error) {
	b, err := arrowrow.NewBuilder(memory.DefaultAllocator, s.cfg.Tasks...)
	if err != nil {
		return nil, err
	}
	defer b.Release()
	return parquetfile.Write(fileRows{b, rows}, parquetfile.Options{
		Compression: s.cfg.Compression, Level: s.cfg.Level, Size: guess, Metadata: info.footer(),
	})
}
