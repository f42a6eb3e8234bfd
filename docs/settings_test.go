package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	settingRE    = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")
	dottedRE     = regexp.MustCompile(`^[a-z0-9_]+(\.[a-z0-9_]+)+$`)
	underscoreRE = regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)+$`)
	unquotedRE   = regexp.MustCompile(`^[a-z0-9_.\[\]]+: (?:off|on|yes|no)$`)
	quotedRE     = regexp.MustCompile("[\"`]([a-z0-9]+(?:_[a-z0-9]+)+)[\"`,]")
)

// elsewhere are dotted and underscored names that look like settings and are something else, with what that is.
var elsewhere = map[string]string{
	"rule_files": "Prometheus' setting", "image.repository": "the chart's values", "image.tag": "the chart's values", "runbook_url": "an annotation of alerts", "model.onnx": "a checkpoint's file",
	"rewrite_data_files": "Spark's procedure", "rewrite_position_delete_files": "Spark's procedure", "hive_partitioning": "DuckDB's option", "write_consistency_factor": "Qdrant's setting",
}

// ofConfig are all settings of config.md: each as its path, and as every part of it that a reader may be given.
func ofConfig(t *testing.T) (parts, groups map[string]bool) {
	t.Helper()
	b, err := os.ReadFile("config.md")
	if err != nil {
		t.Fatal(err)
	}
	parts, groups = map[string]bool{}, map[string]bool{}
	found := settingRE.FindAllStringSubmatch(string(b), -1)
	for _, m := range found {
		names := strings.Split(strings.ReplaceAll(m[1], "[]", ""), ".")
		for i := range names {
			for j := i + 1; j <= len(names); j++ {
				parts[strings.Join(names[i:j], ".")] = true
			}
			if i < len(names)-1 {
				groups[names[i]] = true
			}
		}
	}
	if len(found) < 200 {
		t.Fatalf("config.md has %d settings", len(found))
	}
	return parts, groups
}

// namesOfCode are the words with underscores that our code itself says in quotes: columns, fields of JSON, of checkpoints.
func namesOfCode(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != ".." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"testdata", "shared", "dist", "bin", "docs"}, d.Name())):
			return filepath.SkipDir
		case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		b, err := os.ReadFile(path)
		for _, m := range quotedRE.FindAllSubmatch(b, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	if err != nil || len(names) < 300 {
		t.Fatalf("%d names, %v", len(names), err)
	}
	return names
}

// unknownSetting says whether a name has the form of a setting, and there is no such setting, nor anything else of that name.
func unknownSetting(name string, parts, groups, code map[string]bool) bool {
	first, _, _ := strings.Cut(name, ".")
	switch {
	case parts[name], elsewhere[name] != "", strings.HasPrefix(name, "vecmill_"): // metrics, which a test of theirs holds
		return false
	case dottedRE.MatchString(name):
		return groups[first]
	}
	return underscoreRE.MatchString(name) && !code[name]
}

// TestEverySettingThatIsNamedIsThere takes the names in code spans of what a reader is given. Generated documents, and those about the names of transformers, have others.
func TestEverySettingThatIsNamedIsThere(t *testing.T) {
	parts, groups := ofConfig(t)
	code := namesOfCode(t)
	named := 0
	for _, d := range documents(t) {
		if slices.Contains([]string{"config.md", "metrics.md", "rows.md", "schemas.md", "licences.md", "parity.md", "predict.md"}, d.path) || strings.HasPrefix(d.path, "../tools") {
			continue
		}
		for _, span := range d.prose {
			name, _, _ := strings.Cut(span, ":")
			name = strings.ReplaceAll(strings.TrimSpace(name), "[]", "")
			if parts[name] {
				named++
			}
			if unquotedRE.MatchString(span) {
				t.Errorf("%s has %s, which the chart's values, as YAML 1.1, take for a boolean: put it in quotes", d.path, span)
			}
			if unknownSetting(name, parts, groups, code) {
				t.Errorf("%s names %s, which is no setting of config.md, nor a name in our code", d.path, name)
			}
		}
	}
	if named < 200 {
		t.Errorf("only %d settings are named", named)
	}
}

func TestWhatIsASetting(t *testing.T) {
	parts, groups := ofConfig(t)
	code := map[string]bool{"ref_id": true}
	for name, unknown := range map[string]bool{
		"kafka.session_timeout": false, "session_timeout": false, "pipelines.batch.max_cost": false, "batch.max_cost": false, "model.gpu": false, "ref_id": false, "vecmill_rows": false, "model.onnx": false, "embed.go": false, "roll": false,
		"kafka.heartbeat_interval": true, "heartbeat_interval": true, "batch.max_costs": true, "pipelines.max_cost": true,
	} {
		if unknownSetting(name, parts, groups, code) != unknown {
			t.Errorf("%s is unknown: %v, want %v", name, !unknown, unknown)
		}
	}
}
