// Package mapped gives a file's bytes without reading them: memory-mapped where the standard library can (Linux, macOS, the BSDs),
// read whole elsewhere. Bytes of a mapping are read-only, come from the page cache on first touch, and are not counted as
// this process's own memory. A file that another process shortens while it is mapped faults the reader (SIGBUS), so only files
// that are replaced whole, never edited in place, belong here: weights and compiled graphs.
package mapped
