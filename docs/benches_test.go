package docs

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unbenched are the targets that nothing runs of what measures, with the reason.
var unbenched = map[string]string{
	"bench-graphs":         "torch, and its exports at base width: 9 GB",
	"bench-peers":          "torch and three frameworks: 8 GB",
	"bench-backfill-peers": "the same",
}

// benches is one run of go test with all the benchmarks that documents, or targets of make, ask of the same packages, built alike.
type benches struct {
	flags    []string // what they are built with, as a shell takes it
	packages []string
	profiles map[string]string // that one asks for: the flag and the file
	asked    []askedBench
}

// askedBench is what one command asks for.
type askedBench struct {
	command, pattern string
}

// served says whether they need servers, or packages of Python.
func (r *benches) served() bool {
	return slices.ContainsFunc(r.flags, func(f string) bool { return strings.HasPrefix(f, "-tags") }) || slices.Contains(r.packages, "./integration/bench/decode")
}

// command runs each benchmark once, with as little as it can do.
func (r *benches) command(dir string) string {
	var tops []string
	for _, a := range r.asked {
		top, _, _ := strings.Cut(a.pattern, "/")
		tops = append(tops, top)
	}
	slices.Sort(tops)
	words := slices.Concat([]string{"go", "test"}, r.flags, []string{"-run", "'^$'", "-bench", "'" + strings.Join(slices.Compact(tops), "|") + "'", "-benchtime", "1x", "-count", "1", "-short", "-v", "-timeout", "30m"})
	for flag, file := range r.profiles {
		words = append(words, "-"+flag, file)
	}
	if len(r.profiles) > 0 {
		words = append(words, "-outputdir", dir, "-o", filepath.Join(dir, "bench.test"))
	}
	return strings.Join(append(words, r.packages...), " ")
}

// allBenches are those of the documents, and of the targets that measure.
func allBenches(t *testing.T) (runs []*benches) {
	t.Helper()
	for _, d := range slices.Concat(documents(t), decisions(t), comments(t)) {
		for _, line := range lines(d) {
			for command := range strings.SplitSeq(line, " && ") {
				runs = withBench(runs, d.path+": "+command, command)
			}
		}
	}
	for name := range makefile(t) {
		if !strings.HasPrefix(name, "bench") || unbenched[name] != "" {
			continue
		}
		out, err := exec.CommandContext(t.Context(), "make", "-C", "..", "-n", "GO=go", name).Output()
		if err != nil {
			t.Fatalf("make -n %s: %v", name, err)
		}
		before := askedOf(runs)
		for _, m := range goTestRE.FindAllString(string(out), -1) {
			runs = withBench(runs, "make "+name, m)
		}
		if askedOf(runs) == before {
			t.Errorf("make %s runs no benchmark", name)
		}
	}
	return runs
}

// askedOf is how many commands runs stand for.
func askedOf(runs []*benches) (n int) {
	for _, r := range runs {
		n += len(r.asked)
	}
	return n
}

// withBench adds what a command asks for, if it does, to the run that has its packages.
func withBench(runs []*benches, from, command string) []*benches {
	words := withoutSettings(shellWords(command))
	if len(words) < 3 || words[0] != "go" || words[1] != "test" {
		return runs
	}
	c, _ := parseTest(words[2:])
	pattern, ok := c.values["bench"]
	if !ok {
		return runs
	}
	r := &benches{packages: c.packages, profiles: map[string]string{}}
	if slices.Contains(words, "-trimpath") {
		r.flags = append(r.flags, "-trimpath")
	}
	for _, flag := range []string{"tags", "ldflags", "modfile"} {
		if value, ok := c.values[flag]; ok {
			r.flags = append(r.flags, "-"+flag+` "`+value+`"`) // make's own have what the shell puts in
		}
	}
	at := slices.IndexFunc(runs, func(other *benches) bool {
		return slices.Equal(other.flags, r.flags) && slices.Equal(other.packages, r.packages)
	})
	if at < 0 {
		at, runs = len(runs), append(runs, r)
	}
	runs[at].asked = append(runs[at].asked, askedBench{from, pattern})
	for _, flag := range []string{"cpuprofile", "memprofile", "mutexprofile", "blockprofile"} {
		if file, ok := c.values[flag]; ok {
			runs[at].profiles[flag] = filepath.Base(file)
		}
	}
	return runs
}

var (
	packageLine = regexp.MustCompile(`^pkg: vecmill/(\S+)`)
	resultLine  = regexp.MustCompile(`^(Benchmark\S*?)(?:-\d+)?\s+1\s`)
	skippedLine = regexp.MustCompile(`^\s*--- SKIP: (Benchmark\S*?)(?:-\d+)?(?: |$)`)
)

// benched is what go test -v says: benchmarks that have a result, and those that were skipped, each by its package and its name.
type benched struct {
	ran, skipped map[string][]string
}

func readBenched(out string) benched {
	b, at := benched{map[string][]string{}, map[string][]string{}}, ""
	for line := range strings.Lines(out) {
		switch line = strings.TrimSuffix(line, "\n"); {
		case packageLine.MatchString(line):
			at = "./" + packageLine.FindStringSubmatch(line)[1]
		case resultLine.MatchString(line):
			b.ran[at] = append(b.ran[at], resultLine.FindStringSubmatch(line)[1])
		case skippedLine.MatchString(line):
			b.skipped[at] = append(b.skipped[at], skippedLine.FindStringSubmatch(line)[1])
		}
	}
	return b
}

// missing are the packages of which a pattern has no result, and those of them where what it names was skipped.
func (b benched) missing(packages []string, pattern string) (none, skipped []string) {
	for _, p := range packages {
		is := func(name string) bool { return matchesBench(pattern, name) }
		switch {
		case slices.ContainsFunc(b.ran[p], is):
		case slices.ContainsFunc(b.skipped[p], is):
			skipped = append(skipped, p)
		default:
			none = append(none, p)
		}
	}
	return none, skipped
}

// matchesBench says whether go test takes a benchmark, or one within it, for a pattern.
func matchesBench(pattern, name string) bool {
	names := strings.Split(name, "/")
	for i, p := range strings.Split(pattern, "/") {
		if i >= len(names) || !regexp.MustCompile(p).MatchString(names[i]) {
			return false
		}
	}
	return true
}

// TestEveryBenchmarkHasARun wants each command that measures to be one that make docs-benches, which CI makes, or make docs-benches-servers runs.
func TestEveryBenchmarkHasARun(t *testing.T) {
	m := newMade(t)
	if !m.byCI["docs-benches"] {
		t.Error("CI does not make docs-benches")
	}
	if _, ok := m.targets["docs-benches-servers"]; !ok {
		t.Error("there is no docs-benches-servers")
	}
	count := map[bool]int{}
	for _, r := range allBenches(t) {
		count[r.served()] += len(r.asked)
	}
	if count[false] < 20 || count[true] < 6 {
		t.Errorf("%d commands that measure need no servers, and %d do", count[false], count[true])
	}
	for name := range unbenched {
		if _, ok := m.targets[name]; !ok {
			t.Errorf("there is no %s", name)
		}
	}
}

func TestABenchmarkThatDidNotRunIsNoticed(t *testing.T) {
	const out = `goos: linux
pkg: vecmill/integration/bench
=== RUN   BenchmarkMemory
BenchmarkMemory
BenchmarkMemory/text
    memory_test.go:60: 8 x 12 steps
BenchmarkMemory/text-2         	       1	  123 ns/op	  1.0 raised
BenchmarkPages
    pages_test.go:20: this kernel's large pages are for "never"
--- SKIP: BenchmarkPages
BenchmarkText-2                	       1	  123 ns/op
BenchmarkBroken
    broken_test.go:3: it fails
--- FAIL: BenchmarkBroken
PASS
ok  	vecmill/integration/bench	1.0s
pkg: vecmill/embed/text
BenchmarkEncode     	       1	  123 ns/op
`
	b := readBenched(out)
	for _, c := range []struct {
		pattern  string
		packages []string
		none     int
		skipped  int
	}{
		{"Memory/text", []string{"./integration/bench"}, 0, 0},
		{"Memory/audio", []string{"./integration/bench"}, 1, 0},
		{"Memory", []string{"./integration/bench", "./embed/text"}, 1, 0},
		{"Pages", []string{"./integration/bench", "./embed/text"}, 1, 1},
		{"Broken", []string{"./integration/bench"}, 1, 0},
		{"^Benchmark(Text|Audio)$", []string{"./integration/bench"}, 0, 0},
		{".", []string{"./integration/bench", "./embed/text"}, 0, 0},
		{"Encode", []string{"./integration/bench"}, 1, 0},
	} {
		if none, skipped := b.missing(c.packages, c.pattern); len(none) != c.none || len(skipped) != c.skipped {
			t.Errorf("of %s %v have no result and %v were skipped, want %d and %d", c.pattern, none, skipped, c.none, c.skipped)
		}
	}
}
