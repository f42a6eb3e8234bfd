package ortsession

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

const (
	// PinnedVersion is the release that tools/fetch-ort.sh puts into the cache and that the tests run on.
	PinnedVersion = "1.24.4"
	// MinVersion is the oldest release that speaks the C API (24) that this build asks for.
	MinVersion = "1.24"
)

// ErrNoLibrary means that no usable ONNX Runtime library was found; the error around it says where it was looked for and
// what to do.
var ErrNoLibrary = errors.New("no usable ONNX Runtime library")

const remedy = "run `make ort` (or tools/fetch-ort.sh) to fetch version " + PinnedVersion + ", or set VECMILL_ORT_LIB to the path of a libonnxruntime"

// place is one spot where the library may lie.
type place struct {
	pattern string // of filepath.Glob
	why     string
	must    bool // if nothing is here, look no further: somebody asked for exactly this
}

// places lists where to look, in order. exe is the path of the executable, empty if unknown.
func places(getenv func(string) string, exe, goos, goarch string) []place {
	if p := getenv("VECMILL_ORT_LIB"); p != "" {
		return []place{{pattern: p, why: "VECMILL_ORT_LIB", must: true}}
	}
	pattern, suffix := "libonnxruntime.so*", ".so."+PinnedVersion
	if goos == "darwin" {
		pattern, suffix = "libonnxruntime*.dylib", "."+PinnedVersion+".dylib"
	}
	var all []place
	if exe != "" {
		all = append(all, place{pattern: filepath.Join(filepath.Dir(exe), "lib", pattern), why: "beside the executable"})
	}
	if cache := cacheDir(getenv); cache != "" {
		file := filepath.Join(cache, "onnxruntime", PinnedVersion, archDir(goarch), "libonnxruntime"+suffix)
		all = append(all, place{pattern: file, why: "cache"})
	}
	return all
}

// cacheDir is the project's cache as tools/fetch-ort.sh computes it, empty if there is no home directory.
func cacheDir(getenv func(string) string) string {
	if dir := getenv("VECMILL_CACHE"); dir != "" {
		return dir
	}
	if dir := getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "vecmill")
	}
	if home := getenv("HOME"); home != "" {
		return filepath.Join(home, ".cache", "vecmill")
	}
	return ""
}

// archDir is ONNX Runtime's own word for the architecture.
func archDir(goarch string) string {
	if goarch == "amd64" {
		return "x64"
	}
	return goarch
}

// locate finds the library's file.
func locate(asked string) (string, error) {
	if asked != "" {
		return search([]place{{pattern: asked, why: "the configuration", must: true}})
	}
	exe, err := os.Executable()
	if err != nil {
		exe = "" // the other places remain
	}
	return search(places(os.Getenv, exe, runtime.GOOS, runtime.GOARCH))
}

func search(all []place) (string, error) {
	looked := make([]string, len(all))
	for i, p := range all {
		looked[i] = p.pattern + " (" + p.why + ")"
		found, err := p.find()
		if err != nil {
			return "", fmt.Errorf("%w: %s: %w; %s", ErrNoLibrary, p.why, err, remedy)
		}
		if found != "" {
			return found, nil
		}
	}
	if len(looked) == 0 {
		looked = append(looked, "nowhere, for there is neither VECMILL_ORT_LIB nor VECMILL_CACHE nor a home directory")
	}
	return "", fmt.Errorf("%w: looked at %s; version %s or newer is needed: %s", ErrNoLibrary, strings.Join(looked, ", "), MinVersion, remedy)
}

// find gives the file of a place, or none. A place that was asked for by name must hold one.
func (p place) find() (string, error) {
	if p.must {
		info, err := os.Stat(p.pattern)
		if err == nil && !info.Mode().IsRegular() {
			err = &fs.PathError{Op: "load", Path: p.pattern, Err: errors.New("not a file")}
		}
		return p.pattern, err
	}
	found, err := filepath.Glob(p.pattern)
	if err != nil {
		return "", nil // a directory with brackets in its name: not a pattern, so nothing is found
	}
	found = slices.DeleteFunc(found, func(f string) bool {
		info, err := os.Stat(f)
		return err != nil || !info.Mode().IsRegular()
	})
	if len(found) == 0 {
		return "", nil
	}
	return slices.Max(found), nil // libonnxruntime.so.1.24.4 rather than a link to it, so that the path tells the version
}

// newEnough says whether version, such as 1.24.4, is MinVersion or newer. A version that cannot be read is not.
func newEnough(version string) bool {
	have, ok := release(version)
	want, _ := release(MinVersion)
	return ok && slices.Compare(have[:], want[:]) >= 0
}

// release reads the major and minor number of a version.
func release(version string) (r [2]int, ok bool) {
	parts := strings.Split(version, ".")
	if len(parts) < len(r) {
		return r, false
	}
	for i := range r {
		n, err := strconv.Atoi(parts[i])
		if err != nil || n < 0 {
			return r, false
		}
		r[i] = n
	}
	return r, true
}
