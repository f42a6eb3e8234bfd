package opensearchsink

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"vecmill/schemas"
	"vecmill/sinks/deliver"
	"vecmill/sinks/jsonrow"
	"vecmill/sinks/rest"
	"vecmill/sinks/vectorindex"
)

// bulk is the body that indexes rows: a line that says where, and a line with the document, for each.
func (c *Config) bulk(rows []*schemas.Row) ([]byte, error) {
	var out []byte
	for _, r := range rows {
		doc, err := c.document(r)
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, `{"index":{"_id":`...), doc["row_id"]...), "}}\n"...)
		begin := byte('{')
		for _, name := range slices.Sorted(maps.Keys(doc)) {
			out = append(strconv.AppendQuote(append(out, begin), name), ':')
			out, begin = append(out, doc[name]...), ','
		}
		out = append(out, "}\n"...)
	}
	return out, nil
}

// document is a row as JSON has it, with a vector of either precision as vector.
func (c *Config) document(r *schemas.Row) (map[string]json.RawMessage, error) {
	doc, err := jsonrow.Columns(r)
	if err != nil {
		return nil, err
	}
	vector, half := doc["vector"], doc["vector_f16"]
	if len(c.Index.Columns) > 0 {
		for name := range doc {
			if !slices.Contains(c.Index.Columns, name) && !slices.Contains(vectorindex.Needed(), name) {
				delete(doc, name)
			}
		}
	}
	delete(doc, "vector_f16")
	if doc["attributes"] != nil {
		var list []string
		for _, k := range slices.Sorted(maps.Keys(r.Attributes)) {
			list = append(list, k+"="+r.Attributes[k])
		}
		if doc[pairs], err = json.Marshal(list); err != nil {
			return nil, fmt.Errorf("row %s: %w", r.RowID, err)
		}
	}
	switch {
	case len(r.Vector) > 0:
		doc["vector"] = vector
	case len(r.Half) > 0:
		doc["vector"] = half
	}
	return doc, nil
}

// fault is what the server says of a request or a document.
type fault struct {
	Type   string
	Reason string
	Cause  *fault `json:"caused_by"`
}

func (f *fault) Error() string {
	if f.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", f.Type, f.Reason, f.Cause)
	}
	return f.Type + ": " + f.Reason
}

// typed finds the kind of an error in what is left of a long answer.
var typed = regexp.MustCompile(`"error":\{(?:"root_cause":\[\{)?"type":"([a-z_]+)"`)

// answer is what the server says to a bulk.
type answer struct {
	Errors bool
	Items  []map[string]struct {
		ID     string `json:"_id"`
		Status int
		Error  *fault
	}
}

// verdict is an answer as deliver has it (O3): a document that was too much for the server outweighs one that is refused.
func (a *answer) verdict(rows int) error {
	if len(a.Items) != rows {
		return fmt.Errorf("the server answers for %d documents of %d", len(a.Items), rows)
	}
	var refused error
	for _, item := range a.Items {
		for _, x := range item {
			switch {
			case x.Error == nil && x.Status < 300:
			case rest.Passing(x.Status):
				return fmt.Errorf("document %s: %w (status %d)", x.ID, said(x.Error), x.Status)
			case x.Status == http.StatusForbidden || x.Status == http.StatusNotFound:
				return deliver.Final(fmt.Errorf("document %s: %w (status %d)", x.ID, said(x.Error), x.Status))
			case refused == nil:
				refused = fmt.Errorf("document %s: %w", x.ID, said(x.Error))
			}
		}
	}
	if refused != nil {
		return deliver.Refused(refused)
	}
	return nil
}

func said(f *fault) error {
	if f == nil {
		return errors.New("refused without a word")
	}
	return f
}
