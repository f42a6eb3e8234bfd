// Package resident gives memory back that only a start has needed.
//
// A file that was just written, as a program in a fresh image, lies in the system's cache in pieces of 2 MiB, and Linux maps such a piece whole where one page of it is touched: all of
// a binary of 70 MB is resident then, of which running takes a third. [Trim] unmaps what is mapped of programs' files, read-only, and has what is touched again mapped in small pieces.
//
// Contract: the content of no address changes; what is touched again costs a fault, and comes from the system's cache. Nothing is done elsewhere than on Linux.
//
// Neighbours: internal/wire calls it before models are loaded, and behind that.
package resident
