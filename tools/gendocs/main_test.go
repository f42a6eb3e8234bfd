package main

import (
	"testing"

	"vecmill/schemas"
)

func TestEveryColumnsTypeHasAName(t *testing.T) {
	for _, c := range schemas.Columns(schemas.Tasks()...) {
		if typeNames[c.Type] == "" {
			t.Errorf("column %s: its type %d has none", c.Name, c.Type)
		}
	}
}
