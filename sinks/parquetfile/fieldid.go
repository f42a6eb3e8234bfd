package parquetfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// ErrNotParquet says that bytes are not a Parquet file, or have a footer that this package cannot follow.
var ErrNotParquet = errors.New("not a Parquet file with a footer as it is known here")

const magic = "PAR1"

// SetFieldIDs gives the file with a number for every column, and for every part of one. id is asked with a path as table formats write it: "words",
// "words.element", "words.element.start", "attributes.key". Only the footer is written anew: the schema is its second field, before any place in the file. body
// is used up.
func SetFieldIDs(body []byte, id func(path string) (int, bool)) ([]byte, error) {
	if len(body) < 12 || string(body[len(body)-4:]) != magic {
		return nil, ErrNotParquet
	}
	length := int64(binary.LittleEndian.Uint32(body[len(body)-8:]))
	begin := int64(len(body)) - 8 - length
	if begin < 4 {
		return nil, ErrNotParquet
	}
	footer, err := numbered(body[begin:len(body)-8], id)
	if err != nil {
		return nil, err
	}
	out := append(body[:begin], footer...)
	return append(binary.LittleEndian.AppendUint32(out, uint32(len(footer))), magic...), nil
}

// numbered writes a FileMetaData with numbers in its schema.
func numbered(footer []byte, id func(string) (int, bool)) ([]byte, error) {
	r := compact{in: footer}
	version := r.field(0)
	r.skip(version)
	list := r.field(version.id)
	n, kind := r.list()
	if r.err != nil || version.id != 1 || list.id != 2 || list.kind != kindList || kind != kindStruct || n < 1 || n > len(footer) {
		return nil, ErrNotParquet
	}
	out := slices.Clone(footer[:r.at])
	w := walker{id: id}
	for range n {
		e := r.element()
		if r.err != nil {
			return nil, ErrNotParquet
		}
		number, ok, err := w.number(&e)
		if err != nil {
			return nil, err
		}
		out = e.append(out, number, ok)
	}
	return append(out, footer[r.at:]...), nil
}

// walker turns the elements of a schema, which come parents first, into paths.
type walker struct {
	id   func(string) (int, bool)
	open []group
}

// group is a node with children to come.
type group struct {
	path string
	left int
	list bool // of a LIST or MAP: the repeated group in it has no name in a path
}

func (w *walker) number(e *element) (id int, ok bool, err error) {
	for len(w.open) > 0 && w.open[len(w.open)-1].left == 0 {
		w.open = w.open[:len(w.open)-1]
	}
	if len(w.open) == 0 { // the root
		w.open = append(w.open, group{left: e.children})
		return 0, false, nil
	}
	parent := &w.open[len(w.open)-1]
	parent.left--
	if parent.list {
		w.open = append(w.open, group{path: parent.path, left: e.children})
		return 0, false, nil
	}
	path := e.name
	if parent.path != "" {
		path = parent.path + "." + e.name
	}
	if e.children > 0 {
		w.open = append(w.open, group{path, e.children, e.nests})
	}
	if id, ok = w.id(path); !ok {
		return 0, false, fmt.Errorf("column %s has no number", path)
	}
	return id, true, nil
}
