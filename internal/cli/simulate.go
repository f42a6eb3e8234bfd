package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vecmill/internal/simulate"
)

func runSimulate(ctx context.Context, e *env, args []string) error {
	f := e.flags("simulate")
	c := simulate.Campaign{}
	f.Uint64Var(&c.First, "seed", 0, "the seed, or the first of them")
	f.Uint64Var(&c.Seeds, "seeds", 1, "how many seeds")
	f.StringVar((*string)(&c.Source), "source", string(simulate.Scripted), "scripted (exact replay) or kafka (kafka-go over an in-process Kafka)")
	f.StringVar(&c.Scenario, "scenario", "", "one of the incidents instead of a drawn world; list shows them")
	f.BoolVar(&c.Verbose, "verbose", false, "print the plan, every event at the seams, and the workers' logs")
	jobs := f.Int("jobs", runtime.NumCPU(), "processes at once")
	f.BoolVar(&c.Progress, "in-process", false, "play all seeds in this process, printing each before it is played")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	switch {
	case c.Scenario == "list":
		for _, s := range simulate.Scenarios() {
			fmt.Fprintf(e.stdout, "%-28s %s\n", s.Name, s.About)
		}
		return nil
	case c.Seeds < 1 || *jobs < 1:
		return usageError{errors.New("--seeds and --jobs must be at least 1")}
	case c.Source != simulate.Scripted && c.Source != simulate.Kafka:
		return usageError{fmt.Errorf("--source %q is neither scripted nor kafka", c.Source)}
	}
	if _, err := c.Plan(c.First); err != nil {
		return usageError{err}
	}
	if c.Seeds > 1 && !c.Progress {
		return manySeeds(ctx, e, &c, *jobs)
	}
	var err error
	simulate.Borrow(func(t *testing.T) { err = c.Run(ctx, t, e.stdout) })
	return err
}

// chunk is how many seeds one process plays: enough that its start costs nothing, few enough that all processors have work to the end.
const chunk = 250

// manySeeds plays the seeds in processes of their own. A panic of the program ends only one of them, and the last seed that it named is the one to play again.
func manySeeds(ctx context.Context, e *env, c *simulate.Campaign, jobs int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	parts := make(chan simulate.Campaign)
	failed := make([]error, jobs)
	var wg sync.WaitGroup
	var printing sync.Mutex
	for i := range jobs {
		wg.Go(func() {
			for part := range parts {
				report, err := playApart(ctx, self, &part)
				printing.Lock()
				fmt.Fprint(e.stdout, report)
				printing.Unlock()
				if err != nil {
					failed[i] = errors.Join(failed[i], err)
					stop()
				}
			}
		})
	}
	for at := c.First; at < c.First+c.Seeds && ctx.Err() == nil; at += chunk {
		part := *c
		part.First, part.Seeds = at, min(chunk, c.First+c.Seeds-at)
		select {
		case parts <- part:
		case <-ctx.Done():
		}
	}
	close(parts)
	wg.Wait()
	return errors.Join(errors.Join(failed...), ctx.Err())
}

// playApart plays a part of a campaign in another process and gives what it said, without its progress.
func playApart(ctx context.Context, self string, c *simulate.Campaign) (report string, err error) {
	args := []string{"simulate", "--in-process", "--seed", strconv.FormatUint(c.First, 10), "--seeds", strconv.FormatUint(c.Seeds, 10), "--source", string(c.Source)}
	if c.Scenario != "" {
		args = append(args, "--scenario", c.Scenario)
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var faults strings.Builder
	cmd.Stderr = &faults
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	last, told := c.First, strings.Builder{}
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadString('\n')
		if n, ok := strings.CutPrefix(line, "seed "); ok && !strings.Contains(n, " ") {
			last, _ = strconv.ParseUint(strings.TrimSpace(n), 10, 64)
		} else {
			told.WriteString(line)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return told.String(), err
		}
	}
	err = cmd.Wait()
	switch {
	case err == nil || ctx.Err() != nil:
		return told.String(), nil
	case !strings.Contains(told.String(), "reproduce:"): // it died
		return fmt.Sprintf("%s%s\nseed %d ended the process\nreproduce: %s\n", told.String(), faults.String(), last, c.Command(last)), fmt.Errorf("seed %d ended the process", last)
	}
	return told.String(), fmt.Errorf("seed %d breaks an invariant", last)
}
