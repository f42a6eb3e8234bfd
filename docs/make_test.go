package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// heldBy are targets that CI does not make, or makes under another name, each with the tests that run what its recipe runs: package and name.
var heldBy = map[string][2]string{
	"demo": {"internal/demo", "TestTheDemoShowsResultsThatAreMostlyRight"},
	"sim":  {"internal/cli", "TestSimulate"},
}

var (
	ruleRE   = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):([^=\n#]*)`)
	submakeR = regexp.MustCompile(`\$\(MAKE\) ([a-z0-9-]+)`)
	ciMakeRE = regexp.MustCompile(`(?m)^ *step \S+ make ([a-z0-9-]+)`)
)

// makefile are the targets of the Makefile with those that they make in their turn.
func makefile(t *testing.T) map[string][]string {
	t.Helper()
	b, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string][]string{}
	rules := ruleRE.FindAllSubmatchIndex(b, -1)
	for i, m := range rules {
		name := string(b[m[2]:m[3]])
		end := len(b)
		if i+1 < len(rules) {
			end = rules[i+1][0]
		}
		if _, ok := targets[name]; !ok {
			targets[name] = nil
		}
		targets[name] = append(targets[name], strings.Fields(string(b[m[4]:m[5]]))...)
		for _, sub := range submakeR.FindAllSubmatch(b[m[1]:end], -1) {
			targets[name] = append(targets[name], string(sub[1]))
		}
	}
	if len(targets) < 40 {
		t.Fatalf("only %d targets", len(targets))
	}
	return targets
}

// madeByCI are the targets that .ci/run makes, with what these make.
func madeByCI(t *testing.T) map[string]bool {
	t.Helper()
	b, err := os.ReadFile("../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	targets, made := makefile(t), map[string]bool{}
	var add func(name string)
	add = func(name string) {
		if !made[name] {
			made[name] = true
			for _, other := range targets[name] {
				add(other)
			}
		}
	}
	for _, m := range ciMakeRE.FindAllSubmatch(b, -1) {
		add(string(m[1]))
	}
	if len(made) < 10 {
		t.Fatalf("CI makes %v alone", made)
	}
	return made
}

// TestTheMakefilesTestsExist holds the packages, tests and flags that recipes name. A variable of make that is a list of packages is looked into; what else make puts in stands for one word.
func TestTheMakefilesTestsExist(t *testing.T) {
	b, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for line := range strings.Lines(string(b)) {
		_, args, ok := strings.Cut(strings.TrimSpace(line), "$(GO) test ")
		if !ok || strings.HasSuffix(args, "-bench") { // what goes on elsewhere
			continue
		}
		args = regexp.MustCompile(`\$\([A-Z]+\)`).ReplaceAllStringFunc(args, func(v string) string {
			m := regexp.MustCompile(`(?m)^` + v[2:len(v)-1] + ` [?:]?= (\./[^$\n]+)$`).FindSubmatch(b)
			if m == nil {
				return "x"
			}
			return string(m[1])
		})
		args = strings.ReplaceAll(regexp.MustCompile(`\$\$\(+[^)]*\)+`).ReplaceAllString(args, "x"), "$$", "$")
		looked++
		for fault := range testFaults(t, shellWords(args)) {
			t.Errorf("%s: %s", strings.TrimSpace(line), fault)
		}
	}
	if looked < 10 {
		t.Errorf("only %d looked at", looked)
	}
}

// makeIsHeld wants every target of a command to be made by CI, or to be held by a test.
func makeIsHeld(t *testing.T, command string) {
	t.Helper()
	ci, targets := madeByCI(t), makefile(t)
	for _, word := range shellWords(command)[1:] {
		if strings.Contains(word, "=") {
			continue
		}
		if _, ok := targets[word]; !ok {
			t.Errorf("%s: make has no target %s", command, word)
		}
		at, ok := heldBy[word]
		switch {
		case ci[word]:
		case !ok:
			t.Errorf("%s: neither CI makes %s, nor is there a test that does what it does", command, word)
		case !hasTest(t, filepath.Join("..", at[0]), at[1]):
			t.Errorf("%s: %s has no %s", command, at[0], at[1])
		}
	}
}

// hasTest says whether a package has a test, a benchmark, a fuzz target or an example of that name, under whatever build tags.
func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	for _, have := range testsOf(t, dir) {
		if have == name {
			return true
		}
	}
	return false
}

var testRE = regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz|Example)\w*)\(`)

// testsOf are the names of a package's tests, benchmarks, fuzz targets and examples.
func testsOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	for _, text := range testFiles(t, dir) {
		for _, m := range testRE.FindAllStringSubmatch(text, -1) {
			names = append(names, m[1])
		}
	}
	return names
}

// testFiles are the texts of a package's test files.
func testFiles(t *testing.T, dir string) (texts []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	return texts
}
