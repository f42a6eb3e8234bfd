package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"vecmill/internal/config"
	"vecmill/schemas"
)

// lists are the parts of CONTRIBUTING.md that name files, each with what its files do, and those that do so and have nothing to add.
var lists = []struct {
	heading string
	tells   func(f *ast.File) bool
	others  map[string]string
}{
	{"To add a head", readsPayloads, map[string]string{
		"internal/wire/doctor_model.go": "numbers of any head, to see how far two computations are apart",
	}},
	{"To add a sink", tellsOutputs, nil},
	{"To add a modality", tellsModalities, map[string]string{
		"embed/heads/identity.go":   "a version for transcripts",
		"embed/stream.go":           "what is beside a text",
		"internal/wire/done.go":     "what is beside a text",
		"internal/wire/estimate.go": "a rate in seconds of audio",
	}},
}

// TestWhoeverAddsSomethingIsToldEveryFile parses all that ships: a file that has to know of a new head, sink or modality is named to whoever adds one.
func TestWhoeverAddsSomethingIsToldEveryFile(t *testing.T) {
	found := make([][]string, len(lists))
	parsed := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel("..", path) // both are relative
		switch {
		case err != nil:
			return err
		case d.IsDir() && rel != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"testdata", "integration", "tools", "docs", "helm", "shared", "dist", "bin", "internal/simulate", "stream/streamtest"}, rel)):
			return filepath.SkipDir
		case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		parsed++
		for i := range lists {
			if lists[i].tells(f) {
				found[i] = append(found[i], filepath.ToSlash(rel))
			}
		}
		return nil
	})
	if err != nil || parsed < 400 {
		t.Fatalf("%d files, %v", parsed, err)
	}
	for i, l := range lists {
		if len(found[i]) < 5 {
			t.Errorf("%s: only %v are found", l.heading, found[i])
		}
		names := partOf(t, l.heading)
		for _, path := range found[i] {
			named := slices.ContainsFunc(names, func(name string) bool {
				return path == name || strings.Contains(name, "/") && strings.HasPrefix(path, name+"/")
			})
			switch why := l.others[path]; {
			case !named && why == "":
				t.Errorf("CONTRIBUTING.md, %s: %s tells such apart, and is not named", l.heading, path)
			case named && why != "":
				t.Errorf("CONTRIBUTING.md, %s: %s is named, though it has nothing to add: %s", l.heading, path, why)
			}
		}
		for path := range l.others {
			if !slices.Contains(found[i], path) {
				t.Errorf("%s: %s tells nothing apart", l.heading, path)
			}
		}
	}
}

// partOf are the code spans of a part of CONTRIBUTING.md.
func partOf(t *testing.T, heading string) (spans []string) {
	t.Helper()
	b, err := os.ReadFile("../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("there is no part %s", heading)
	}
	part, _, _ := strings.Cut(rest, "\n## ")
	for _, m := range spanRE.FindAllStringSubmatch(part, -1) {
		spans = append(spans, m[1])
	}
	return spans
}

// readsPayloads says whether a file names most fields of a payload: what is made of results, or what results are made of.
func readsPayloads(f *ast.File) bool {
	used := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			used[n.Sel.Name] = true
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok {
				used[key.Name] = true
			}
		case *ast.TypeSpec:
			used[n.Name.Name+" itself"] = true
		}
		return true
	})
	n := 0
	for _, field := range reflect.VisibleFields(reflect.TypeFor[schemas.Payload]()) {
		if used[field.Name] {
			n++
		}
	}
	return n >= 7 || used["Payload itself"]
}

// tellsOutputs says whether a file asks of which of several kinds an output is.
func tellsOutputs(f *ast.File) bool {
	asked := map[string]bool{}
	for name := range notNil(f) {
		if field, ok := reflect.TypeFor[config.Output]().FieldByName(name); ok && field.Type.Kind() == reflect.Pointer {
			asked[name] = true
		}
	}
	return len(asked) >= 2
}

// tellsModalities says whether a file names a modality, or asks whose config a checkpoint has.
func tellsModalities(f *ast.File) bool {
	tells := false
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if ok {
			room, ok := s.X.(*ast.Ident)
			tells = tells || ok && room.Name == "schemas" && slices.Contains([]string{"Audio", "Text", "Image"}, s.Sel.Name)
		}
		return true
	})
	asked := notNil(f)
	return tells || asked["Audio"] || asked["Text"] || asked["Vision"]
}

// notNil are the fields that a file compares with nil, to go on where they are not.
func notNil(f *ast.File) map[string]bool {
	fields := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		if b, ok := n.(*ast.BinaryExpr); ok && b.Op == token.NEQ {
			s, isField := b.X.(*ast.SelectorExpr)
			if null, ok := b.Y.(*ast.Ident); ok && isField && null.Name == "nil" {
				fields[s.Sel.Name] = true
			}
		}
		return true
	})
	return fields
}
