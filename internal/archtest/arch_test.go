// Package archtest holds the import arrows of docs/architecture.md, and which packages are tested under the race detector.
package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// room gives the arrows of one directory: packages of ours that it may import, by prefix. "" is the package itself and what lies below.
var rooms = []struct {
	dir     string
	imports []string
}{
	{"schemas", nil},
	{"model", []string{"model", "schemas"}},
	{"embed", []string{"embed", "model", "schemas", "internal/waiting"}},
	{"sinks", []string{"sinks", "schemas", "internal/retry"}},
	{"stream", []string{"stream", "embed", "sinks", "model", "schemas", "internal/ackseq", "internal/budget", "internal/pace", "internal/retry", "internal/waiting"}},
	{"internal/ackseq", nil},
	{"internal/budget", nil},
	{"internal/retry", nil},
	{"internal/pace", nil},
	{"internal/waiting", nil},
	{"internal/growth", nil},
	{"internal/resident", nil},
	{"internal/hugepages", nil},
	{"internal/publish", []string{"stream", "sinks", "schemas", "internal/pace", "internal/retry"}},
	{"internal/config", []string{"internal/config", "schemas"}},
	{"internal/page", []string{"internal/status", "stream", "sinks", "schemas"}},
	{"internal/status", []string{"stream", "embed", "sinks", "schemas"}},
	{"internal/progress", []string{"internal/status", "schemas"}},
	{"internal/telemetry", []string{"stream", "embed", "sinks", "schemas"}},
	{"internal/audit", []string{"sinks", "schemas"}},
	{"internal/backfill", []string{"internal/backfill", "sinks", "schemas"}},
	{"internal/dlq", []string{"stream", "sinks", "schemas", "internal/retry"}},
	{"internal/kafkaauth", nil},
}

// leaves are implementations: only internal/wire, internal/demo, internal/audit, internal/predict, internal/simulate, embed/encoder and integration join them to the rest.
var leaves = []string{
	"stream/kafkasource", "stream/manifestsource", "stream/blobfetch", "stream/refcodec", "embed/audio", "embed/image", "embed/text", "embed/ortsession", "embed/heads",
	"sinks/parquetsink", "sinks/pgvectorsink", "sinks/icebergcatalog", "sinks/jsonlsink", "sinks/kafkasink", "sinks/webhooksink", "sinks/redissink", "sinks/qdrantsink", "sinks/milvussink", "sinks/flightsink", "sinks/feastsink", "sinks/opensearchsink", "sinks/s3store", "sinks/dirstore", "sinks/kafkaletters", "sinks/objectletters",
}

type pkg struct {
	ImportPath, Dir                              string
	Imports                                      []string
	GoFiles, CgoFiles, TestGoFiles, XTestGoFiles []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles,CgoFiles,TestGoFiles,XTestGoFiles", "vecmill/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func below(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

func TestImportArrows(t *testing.T) {
	for _, p := range packages(t) {
		at := strings.TrimPrefix(p.ImportPath, "vecmill/")
		for _, imp := range p.Imports {
			if path, ours := strings.CutPrefix(imp, "vecmill/"); ours {
				check(t, at, path)
			} else if below(at, "schemas") && strings.Contains(strings.Split(imp, "/")[0], ".") {
				t.Errorf("schemas imports %s: it may use the standard library only", imp)
			}
		}
		if len(p.CgoFiles) > 0 && at != "embed/ortsession" {
			t.Errorf("%s uses cgo: only embed/ortsession may", at)
		}
	}
}

func check(t *testing.T, from, to string) {
	t.Helper()
	if below(to, "cmd") || below(to, "internal/wire") && !slices.Contains([]string{"internal/cli", "internal/demo"}, from) && !below(from, "integration") {
		t.Errorf("%s imports %s", from, to)
	}
	for _, r := range rooms {
		if below(from, r.dir) && !slices.ContainsFunc(r.imports, func(dir string) bool { return below(to, dir) }) && !below(to, r.dir) {
			t.Errorf("%s imports %s: %s may import only %v", from, to, r.dir, r.imports)
		}
	}
	joins := slices.ContainsFunc([]string{"internal/wire", "internal/demo", "internal/audit", "internal/predict", "internal/simulate", "embed/encoder", "integration", "tools"}, func(dir string) bool { return below(from, dir) })
	for _, leaf := range leaves {
		if below(to, leaf) && !below(from, leaf) && !joins {
			t.Errorf("%s imports %s: leaf implementations are joined in internal/wire", from, to)
		}
	}
}

// TestEverySinkIsALeaf: nothing but what joins them may come to depend on one. What another leaf imports is a part of that one.
func TestEverySinkIsALeaf(t *testing.T) {
	all, parts := packages(t), map[string]bool{}
	for _, p := range all {
		if slices.Contains(leaves, strings.TrimPrefix(p.ImportPath, "vecmill/")) {
			for _, imp := range p.Imports {
				parts[imp] = true
			}
		}
	}
	for _, p := range all {
		at := strings.TrimPrefix(p.ImportPath, "vecmill/")
		if below(at, "sinks") && strings.HasSuffix(at, "sink") && !slices.Contains(leaves, at) && !parts[p.ImportPath] {
			t.Errorf("%s is not among leaves", at)
		}
	}
}
