package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// besidePlaces are what an output's rows are told apart by, which a pipeline beside another one needs for itself, with what it is where a file is silent.
var besidePlaces = map[string]struct{ key, silent string }{
	"postgres": {key: "table"}, "iceberg": {key: "table"}, "qdrant": {key: "collection"}, "milvus": {key: "collection"}, "opensearch": {key: "index"},
	"redis": {"prefix", "vecmill"}, "feast": {key: "source"}, "kafka": {key: "topic"}, "flight": {"path", "rows"}, "jsonl": {key: "path"},
}

// besideByHand is what a person has to do so that a pipeline beside another one has a place of its own in outputs of a kind.
var besideByHand = map[string]string{
	"feast":   "make this push source in the feature repository, with feature views of its own",
	"kafka":   "make this topic",
	"webhook": "give it another URL, unless what is there tells rows by model_digest: those of both pipelines come to it",
}

var notInName = regexp.MustCompile(`[^a-z0-9_]+`)

// Beside is a pipeline for a configuration's file, as YAML to be added to its pipelines: the one named from, as the file has it, under another name, with another model and with outputs of its own. It reads
// the stream from its end on. What has to be done by hand besides is in comments. Nothing of the environment is in it.
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
	var byHand []string
	out := yaml.MapSlice{{Key: "name", Value: name}, {Key: "start_at", Value: "last"}}
	for _, item := range found {
		switch item.Key {
		case "name", "start_at", "group":
			continue
		case "model":
			item.Value = besideModel(item.Value, model)
		case "outputs":
			byHand = besideOutputs(item.Value, "_"+strings.Trim(notInName.ReplaceAllString(strings.ToLower(name), "_"), "_"))
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
	for line := range strings.Lines(strings.Join(byHand, "") + string(text)) {
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

// besideOutputs puts the new pipeline's name behind the places of outputs, and gives what is to be done by hand, as lines of comments. Files lie in a directory of their pipeline's name anyway.
func besideOutputs(v any, suffix string) (byHand []string) {
	list, _ := v.([]any)
	for n, o := range list {
		output, _ := o.(yaml.MapSlice)
		for i := range output {
			kind := fmt.Sprint(output[i].Key)
			if settings, ok := output[i].Value.(yaml.MapSlice); ok {
				output[i].Value = besidePlace(settings, kind, suffix)
				if todo := besideByHand[kind]; todo != "" {
					byHand = append(byHand, fmt.Sprintf("# outputs[%d].%s: %s\n", n, kind, todo))
				}
			}
		}
	}
	return byHand
}

// besidePlace are the settings of an output with another place. Standard output stays what it is.
func besidePlace(settings yaml.MapSlice, kind, suffix string) yaml.MapSlice {
	place, ok := besidePlaces[kind]
	if !ok {
		return settings
	}
	i := slices.IndexFunc(settings, func(item yaml.MapItem) bool { return item.Key == place.key })
	if i < 0 {
		i, settings = len(settings), append(settings, yaml.MapItem{Key: place.key})
	}
	was := place.silent
	if v := settings[i].Value; v != nil && v != "" {
		was = fmt.Sprint(v)
	}
	switch {
	case was == "": // the environment has it, or nobody
		return slices.Delete(settings, i, i+1)
	case kind == "jsonl" && was == "-":
	default:
		settings[i].Value = was + suffix
	}
	return settings
}
