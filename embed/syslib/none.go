//go:build nosyslib || !(linux || darwin) || !(amd64 || arm64)

package syslib

func load(string) (uintptr, error) { return 0, ErrNoLoader }

func find(uintptr, string) (uintptr, error) { return 0, ErrNoLoader }

func bind(any, uintptr) {}

func check(Symbol) error { return nil }

// Callback makes nothing in a build that loads no libraries: no function is there to give it to.
func Callback(any) uintptr { return 0 }
