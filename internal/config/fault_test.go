package config

import (
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// secretPaths are the settings that are secrets.
func secretPaths(t *testing.T) (paths []string) {
	t.Helper()
	err := walk(reflect.ValueOf(sample()).Elem(), "", "VECMILL", func(l leaf) error {
		if l.v.Type() == reflect.TypeFor[Secret]() {
			paths = append(paths, l.path)
		}
		return nil
	})
	if err != nil || len(paths) < 18 {
		t.Fatalf("only %q, %v", paths, err)
	}
	return paths
}

// fileOf is a file with one setting, and with more lines beside it.
func fileOf(path, value string, beside ...string) string {
	var b strings.Builder
	margin, begins := "", "" // of lines, and of the next one
	line := func(text string) {
		b.WriteString(begins + text + "\n")
		begins = margin
	}
	steps := strings.Split(path, ".")
	for _, step := range steps[:len(steps)-1] {
		name, isList := strings.CutSuffix(step, "[]")
		line(name + ":")
		margin += "  "
		if begins = margin; isList {
			begins = margin + "- "
			margin += "  "
		}
	}
	line(steps[len(steps)-1] + ": " + value)
	for _, text := range beside {
		line(text)
	}
	return b.String()
}

// TestAFaultOfAFileShowsNoSecret: beside each setting that is one, in it, and where its name is misspelt. The place is told by line and column, where the decoder knows it.
func TestAFaultOfAFileShowsNoSecret(t *testing.T) {
	place := regexp.MustCompile(`\[\d+:\d+\]`)
	const noText = "Unmarshaler" // which the decoder says without a place
	for _, path := range secretPaths(t) {
		parent, name := path[:strings.LastIndex(path, ".")], path[strings.LastIndex(path, ".")+1:]
		for _, c := range []struct{ name, text, want string }{
			{"a setting that there is not, behind it", fileOf(path, "hunter2", "regoin: x"), `unknown field "regoin"`},
			{"a setting that there is not, before it", fileOf(parent+".regoin", "x", name+": hunter2"), `unknown field "regoin"`},
			{"its name is misspelt", fileOf(parent+".x"+name, "hunter2"), `unknown field "x` + name + `"`},
			{"a comma in it", fileOf(parent, "{"+name+": pass,hunter2}"), "unknown field something"},
			{"twice a comma in it", fileOf(parent, "{"+name+": pass,hunter2,hunter2}"), ""},
			{"a list", fileOf(path, "[hunter2]"), noText},
			{"a mapping", fileOf(path, "{hunter2: x}"), noText},
			{"no YAML beside it", fileOf(path, "hunter2", "x: y: z"), ""},
			{"a colon in it", fileOf(path, "hunter2: x"), ""},
			{"a quote that does not end", fileOf(path, `"hunter2`), ""},
			{"an escape that there is not", fileOf(path, `"hunter2\q"`), ""},
			{"an asterisk before it", fileOf(path, "*hunter2"), ""},
			{"a bar before it", fileOf(path, "|hunter2"), ""},
		} {
			_, err := Parse([]byte(c.text), noEnv)
			if err == nil || strings.Contains(err.Error(), "hunter2") || c.want != noText && !place.MatchString(err.Error()) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %s: %v, want a place, %s\n%s", path, c.name, err, c.want, c.text)
			}
			if _, err := Beside([]byte(c.text), "old", "new", "model"); err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %s, beside another pipeline: %v", path, c.name, err)
			}
		}
	}
}

// TestAURLWithAPasswordIsNotShown: of settings that are no secrets, and that have others for it.
func TestAURLWithAPasswordIsNotShown(t *testing.T) {
	for _, edit := range []string{
		"kafka:\n  brokers: ['me:hunter2@broker:9092']",
		"s3: {endpoint: 'ftp://me:hunter2@store'}",
		"s3: {endpoint: 'https://me:hunter2@store:9000'}",
		"s3: {endpoint: 'https://hunter2@store:9000'}",
		"s3: {endpoint: 'https://me:hunter2/x@store:9000'}",
		"s3: {endpoint: 'https://me:a#hunter2@store:9000'}",
		"s3: {endpoint: 'https://me:a?hunter2@store:9000'}",
		"kafka: {brokers: ['b:1'], sasl: {mechanism: oauthbearer, oauth: {token_url: 'http://host/token?client_secret=x@hunter2', client_id: a, client_secret: b}}}",
		"s3: {endpoint: 's3://me:hunter2@store'}",
		"kafka: {brokers: ['b:1'], sasl: {mechanism: oauthbearer, oauth: {token_url: 'http://me:hunter2@host/token', client_id: a, client_secret: b}}}",
		"catalog: {uri: 'https://host', token_url: 'http://me:hunter2@host/token'}",
		"pipelines: [{name: p, input: {format: avro, registry: {urls: ['http://me:hunter2@host']}}}]",
	} {
		_, err := Parse([]byte(edit), noEnv)
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "xxxxx") {
			t.Errorf("%s: %v", edit, err)
		}
	}
}

// TestOnlyWhoOpensModelsNeedsThem: outputs and dead letters are looked into where there are none.
func TestOnlyWhoOpensModelsNeedsThem(t *testing.T) {
	for path, want := range map[string]string{
		"MODEL": "", "hf://acme/speech": "", "s3://models/acme/speech": "", "/nowhere/at/all": "pipelines[speech].model.path: /nowhere/at/all does not exist",
	} {
		c, err := parse(t, strings.Replace(good, "{path: MODEL}", "{path: '"+path+"'}", 1), nil)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		err = c.ValidateModels()
		if invalid := (*InvalidError)(nil); want == "" && err != nil || want != "" && (!errors.As(err, &invalid) || len(invalid.Faults) != 1 || invalid.Faults[0] != want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}
