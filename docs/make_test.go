package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// heldBy are targets that CI does not make, or makes without that setting, each with the tests that run what its recipe runs: package and name.
var heldBy = map[string][2]string{
	"demo":            {"internal/demo", "TestTheDemoShowsResultsThatAreMostlyRight"},
	"demo STAY=1":     {"integration/page", "TestThePageShowsAWorkerAtWork"},
	"sim":             {"internal/cli", "TestSimulate"},
	"build ICEBERG=1": {"integration/iceberg", "TestIceberg"},
}

// unmade are targets that neither CI nor a test makes, with the reason, but for those of bench, whose benchmarks TestEveryBenchmarkHasARun holds. What their recipes name is there (TestUnmadeTargetsFindWhatTheyName).
var unmade = map[string]string{
	"demo-models":          "the data sets are not here, and training takes half an hour",
	"docs-benches-servers": "servers of every output, one after the other: for the night",
	"docs-tools":           "7 GB of torch: for the night",
	"gpu-check":            "it needs a GPU",
	"image-steps-cuda":     "1.9 GB of wheels, and 20 GB of room",
	"image-steps-mutants":  "it takes the steps of image-steps, which CI makes, time and again",
	"reproducible":         "two builds with empty caches",
	"sbom":                 "make sbom-check, which CI makes, runs the same script",
	"spark-check":          "470 MB of Spark; make vet, which CI makes, compiles it",
	"vulnerabilities":      "the network; make vulnerabilities-check, which CI makes, runs the same script",
}

var (
	ruleRE   = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):([^=\n#]*)`)
	submakeR = regexp.MustCompile(`\$\(MAKE\) ([a-z0-9-]+)`)
	ciMakeRE = regexp.MustCompile(`(?m)^ *(?:step|beside) \S+ make ([a-z0-9-]+)`)
)

// rule is a target's: what it is made of, also by its recipe, and that.
type rule struct {
	needs  []string
	recipe string
}

// makefile are the targets of the Makefile.
func makefile(t *testing.T) map[string]rule {
	t.Helper()
	b, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]rule{}
	rules := ruleRE.FindAllSubmatchIndex(b, -1)
	for i, m := range rules {
		name := string(b[m[2]:m[3]])
		end := len(b)
		if i+1 < len(rules) {
			end = rules[i+1][0]
		}
		r := targets[name]
		r.recipe += string(b[m[1]:end])
		r.needs = append(r.needs, strings.Fields(string(b[m[4]:m[5]]))...)
		for _, sub := range submakeR.FindAllSubmatch(b[m[1]:end], -1) {
			r.needs = append(r.needs, string(sub[1]))
		}
		targets[name] = r
	}
	if len(targets) < 40 {
		t.Fatalf("only %d targets", len(targets))
	}
	return targets
}

// made is what make can do, and CI does.
type made struct {
	targets map[string]rule
	byCI    map[string]bool // targets that .ci/run makes, with what these need
	tests   []testCommand   // that the recipes of these have
}

func newMade(t *testing.T) made {
	t.Helper()
	b, err := os.ReadFile("../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	m := made{targets: makefile(t), byCI: map[string]bool{}}
	var add func(name string)
	add = func(name string) {
		if m.byCI[name] {
			return
		}
		m.byCI[name] = true
		m.tests = append(m.tests, m.targets[name].tests()...)
		for _, other := range m.targets[name].needs {
			add(other)
		}
	}
	for _, step := range ciMakeRE.FindAllSubmatch(b, -1) {
		add(string(step[1]))
	}
	for name, r := range m.targets { // what is only others, each of which CI makes
		others := func(n string) bool { return !m.byCI[n] }
		m.byCI[name] = m.byCI[name] || !strings.Contains(r.recipe, "\n\t") && len(r.needs) > 0 && !slices.ContainsFunc(r.needs, others)
	}
	if len(m.byCI) < 10 || len(m.tests) < 5 {
		t.Fatalf("CI makes %v alone, with %v", m.byCI, m.tests)
	}
	return m
}

// tests are the lines of a recipe that run go test.
func (r rule) tests() (all []testCommand) {
	for line := range strings.Lines(r.recipe) {
		if args, ok := strings.CutPrefix(strings.TrimSpace(line), "$(GO) test "); ok {
			c, _ := parseTest(shellWords(args))
			all = append(all, c)
		}
	}
	return all
}

// TestTheMakefilesTestsExist holds the packages, tests and flags that recipes name. A variable of make that says all itself is looked into; what else make puts in stands for one word.
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
			m := regexp.MustCompile(`(?m)^` + v[2:len(v)-1] + ` [?:]?= ([^$\n]+)$`).FindSubmatch(b)
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

// faults are what is wrong with the arguments of make: each target is one, and is made by CI, or by a test, or CI runs its tests with less work, or it is one of unmade; settings are those of the Makefile, or of what it starts. Without a target
// make lists them, which TestMakeListsItsTargets has it do.
func (m made) faults(t *testing.T, args []string) map[string]bool {
	t.Helper()
	faults := map[string]bool{}
	at, whole := heldBy[strings.Join(args, " ")]
	if whole && !hasTest(t, filepath.Join("..", at[0]), at[1]) {
		faults[at[0]+" has no "+at[1]] = true
	}
	for _, word := range args {
		if name, value, ok := strings.Cut(word, "="); ok {
			if !isSetting(t, name) {
				faults["nothing reads "+name] = true
			}
			if name == "ICEBERG" && !whole {
				faults["no test builds so: "+value] = true
			}
			continue
		}
		rule, ok := m.targets[word]
		at, byTest := heldBy[word]
		switch {
		case !ok:
			faults["make has no target "+word] = true
		case m.byCI[word], whole, unmade[word] != "", strings.HasPrefix(word, "bench"):
		case byTest && !hasTest(t, filepath.Join("..", at[0]), at[1]):
			faults[at[0]+" has no "+at[1]] = true
		case !byTest && !m.testsToo(rule):
			faults["neither CI makes "+word+", nor is there a test that does what it does"] = true
		}
	}
	return faults
}

// testsToo says whether a recipe is tests that CI runs, too, there with less work.
func (m made) testsToo(r rule) bool {
	return len(r.tests()) > 0 && !slices.ContainsFunc(r.tests(), func(c testCommand) bool { return len(m.untested(c)) > 0 })
}

// untested are the packages whose tests CI does not all run, benchmarks are none of them, with the tags that are asked for and no others.
func (m made) untested(asked testCommand) (packages []string) {
	_, measures := asked.values["bench"]
	for _, p := range asked.packages {
		if measures || !slices.ContainsFunc(m.tests, func(c testCommand) bool { return slices.Equal(c.tags(), asked.tags()) && c.whole(p) }) {
			packages = append(packages, p)
		}
	}
	return packages
}

// isSetting says whether the Makefile, a script of tools or a test of integration reads a variable of that name.
func isSetting(t *testing.T, name string) bool {
	t.Helper()
	reads := regexp.MustCompile(`\b` + name + `\b`)
	for _, pattern := range []string{"../Makefile", "../tools/*.sh", "../tools/*/*.sh", "../integration/*/*.go", "../integration/*/*/*.go", "../embed/*/*_test.go"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %v, %v", pattern, paths, err)
		}
		for _, path := range paths {
			if b, err := os.ReadFile(path); err == nil && reads.Match(b) {
				return true
			}
		}
	}
	return false
}

// TestMakeListsItsTargets gives make nothing, as the README says.
func TestMakeListsItsTargets(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "make", "-C", "..").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, rule := range makefile(t) {
		if strings.HasPrefix(rule.recipe, "## ") && !regexp.MustCompile(`(?m)^ *`+name+` `).Match(out) {
			t.Errorf("make does not list %s", name)
		}
	}
}

// TestUnmadeTargetsFindWhatTheyName has make print what it would do for each target that nothing makes: that is shell, its scripts are there and are shell, too, and go test, run and build find their packages, tests, benchmarks and flags.
func TestUnmadeTargetsFindWhatTheyName(t *testing.T) {
	m, looked := newMade(t), 0
	for name, rule := range m.targets {
		at, byTest := heldBy[name]
		switch {
		case unmade[name] != "" && (m.byCI[name] || byTest):
			t.Errorf("%s is made, by CI or %v", name, at)
		case unmade[name] == "" && !strings.HasPrefix(name, "bench") && !m.testsToo(rule):
			continue
		}
		looked++
		out, err := exec.CommandContext(t.Context(), "make", "-C", "..", "-n", "GO=go", name).Output()
		if err != nil {
			t.Errorf("make -n %s: %v", name, err)
			continue
		}
		for fault := range recipeFaults(t, string(out)) {
			t.Errorf("make %s: %s", name, fault)
		}
	}
	for name := range unmade {
		if _, ok := m.targets[name]; !ok {
			t.Errorf("there is no %s", name)
		}
	}
	if looked < 20 {
		t.Errorf("only %d looked at", looked)
	}
}

var (
	ofToolsRE  = regexp.MustCompile(`\btools/[\w/-]+\.sh\b`)
	goTestRE   = regexp.MustCompile(`\bgo test ([^;\n]*)`)
	goPackages = regexp.MustCompile(`\bgo (?:run|build|vet) (?:[^;\n]* )?(\./\S+)`)
)

// recipeFaults are what is wrong with lines that make gives to a shell.
func recipeFaults(t *testing.T, lines string) map[string]bool {
	t.Helper()
	faults := map[string]bool{}
	if err := parses(t, "recipe.sh", []byte(lines)); err != nil {
		faults[err.Error()] = true
	}
	for _, script := range ofToolsRE.FindAllString(lines, -1) {
		for fault := range scriptFaults(t, "..", []string{script}) {
			faults[fault] = true
		}
	}
	for _, m := range goTestRE.FindAllStringSubmatch(lines, -1) {
		for fault := range testFaults(t, shellWords(m[1])) {
			faults["go test "+m[1]+": "+fault] = true
		}
	}
	for _, m := range goPackages.FindAllStringSubmatch(lines, -1) {
		if files, err := filepath.Glob(filepath.Join("..", m[1], "*.go")); err != nil || len(files) == 0 {
			faults["there is no package "+m[1]] = true
		}
	}
	return faults
}

func TestARecipeThatFindsNothingIsNoticed(t *testing.T) {
	for _, lines := range []string{"if true", "GO=go tools/nowhere.sh", "go test -run '^$' -bench Nothing ./integration/bench", "go test -bench Workers ./integration/bench; true", "go run ./tools/nowhere"} {
		if len(recipeFaults(t, lines)) == 0 {
			t.Errorf("nothing is noticed of %s", lines)
		}
	}
	if faults := recipeFaults(t, "GO=go tools/gpu-check.sh\ngo test -tags integration -run '^$' -bench Workers ./integration/bench\n"); len(faults) > 0 {
		t.Error(faults)
	}
}
