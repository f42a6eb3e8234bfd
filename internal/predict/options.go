package predict

import (
	"encoding/json"
	"strings"
)

// Options are a pipeline's call arguments by name, in JSON.
type Options map[string]json.RawMessage

// Set takes NAME=JSON. A value that is no JSON is taken for a string, so that function_to_apply=sigmoid works in any shell.
func (o Options) Set(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return faultf("option %q is not NAME=JSON", s)
	}
	if !json.Valid([]byte(value)) {
		quoted, err := json.Marshal(value)
		if err != nil {
			return err
		}
		value = string(quoted)
	}
	o[name] = json.RawMessage(value)
	return nil
}

// String implements flag.Value.
func (o Options) String() string { return "" }

// has says whether an option is given, null or not.
func (o Options) has(name string) bool {
	_, ok := o[name]
	return ok
}

// read decodes the options into the places given by name. null leaves the default. Names without a place are a fault.
func (o Options) read(task string, places map[string]any) error {
	for name, raw := range o {
		place, ok := places[name]
		if !ok && (name == "batch_size" || name == "num_workers") {
			continue // of every pipeline; they change no result of this one
		}
		if !ok {
			return faultf("task %s has no option %q; it has %s", task, name, strings.Join(sorted(places), ", "))
		}
		if err := json.Unmarshal(raw, place); err != nil {
			return faultf("option %s: %w", name, err)
		}
	}
	return nil
}
