package main

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// names holds the name of an object, and the labels, selectors and names of annotations anywhere in it, against what an API server takes, which neither types nor schemas say.
func names(object map[string]any) error {
	meta, _ := object["metadata"].(map[string]any)
	name, _ := meta["name"].(string)
	if faults := nameFaults(object, name); len(faults) > 0 {
		return fmt.Errorf("the name %q: %s", name, strings.Join(faults, "; "))
	}
	return labels(object)
}

// nameFaults goes by the kind: a Service is a label of DNS, and so is each pod of an indexed job, with its index; all else takes dots.
func nameFaults(object map[string]any, name string) []string {
	spec, _ := object["spec"].(map[string]any)
	switch {
	case object["kind"] == "Service":
		return validation.IsDNS1035Label(name)
	case object["kind"] == "Job" && spec["completionMode"] == "Indexed":
		completions, _ := spec["completions"].(float64)
		return validation.IsDNS1123Label(fmt.Sprintf("%s-%d", name, int(completions)-1))
	}
	return validation.IsDNS1123Subdomain(name)
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
