package simulate

import (
	"testing"
)

// Borrow calls f with a *testing.T and returns when f has. It is for programs that are no tests: virtual time exists in Go only inside
// testing/synctest, which wants a T. Inside `go test` there is one already.
//
// It runs the testing package's own main function, which would end the process when its test has ended: so the test never ends, and its goroutine
// stays until the process does. It may be called once.
func Borrow(f func(t *testing.T)) {
	done := make(chan struct{})
	go testing.Main(
		func(string, string) (bool, error) { return true, nil },
		[]testing.InternalTest{{Name: "simulate", F: func(t *testing.T) {
			func() {
				defer close(done) // also when f ends this goroutine, as a failing T does
				f(t)
			}()
			select {}
		}}}, nil, nil)
	<-done
}
