package helm

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/goccy/go-yaml"
)

// workload is what is looked at of a Deployment or a Job.
type workload struct {
	Kind string
	Spec struct {
		Template struct {
			Spec struct {
				Containers []struct {
					VolumeMounts []struct {
						Name      string `yaml:"name"`
						MountPath string `yaml:"mountPath"`
					} `yaml:"volumeMounts"`
				}
				Volumes []map[string]any
			}
		}
	}
}

func workloads(t *testing.T, path string) (all []workload) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for d := yaml.NewDecoder(bytes.NewReader(b)); ; {
		var w workload
		if err := d.Decode(&w); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if w.Kind == "Deployment" || w.Kind == "Job" {
			all = append(all, w)
		}
	}
}

// A cluster refuses a mount without a volume, and two volumes of one name, which no schema does.
func TestEveryMountHasItsVolume(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(paths) < 3 {
		t.Fatalf("%d renderings, %v", len(paths), err)
	}
	for _, path := range paths {
		for _, w := range workloads(t, path) {
			pod := w.Spec.Template.Spec
			var names, mounted []string
			for _, v := range pod.Volumes {
				names = append(names, v["name"].(string))
			}
			for _, c := range pod.Containers {
				for _, m := range c.VolumeMounts {
					mounted = append(mounted, m.Name)
				}
			}
			slices.Sort(names)
			slices.Sort(mounted)
			if !slices.Equal(names, mounted) || len(slices.Compact(names)) != len(mounted) {
				t.Errorf("%s: a %s mounts %q of %q", path, w.Kind, mounted, names)
			}
		}
	}
}

// With the values of ci/full-values.yaml workers and the backfill's job have a cache that outlives them, and one more volume. Without any, the cache is bounded and ends with the pod.
func TestWorkersAndBackfillsHaveTheVolumesThatAreGiven(t *testing.T) {
	for rendering, outlives := range map[string]bool{"full": true, "example": false} {
		all := workloads(t, "testdata/"+rendering+".yaml")
		if wanted := map[string]int{"full": 2, "example": 1}[rendering]; len(all) != wanted {
			t.Fatalf("%s has %d workloads", rendering, len(all))
		}
		for _, w := range all {
			pod := w.Spec.Template.Spec
			kinds := map[string]string{}
			for _, v := range pod.Volumes {
				for kind := range v {
					if kind != "name" {
						kinds[v["name"].(string)] += kind
					}
				}
			}
			at := map[string]string{}
			for _, m := range pod.Containers[0].VolumeMounts {
				at[m.Name] = m.MountPath
			}
			cache, rows, where := "emptyDir", "", ""
			if outlives {
				cache, rows, where = "persistentVolumeClaim", "persistentVolumeClaim", "/rows"
			}
			if kinds["cache"] != cache || kinds["rows"] != rows || at["rows"] != where || at["cache"] != "/var/cache/vecmill" {
				t.Errorf("%s: the %s has volumes %q at %q", rendering, w.Kind, kinds, at)
			}
		}
	}
}
