//go:build integration

package sinks

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// judge is a program of somebody else's libraries that answers questions, a line of JSON each.
type judge struct {
	mu  sync.Mutex // one question at a time
	in  io.Writer
	out *bufio.Reader
}

// startJudge runs a Python script of this directory until the test ends.
func startJudge(t testing.TB, packages, script string, args ...string) *judge {
	t.Helper()
	cmd := exec.Command("python3", append([]string{script}, args...)...)
	cmd.Env, cmd.Stderr = append(cmd.Environ(), "PYTHONPATH="+packages+":../readers"), os.Stderr // plain.py is there
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // which ends it
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", script, err)
		}
	})
	return &judge{in: in, out: bufio.NewReader(out)}
}

// awaitPort returns once something accepts connections at a port of this machine.
func awaitPort(t testing.TB, port string) {
	t.Helper()
	for range 600 {
		if c, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			_ = c.Close() // it carried no data
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("nothing answers at port %s", port)
}

// ask fills answer with what the judge says to question.
func (j *judge) ask(t testing.TB, question, answer any) {
	t.Helper()
	text, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.in.Write(append(text, '\n')); err != nil {
		t.Fatal(err)
	}
	line, err := j.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("the judge gives no answer: %v", err)
	}
	if err := json.Unmarshal(line, answer); err != nil {
		t.Fatalf("%v in %.500s", err, line)
	}
}
