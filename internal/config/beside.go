package config

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
)

// besidePaths are what an output's rows are told apart by, which a pipeline beside another one needs for itself.
var besidePaths = map[string]string{
	"postgres": "table", "iceberg": "table", "qdrant": "collection", "milvus": "collection", "opensearch": "index", "redis": "prefix", "kafka": "topic", "jsonl": "path",
}

var notInName = regexp.MustCompile(`[^a-z0-9_]+`)

// Beside is a pipeline for a configuration's file, as YAML to be added to its pipelines: the one named from, as the file has it, under another name, with another model and with outputs of its own. It reads
// the stream from its end on. Nothing of the environment is in it.
func Beside(file []byte, from, name, model string) (string, error) {
	var all struct {
		Pipelines []yaml.MapSlice `yaml:"pipelines"`
	}
	if err := yaml.UnmarshalWithOptions(file, &all, yaml.UseOrderedMap()); err != nil {
		return "", fmt.Errorf("the configuration: %w", fileFault(err))
	}
	var found yaml.MapSlice
	for _, p := range all.Pipelines {
		switch named(p) {
		case name:
			return "", fmt.Errorf("the configuration has a pipeline %s already; leave --model out", name)
		case from:
			found = p
		}
	}
	if found == nil {
		return "", fmt.Errorf("the configuration has no pipeline %s", from)
	}
	out := yaml.MapSlice{{Key: "name", Value: name}, {Key: "start_at", Value: "last"}}
	for _, item := range found {
		switch item.Key {
		case "name", "start_at", "group":
			continue
		case "model":
			item.Value = besideModel(item.Value, model)
		case "outputs":
			item.Value = besideOutputs(item.Value, "_"+strings.Trim(notInName.ReplaceAllString(strings.ToLower(name), "_"), "_"))
		}
		out = append(out, item)
	}
	text, err := yaml.Marshal([]yaml.MapSlice{out})
	if err != nil {
		return "", fmt.Errorf("writing pipeline %s: %w", name, err)
	}
	margin := ""
	if m := marginRE.FindSubmatch(file); m != nil {
		margin = string(m[1])
	}
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		b.WriteString(margin + line)
	}
	return b.String(), nil
}

// marginRE finds how far a file's pipelines are indented: entries of a list that are not alike are none.
var marginRE = regexp.MustCompile(`(?m)^pipelines:[^\n]*\n(?:[ \t]*(?:#[^\n]*)?\n)*( *)- `)

func named(p yaml.MapSlice) string {
	for _, item := range p {
		if item.Key == "name" {
			return fmt.Sprint(item.Value)
		}
	}
	return ""
}

// besideModel is a model's part with another path. Name and digest were the old one's.
func besideModel(v any, path string) any {
	out := yaml.MapSlice{{Key: "path", Value: path}}
	old, _ := v.(yaml.MapSlice)
	for _, item := range old {
		if item.Key != "path" && item.Key != "name" && item.Key != "digest" {
			out = append(out, item)
		}
	}
	return out
}

// besideOutputs are outputs whose places have the new pipeline's name behind theirs. Files lie in a directory of their pipeline's name anyway.
func besideOutputs(v any, suffix string) any {
	list, _ := v.([]any)
	for _, o := range list {
		output, _ := o.(yaml.MapSlice)
		for i := range output {
			key, ok := besidePaths[fmt.Sprint(output[i].Key)]
			settings, _ := output[i].Value.(yaml.MapSlice)
			for j := range settings {
				if text, is := settings[j].Value.(string); ok && settings[j].Key == key && is && text != "-" {
					settings[j].Value = text + suffix
				}
			}
		}
	}
	return v
}
