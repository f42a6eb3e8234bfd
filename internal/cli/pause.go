package cli

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"vecmill/internal/pace"
)

// pausable shuts a gate at SIGUSR1 and opens it at SIGUSR2, until stop is called. Two signals, not one that changes it: whoever sends one knows what follows.
func pausable(w io.Writer) (gate *pace.Gate, stop func()) {
	gate = &pace.Gate{}
	told := make(chan os.Signal, 8) // as many as people send before one is read
	signal.Notify(told, syscall.SIGUSR1, syscall.SIGUSR2)
	ended := make(chan struct{})
	var listening sync.WaitGroup
	listening.Go(func() {
		for {
			select {
			case <-ended:
				return
			case s := <-told:
				if s == syscall.SIGUSR1 {
					gate.Shut()
					fmt.Fprintf(w, "paused: what was begun is finished; kill -USR2 %d goes on\n", os.Getpid())
				} else {
					gate.Open()
					fmt.Fprintln(w, "goes on")
				}
			}
		}
	})
	return gate, func() {
		signal.Stop(told)
		close(ended)
		listening.Wait()
	}
}
