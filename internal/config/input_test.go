package config

import (
	"strings"
	"testing"
)

func TestFaultsOfAnInputNameTheirPath(t *testing.T) {
	for _, c := range []struct{ name, pipeline, want string }{
		{"an unknown format", `input: {format: auto}`, `.input.format: "auto" is not one of ref, json`},
		{"a map that has nothing to do", `input: {map: "value"}`, ".input.map: format ref says itself"},
		{"no registry", `input: {format: avro}`, ".input.registry.urls: missing; avro records"},
		{"a registry for nothing", `input: {format: json, registry: {urls: ["http://r:8081"]}}`, "has no effect with format json"},
		{"a registry's password in its address", `input: {format: avro, registry: {urls: ["http://u:p@r:8081"]}}`, "settings of their own"},
		{"a header twice", `input: {headers: [a, a]}`, `.input.headers[1]: "a" is empty, or there twice`},
		{"a topic that is none", `priority: [other]`, `.priority[0]: "other" is not one of the pipeline's topics`},
	} {
		in := &Pipeline{}
		_, err := Parse([]byte("pipelines:\n- name: p\n  topics: [refs]\n  model: {path: /tmp}\n  heads: [{task: embedding}]\n  outputs: [{parquet: {url: \"file:///tmp/x\"}}]\n  "+c.pipeline+"\n"), func(string) (string, bool) { return "", false })
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
		if in.fill(); in.Input.Format != "ref" {
			t.Errorf("the default format is %q", in.Input.Format)
		}
	}
}

func TestPipelinesOfOneTopicReadItAlike(t *testing.T) {
	const one = "\n- name: %\n  topics: [refs]\n  model: {path: /tmp}\n  heads: [{task: embedding}]\n  outputs: [{parquet: {url: \"file:///tmp/x\"}}]\n  input: {format: FORMAT}"
	file := func(a, b string) []byte {
		return []byte("pipelines:" + strings.NewReplacer("%", "a", "FORMAT", a).Replace(one) + strings.NewReplacer("%", "b", "FORMAT", b).Replace(one) + "\n")
	}
	none := func(string) (string, bool) { return "", false }
	if _, err := Parse(file("s3-event", "s3-event"), none); err != nil {
		t.Error(err)
	}
	if _, err := Parse(file("s3-event", "cloudevents"), none); err == nil || !strings.Contains(err.Error(), "pipeline a reads a topic of this one with another format") {
		t.Error(err)
	}
}
