package docs

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"vecmill/integration/harness"
)

// TestDockerFindsWhatItIsAskedFor reads what documents, the Dockerfiles and the composition give to docker, and looks for what is named. That the steps of a Dockerfile come to an image is
// proved by tools/image-steps.sh, which takes them with arguments; that the composition is one, by tools/composecheck.
func TestDockerFindsWhatItIsAskedFor(t *testing.T) {
	seen := map[string]int{}
	for _, d := range append(documents(t), comments(t)...) {
		for _, command := range append(begins(d, "docker "), begins(d, "--build-arg ")...) {
			words := shellWords(substituted(t, command))
			if words[0] != "docker" { // the arguments alone
				words = slices.Concat([]string{"docker", "buildx", "build", "-f", "deploy/Dockerfile", "--load"}, words, []string{"."})
			}
			if err := askDocker(words); err != nil {
				t.Errorf("%s: %s: %v", d.path, command, err)
			}
			seen[words[1]+" "+words[2]]++
		}
	}
	if seen["buildx build"] < 4 || seen["buildx create"] < 1 || seen["compose -f"] < 2 || seen["buildx imagetools"] < 1 {
		t.Errorf("only %v looked at", seen)
	}
}

// TestTheChartPullsWhatIsPushed holds the image that operations.md has pushed against what the chart renders with the values that it begins from: under another name or tag no pod would get it.
func TestTheChartPullsWhatIsPushed(t *testing.T) {
	d, pushed := read(t, "operations.md"), map[string]bool{}
	for _, command := range begins(d, "docker buildx build ") {
		words := shellWords(command)
		if at := slices.Index(words, "-t"); at > 0 && slices.Contains(words, "--push") {
			pushed[words[at+1]] = true
		}
	}
	if len(pushed) != 1 || len(begins(d, "cp helm/vecmill/ci/example-values.yaml ")) != 1 {
		t.Fatalf("%v are pushed, or no values are there to begin from", pushed)
	}
	b, err := os.ReadFile("../helm/testdata/example.yaml") // which make helm-check compares with what is rendered
	if err != nil {
		t.Fatal(err)
	}
	pulled := regexp.MustCompile(`(?m)^ +image: "(.*)"$`).FindAllSubmatch(b, -1)
	for _, m := range pulled {
		if !pushed[string(m[1])] {
			t.Errorf("pods pull %s, and %v are pushed", m[1], pushed)
		}
	}
	if len(pulled) == 0 {
		t.Error("no pod pulls anything")
	}
}

func TestWhatDockerWouldNotFindIsNoticed(t *testing.T) {
	const build = "docker buildx build -f deploy/Dockerfile --load "
	for _, command := range []string{
		"docker buildx build -f Dockerfile --load .", build, build + "context", build + "--build-arg VERSIONS=v1 .", build + "--build-arg VERSION .", build + "--sbom .", build + "-t Vecmill .", build + "--secret x .",
		build + "--build-arg GO_IMAGE=golang:1.26-bookworm .", build + "--build-arg BASE_IMAGE=debian:trixie-slim@sha256:... .",
		"docker compose -f compose.yaml up --build", "docker compose -f deploy/compose/prometheus.yaml up --build", "docker compose -f deploy/compose.yaml up --rebuild",
		"docker buildx imagetools inspect debian:trixie-slim", "docker run vecmill",
		"docker buildx build -f deploy/Dockerfile .", build + "--sbom=true .", build + "--sbom=false .", build + "--push -t registry.example/vecmill:1 .", "docker buildx build -f deploy/Dockerfile --push .",
		"docker buildx build -f deploy/Dockerfile --push -t registry.example/vecmill .", "docker buildx build -f deploy/Dockerfile --push -t vecmill:1 .", "docker buildx create --use",
	} {
		if askDocker(shellWords(command)) == nil {
			t.Errorf("nothing is noticed of %s", command)
		}
	}
}

// substituted has the output of a command in the place of $(command), as the shell does.
func substituted(t *testing.T, command string) string {
	t.Helper()
	return regexp.MustCompile(`\$\(([^)]*)\)`).ReplaceAllStringFunc(command, func(inner string) string {
		if _, err := os.Stat("../.git"); err != nil && strings.HasPrefix(inner, "$(git ") {
			harness.Missing(t, "git's history", "clone the repository")
		}
		c := exec.CommandContext(t.Context(), "bash", "-euc", inner[2:len(inner)-1])
		c.Dir = ".."
		out, err := c.Output()
		if err != nil || len(out) == 0 {
			t.Errorf("%s: %v", inner, err)
		}
		return strings.TrimSpace(string(out))
	})
}

// askDocker does what a command of docker begins with: it looks for what is named.
func askDocker(words []string) error {
	f := flag.NewFlagSet("docker", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	begin := func(command ...string) bool {
		return len(words) > len(command) && slices.Equal(words[1:1+len(command)], command) && f.Parse(words[1+len(command):]) == nil
	}
	file := f.String("f", "", "")
	switch {
	case slices.Equal(words[1:], []string{"buildx", "create", "--driver", "docker-container", "--use"}): // a driver that takes --sbom
		return nil
	case begin("buildx", "imagetools", "inspect"):
		if f.NArg() != 1 || !slices.Contains(slices.Collect(maps.Values(firstImages())), f.Arg(0)) {
			return fmt.Errorf("no Dockerfile begins with %q", f.Args())
		}
		return nil
	case begin("compose") && slices.Equal(f.Args(), []string{"up", "--build"}):
		return compose(*file)
	}
	var arguments []string
	f.Func("build-arg", "", func(arg string) error { arguments = append(arguments, arg); return nil })
	tag, bill, push, load := f.String("t", "none", ""), f.String("sbom", "", ""), f.Bool("push", false, ""), f.Bool("load", false, "")
	if !begin("buildx", "build") {
		return errors.New("nothing here knows what that does")
	}
	if !tagRE.MatchString(*tag) || *bill != "" && *bill != "true" {
		return fmt.Errorf("-t %s --sbom=%s", *tag, *bill)
	}
	switch {
	case *push == *load:
		return errors.New("what a builder in a container makes is kept where it is pushed to, or loaded to")
	case *push && !pushedRE.MatchString(*tag):
		return fmt.Errorf("%s has no registry, or no tag: nobody would pull it", *tag)
	case *bill != "" && !*push:
		return errors.New("--sbom adds to what is pushed")
	}
	if f.NArg() != 1 {
		return fmt.Errorf("%q are not one context", f.Args())
	}
	if info, err := os.Stat(filepath.Join("..", f.Arg(0), "go.mod")); err != nil || info.IsDir() {
		return fmt.Errorf("%s is not the repository, whose files the steps copy", f.Arg(0))
	}
	for _, arg := range arguments {
		if err := takes(*file, arg); err != nil {
			return err
		}
	}
	_, err := os.Stat(filepath.Join("..", *file))
	return err
}

var (
	tagRE    = regexp.MustCompile(`^[a-z0-9][a-z0-9./_-]*(:[\w.-]+)?$`)
	pushedRE = regexp.MustCompile(`^[a-z0-9-]+\.[a-z0-9.-]+/[a-z0-9./_-]+:[\w.-]+$`)
	argRE    = regexp.MustCompile(`(?m)^ARG (\w+)=(\S+)$`)
)

// takes wants a Dockerfile to have an argument, and to use it. Of an image that it begins with, a digest may be chosen.
func takes(file, argument string) error {
	name, value, ok := strings.Cut(argument, "=")
	if !ok || value == "" {
		return fmt.Errorf("%s has no value", argument)
	}
	b, err := os.ReadFile(filepath.Join("..", file))
	if err != nil {
		return err
	}
	first, rest, _ := strings.Cut(string(b), "\nFROM ")
	if image, ok := images(first)[name]; ok {
		if !strings.Contains("\nFROM "+rest, "\nFROM $"+name) || !strings.HasPrefix(value, image+"@sha256:") {
			return fmt.Errorf("%s begins with %s, or does not", file, image)
		}
		return nil
	}
	_, after, ok := strings.Cut(rest, "\nARG "+name+"=")
	if !ok || !regexp.MustCompile(`\$`+name+`\b`).MatchString(after) {
		return fmt.Errorf("%s does not use %s", file, name)
	}
	return nil
}

// images are the arguments with their defaults.
func images(text string) map[string]string {
	all := map[string]string{}
	for _, m := range argRE.FindAllStringSubmatch(text, -1) {
		all[m[1]] = m[2]
	}
	return all
}

// firstImages are those that deploy/Dockerfile begins with.
func firstImages() map[string]string {
	b, _ := os.ReadFile("../deploy/Dockerfile") // else there are none
	first, _, _ := strings.Cut(string(b), "\nFROM ")
	return images(first)
}

// compose wants a composition to build something, out of what is there.
func compose(file string) error {
	b, err := os.ReadFile(filepath.Join("..", file))
	if err != nil {
		return err
	}
	var c struct {
		Services map[string]struct {
			Build struct{ Context, Dockerfile string }
		}
	}
	if err := yaml.Unmarshal(b, &c); err != nil {
		return err
	}
	built := 0
	for name, s := range c.Services {
		if s.Build.Context == "" {
			continue
		}
		built++
		context := filepath.Join("..", filepath.Dir(file), s.Build.Context)
		if _, err := os.Stat(filepath.Join(context, s.Build.Dockerfile)); err != nil {
			return fmt.Errorf("service %s: %w", name, err)
		}
	}
	if built == 0 {
		return errors.New("it builds nothing")
	}
	return nil
}

// TestBothDockerfilesBeginWithTheSameImages: documents say it of both.
func TestBothDockerfilesBeginWithTheSameImages(t *testing.T) {
	b, err := os.ReadFile("../deploy/Dockerfile.cuda")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(b), "\nFROM ")
	if got, want := images(first), firstImages(); !maps.Equal(got, want) || len(want) != 2 {
		t.Errorf("%v, and %v", want, got)
	}
}

// TestAnImageIsBuiltWithIcebergTablesIfItIsToldTo has make print what the step of each Dockerfile that builds the programs would do, with the argument and without: programs and licences are of the same kind.
func TestAnImageIsBuiltWithIcebergTablesIfItIsToldTo(t *testing.T) {
	for _, file := range []string{"deploy/Dockerfile", "deploy/Dockerfile.cuda"} {
		if err := takes(file, "ICEBERG=1"); err != nil {
			t.Error(err)
		}
		b, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Fatal(err)
		}
		step := regexp.MustCompile(`(?m)^RUN (make build [^&\n]*)`).FindSubmatch(b)
		if step == nil {
			t.Fatalf("%s builds nothing", file)
		}
		for _, iceberg := range []string{"", "1"} {
			c := exec.CommandContext(t.Context(), "bash", "-euc", strings.Replace(string(step[1]), "make ", "make -n -C .. ", 1))
			c.Env = append(os.Environ(), "VERSION=v1", "ICEBERG="+iceberg)
			out, err := c.CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", file, err, out)
			}
			for _, line := range []string{`go build .* -tags iceberg -modfile "\$\(GO=\S+ tools/iceberg-modfile\.sh\)" .*\./cmd/worker`, `go run \. .* -texts \S+ -iceberg`} {
				if got := regexp.MustCompile(line).Match(out); got != (iceberg != "") {
					t.Errorf("%s with ICEBERG=%s: it does %s: %v, in\n%s", file, iceberg, line, got, out)
				}
			}
		}
	}
}

// TestAnImageHasFFmpegIfItIsToldTo takes the step of each Dockerfile that would install it, with a stand-in for apt-get.
func TestAnImageHasFFmpegIfItIsToldTo(t *testing.T) {
	for _, file := range []string{"deploy/Dockerfile", "deploy/Dockerfile.cuda"} {
		if err := takes(file, "FFMPEG=1"); err != nil {
			t.Error(err)
		}
		b, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Fatal(err)
		}
		step := regexp.MustCompile(`(?m)^RUN (.*\$FFMPEG.*)$`).FindSubmatch(b)
		if step == nil {
			t.Fatalf("%s never has ffmpeg", file)
		}
		for _, argument := range []string{"", "1"} {
			c := exec.CommandContext(t.Context(), "bash", "-euc", "apt-get() { echo apt-get \"$@\"; }; rm() { :; }\n"+string(step[1]))
			c.Env = append(os.Environ(), "FFMPEG="+argument)
			out, err := c.CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", file, err, out)
			}
			if installs := regexp.MustCompile(`(?m)^apt-get install .* ffmpeg$`).Match(out); installs != (argument != "") {
				t.Errorf("%s with FFMPEG=%s: it is installed: %v, in\n%s", file, argument, installs, out)
			}
		}
	}
}
