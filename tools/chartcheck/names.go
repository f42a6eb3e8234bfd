package main

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// names holds the name of an object, and the labels, selectors and names of annotations anywhere in it, against what an API server takes, which neither types nor schemas say. The name is held against the
// narrowest rule, that of a Service.
func names(object map[string]any) error {
	meta, _ := object["metadata"].(map[string]any)
	name, _ := meta["name"].(string)
	if faults := validation.IsDNS1035Label(name); len(faults) > 0 {
		return fmt.Errorf("the name %q: %s", name, strings.Join(faults, "; "))
	}
	return labels(object)
}

func labels(v any) error {
	switch v := v.(type) {
	case []any:
		for _, child := range v {
			if err := labels(child); err != nil {
				return err
			}
		}
	case map[string]any:
		for key, child := range v {
			values, ok := child.(map[string]any)
			if ok && slices.Contains([]string{"labels", "matchLabels", "nodeSelector", "annotations"}, key) {
				if err := pairs(key, values); err != nil {
					return err
				}
			}
			if err := labels(child); err != nil {
				return err
			}
		}
	}
	return nil
}

// pairs takes any value of an annotation.
func pairs(of string, values map[string]any) error {
	for name, value := range values {
		if faults := validation.IsQualifiedName(name); len(faults) > 0 {
			return fmt.Errorf("%s have the name %q: %s", of, name, strings.Join(faults, "; "))
		}
		text, ok := value.(string)
		if !ok {
			return fmt.Errorf("%s: %s is %v, which is no string", of, name, value)
		}
		if of == "annotations" {
			continue
		}
		if faults := validation.IsValidLabelValue(text); len(faults) > 0 {
			return fmt.Errorf("%s: %s is %q: %s", of, name, text, strings.Join(faults, "; "))
		}
	}
	return nil
}
