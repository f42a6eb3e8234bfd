package ortsession

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPlacesInOrder(t *testing.T) {
	cases := []struct {
		name         string
		env          map[string]string
		exe          string
		goos, goarch string
		want         []string
	}{
		{
			"the variable alone counts when it is set",
			map[string]string{"VECMILL_ORT_LIB": "/opt/ort.so", "HOME": "/home/u"},
			"/app/bin/worker", "linux", "amd64",
			[]string{"/opt/ort.so"},
		},
		{
			"beside the executable, then the cache in the home directory",
			map[string]string{"HOME": "/home/u"},
			"/app/bin/worker", "linux", "amd64",
			[]string{"/app/bin/lib/libonnxruntime.so*", "/home/u/.cache/vecmill/onnxruntime/1.24.4/x64/libonnxruntime.so.1.24.4"},
		},
		{
			"XDG_CACHE_HOME goes before HOME",
			map[string]string{"HOME": "/home/u", "XDG_CACHE_HOME": "/var/xdg"},
			"", "linux", "arm64",
			[]string{"/var/xdg/vecmill/onnxruntime/1.24.4/arm64/libonnxruntime.so.1.24.4"},
		},
		{
			"VECMILL_CACHE goes before both",
			map[string]string{"HOME": "/home/u", "XDG_CACHE_HOME": "/var/xdg", "VECMILL_CACHE": "/c"},
			"", "linux", "amd64",
			[]string{"/c/onnxruntime/1.24.4/x64/libonnxruntime.so.1.24.4"},
		},
		{
			"macOS has its own names",
			map[string]string{"VECMILL_CACHE": "/c"},
			"/app/worker", "darwin", "arm64",
			[]string{"/app/lib/libonnxruntime*.dylib", "/c/onnxruntime/1.24.4/arm64/libonnxruntime.1.24.4.dylib"},
		},
		{"nothing known, nowhere to look", nil, "", "linux", "amd64", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			all := places(func(k string) string { return c.env[k] }, c.exe, c.goos, c.goarch)
			var got []string
			for _, p := range all {
				got = append(got, p.pattern)
			}
			if strings.Join(got, "|") != strings.Join(c.want, "|") {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestSearch(t *testing.T) {
	dir := t.TempDir()
	old, exact := filepath.Join(dir, "libonnxruntime.so"), filepath.Join(dir, "libonnxruntime.so.1.24.4")
	for _, f := range []string{old, exact} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	missing := place{pattern: filepath.Join(dir, "nothing", "libonnxruntime.so*"), why: "here"}
	cases := []struct {
		name   string
		all    []place
		want   string
		faults []string
	}{
		{"the name with a version wins", []place{{pattern: filepath.Join(dir, "libonnxruntime.so*")}}, exact, nil},
		{"later places are tried", []place{missing, {pattern: old}}, old, nil},
		{"a place asked for is taken as it is", []place{{pattern: old, must: true}}, old, nil},
		{
			"a place asked for must hold a library",
			[]place{{pattern: missing.pattern, why: "VECMILL_ORT_LIB", must: true}, {pattern: old}},
			"",
			[]string{"VECMILL_ORT_LIB", "nothing", "make ort"},
		},
		{"a directory is no library", []place{{pattern: dir, why: "VECMILL_ORT_LIB", must: true}}, "", []string{"not a file", dir}},
		{"all places are named", []place{missing, {pattern: "/nowhere/lib.so", why: "there"}}, "", []string{"(here)", "/nowhere/lib.so (there)", "1.24", "make ort", "tools/fetch-ort.sh", "VECMILL_ORT_LIB"}},
		{"no place at all", nil, "", []string{"nowhere", "VECMILL_CACHE", "make ort"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := search(c.all)
			if got != c.want || (err == nil) != (c.faults == nil) {
				t.Fatalf("got %q, %v, want %q", got, err, c.want)
			}
			if err != nil && !errors.Is(err, ErrNoLibrary) {
				t.Errorf("%v is not ErrNoLibrary", err)
			}
			for _, part := range c.faults {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not name %q", err, part)
				}
			}
		})
	}
}

func TestNewEnough(t *testing.T) {
	for version, want := range map[string]bool{
		"1.24.4": true, "1.24": true, "1.30.0": true, "2.0.0": true, "1.24.0-rc1": true,
		"1.23.2": false, "0.99.9": false, "1": false, "": false, "one.two": false, "1.-3": false,
	} {
		if newEnough(version) != want {
			t.Errorf("newEnough(%q) = %t", version, !want)
		}
	}
}

func FuzzNewEnough(f *testing.F) {
	f.Add("1.24.4")
	f.Add("1.23")
	f.Fuzz(func(t *testing.T, version string) {
		if r, ok := release(version); ok && newEnough(version) != (r[0] > 1 || r[0] == 1 && r[1] >= 24) {
			t.Errorf("newEnough(%q) disagrees with %v", version, r)
		}
	})
}
