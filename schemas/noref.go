package schemas

import (
	"encoding/json"
	"strings"
)

// NoRef stands in a list in the place of a row that could not be read as a reference, so that the numbers of the others stay, and its dead letter says why: [ParseRef] refuses it
// with Why.
type NoRef struct {
	Why string `json:"no_ref"`        // a sentence with the place: the number of a line or a row
	Row string `json:"row,omitempty"` // its beginning, if it is text
}

// mostOfRow is how much of a row is kept, in bytes: enough to find it again.
const mostOfRow = 4 << 10

// JSON is the value in the list, with the beginning of a long row.
func (n NoRef) JSON() []byte {
	n.Row = n.Row[:min(len(n.Row), mostOfRow)]
	return n.Whole()
}

// Whole is JSON with all of the row: its dead letter is all that is left of it.
func (n NoRef) Whole() []byte {
	n.Row = strings.ToValidUTF8(n.Row, "\ufffd")
	n.Why = strings.ToValidUTF8(n.Why, "\ufffd")
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
