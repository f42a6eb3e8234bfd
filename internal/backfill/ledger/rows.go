package ledger

import (
	"vecmill/sinks/parquetfile"
)

// words are the columns that are read of a file: a few bytes a row, beside vectors of kilobytes.
var words = []string{"uri", "etag", "model_digest", "preprocess_digest", "head"}

// Scan calls each for the work of every row of a file, without pipeline and Options, and as if nothing had been beside its text; scan goes through the file's rows with some columns, as parquetsink.Scan does. Work is valid during the call.
func Scan(scan func(columns []string, each func(row []parquetfile.Value) error) error, each func(*Work) error) error {
	var w Work
	return scan(words, func(row []parquetfile.Value) error {
		w = Work{URI: row[0].Text, ETag: row[1].Text, Kind: Kind{Model: row[2].Text, Preprocess: row[3].Text, Head: row[4].Text}}
		return each(&w)
	})
}
