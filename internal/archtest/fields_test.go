package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestExportedFieldsAreExplained holds what other programs may import: each exported field of a struct has words of its own. model/config is left out: it has the names of Hugging Face's
// files, whose meaning is laid down there.
func TestExportedFieldsAreExplained(t *testing.T) {
	files := token.NewFileSet()
	for _, room := range []string{"embed", "model", "schemas"} {
		err := filepath.WalkDir(filepath.Join("../..", room), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && (d.Name() == "testdata" || strings.HasSuffix(filepath.ToSlash(path), "model/config")) {
				return filepath.SkipDir
			}
			if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.IsExported() {
					if s, ok := spec.Type.(*ast.StructType); ok {
						unexplained(t, files, spec, s)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func unexplained(t *testing.T, files *token.FileSet, spec *ast.TypeSpec, s *ast.StructType) {
	t.Helper()
	for _, f := range s.Fields.List {
		for _, name := range f.Names {
			said := f.Doc != nil || f.Comment != nil || files.Position(spec.Pos()).Line == files.Position(f.Pos()).Line // one line: the type's words are its
			if name.IsExported() && !said {
				t.Errorf("%s: nothing is said of %s.%s", files.Position(f.Pos()), spec.Name, name)
			}
		}
	}
}
