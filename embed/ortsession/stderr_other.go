//go:build cgo && !linux

package ortsession

// standardError runs do. Warnings are read on Linux, where the GPU providers are.
func standardError(do func() error, _ func(string) bool) (lines []string, err error) {
	return nil, do()
}
