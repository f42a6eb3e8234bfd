//go:build integration

package postgres

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"vecmill/integration/harness"
)

// server is a PostgreSQL of its own on a loopback port, which stays over restarts.
type server struct {
	owner   testing.TB
	home    string // of the programs
	dir     string
	port    string
	options []string // of the server, as name=value
	process *harness.Process
}

func startServer(t testing.TB, options ...string) *server {
	t.Helper()
	out, err := exec.Command("bash", filepath.Join(harness.ModuleRoot(t), "tools", "fetch-postgres.sh"), "--check").Output()
	if err != nil {
		harness.Missing(t, "PostgreSQL with pgvector", "run tools/fetch-postgres.sh")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close() // it carried no data
	s := &server{owner: t, home: strings.TrimSpace(string(out)), dir: t.TempDir(), port: port, options: options}
	c := s.command("initdb", "-D", s.data(), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
	if state := harness.Start(t, c).Wait(t, time.Minute); !state.Success() {
		t.Fatalf("initdb: %v", state)
	}
	s.start(t)
	return s
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

// command runs a program of the server, which refuses the superuser: who is one runs it as nobody of a user namespace, in which this user's files are nobody's.
func (s *server) command(program string, args ...string) harness.Command {
	c := harness.Command{Name: program, Path: filepath.Join(s.home, "bin", program), Args: args, Log: filepath.Join(s.dir, program+".log")}
	if os.Geteuid() == 0 {
		c.Args = append([]string{"--user", "--map-user=65534", "--map-group=65534", "--", c.Path}, args...)
		c.Path = "unshare"
	}
	return c
}

func (s *server) dsn() string { return s.dsnAt("127.0.0.1:" + s.port) }

func (s *server) dsnAt(addr string) string {
	return fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable&connect_timeout=5", addr)
}

// start returns once the server answers. After a kill, the first tries may find the dead one's children still at work.
func (s *server) start(t testing.TB) {
	t.Helper()
	c := s.command("postgres", "-D", s.data(), "-p", s.port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=60")
	for _, o := range s.options {
		c.Args = append(c.Args, "-c", o)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		s.process = harness.Start(s.owner, c)
		for time.Now().Before(deadline) {
			if conn, err := pgx.Connect(context.Background(), s.dsn()); err == nil {
				_ = conn.Close(context.Background()) // the server answers, and that is all
				return
			}
			select {
			case <-s.process.Exited():
			case <-time.After(100 * time.Millisecond):
				continue
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server does not answer:\n%s", s.process.LogTail(20))
		}
	}
}

func (s *server) kill(t testing.TB) { s.process.Kill(t) }

// psql runs SQL in PostgreSQL's own client and gives what it prints, unaligned.
func (s *server) psql(t testing.TB, sql string) string {
	t.Helper()
	out, err := exec.Command(filepath.Join(s.home, "bin", "psql"), "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", s.dsn(), "-c", sql).CombinedOutput()
	if err != nil {
		t.Fatalf("psql: %v\n%s\n%s", err, sql, out)
	}
	return strings.TrimSpace(string(out))
}
