package manifestsource

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"vecmill/schemas"
)

// Endings of names.
var (
	tables = []string{".parquet", ".csv", ".tsv"}
	packed = []string{".gz", ".zst"}
)

// ErrUnfit says that a list is not what it was given for: the same command would say so again.
var ErrUnfit = errors.New("the list is not what it was given for")

// Unfit is err, and ErrUnfit.
func Unfit(err error) error { return unfit{err} }

type unfit struct{ error }

func (u unfit) Unwrap() []error { return []error{u.error, ErrUnfit} }

// Table is a list whose values are made of columns.
type Table interface {
	List

	// Fields says for people what columns are read, and of which kind they are: the same words for the same columns.
	Fields() string
}

// IsTable says whether a file is a table, or a packed one, by its name.
func IsTable(name string) bool {
	name = strings.ToLower(name)
	ending := path.Ext(name)
	if slices.Contains(packed, ending) {
		ending = path.Ext(strings.TrimSuffix(name, ending))
	}
	return slices.Contains(tables, ending)
}

// Open opens a list of references by the ending of its name: .parquet, .csv and .tsv are tables, whose columns c names where they are not called as a reference's fields; anything
// else has a reference as JSON on each line.
func Open(ctx context.Context, at Place, c Columns) (List, error) { return OpenSame(ctx, at, "", c) }

// OpenSame is Open of a list whose content still has a sum, as File says it; "" is any. Numbers of a list that is another one by now would be those of other references.
func OpenSame(ctx context.Context, at Place, sum string, c Columns) (_ List, err error) {
	ending := strings.ToLower(path.Ext(at.Name))
	switch {
	case slices.Contains(packed, ending):
		return nil, Unfit(errors.New("it is packed, and lists are read as they are: unpack it"))
	case len(c) > 0 && !slices.Contains(tables, ending):
		return nil, Unfit(errors.New("its lines are references as JSON, without columns; files with columns end in .csv, .tsv or .parquet"))
	}
	f, err := at.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = f.Close() // only read
		}
	}()
	if r, ok := f.(*regular); ok && sum != "" {
		f = still{r}
	}
	list, err := openFile(ctx, f, &at, ending, c)
	if err != nil || sum == "" {
		return list, err
	}
	switch now, err := f.Sum(ctx); { // behind the first reading, so that it is of what was read
	case err != nil:
		return nil, err
	case now != sum:
		return nil, ErrChanged
	}
	return list, nil
}

// openFile reads what has to be known of a list. The list has the file from then on.
func openFile(ctx context.Context, f File, at *Place, ending string, c Columns) (List, error) {
	switch ending {
	case ".parquet":
		return openParquet(f, at, c)
	case ".csv":
		return openCSV(ctx, f, at, ',', c)
	case ".tsv":
		return openCSV(ctx, f, at, '\t', c)
	}
	return openLines(ctx, f, at)
}

// noRef stands in the place of a row that is no reference.
func noRef(place string, err error, row string) []byte {
	return schemas.NoRef{Why: place + ": " + err.Error(), Row: row}.JSON()
}
