package docs

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// document is a Markdown file taken apart.
type document struct {
	path     string
	commands []*command        // those that are given to a shell, in order: of console blocks, and spans
	files    map[string]string // blocks whose info string names a file
	after    map[string]int    // how many commands come before each of these
	blocks   []block           // the other blocks
	prose    []string          // code spans, and indented lines
}

// command is one line to give to a shell, with what the document says that it prints.
type command struct {
	line    string
	shows   []string
	inProse bool
}

// block is a fenced block of a kind: the first word of its info string.
type block struct {
	kind, text string
}

var (
	spanRE    = regexp.MustCompile("`([^`]+)`")
	commentRE = regexp.MustCompile(`\s+#\s.*$`)
)

func read(t *testing.T, path string) document {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := document{path: path, files: map[string]string{}, after: map[string]int{}}
	var fence *block // that is open
	file := ""       // that it names
	paragraph := ""  // that is not over
	for line := range strings.Lines(string(b)) {
		text := strings.TrimSpace(line)
		info, isFence := strings.CutPrefix(text, "```")
		if isFence || text == "" {
			d.spans(t, paragraph)
			paragraph = ""
		}
		switch {
		case isFence && fence == nil:
			kind, name, _ := strings.Cut(info, " ")
			if fence, file = (&block{kind: kind}), strings.TrimSpace(name); file != "" {
				d.after[file] = len(d.commands)
			}
		case isFence:
			if file == "" && fence.kind != "console" {
				d.blocks = append(d.blocks, *fence)
			}
			fence = nil
		case fence == nil:
			d.indented(t, line)
			paragraph += line
		case file != "":
			d.files[file] += line
		case fence.kind == "console":
			d.console(text)
		default:
			fence.text += line
		}
	}
	d.spans(t, paragraph)
	if fence != nil {
		t.Errorf("%s: a block has no end", path)
	}
	return d
}

// spans takes the code spans of a paragraph, which may go on in the next line.
func (d *document) spans(t *testing.T, paragraph string) {
	t.Helper()
	if strings.Count(paragraph, "`")%2 != 0 {
		t.Errorf("%s: a span has no end in\n%s", d.path, paragraph)
	}
	for _, m := range spanRE.FindAllStringSubmatch(paragraph, -1) {
		text := strings.Join(strings.Fields(m[1]), " ")
		d.prose = append(d.prose, text)
		if line := whole(text); line != "" {
			d.commands = append(d.commands, &command{line: line, inProse: true})
		}
	}
}

// indented takes a line that is in no fence. An indented one may be a list's that goes on, a drawing, or how a program is called, so it counts whole.
func (d *document) indented(t *testing.T, line string) {
	t.Helper()
	text := strings.TrimSpace(line)
	if !strings.HasPrefix(line, "    ") || text == "" {
		return
	}
	if strings.HasPrefix(text, "$ ") {
		t.Errorf("%s: %s belongs in a console block", d.path, text)
	}
	d.prose = append(d.prose, text)
}

// console takes a line of a console: a command, or what the one before prints.
func (d *document) console(text string) {
	c, ok := strings.CutPrefix(text, "$ ")
	switch n := len(d.commands); {
	case ok:
		d.commands = append(d.commands, &command{line: strings.TrimSpace(commentRE.ReplaceAllString(c, ""))})
	case n > 0 && text != "":
		d.commands[n-1].shows = append(d.commands[n-1].shows, text)
	}
}

// documents are all that a reader is given: these here, those at the root, and those of tools.
func documents(t *testing.T) (all []document) {
	t.Helper()
	here, err := filepath.Glob("*.md")
	if err != nil || len(here) < 15 {
		t.Fatalf("%d documents, %v", len(here), err)
	}
	tools, err := filepath.Glob("../tools/*/README.md")
	if err != nil || len(tools) < 3 {
		t.Fatalf("%d documents of tools, %v", len(tools), err)
	}
	for _, path := range append(append(here, "../README.md", "../CONTRIBUTING.md"), tools...) {
		all = append(all, read(t, path))
	}
	return all
}

// shellWords takes a command apart at blanks, but for those in quotes.
func shellWords(s string) (all []string) {
	var word strings.Builder
	open, begun := rune(0), false
	end := func() {
		if begun {
			all = append(all, word.String())
		}
		word.Reset()
		begun = false
	}
	for _, r := range s {
		switch {
		case open != 0 && r == open:
			open = 0
		case open == 0 && (r == '\'' || r == '"'):
			open, begun = r, true
		case open == 0 && (r == ' ' || r == '\t'):
			end()
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	end()
	return all
}

// parse takes a command's words apart by its flags, which may stand anywhere, and returns the others.
func parse(f *flag.FlagSet, rest []string) (words []string, err error) {
	f.SetOutput(io.Discard)
	for len(rest) > 0 {
		if err := f.Parse(rest); err != nil {
			return nil, err
		}
		if rest = f.Args(); len(rest) > 0 {
			words, rest = append(words, rest[0]), rest[1:]
		}
	}
	return words, nil
}

// span is the one span of a document that begins with a prefix.
func span(t *testing.T, path, prefix string) string {
	t.Helper()
	found := begins(read(t, path), prefix)
	if len(found) != 1 {
		t.Fatalf("%s has %q for %s, want one", path, found, prefix)
	}
	return found[0]
}

// begins are the spans, indented lines and commands of a document that begin with a prefix.
func begins(d document, prefix string) (all []string) {
	for _, line := range lines(d) {
		if strings.HasPrefix(line, prefix) {
			all = append(all, line)
		}
	}
	return all
}

// lines are the spans, indented lines and commands of a document.
func lines(d document) []string {
	all := slices.Clone(d.prose)
	for _, c := range d.commands {
		if !c.inProse {
			all = append(all, c.line)
		}
	}
	return all
}
