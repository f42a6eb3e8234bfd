package docs

import (
	"fmt"
	"go/build"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Flags of go test that documents use. Others must be the package's own.
var (
	valueFlags = []string{"run", "skip", "bench", "benchtime", "tags", "count", "timeout", "p", "cpuprofile", "memprofile", "mutexprofile", "blockprofile", "o", "exec", "ldflags", "modfile"}
	truthFlags = []string{"v", "race", "short", "trimpath"}
)

// testCommand are the arguments of go test taken apart.
type testCommand struct {
	packages []string
	own      []string          // flags that are the package's own
	values   map[string]string // of the other flags
}

// tags are those that the files of the packages are chosen by.
func (c testCommand) tags() []string {
	return strings.FieldsFunc(c.values["tags"], func(r rune) bool { return r == ',' })
}

func parseTest(args []string) (c testCommand, faults map[string]bool) {
	c.values, faults = map[string]string{}, map[string]bool{}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		name, isFlag := strings.CutPrefix(arg, "-")
		name, value, has := strings.Cut(name, "=")
		switch {
		case !isFlag:
			c.packages = append(c.packages, arg)
		case slices.Contains(truthFlags, name):
		case has && slices.Contains(valueFlags, name):
			c.values[name] = value
		case len(args) > 0 && slices.Contains(valueFlags, name):
			c.values[name] = args[0]
			args = args[1:]
		case len(args) == 0 || strings.HasPrefix(args[0], "-"):
			faults[arg+" has no value"] = true
		default:
			c.own = append(c.own, name)
			args = args[1:]
		}
	}
	if len(c.packages) == 0 {
		faults["it names no package"] = true
	}
	return c, faults
}

// testFaults are what is wrong with the arguments of go test: each package has, with the tags, tests, those that -run and -bench name, and its own flags. That they compile is seen by make vet, with the same tags.
func testFaults(t *testing.T, args []string) map[string]bool {
	t.Helper()
	c, faults := parseTest(args)
	for _, p := range c.packages {
		below, all := strings.CutSuffix(p, "...")
		dir := filepath.Join("..", below)
		if _, err := os.Stat(dir); all && err == nil {
			continue // whatever there is
		}
		have := testsOf(chosenFiles(t, dir, c.tags()))
		if len(have) == 0 {
			faults[p+" has no tests"] = true
		}
		for flag, kind := range map[string]string{"run": "Test|Fuzz|Example", "bench": "Benchmark"} {
			pattern, asked := c.values[flag]
			pattern, _, _ = strings.Cut(pattern, "/") // what follows chooses within a test
			if asked && pattern != "^$" && !slices.ContainsFunc(have, func(name string) bool {
				return regexp.MustCompile(`^(`+kind+`)`).MatchString(name) && regexp.MustCompile(pattern).MatchString(name)
			}) {
				faults[fmt.Sprintf("%s has nothing for -%s %s", p, flag, pattern)] = true
			}
		}
		for _, name := range c.own {
			if !hasFlag(t, dir, name) {
				faults[fmt.Sprintf("%s has no flag -%s", p, name)] = true
			}
		}
	}
	return faults
}

// whole says whether all tests of a package are among those that are run.
func (c testCommand) whole(p string) bool {
	_, chosen := c.values["run"]
	return !chosen && slices.ContainsFunc(c.packages, func(all string) bool {
		prefix, below := strings.CutSuffix(all, "...")
		return strings.TrimSuffix(p, "/") == all || below && strings.HasPrefix(p+"/", prefix)
	})
}

// hasFlag says whether a package's tests, or a package of ours that they import, define a flag.
func hasFlag(t *testing.T, dir, name string) bool {
	t.Helper()
	defines := regexp.MustCompile(`flag\.\w+\("` + name + `", `)
	for _, text := range testFiles(t, dir) {
		if defines.MatchString(text) {
			return true
		}
		for _, m := range regexp.MustCompile(`"vecmill/([a-z0-9/]+)"`).FindAllStringSubmatch(text, -1) {
			files, err := filepath.Glob(filepath.Join("..", m[1], "*.go"))
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				if b, err := os.ReadFile(file); err == nil && defines.Match(b) {
					return true
				}
			}
		}
	}
	return false
}

// hasTest says whether a package has a test, a benchmark, a fuzz target or an example of that name, under whatever build tags.
func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	return slices.Contains(testsOf(testFiles(t, dir)), name)
}

var testRE = regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz|Example)\w*)\(`)

// testsOf are the names of the tests, benchmarks, fuzz targets and examples in files.
func testsOf(texts []string) (names []string) {
	for _, text := range texts {
		for _, m := range testRE.FindAllStringSubmatch(text, -1) {
			names = append(names, m[1])
		}
	}
	return names
}

// testFiles are the texts of a package's test files.
func testFiles(t *testing.T, dir string) []string {
	t.Helper()
	return filesOf(t, dir, func(string) bool { return true })
}

// chosenFiles are the texts of those that go test takes with these tags.
func chosenFiles(t *testing.T, dir string, tags []string) []string {
	t.Helper()
	of := build.Default
	of.BuildTags, of.CgoEnabled = tags, true
	return filesOf(t, dir, func(name string) bool {
		ok, err := of.MatchFile(dir, name)
		return ok && err == nil
	})
}

func filesOf(t *testing.T, dir string, take func(name string) bool) (texts []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	for _, file := range files {
		if !take(filepath.Base(file)) {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	return texts
}
