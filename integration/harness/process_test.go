package harness

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func shell(t *testing.T, script string) *Process {
	t.Helper()
	return Start(t, Command{Name: "shell", Path: "/bin/sh", Args: []string{"-c", script}, Log: filepath.Join(t.TempDir(), "shell.log")})
}

func TestPauseStopsAndResumeContinues(t *testing.T) {
	p := shell(t, "while :; do echo tick; sleep 0.02; done")
	p.WaitForLog(t, "tick", 10*time.Second)
	p.Pause(t)
	time.Sleep(100 * time.Millisecond) // a tick under way may still land
	before := p.Log()
	time.Sleep(200 * time.Millisecond)
	if after := p.Log(); after != before {
		t.Errorf("a paused process wrote %d bytes", len(after)-len(before))
	}
	p.Resume(t)
	deadline := time.Now().Add(10 * time.Second)
	for p.Log() == before {
		if time.Now().After(deadline) {
			t.Fatal("a resumed process wrote nothing")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestTerminateLetsTheChildEndInOrder(t *testing.T) {
	p := shell(t, `trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.02; done`)
	p.WaitForLog(t, "up", 10*time.Second)
	if state := p.Terminate(t, 10*time.Second); state.ExitCode() != 7 {
		t.Errorf("exit code = %d, want 7", state.ExitCode())
	}
	if !strings.Contains(p.Log(), "bye") {
		t.Errorf("log = %q, want the trap's last words", p.Log())
	}
}

func TestLogBeginsWhereTheProcessBegan(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	for _, word := range []string{"first", "second"} {
		p := Start(t, Command{Name: word, Path: "/bin/sh", Args: []string{"-c", "echo $WORD"}, Env: []string{"WORD=" + word}, Log: log})
		p.Wait(t, 10*time.Second)
		if got := p.Log(); got != word+"\n" {
			t.Errorf("log of the %s process = %q", word, got)
		}
	}
	if b, err := os.ReadFile(log); err != nil || string(b) != "first\nsecond\n" {
		t.Errorf("the file holds %q (%v), want both", b, err)
	}
}

func TestFreePortsDifferAndAreFree(t *testing.T) {
	ports := freePorts(t, 20)
	seen := map[int]bool{}
	for _, port := range ports {
		if port < firstPort || port > lastPort || seen[port] {
			t.Errorf("port %d is out of range or given twice", port)
		}
		seen[port] = true
		l, err := net.Listen("tcp", loopback(port))
		if err != nil {
			t.Errorf("port %d is not free: %v", port, err)
			continue
		}
		l.Close()
	}
}

func TestTail(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		n    int
		want string
	}{
		"fewer lines than asked for are all there": {"a\nb\n", 5, "a\nb"},
		"only the last lines are kept":             {"a\nb\nc\n", 2, "b\nc"},
		"nothing stays nothing":                    {"", 3, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tail(c.text, c.n); got != c.want {
				t.Errorf("tail = %q, want %q", got, c.want)
			}
		})
	}
}

func TestKafkaPropertiesTakeOverrides(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server.properties")
	p := kafkaProperties(`/data\x`, 20001, 20002, map[string]string{"node.id": "9", "log.segment.bytes": "1024"})
	if err := writeProperties(path, p); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"node.id=9\n", "log.segment.bytes=1024\n", "log.dirs=/data\\\\x\n", "listeners=PLAINTEXT://127.0.0.1:20001,CONTROLLER://127.0.0.1:20002\n"} {
		if !strings.Contains(string(text), line) {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
}
