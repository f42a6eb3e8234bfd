// Command chartcheck reads rendered manifests from standard input and holds them against the Go types of Kubernetes, KEDA and the Prometheus operator: an unknown
// field, a wrong type or an unknown kind is an error, and so is a name or a label that an API server would refuse. It is a module of its own, so that none of these is in Vecmill's go.mod. With -config it
// prints the configuration file of the rendered ConfigMap instead. With -schemas DIR it writes the JSON schemas of the CustomResourceDefinitions that it is given, for kubeconform.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	keda "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	prometheus "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// kinds is the table of what the chart renders.
func kinds() map[string]any {
	return map[string]any{
		"apps/v1/Deployment":                      &apps.Deployment{},
		"batch/v1/Job":                            &batch.Job{},
		"v1/ConfigMap":                            &core.ConfigMap{},
		"v1/Service":                              &core.Service{},
		"v1/ServiceAccount":                       &core.ServiceAccount{},
		"policy/v1/PodDisruptionBudget":           &policy.PodDisruptionBudget{},
		"networking.k8s.io/v1/NetworkPolicy":      &networking.NetworkPolicy{},
		"keda.sh/v1alpha1/ScaledObject":           &keda.ScaledObject{},
		"monitoring.coreos.com/v1/PodMonitor":     &prometheus.PodMonitor{},
		"monitoring.coreos.com/v1/ServiceMonitor": &prometheus.ServiceMonitor{},
		"monitoring.coreos.com/v1/PrometheusRule": &prometheus.PrometheusRule{},
	}
}

func main() {
	config := flag.Bool("config", false, "print the worker's configuration")
	schemas := flag.String("schemas", "", "write the schemas of the CustomResourceDefinitions that are named to this directory")
	flag.Parse()
	if err := run(*schemas, *config); err != nil {
		fmt.Fprintln(os.Stderr, "chartcheck:", err)
		os.Exit(1)
	}
}

func run(schemas string, config bool) error {
	if schemas != "" {
		return writeSchemas(schemas, flag.Args())
	}
	return check(os.Stdin, os.Stdout, config)
}

func check(r io.Reader, w io.Writer, config bool) error {
	seen := 0
	for docs := utilyaml.NewYAMLReader(bufio.NewReader(r)); ; seen++ {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading: %w", err)
		}
		var head struct{ APIVersion, Kind string }
		if err := yaml.Unmarshal(doc, &head); err != nil {
			return fmt.Errorf("document %d: %w", seen, err)
		}
		kind := head.APIVersion + "/" + head.Kind
		into, ok := kinds()[kind]
		if !ok {
			return fmt.Errorf("document %d: nothing is known of kind %q", seen, kind)
		}
		if err := yaml.UnmarshalStrict(doc, into); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		var object map[string]any
		if err := yaml.Unmarshal(doc, &object); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		if err := names(object); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		if m, ok := into.(*core.ConfigMap); ok && config {
			fmt.Fprint(w, m.Data["worker.yaml"])
		}
		if !config {
			fmt.Fprintln(w, kind)
		}
	}
	if seen == 0 {
		return errors.New("nothing was rendered")
	}
	return nil
}
