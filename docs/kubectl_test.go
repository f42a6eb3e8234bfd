package docs

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"vecmill/internal/config"
)

// manifest has what kubectl is asked of objects of the chart.
type manifest struct {
	Kind     string
	Metadata struct{ Name, Namespace string }
	Data     map[string]string
	Spec     struct {
		Replicas *int
		Shares   int `yaml:"completions"`
		Failures int `yaml:"backoffLimitPerIndex"`
		Max      int `yaml:"maxReplicaCount"`
		Strategy struct {
			RollingUpdate struct {
				MaxSurge int `yaml:"maxSurge"`
			} `yaml:"rollingUpdate"`
		}
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				ShareProcessNamespace bool `yaml:"shareProcessNamespace"`
				Containers            []struct {
					Name    string
					Command []string
					Mounts  []struct {
						Path string `yaml:"mountPath"`
					} `yaml:"volumeMounts"`
					Ports []struct {
						Port int `yaml:"containerPort"`
					}
				}
			}
		}
	}
}

// cluster is what the chart renders with some values, and what it then says (make helm-check holds both). Its release is vecmill, in the namespace lake.
type cluster struct {
	name    string
	objects []manifest
	notes   []string        // the commands
	copies  map[string]bool // of pods, which commands have made
}

func clusters(t *testing.T) (all []cluster) {
	t.Helper()
	paths, err := filepath.Glob("../helm/testdata/*.yaml")
	if err != nil || len(paths) < 3 {
		t.Fatalf("%d renderings, %v", len(paths), err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		c := cluster{name: filepath.Base(path), copies: map[string]bool{}}
		for d := yaml.NewDecoder(bytes.NewReader(b)); ; {
			var m manifest
			if err := d.Decode(&m); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			c.objects = append(c.objects, m)
		}
		notes, err := os.ReadFile(strings.TrimSuffix(path, ".yaml") + "-notes.txt")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(notes)) {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "kubectl ") {
				c.notes = append(c.notes, line)
			}
		}
		if len(c.notes) == 0 {
			t.Errorf("%s: its notes have no command", path)
		}
		all = append(all, c)
	}
	return all
}

// TestKubectlFindsWhatItIsAskedFor holds what documents, and the chart's notes, give to kubectl against what the chart renders. That a cluster does it is not proved here.
func TestKubectlFindsWhatItIsAskedFor(t *testing.T) {
	var ofDocuments []string
	for _, d := range documents(t) {
		ofDocuments = append(ofDocuments, begins(d, "kubectl ")...)
	}
	if len(ofDocuments) < 2 {
		t.Errorf("documents have %q only", ofDocuments)
	}
	jobs := 0
	for _, c := range clusters(t) {
		for _, command := range append(c.notes, ofDocuments...) {
			if err := c.ask(command); err != nil {
				t.Errorf("%s: %s: %v", c.name, command, err)
			}
		}
		jobs += len(c.of("Job"))
	}
	if jobs == 0 {
		t.Error("no rendering has a backfill to exec in")
	}
}

func TestWhatKubectlWouldNotFindIsNoticed(t *testing.T) {
	for _, c := range clusters(t) {
		for _, command := range []string{
			"kubectl -n lake rollout status deployment/worker", "kubectl -n elsewhere rollout status deployment/vecmill", "kubectl rollout status job/vecmill",
			"kubectl port-forward deployment/vecmill 9090", "kubectl port-forward deployment/vecmill 8080:9464", "kubectl port-forward deployment/vecmill 9464 9466", "kubectl port-forward deployment/vecmill 9465:9464", "kubectl port-forward deployment/vecmill",
			"kubectl logs -l app.kubernetes.io/instance=other --tail=-1 -f --max-log-requests=99", "kubectl logs -l app.kubernetes.io/instance=vecmill", "kubectl logs -l app.kubernetes.io/name=vecmill --tail=-1 -f --max-log-requests=0", "kubectl logs job/vecmill -f",
			"kubectl logs -l batch.kubernetes.io/job-name=vecmill --tail=-1 -f --max-log-requests=999",
			"kubectl exec POD", "kubectl get pods", "kubectl get pods -l app.kubernetes.io/instance=other", "kubectl describe pod", "kubectl logs vecmill-doctor -f", "kubectl delete pod vecmill",
			"kubectl exec deployment/worker -- worker dlq list --config /etc/vecmill/worker.yaml", "kubectl exec deployment/vecmill -- worker dlq list --config worker.yaml", "kubectl exec deployment/vecmill -- worker dlq list", "kubectl exec deployment/vecmill -- bin/worker dlq list --config /etc/vecmill/worker.yaml",
			"kubectl debug POD --copy-to=other --container=vecmill -- worker doctor --config /etc/vecmill/worker.yaml", "kubectl debug POD --container=worker -- worker doctor --config /etc/vecmill/worker.yaml", "kubectl debug POD --copy-to=other --container=worker",
			"kubectl get job -o jsonpath={.status.indexes}", "kubectl logs --colour -l app.kubernetes.io/name=vecmill",
		} {
			if c.ask(command) == nil {
				t.Errorf("%s: nothing is noticed of %s", c.name, command)
			}
		}
	}
}

func (c cluster) of(kind string) (all []manifest) {
	for _, m := range c.objects {
		if m.Kind == kind {
			all = append(all, m)
		}
	}
	return all
}

// ask does what a command of kubectl begins with: it looks for what is named.
func (c cluster) ask(command string) error {
	command, inside, _ := strings.Cut(command, " -- ")
	f := flag.NewFlagSet("kubectl", flag.ContinueOnError)
	namespace, selector, follow := f.String("n", "lake", ""), f.String("l", "", ""), f.Bool("f", false, "")
	f.Bool("prefix", false, "")
	output := f.String("o", "", "")
	copied, container := f.String("copy-to", "", ""), f.String("container", "", "")
	tail, most := f.Int("tail", 10, ""), f.Int("max-log-requests", 5, "") // as kubectl has them beside -l
	words, err := parse(f, shellWords(command)[1:])
	if err != nil {
		return err
	}
	if *namespace != "lake" {
		return fmt.Errorf("the release is not in the namespace %s", *namespace)
	}
	switch {
	case len(words) == 3 && words[0] == "rollout" && words[1] == "status":
		_, err := c.deployment(words[2])
		return err
	case len(words) >= 3 && words[0] == "port-forward":
		for _, ports := range words[2:] {
			if err := c.forward(words[1], ports); err != nil {
				return err
			}
		}
		return nil
	case len(words) == 1 && words[0] == "logs" && *selector != "":
		return c.logs(*selector, *follow, *tail, *most)
	case len(words) == 2 && words[0] == "logs" && *selector == "" && !c.copies[words[1]]:
		for _, m := range c.of("Job") {
			if words[1] == "job/"+m.Metadata.Name {
				if m.Spec.Shares > 1 {
					return fmt.Errorf("of the %d pods of %s one is followed", m.Spec.Shares, m.Metadata.Name)
				}
				return nil
			}
		}
		return fmt.Errorf("there is no %s", words[1])
	case len(words) == 2 && words[0] == "get" && words[1] == "job" && *output == "jsonpath={.status.failedIndexes}": // a field of batch/v1 since Kubernetes 1.28
		return c.indexes()
	case len(words) == 2 && words[0] == "exec" && words[1] == "POD" && inside != "":
		return c.first()
	case len(words) == 2 && words[0] == "exec" && inside != "":
		m, err := c.deployment(words[1])
		if err != nil {
			return err
		}
		return m.takes(inside, m.Spec.Template.Spec.Containers[0].Name)
	case len(words) == 2 && words[0] == "debug" && words[1] == "POD" && *copied != "":
		for _, m := range c.of("Deployment") {
			if err := m.takes(inside, *container); err != nil {
				return err
			}
		}
		c.copies[*copied] = true
		return nil
	case len(words) == 2 && words[0] == "logs" && *selector == "", len(words) == 3 && words[0] == "delete" && words[1] == "pod" && c.copies[words[2]]:
		return nil // of a copy
	case len(words) == 2 && words[0] == "get" && words[1] == "pods" && *selector != "":
		return c.finds(*selector)
	case len(words) == 3 && words[0] == "describe" && words[1] == "pod" && words[2] == "POD":
		return nil
	}
	return fmt.Errorf("nothing here knows what %q does", words)
}

// takes wants a container to be there, and to have the configuration where a command of ours looks for it. TestCommandsDoInAPodWhatTheyAreFor gives it.
func (m manifest) takes(command, container string) error {
	program, ours, err := inPod(command)
	if err != nil {
		return err
	}
	for _, is := range m.Spec.Template.Spec.Containers {
		if is.Name != container {
			continue
		}
		for _, mount := range is.Mounts {
			if mount.Path == ours {
				return nil
			}
		}
		return fmt.Errorf("%s reads %s, which %s does not have", program, ours, container)
	}
	return fmt.Errorf("%s has no container %s", m.Metadata.Name, container)
}

// inPod is a command of ours as it is given in a pod: by its name, which the image's PATH finds, with the configuration that it reads.
func inPod(command string) (program, file string, err error) {
	words := shellWords(command)
	at := slices.Index(words, "--config") + 1
	if len(words) == 0 || words[0] != "worker" && words[0] != "backfill" || at == 0 || at == len(words) {
		return "", "", fmt.Errorf("%q is no command of ours with a configuration", command)
	}
	return words[0], words[at], nil
}

// indexes wants jobs of several pods, if there are any, to have each of these fail by itself.
func (c cluster) indexes() error {
	for _, m := range c.of("Job") {
		if m.Spec.Shares > 1 && m.Spec.Failures < 1 {
			return fmt.Errorf("no index of %s fails by itself", m.Metadata.Name)
		}
	}
	return nil
}

// deployment is one by its type and name.
func (c cluster) deployment(typeName string) (manifest, error) {
	for _, m := range c.of("Deployment") {
		if typeName == "deployment/"+m.Metadata.Name {
			return m, nil
		}
	}
	return manifest{}, fmt.Errorf("there is no %s", typeName)
}

// forward wants the port to be one that the configuration says, the local end to be where documents say that it is, and one that is reached from outside to be the container's.
func (c cluster) forward(typeName, ports string) error {
	m, err := c.deployment(typeName)
	if err != nil {
		return err
	}
	local, remote, two := strings.Cut(ports, ":")
	if !two {
		remote = local
	}
	files := c.of("ConfigMap")
	if len(files) != 1 {
		return fmt.Errorf("there are %d configurations", len(files))
	}
	var told struct {
		Telemetry struct {
			Listen string
			Debug  string `yaml:"debug_listen"`
		}
	}
	if err := yaml.Unmarshal([]byte(files[0].Data["worker.yaml"]), &told); err != nil {
		return err
	}
	documented := config.NewDefaultConfig().Telemetry
	if _, here, _ := net.SplitHostPort(documented.DebugListen); local == here {
		if _, port, err := net.SplitHostPort(told.Telemetry.Debug); err != nil || port != remote {
			return fmt.Errorf("telemetry.debug_listen is %q", told.Telemetry.Debug)
		}
		return nil // a port of the pod's loopback is none of the container's
	}
	if _, here, _ := net.SplitHostPort(documented.Listen); local != here {
		return fmt.Errorf("documents call the page's port %s", here)
	}
	if _, port, err := net.SplitHostPort(told.Telemetry.Listen); err != nil || port != remote {
		return fmt.Errorf("telemetry.listen is %q", told.Telemetry.Listen)
	}
	for _, container := range m.Spec.Template.Spec.Containers {
		for _, p := range container.Ports {
			if strconv.Itoa(p.Port) == remote {
				return nil
			}
		}
	}
	return fmt.Errorf("%s has no port %s", typeName, remote)
}

// finds wants a selector to find workers and no backfill.
func (c cluster) finds(selector string) error {
	found := func(m manifest) bool {
		for label := range strings.SplitSeq(selector, ",") {
			name, value, _ := strings.Cut(label, "=")
			if m.Spec.Template.Metadata.Labels[name] != value {
				return false
			}
		}
		return true
	}
	for _, m := range c.of("Deployment") {
		if !found(m) {
			return fmt.Errorf("%s does not find the pods of %s", selector, m.Metadata.Name)
		}
	}
	for _, m := range c.of("Job") {
		if found(m) {
			return fmt.Errorf("%s finds the pods of %s, too", selector, m.Metadata.Name)
		}
	}
	return nil
}

// logs wants a selector to find as many as there may be at once while versions change, and their first lines.
func (c cluster) logs(selector string, follow bool, tail, most int) error {
	if job, ok := strings.CutPrefix(selector, "batch.kubernetes.io/job-name="); ok { // Kubernetes gives it
		return c.jobLogs(job, tail, most)
	}
	if err := c.finds(selector); err != nil {
		return err
	}
	pods := 0
	for _, m := range c.of("Deployment") {
		if m.Spec.Replicas != nil {
			pods += *m.Spec.Replicas
		}
		pods += m.Spec.Strategy.RollingUpdate.MaxSurge
	}
	for _, m := range c.of("ScaledObject") {
		pods += m.Spec.Max
	}
	switch {
	case follow && pods > most:
		return fmt.Errorf("of %d pods no more than %d are followed", pods, most)
	case tail != -1:
		return fmt.Errorf("the first lines are not among the last %d", tail)
	}
	return nil
}

// jobLogs wants a job to be there, and as many of its pods to be followed as there may be: those that failed stay.
func (c cluster) jobLogs(name string, tail, most int) error {
	for _, m := range c.of("Job") {
		switch pods := m.Spec.Shares * (1 + m.Spec.Failures); {
		case m.Metadata.Name != name:
			continue
		case pods > most:
			return fmt.Errorf("of %d pods no more than %d are followed", pods, most)
		case tail != -1:
			return fmt.Errorf("the first lines are not among the last %d", tail)
		}
		return nil
	}
	return fmt.Errorf("there is no job %s", name)
}

// first wants a backfill to be the first process of its pod, whose number 1 is.
func (c cluster) first() error {
	for _, m := range c.of("Job") {
		pod := m.Spec.Template.Spec
		if pod.ShareProcessNamespace || len(pod.Containers) != 1 || len(pod.Containers[0].Command) != 1 || pod.Containers[0].Command[0] != "/opt/vecmill/backfill" {
			return fmt.Errorf("process 1 of %s is not the backfill, or it is not its only container", m.Metadata.Name)
		}
	}
	return nil
}
