package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestExportedFieldsAreExplained holds what other programs may import: each exported field of a struct has words of its own, and each method of an interface, or the interface's name it.
// model/config is left out: it has the names of Hugging Face's files, whose meaning is laid down there.
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
			for _, fault := range unexplained(files, file) {
				t.Error(fault)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// unexplained are the exported fields and methods of a file's exported types of which nothing is said.
func unexplained(files *token.FileSet, file *ast.File) (faults []string) {
	words := map[*ast.TypeSpec]string{} // of types, where they stand before the keyword
	ast.Inspect(file, func(n ast.Node) bool {
		if d, ok := n.(*ast.GenDecl); ok && len(d.Specs) == 1 {
			if spec, ok := d.Specs[0].(*ast.TypeSpec); ok {
				words[spec] = d.Doc.Text()
			}
		}
		spec, ok := n.(*ast.TypeSpec)
		if !ok || !spec.Name.IsExported() {
			return true
		}
		var members *ast.FieldList
		named := func(string) bool { return false }
		switch x := spec.Type.(type) {
		case *ast.StructType:
			members = x.Fields
		case *ast.InterfaceType:
			members = x.Methods
			doc := words[spec] + spec.Doc.Text()
			named = func(method string) bool { return regexp.MustCompile(`\b` + method + `\b`).MatchString(doc) }
		default:
			return true
		}
		for _, m := range members.List {
			own := m.Doc != nil || m.Comment != nil || files.Position(spec.Pos()).Line == files.Position(m.Pos()).Line // one line: the type's words are its
			for _, name := range m.Names {
				if name.IsExported() && !own && !named(name.Name) {
					faults = append(faults, fmt.Sprintf("%s: nothing is said of %s.%s", files.Position(m.Pos()), spec.Name, name))
				}
			}
		}
		return true
	})
	return faults
}

func TestWhatIsUnexplainedIsFound(t *testing.T) {
	const source = `package p

// S is one.
type S struct {
	Said int // in words
	// Above has words, too.
	Above int
	Mute, unexported int
}

// I is asked: Named says so, of Names nothing is.
type I interface {
	// Own has words.
	Own()
	Trailing() // has, too
	Named()
	Name()
	S
	unexported()
}

// L is short.
type L interface{ Line() }

type (
	// G gives Grouped.
	G interface {
		Grouped()
		Silent()
	}
	hidden interface {
		M()
	}
)
`
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "p.go", source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"p.go:8:2: nothing is said of S.Mute", "p.go:17:2: nothing is said of I.Name", "p.go:29:3: nothing is said of G.Silent"}
	if got := unexplained(files, file); !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}
