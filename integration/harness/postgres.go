package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Postgres is a PostgreSQL with pgvector of its own on a loopback port, which stays over restarts.
type Postgres struct {
	owner   testing.TB
	home    string // of the programs
	dir     string
	port    string
	options []string // of the server, as name=value
	process *Process
}

// StartPostgres makes a database and starts its server with options such as wal_level=logical.
func StartPostgres(t testing.TB, options ...string) *Postgres {
	t.Helper()
	out, err := exec.Command("bash", filepath.Join(ModuleRoot(t), "tools", "fetch-postgres.sh"), "--check").Output()
	if err != nil {
		Missing(t, "PostgreSQL with pgvector", "run tools/fetch-postgres.sh")
	}
	s := &Postgres{owner: t, home: strings.TrimSpace(string(out)), dir: t.TempDir(), port: fmt.Sprint(FreePort(t)), options: options}
	c := s.command("initdb", "-D", s.data(), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
	if state := Start(t, c).Wait(t, time.Minute); !state.Success() {
		t.Fatalf("initdb: %v", state)
	}
	s.Start(t)
	return s
}

func (s *Postgres) data() string { return filepath.Join(s.dir, "data") }

// command runs a program of the server, which refuses the superuser: who is one runs it as nobody of a user namespace, in which this user's files are nobody's.
func (s *Postgres) command(program string, args ...string) Command {
	c := Command{Name: program, Path: filepath.Join(s.home, "bin", program), Args: args, Log: filepath.Join(s.dir, program+".log")}
	if os.Geteuid() == 0 {
		c.Args = append([]string{"--user", "--map-user=65534", "--map-group=65534", "--", c.Path}, args...)
		c.Path = "unshare"
	}
	return c
}

// Addr is where the server listens.
func (s *Postgres) Addr() string { return "127.0.0.1:" + s.port }

// Port is the one that it listens on.
func (s *Postgres) Port() string { return s.port }

// DSN is the URL of the server's database.
func (s *Postgres) DSN() string { return s.DSNAt(s.Addr()) }

// DSNAt is the URL of the database behind another address.
func (s *Postgres) DSNAt(addr string) string {
	return fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable&connect_timeout=5", addr)
}

// Start returns once the server answers. After a kill, the first tries may find the dead one's children still at work.
func (s *Postgres) Start(t testing.TB) {
	t.Helper()
	c := s.command("postgres", "-D", s.data(), "-p", s.port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=60")
	for _, o := range s.options {
		c.Args = append(c.Args, "-c", o)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		s.process = Start(s.owner, c)
		for time.Now().Before(deadline) {
			if conn, err := pgx.Connect(context.Background(), s.DSN()); err == nil {
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

// Kill ends the server as a power cut does.
func (s *Postgres) Kill(t testing.TB) { s.process.Kill(t) }

// PSQL runs SQL in PostgreSQL's own client and gives what it prints, unaligned.
func (s *Postgres) PSQL(t testing.TB, sql string) string {
	t.Helper()
	out, err := exec.Command(filepath.Join(s.home, "bin", "psql"), "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", s.DSN(), "-c", sql).CombinedOutput()
	if err != nil {
		t.Fatalf("psql: %v\n%s\n%s", err, sql, out)
	}
	return strings.TrimSpace(string(out))
}
