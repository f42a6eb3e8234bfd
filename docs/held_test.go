package docs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vecmill/integration/harness"
)

// byTests are commands that are not run here where they stand, by their beginning, each with the test that does what they do, by their own words or by the same program.
var byTests = map[string]string{
	"curl -X":      "docs TestTheLogsLevelChanges",
	"kill -USR1":   "docs TestABackfillPausesAsItsDocumentSays",
	"kill -USR2":   "docs TestABackfillPausesAsItsDocumentSays",
	"kubectl exec": "docs TestABackfillPausesAsItsDocumentSays",
	"kubectl ":     "docs TestKubectlFindsWhatItIsAskedFor",
	"docker ":      "docs TestDockerFindsWhatItIsAskedFor", // tools/image-steps.sh takes the Dockerfile's steps

	`eval "$(tools/fetch-ort-gpu.sh --env)"`: "docs TestLibrariesForGPUsAreFetchedAndNamed", // with wheels that are small

	"bin/worker run --config docs/examples/":    "docs TestTheExamplesRun",
	"bin/backfill plan --config docs/examples/": "docs TestTheExamplesRun",
	"bin/backfill run --config docs/examples/":  "docs TestTheExamplesRun",

	"worker dlq show":        "internal/cli TestDeadLettersAreListedShownAndReplayedOnce", // where letters lie is another place each time
	"bin/worker demo --stay": "integration/page TestThePageShowsAWorkerAtWork",

	"go test -overlay": "internal/simulate TestTheOracleCatchesEveryMutant", // builds so
}

// byTest is the test that stands for a command, or "".
func byTest(command string) string {
	for prefix, test := range byTests {
		if strings.HasPrefix(command, prefix) {
			return test
		}
	}
	return ""
}

// byOthers are the forms of commands that a test gives to a shell with what it has made in place of what a reader has, each with that test; what is looked at here gives what is wrong.
var byOthers = []struct {
	form, test string
	hold       func(t *testing.T, at string, words []string) map[string]bool
}{
	{`^(tools/demo-models/)?train\.sh `, "docs TestTrainingGoesThroughItsScripts", scriptFaults},
	{`^tools/gpu-check\.sh `, "docs TestTheCheckOfGPUsTakesWhatIsDocumented", scriptFaults},
	{`^cat .*sha256sum$`, "docs TestTheDataSetsSumsAreThoseOfTheirFiles", isShell},
	{`^apt-get install make `, "docs TestWhatABuildNeedsIsNamed", nil},
	{`^redis-cli --pipe$`, "integration/sinks TestRowsGoThroughAPipe", nil},
}

// byRecipes are commands that CI gives to a shell word by word: a target that it makes, and the script of its recipe if that has them.
var byRecipes = map[string][2]string{
	"go build":            {"check-nocgo"}, // without flags, so by everybody
	"chartcheck -schemas": {"helm-check", "tools/helm-check.sh"},
	"tools/fetch-readers.sh integration/feast": {"integration-deps"},
}

// TestEveryCommandIsHeld wants each command of each document and each alert, in blocks, in spans and in indented lines, to be run: here by TestEveryCommandOfTheDocumentsRuns, by a test of byTests, or by CI; by make docs-benches and make docs-tools; or else to be a target of unmade. CHANGELOG.md says what was, and its commands are not looked at.
func TestEveryCommandIsHeld(t *testing.T) {
	m, used, seen := newMade(t), map[string]bool{}, map[string]int{}
	look := func(d document, command string, inBlock bool) {
		how, faults := m.held(t, d.path, command, inBlock)
		for fault := range faults {
			t.Errorf("%s: %s: %s", d.path, command, fault)
		}
		used[how] = true
		seen[strings.SplitN(how, " ", 2)[0]]++
	}
	for _, d := range slices.Concat(documents(t), decisions(t), comments(t), []document{alerts(t)}) {
		for _, c := range d.commands {
			if !c.inProse {
				look(d, c.line, true)
			}
		}
		for _, line := range d.prose {
			for command := range strings.SplitSeq(line, " && ") {
				if isCommand(command) {
					look(d, command, false)
				}
			}
		}
	}
	for prefix, test := range byTests {
		if dir, name, _ := strings.Cut(test, " "); !hasTest(t, filepath.Join("..", dir), name) {
			t.Errorf("%s: there is no %s", prefix, test)
		}
		if !used["test "+test] {
			t.Errorf("no document has a command that begins with %s", prefix)
		}
	}
	for _, o := range byOthers {
		if dir, name, _ := strings.Cut(o.test, " "); !hasTest(t, filepath.Join("..", dir), name) {
			t.Errorf("%s: there is no %s", o.form, o.test)
		}
		if !used["other "+o.test] {
			t.Errorf("no document has a command like %s", o.form)
		}
	}
	for command := range byRecipes {
		if !used["recipe "+command] {
			t.Errorf("no document has %s", command)
		}
	}
	for _, p := range inPython {
		if !used["Python "+p.at+" "+p.command] {
			t.Errorf("no document of %s has %s", p.at, p.command)
		}
	}
	for how, least := range map[string]int{"here": 60, "make": 60, "CI": 8, "bench": 15, "Python": 18, "other": 5, "recipe": 4, "test": 12} {
		if seen[how] < least {
			t.Errorf("only %d commands are held by %s", seen[how], how)
		}
	}
}

// held tells how a command is held, and what is wrong with it: if with nothing, it is. What stands in a block is run unless one of the tables, or make, is to hold it.
func (m made) held(t *testing.T, path, command string, inBlock bool) (how string, faults map[string]bool) {
	t.Helper()
	words := withoutSettings(shellWords(command))
	at := ".."
	if strings.HasPrefix(path, "../tools/") { // read there
		at = filepath.Dir(path)
	}
	plain := strings.Join(words, " ")
	if test := byTest(command); test != "" {
		return "test " + test, nil
	}
	switch {
	case words[0] == "make":
		return "make", m.faults(t, words[1:])
	case inBlock, isName(command), whole(command) != "":
		return "here", nil
	}
	if recipe, ok := byRecipes[command]; ok {
		return "recipe " + command, m.inRecipe(t, command, recipe[0], recipe[1])
	}
	if isInPython(at, command) {
		return "Python " + at + " " + command, scriptFaults(t, at, words)
	}
	for _, o := range byOthers {
		if !regexp.MustCompile(o.form).MatchString(plain) {
			continue
		}
		if o.hold == nil {
			return "other " + o.test, nil
		}
		return "other " + o.test, o.hold(t, at, words)
	}
	if strings.HasPrefix(plain, "go test ") && slices.Contains(words, "-bench") { // make docs-benches, or make docs-benches-servers, runs it
		return "bench", testFaults(t, words[2:])
	}
	if strings.HasPrefix(plain, "go test ") { // a flag of the package's own, or a setting, makes the same tests look at more, or write what they compare with
		faults := testFaults(t, words[2:])
		asked, _ := parseTest(words[2:])
		for _, p := range m.untested(asked) {
			faults["CI does not run "+p+" so"] = true
		}
		return "CI", faults
	}
	return "", map[string]bool{"nothing runs it": true}
}

// inRecipe gives what is wrong with a command that a target's recipe, or the script that this runs, is to have.
func (m made) inRecipe(t *testing.T, command, target, script string) map[string]bool {
	t.Helper()
	faults, text := map[string]bool{}, strings.ReplaceAll(m.targets[target].recipe, "$(GO)", "go")
	if !m.byCI[target] {
		faults["CI does not make "+target] = true
	}
	if script != "" {
		b, err := os.ReadFile(filepath.Join("..", script))
		if err != nil || !strings.Contains(text, script) {
			faults[fmt.Sprintf("make %s does not run %s: %v", target, script, err)] = true
		}
		text = strings.ReplaceAll(string(b), `"`, "")
	}
	if !regexp.MustCompile(`(?m)(^|[\s/@])` + regexp.QuoteMeta(command) + `(\s|$)`).MatchString(text) {
		faults["make "+target+" does not run it"] = true
	}
	return faults
}

// isShell wants a command that a shell understands. In a table a pipe is written with a backslash.
func isShell(t *testing.T, _ string, words []string) map[string]bool {
	if err := parses(t, "command.sh", []byte(strings.ReplaceAll(strings.Join(words, " "), `\|`, "|"))); err != nil {
		return map[string]bool{err.Error(): true}
	}
	return nil
}

// scriptFaults are what is wrong with a line that runs a script of tools: scripts and lists of requirements are there, scripts are of their language, and know their flags.
func scriptFaults(t *testing.T, at string, words []string) map[string]bool {
	t.Helper()
	faults := map[string]bool{}
	script := ""
	for _, w := range words {
		switch name, isFlag := strings.CutPrefix(strings.Trim(w, "[]"), "--"); {
		case scriptRE.MatchString(w) && !strings.HasPrefix(w, "/"):
			b, err := os.ReadFile(filepath.Join(at, w))
			if err != nil {
				faults[w+" is not there"] = true
				continue
			}
			if script == "" {
				script = string(b)
			}
			if err := parses(t, w, b); err != nil {
				faults[fmt.Sprintf("%s: %v", w, err)] = true
			}
		case isFlag && name != "" && script != "" && !strings.Contains(script, "--"+name):
			faults["it has no flag --"+name] = true
		}
	}
	return faults
}

// parses wants a script of the shell to be one, and a list of requirements to name a version of each. For Python see TestEveryScriptInPythonIsOne.
func parses(t *testing.T, name string, text []byte) error {
	t.Helper()
	switch filepath.Ext(name) {
	case ".sh":
		c := exec.CommandContext(t.Context(), "bash", "-n")
		c.Stdin = bytes.NewReader(text)
		if said, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, said)
		}
	case ".txt":
		if !regexp.MustCompile(`(?m)^[\w.\[\]-]+==\d`).Match(text) {
			return errors.New("it names no version")
		}
	}
	return nil
}

// TestEveryScriptInPythonIsOne parses those of tools, in one process.
func TestEveryScriptInPythonIsOne(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		harness.Missing(t, "python3", "apt-get install python3")
	}
	scripts, err := filepath.Glob("../tools/*/*.py")
	if err != nil || len(scripts) < 30 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	c := exec.CommandContext(t.Context(), "python3", append([]string{"-c", "import ast, sys\nfor p in sys.argv[1:]: ast.parse(open(p, 'rb').read(), p)"}, scripts...)...)
	if said, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
}

func TestWhatNothingRunsIsNoticed(t *testing.T) {
	m := newMade(t)
	for _, command := range []string{
		"terraform apply -auto-approve", "git status", "kubectl", "make nonsense", "make test nonsense", "make build ICEBERG=2", "make clean", "go test ./nowhere", "go test -run TestNothing ./docs", "go test -tags spark ./integration/spark",
		"go test -run TestSoak ./integration/soak", "go test -bench Nothing ./internal/backfill/ledger", "go test -bench Workers ./integration/bench", "tools/gpu-check.sh --colour", "train.sh A --B", "python3 nowhere.py", "python3 -m venv elsewhere", ".venv/bin/pip install nothing", "tools/fetch-readers.sh nowhere", "go build ./nowhere", "chartcheck", "redis-cli --bigkeys",
	} {
		if how, faults := m.held(t, "../README.md", command, false); len(faults) == 0 {
			t.Errorf("%s is held by %q", command, how)
		}
	}
}
