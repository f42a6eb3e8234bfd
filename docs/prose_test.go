package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// byTests are commands that are not run here where they stand, by their beginning, each with the test that does what they do by their own words.
var byTests = map[string]string{
	"curl -X":          "docs TestTheLogsLevelChanges",
	"kill -USR1":       "docs TestABackfillPausesAsItsDocumentSays",
	"kill -USR2":       "docs TestABackfillPausesAsItsDocumentSays",
	"kubectl exec":     "docs TestABackfillPausesAsItsDocumentSays",
	"kubectl ":         "docs TestKubectlFindsWhatItIsAskedFor",
	"docker ":          "docs TestDockerFindsWhatItIsAskedFor", // tools/image-steps.sh takes the Dockerfile's steps
	"redis-cli --pipe": "integration/sinks BenchmarkRedis",     // a figure's, not the reader's

	`eval "$(tools/fetch-ort-gpu.sh --env)"`: "docs TestLibrariesForGPUsAreFetchedAndNamed", // with wheels that are small
}

// TestWhatProseNamesExists looks at code spans, indented lines and commands of all documents, and at how the examples say that they are run: programs have the commands and flags that they name, make the targets, packages the tests and flags, and scripts are there.
func TestWhatProseNamesExists(t *testing.T) {
	targets := makefile(t)
	s := newSite(t)
	dir := s.clone(t, document{})
	helps, looked, used := map[string]string{}, map[string]int{}, map[string]bool{}
	for _, d := range append(documents(t), comments(t)...) {
		lines := d.prose
		for _, c := range d.commands {
			lines = append(lines, c.line)
		}
		for _, b := range d.blocks {
			lines = append(lines, strings.Split(b.text, "\n")...)
		}
		for _, line := range lines {
			for part := range strings.SplitSeq(line, " && ") {
				for prefix := range byTests {
					used[prefix] = used[prefix] || strings.HasPrefix(part, prefix)
				}
				for fault := range s.faults(t, dir, d.path, withoutSettings(shellWords(part)), targets, helps, looked) {
					t.Errorf("%s: %s: %s", d.path, part, fault)
				}
			}
		}
	}
	for command, held := range byTests {
		if dir, test, _ := strings.Cut(held, " "); !hasTest(t, filepath.Join("..", dir), test) {
			t.Errorf("%s: there is no %s", command, held)
		}
		if !used[command] {
			t.Errorf("no document has a command that begins with %s", command)
		}
	}
	for program, least := range map[string]int{"make": 40, "worker": 20, "backfill": 20, "go test": 20, "script": 20} {
		if looked[program] < least {
			t.Errorf("only %d of %s looked at", looked[program], program)
		}
	}
}

// comments are the indented comments of the examples and of what docker reads, as prose.
func comments(t *testing.T) (all []document) {
	t.Helper()
	for _, path := range append(examples(t), "../deploy/Dockerfile", "../deploy/Dockerfile.cuda", "../deploy/compose.yaml") {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		d := document{path: path}
		for line := range strings.Lines(string(b)) {
			if text, ok := strings.CutPrefix(line, "#   "); ok {
				d.prose = append(d.prose, strings.TrimSpace(text))
			}
		}
		if len(d.prose) == 0 {
			t.Errorf("%s does not say how it is run", path)
		}
		all = append(all, d)
	}
	return all
}

// withoutSettings leaves out settings of the environment before a command, and what substitutes it.
func withoutSettings(words []string) []string {
	for len(words) > 0 && regexp.MustCompile(`^[A-Z_]+=`).MatchString(words[0]) {
		words = words[1:]
	}
	if len(words) > 1 && words[0] == "eval" {
		words = shellWords(strings.Trim(words[1], "$()"))
	}
	return words
}

// faults are what is wrong with a command, if it is one that can be looked at.
func (s *site) faults(t *testing.T, dir, path string, words []string, targets map[string][]string, helps map[string]string, looked map[string]int) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	if len(words) == 0 {
		return all
	}
	program := strings.TrimPrefix(words[0], "bin/")
	script := scriptRE.MatchString(program) && (strings.HasPrefix(program, "tools/") || strings.Contains(path, "tools/"))
	switch {
	case script || strings.Contains(program, "python"):
		all = scriptFaults(t, filepath.Dir(path), words)
		looked["script"]++
	case len(words) < 2:
	case program == "make":
		for _, target := range words[1:] {
			if _, ok := targets[target]; !ok && !strings.Contains(target, "=") {
				all["make has no target "+target] = true
			}
			looked["make"]++
		}
	case program == "worker" || program == "backfill":
		words[0] = program
		s.named(t, dir, path, words, helps)
		looked[program]++
	case slices.Contains([]string{"curl", "kill", "kubectl", "docker", "helm", "redis-cli", "aws", "psql"}, program):
		begins := func(prefix string) bool { return strings.HasPrefix(strings.Join(words, " "), prefix) }
		if !slices.ContainsFunc(keys(byTests), begins) && !slices.ContainsFunc(keys(instead), begins) {
			all["no test does what it does"] = true
		}
	case program == "go" && words[1] == "test":
		all = testFaults(t, words[2:])
		looked["go test"]++
	}
	return all
}

var scriptRE = regexp.MustCompile(`\.(py|sh|txt)$`)

// named holds a command and its flags against the program's help.
func (s *site) named(t *testing.T, dir, path string, words []string, helps map[string]string) {
	t.Helper()
	command := words[:2]
	if len(words) > 2 && (words[1] == "config" || words[1] == "dlq") && !strings.HasPrefix(words[2], "-") {
		command = words[:3]
	}
	key := strings.Join(command, " ")
	help, ok := helps[key]
	if !ok {
		var err error
		if help, err = s.run(t, dir, "bin/"+key+" --help"); err != nil && key != "worker config reference" && key != "worker version" {
			t.Errorf("%s: %s: %v\n%s", path, key, err, help)
		}
		helps[key] = help
	}
	for _, w := range words[len(command):] {
		if name, ok := strings.CutPrefix(strings.TrimLeft(w, "["), "--"); ok && name != "" && name != "help" {
			name, _, _ = strings.Cut(strings.TrimRight(name, "].,"), "=")
			if !regexp.MustCompile(`(?m)^  -` + name + `\b`).MatchString(help) {
				t.Errorf("%s: %s has no flag --%s", path, key, name)
			}
		}
	}
}

// Flags of go test that documents use. Others must be the package's own.
var (
	valueFlags = []string{"run", "bench", "benchtime", "tags", "count", "timeout", "p", "cpuprofile", "memprofile", "mutexprofile", "blockprofile", "o", "exec", "ldflags", "modfile"}
	truthFlags = []string{"v", "race", "short", "trimpath"}
)

// testFaults are what is wrong with the arguments of go test: each package has tests, those that -run and -bench name, and its own flags.
func testFaults(t *testing.T, args []string) map[string]bool {
	t.Helper()
	faults, patterns := map[string]bool{}, map[string]string{}
	var packages, own []string
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		name, isFlag := strings.CutPrefix(arg, "-")
		name, value, has := strings.Cut(name, "=")
		switch {
		case !isFlag:
			packages = append(packages, arg)
		case slices.Contains(truthFlags, name):
		case has && slices.Contains(valueFlags, name):
			patterns[name] = value
		case len(args) == 0 || strings.HasPrefix(args[0], "-"):
			faults[arg+" has no value"] = true
		case slices.Contains(valueFlags, name):
			patterns[name] = args[0]
			args = args[1:]
		default:
			own = append(own, name)
			args = args[1:]
		}
	}
	if len(packages) == 0 {
		faults["it names no package"] = true
	}
	for _, p := range packages {
		below, all := strings.CutSuffix(p, "...")
		dir := filepath.Join("..", below)
		if _, err := os.Stat(dir); all && err == nil {
			continue // whatever there is
		}
		have := testsOf(t, dir)
		if len(have) == 0 {
			faults[p+" has no tests"] = true
		}
		for flag, kind := range map[string]string{"run": "Test|Fuzz|Example", "bench": "Benchmark"} {
			pattern, asked := patterns[flag]
			pattern, _, _ = strings.Cut(pattern, "/") // what follows chooses within a test
			if asked && pattern != "^$" && !slices.ContainsFunc(have, func(name string) bool {
				return regexp.MustCompile(`^(`+kind+`)`).MatchString(name) && regexp.MustCompile(pattern).MatchString(name)
			}) {
				faults[fmt.Sprintf("%s has nothing for -%s %s", p, flag, pattern)] = true
			}
		}
		for _, name := range own {
			if !hasFlag(t, dir, name) {
				faults[fmt.Sprintf("%s has no flag -%s", p, name)] = true
			}
		}
	}
	return faults
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

// scriptFaults are what is wrong with a line that runs a script of tools: scripts and lists of requirements are there, and scripts of the shell know their flags. A README of tools is read in its directory, the others at the root.
func scriptFaults(t *testing.T, at string, words []string) map[string]bool {
	t.Helper()
	faults := map[string]bool{}
	if !strings.HasPrefix(at, "../tools/") {
		at = ".."
	}
	script := ""
	for _, w := range words {
		switch name, isFlag := strings.CutPrefix(strings.Trim(w, "[]"), "--"); {
		case scriptRE.MatchString(w) && !strings.HasPrefix(w, "/"):
			b, err := os.ReadFile(filepath.Join(at, w))
			if err != nil {
				faults[w+" is not there"] = true
			}
			if script == "" {
				script = string(b)
			}
		case isFlag && script != "" && !strings.Contains(script, "--"+name):
			faults["it has no flag --"+name] = true
		}
	}
	return faults
}
