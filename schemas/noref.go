package schemas

import (
	"encoding/json"
	"strings"
)

// NoRef stands in a list in the place of a row that could not be read as a reference, so that the numbers of the others stay, and its dead letter says why: [ParseRef] refuses it
// with Why.
type NoRef struct {
	Why string `json:"no_ref"`        // a sentence with the place: the number of a line or a row
	Row string `json:"row,omitempty"` // the row, or the beginning of a long one, if it is text
}

// What is kept, in bytes: escaped, each may become six, and a broker takes a megabyte of all, with what its dead letter has beside it.
const (
	mostOfRow = 128 << 10
	mostOfWhy = 4 << 10
)

// JSON is the value in the list, with the first 128 KiB of the row.
func (n NoRef) JSON() []byte {
	n.Row = strings.ToValidUTF8(n.Row[:min(len(n.Row), mostOfRow)], "\ufffd")
	n.Why = strings.ToValidUTF8(n.Why[:min(len(n.Why), mostOfWhy)], "\ufffd")
	b, err := json.Marshal(n)
	if err != nil {
		panic(err) // two texts
	}
	return b
}

// IsNoRef says whether a value of a list is a NoRef, which says its place itself.
func IsNoRef(b []byte) bool {
	var n struct {
		V   json.RawMessage `json:"v"`
		Why string          `json:"no_ref"`
	}
	return json.Unmarshal(b, &n) == nil && len(n.V) == 0 && n.Why != ""
}
