//go:build cgo

package ortsession

/*
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>

// vecmill_ask_version loads the library at path, and calls its function that tells its version; "" for none. It gives 0, or another number and a message in *fault:
// -1 if the library cannot be loaded, -2 if it has no such function, or the function's own.
static int vecmill_ask_version(const char *path, const char *function, int form, int *version, const char **fault) {
	void *lib = dlopen(path, RTLD_LAZY | RTLD_LOCAL); // the handle stays open: what the provider loads next is the same library
	if (!lib) {
		*fault = dlerror();
		return -1;
	}
	if (!*function) {
		return 0;
	}
	void *f = dlsym(lib, function);
	if (!f) {
		*fault = dlerror();
		return -2;
	}
	switch (form) {
	case 0: {
		int code = ((int (*)(int *))f)(version);
		if (code) *fault = "it answers with an error";
		return code;
	}
	case 1:
		*version = (int)((size_t (*)(void))f)();
		return 0;
	default:
		*version = ((int (*)(void))f)();
		return 0;
	}
}
*/
import "C"

import (
	"fmt"
	"unsafe"
)

// notLoaded is vecmill_ask_version's code for a library that cannot be loaded.
const notLoaded = -1

// askVersion calls the function, unless it is "", of the first of paths that can be loaded.
func askVersion(paths []string, function string, f form) (int, error) {
	name := C.CString(function)
	defer C.free(unsafe.Pointer(name))
	var first error
	for _, path := range paths {
		file := C.CString(path)
		var version C.int
		var fault *C.char
		code := C.vecmill_ask_version(file, name, C.int(f), &version, &fault)
		C.free(unsafe.Pointer(file))
		if code == 0 {
			return int(version), nil
		}
		err := fmt.Errorf("%s of %s: %s (%d)", function, path, C.GoString(fault), int(code))
		if code != notLoaded {
			return 0, err
		}
		if first == nil {
			first = fmt.Errorf("%s", C.GoString(fault)) // which names the file
		}
	}
	return 0, first
}
