package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"

	"vecmill/internal/config"
)

//go:embed values.json
var valuesJSON []byte

// chartValues is the schema of the chart's values, with the worker's configuration in it.
func chartValues(w io.Writer) error {
	var schema map[string]any
	if err := json.Unmarshal(valuesJSON, &schema); err != nil {
		return fmt.Errorf("values.json: %w", err)
	}
	schema["properties"].(map[string]any)["config"] = config.Schema()
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	return e.Encode(schema)
}
