//go:build cgo

package ortsession

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

// The beginning of OrtApiBase, which has not changed since ONNX Runtime 1.0: what is needed to ask any library for its
// version before it is loaded for good.
struct vecmill_api_base {
	const void *(*get_api)(uint32_t);
	const char *(*get_version)(void);
};

// vecmill_ort_version gives the version of the library at path, or NULL and a message in *fault.
static const char *vecmill_ort_version(const char *path, const char **fault) {
	void *lib = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	if (!lib) {
		*fault = dlerror();
		return NULL;
	}
	struct vecmill_api_base *(*base)(void) = (struct vecmill_api_base *(*)(void))dlsym(lib, "OrtGetApiBase");
	if (!base) {
		*fault = "it has no OrtGetApiBase: not an ONNX Runtime library";
		dlclose(lib);
		return NULL;
	}
	return base()->get_version(); // the handle stays open: the string is the library's
}
*/
import "C"

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"
)

// environment guards ONNX Runtime's one environment per process, which the binding keeps in variables of its own. It is never
// torn down: unloading the library while its threads end is not safe, and the process is about to end anyway.
var environment struct {
	sync.Mutex
	path, version string // empty until the library is loaded
}

// Library finds the ONNX Runtime library, loads it if it is not loaded yet and says which one it is. It looks at
//
//	$VECMILL_ORT_LIB                                                       (if set, nowhere else)
//	<directory of the executable>/lib/libonnxruntime.so*
//	<cache>/onnxruntime/1.24.4/<x64 or arm64>/libonnxruntime.so.1.24.4     as tools/fetch-ort.sh leaves it
//
// where <cache> is $VECMILL_CACHE, else $XDG_CACHE_HOME/vecmill, else ~/.cache/vecmill. Errors are ErrNoLibrary and say what was
// looked for, which version is needed and how to get it. A failure is not remembered: the next call looks again.
func Library() (path, version string, err error) { return library("") }

// LibraryAt is Library, but if asked is not empty, nowhere else is looked.
func LibraryAt(asked string) (path, version string, err error) { return library(asked) }

// library is Library, but if a path is asked for, nowhere else is looked.
func library(asked string) (path, version string, err error) {
	environment.Lock()
	defer environment.Unlock()
	if environment.version != "" {
		if asked != "" && asked != environment.path {
			return "", "", fmt.Errorf("%w: %s is asked for, but this process has loaded %s already", ErrNoLibrary, asked, environment.path)
		}
		return environment.path, environment.version, nil
	}
	path, err = locate(asked)
	if err != nil {
		return "", "", err
	}
	version, err = libraryVersion(path)
	if err != nil {
		return "", "", fmt.Errorf("%w: loading %s: %w; version %s or newer is needed: %s", ErrNoLibrary, path, err, MinVersion, remedy)
	}
	if !newEnough(version) {
		return "", "", fmt.Errorf("%w: %s is version %s, and %s or newer is needed: %s", ErrNoLibrary, path, version, MinVersion, remedy)
	}
	ort.SetSharedLibraryPath(path)
	// Fatal only: what goes wrong comes back as an error, and the library would print it to stderr past the log.
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
		return "", "", fmt.Errorf("%w: initialising %s (version %s): %w; %s", ErrNoLibrary, path, version, err, remedy)
	}
	if err := shareArena(); err != nil {
		err = errors.Join(err, ort.DestroyEnvironment()) // so that it can be tried again
		return "", "", fmt.Errorf("%w: initialising %s (version %s): its arena: %w; %s", ErrNoLibrary, path, version, err, remedy)
	}
	environment.path, environment.version = path, version
	return path, version, nil
}

// libraryVersion asks the library at path for its version.
func libraryVersion(path string) (string, error) {
	file := C.CString(path)
	defer C.free(unsafe.Pointer(file))
	var fault *C.char
	version := C.vecmill_ort_version(file, &fault)
	if version == nil {
		return "", fmt.Errorf("%s", C.GoString(fault))
	}
	return C.GoString(version), nil
}
