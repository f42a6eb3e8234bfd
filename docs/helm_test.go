package docs

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// helmCommand is helm install and helm upgrade.
func helmCommand(t *testing.T, s *site, dir, command string) {
	t.Helper()
	if err := s.helm(t, dir, command); err != nil {
		t.Fatalf("%s: %v", command, err)
	}
}

// helm takes helm install RELEASE CHART and helm upgrade RELEASE CHART. Values must be one of the chart's files that make helm-check renders, and the release the one in whose rendering kubectl finds what it is asked for. That a cluster takes it is not proved here.
func (s *site) helm(t *testing.T, dir, command string) error {
	t.Helper()
	var namespace, file string
	f := flag.NewFlagSet("helm", flag.ContinueOnError)
	for _, name := range []string{"n", "namespace"} {
		f.StringVar(&namespace, name, "default", "")
	}
	for _, name := range []string{"f", "values"} {
		f.StringVar(&file, name, "", "")
	}
	create := f.Bool("create-namespace", false, "")
	words, err := parse(f, shellWords(command)[1:])
	if err != nil {
		return err
	}
	if len(words) != 3 {
		return fmt.Errorf("nothing here knows what %q does", words)
	}
	verb, release, chart := words[0], words[1], words[2]
	if _, err := os.Stat(filepath.Join(dir, chart, "Chart.yaml")); err != nil {
		return err
	}
	values, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return err
	}
	if err := rolledOut(t, filepath.Join(dir, chart), values, namespace, release); err != nil {
		return err
	}
	key := namespace + "/" + release
	switch there, ok := s.releases[key]; {
	case verb == "install" && ok:
		return fmt.Errorf("the release %s is there", key)
	case verb == "install" && !*create:
		return fmt.Errorf("nobody has made the namespace %s", namespace)
	case verb == "install":
		s.releases[key] = chart
	case verb != "upgrade":
		return fmt.Errorf("nothing here knows helm %s", verb)
	case there != chart:
		return fmt.Errorf("the release %s is of %q", key, there)
	}
	return nil
}

// rolledOut wants values that the chart is rendered with, and the deployment of that release in the rendering.
func rolledOut(t *testing.T, chart string, values []byte, namespace, release string) error {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(chart, "ci", "*-values.yaml"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !bytes.Equal(b, values) {
			continue
		}
		for _, c := range clusters(t) {
			if c.name == strings.TrimSuffix(filepath.Base(path), "-values.yaml")+".yaml" {
				return c.ask("kubectl -n " + namespace + " rollout status deployment/" + release)
			}
		}
	}
	return fmt.Errorf("make helm-check renders nothing with these values")
}

func TestWhatHelmWouldNotDoIsNoticed(t *testing.T) {
	s := newSite(t)
	dir := s.clone(t, document{})
	write(t, filepath.Join(dir, "other.yaml"), "replicas: 3\n")
	const values, upgrade = " -f helm/vecmill/ci/example-values.yaml", "helm upgrade vecmill helm/vecmill --namespace lake"
	const install = "helm install vecmill helm/vecmill --namespace lake --create-namespace"
	refused := func(commands ...string) {
		for _, command := range commands {
			if s.helm(t, dir, command) == nil {
				t.Errorf("%s: nothing is noticed", command)
			}
		}
	}
	refused(upgrade+values, install, install+" -f other.yaml", install+" -f missing.yaml", install+" --colour"+values, "helm install vecmill --namespace lake --create-namespace"+values,
		"helm install vecmill helm --namespace lake --create-namespace"+values, "helm install vecmill helm/vecmill --create-namespace"+values, "helm install other helm/vecmill -n lake --create-namespace"+values,
		"helm install vecmill helm/vecmill -n lake"+values, "helm apply vecmill helm/vecmill -n lake"+values)
	for _, command := range []string{install + values, upgrade + values} {
		if err := s.helm(t, dir, command); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
	refused(install+values, "helm upgrade vecmill helm/vecmill"+values)
}
