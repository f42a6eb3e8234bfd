package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// notices are beginnings of the names of files that go with a binary besides the licences themselves: section 4 (d) of the Apache licence, and Go's grant of patents.
var notices = []string{"NOTICE", "PATENTS"}

// isLicence says whether a file of that name holds a licence.
func isLicence(name string) bool { return begins(name, "LICEN", "COPYING", "UNLICENSE") }

func begins(name string, prefixes ...string) bool {
	name = strings.ToUpper(name)
	return !strings.HasSuffix(name, ".GO") && slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// writeTexts copies what is said about each module's licence to to/<path>@<version>/, as it lies in the module: from its root, and from the directories of the
// packages that are linked and those above them. Go's own goes to to/std@<version>.
func writeTexts(to string, modules []module) error {
	for _, m := range modules {
		n := 0
		for _, dir := range m.dirs() {
			copied, err := copyTexts(dir, filepath.Join(to, filepath.FromSlash(m.Path)+"@"+m.Version, strings.TrimPrefix(dir, m.Dir)))
			if err != nil {
				return fmt.Errorf("%s %s: %w", m.Path, m.Version, err)
			}
			n += copied
		}
		if n == 0 && unlicensed[m.Path] == "" {
			return fmt.Errorf("%s %s: %w", m.Path, m.Version, errNone)
		}
	}
	out, err := exec.Command("go", "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return fmt.Errorf("go env: %w", err)
	}
	goroot, version, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	n, err := copyTexts(goroot, filepath.Join(to, "std@"+version))
	if err == nil && n == 0 {
		err = errNone
	}
	if err != nil {
		return fmt.Errorf("%s: %w", goroot, err)
	}
	return nil
}

// dirs are the root of a module and the directories of its linked packages with those between, sorted.
func (m module) dirs() []string {
	all := []string{m.Dir}
	for _, dir := range m.packages {
		for ; len(dir) > len(m.Dir); dir = filepath.Dir(dir) {
			all = append(all, dir)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// copyTexts copies the licences and notices that lie in from itself, and says how many there are.
func copyTexts(from, to string) (n int, err error) {
	entries, err := os.ReadDir(from)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !isLicence(e.Name()) && !begins(e.Name(), notices...) {
			continue
		}
		if err := copyText(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

func copyText(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, text, 0o644))
}
