// Package hugepages has a model's memory lie in pages of 2 MiB.
//
// Products of matrices read weights and activations of tens of megabytes in an order that the processor's cache of page addresses does not hold in pages of 4 KiB, and in a virtual machine looking one up costs twice.
// ONNX Runtime's memory is the C library's, which asks the kernel for large pages only where the environment said so before the process began: [Ask] says so, and begins the process again.
//
// Contract: the process keeps its id, arguments, files and environment, but for GLIBC_TUNABLES, and begins again once at most; who has named glibc.malloc.hugetlb in it is left with what it says. Nothing is done where the kernel gives large pages to all who do not ask, or to none,
// and elsewhere than on Linux.
//
// Neighbours: cmd calls it first; internal/wire's doctor tells what the kernel's setting is.
package hugepages
