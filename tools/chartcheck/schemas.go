package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// definition has what is needed of a CustomResourceDefinition.
type definition struct {
	Spec struct {
		Group    string
		Names    struct{ Kind string }
		Versions []struct {
			Name   string
			Schema struct {
				OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
			}
		}
	}
}

// writeSchemas writes the schemas of CustomResourceDefinitions into dir, one <kind>-<group>-<version>.json for each version, the group up to its first dot: how kubeconform looks for them.
func writeSchemas(dir string, files []string) error {
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var d definition
		if err := yaml.Unmarshal(b, &d); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if len(d.Spec.Versions) == 0 {
			return fmt.Errorf("%s defines nothing", file)
		}
		group, _, _ := strings.Cut(d.Spec.Group, ".")
		for _, v := range d.Spec.Versions {
			closed(v.Schema.OpenAPIV3Schema)
			name := strings.ToLower(d.Spec.Names.Kind) + "-" + group + "-" + v.Name + ".json"
			out, err := json.Marshal(v.Schema.OpenAPIV3Schema)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), out, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// closed makes unknown fields an error, as an API server does when it is asked to validate strictly: where properties are named, others are not allowed. What is below allOf and its like only
// adds conditions.
func closed(schema map[string]any) {
	properties, named := schema["properties"].(map[string]any)
	for _, child := range properties {
		if child, ok := child.(map[string]any); ok {
			closed(child)
		}
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if child, ok := schema[key].(map[string]any); ok {
			closed(child)
		}
	}
	if _, open := schema["additionalProperties"]; named && !open && schema["x-kubernetes-preserve-unknown-fields"] != true {
		schema["additionalProperties"] = false
	}
}
