package predict

import (
	"encoding/json"
	"maps"
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

// read decodes the options into the places given by name. null leaves the default. Names without a place are a fault, unless they change nothing.
func (o Options) read(task string, places map[string]any) error {
	for _, name := range sorted(o) {
		raw := o[name]
		place, ok := places[name]
		switch no, known := refusals()[task][name]; {
		case ok:
			if err := decode(raw, place); err != nil {
				return faultf("option %s: %w", name, err)
			}
		case idle(task, name):
			if err := count(name, raw); err != nil {
				return err
			}
		case known && (string(raw) == "null" || string(raw) == no.neutral):
		case known:
			return faultf("task %s does not take the option %s: %s", task, name, no.why)
		default:
			return faultf("task %s has no option %q; it has %s", task, name, strings.Join(sorted(places), ", "))
		}
	}
	return nil
}

// count refuses a number of workers or a size of batches that is none, though it would change nothing.
func count(name string, raw json.RawMessage) error {
	if name != "batch_size" && name != "num_workers" || string(raw) == "null" {
		return nil
	}
	var n int
	if err := decode(raw, &n); err != nil {
		return faultf("option %s: %w", name, err)
	}
	if n < 0 || n == 0 && name == "batch_size" {
		return faultf("option %s: %d is too few", name, n)
	}
	return nil
}

// spread replaces an option that is an object of options by those: tokenizer_kwargs and its like.
func (o Options) spread(name string) (Options, error) {
	raw, ok := o[name]
	if !ok {
		return o, nil
	}
	var inner Options
	if err := decode(raw, &inner); err != nil {
		return nil, faultf("option %s: %w", name, err)
	}
	all := maps.Clone(o)
	delete(all, name)
	for k, v := range inner {
		if _, twice := all[k]; twice {
			return nil, faultf("option %s is given twice, alone and in %s", k, name)
		}
		all[k] = v
	}
	return all, nil
}
