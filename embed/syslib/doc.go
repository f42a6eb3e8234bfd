// Package syslib loads shared libraries of the machine at run time, as ONNX Runtime is loaded, without cgo and without a build that needs them: a decoder asks for
// libsndfile by the names it may have, binds the functions it calls by a table, and uses its own Go code when the library is not there.
//
// [Open] looks where the system's loader looks: LD_LIBRARY_PATH, the loader's cache, the standard directories. A name with a slash is a path. What is opened stays
// open until the process ends: functions bound once may be called at any time, from any goroutine that the library allows.
//
// [Library.Bind] cannot check a Go signature against the C function: the tables beside their users are to be read with the library's header at hand. Memory that
// C keeps after a call must not be Go's; slices and pointers given as arguments are alive and unmoved for the call alone. A call costs under a microsecond and
// some small allocations: call with blocks, not with samples.
//
// Linux and macOS on amd64 and arm64, with cgo and without; elsewhere, and with the build tag nosyslib, [Open] says that this build loads none. Without cgo it is this
// package that makes a Linux binary a dynamically linked one; the tag makes it static again.
//
// The loading itself is github.com/ebitengine/purego's. The neighbours are the packages of embed that decode and resample.
package syslib
