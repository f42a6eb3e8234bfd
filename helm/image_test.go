package helm

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"vecmill/model"
	"vecmill/model/hub"
)

// environment is what the last stage of a Dockerfile sets, with the home that its user does not have.
func environment(t *testing.T, path string) map[string]string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := string(b[strings.LastIndex(string(b), "\nFROM "):])
	_, set, ok := strings.Cut(last, "\nENV ")
	if !ok || !strings.Contains(last, " --home-dir /nonexistent ") {
		t.Fatalf("%s ends with\n%s", path, last)
	}
	env := map[string]string{"HOME": "/nonexistent"}
	for line := range strings.Lines(set) {
		line = strings.TrimSpace(line)
		name, value, _ := strings.Cut(strings.TrimSuffix(line, ` \`), "=")
		env[name] = value
		if !strings.HasSuffix(line, `\`) {
			break
		}
	}
	return env
}

// What a start writes must lie in a volume, as the root is read-only. Where an image puts it is asked of the programs' own code, for both images and all renderings.
func TestWhatAnImageWritesIsWhereAPodLetsIt(t *testing.T) {
	pods, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(pods) < 3 {
		t.Fatalf("%d renderings, %v", len(pods), err)
	}
	volumeRE := regexp.MustCompile(`(?m)^ +- name: cache\n +mountPath: (\S+)$`)
	for _, dockerfile := range []string{"../deploy/Dockerfile", "../deploy/Dockerfile.cuda"} {
		env := environment(t, dockerfile)
		downloads, err := hub.Environment(func(name string) string { return env[name] })
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("VECMILL_CACHE", env["VECMILL_CACHE"])
		graphs, err := model.UserCache()
		if err != nil {
			t.Fatal(err)
		}
		for _, pod := range pods {
			b, err := os.ReadFile(pod)
			if err != nil {
				t.Fatal(err)
			}
			volumes := volumeRE.FindAllStringSubmatch(string(b), -1)
			if len(volumes) == 0 {
				t.Errorf("%s mounts no cache", pod)
			}
			for _, volume := range volumes {
				for _, dir := range []string{downloads.Cache, graphs} {
					if !strings.HasPrefix(dir, volume[1]+"/") {
						t.Errorf("%s writes to %s, %s mounts %s", dockerfile, dir, pod, volume[1])
					}
				}
			}
		}
	}
}
