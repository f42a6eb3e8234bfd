package simulate

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// mutant is a bug to be put into the program: text replaced in its source. Nothing of it is in the program that ships: the edits are laid over the
// sources for one build (go test -overlay), and the environment says which one is alive.
type mutant struct {
	name     string
	edits    []edit
	seeds    int    // within so many it must be caught
	scenario string // of this scenario; "": of drawn worlds
}

type edit struct{ file, old, new string }

// alive is the condition that a mutant's code begins with.
func alive(name string) string { return "mutant.Is(" + strconv.Quote(name) + ")" }

// mutants are the bugs of comparable systems, and those of our own that the invariants are there for.
func mutants() []mutant {
	const (
		early, fence, settled, blind, overwrite = "commit before durable", "no fence", "letter settled before its PUT", "blind retry after a time-out", "no conditional PUT"
		trust, skip, unburied, gap              = "resume at the committed offset", "what the system failed at is skipped", "dead without a letter", "gaps of the log forgotten"
		blindly, stays                          = "a transaction does not compare offsets", "a tombstone takes nothing away"
		recommit, unsaid, hollow                = "a commit is sent again without a look", "offsets are not in the summary", "a commit before its files"
		hasty, again, neighbour, leak           = "the first sink's word is the tee's", "the tee computes again what one member lacks", "a neighbour's result", "memory is not given back"
		brusque, lingers                        = "an assignment is given up without a drain", "a tombstone takes nothing from a lake"
		halved                                  = "an offset is skipped once one of its rows is gone"
		kept, mute                              = "a file's age closes nothing", "only the fence commits"
		unread, twice                           = "what was read is committed at the fence", "who is outrun adds all of it"
	)
	return []mutant{
		{early, []edit{{
			"stream/epoch.go", "err := ep.p.sink.Write(ep.ctx, r.Range, r.Rows, func(err error) { ep.written(r, err) })",
			`done := func(err error) { ep.written(r, err) }
			if ` + alive(early) + ` {
				done = func(error) {}
				ep.tracker.Durable(r)
			}
			err := ep.p.sink.Write(ep.ctx, r.Range, r.Rows, done)`,
		}}, 50, ""},
		{fence, []edit{{"stream/epoch.go", "	ep.fence()\n	ep.forget()\n	p.stats.losses.Add(1)", "	if !" + alive(fence) + " {\n	ep.fence()\n	ep.forget()\n	}\n	p.stats.losses.Add(1)"}}, 200, ""},
		{brusque, []edit{{"stream/epoch.go", "	err := ep.drain(ctx)\n", "	var err error\n	if !" + alive(brusque) + " {\n	err = ep.drain(ctx)\n	}\n"}}, 6, "rolling-restart"},
		{settled, []edit{
			{"stream/work.go", "err := p.dead.Put(f.epoch.ctx, letter)", "err := p.putLetter(f.epoch.ctx, letter)"},
			{"stream/work.go", "// rowBytes is", `func (p *Pipeline) putLetter(ctx context.Context, l sinks.Letter) error {
	if ` + alive(settled) + ` {
		go func() { _ = p.dead.Put(ctx, l) }()
		return nil
	}
	return p.dead.Put(ctx, l)
}

// rowBytes is`},
		}, 100, ""},
		{blind, []edit{{"sinks/parquetsink/upload.go", "		there, err := Stat(ctx, s.cfg.Store, info.Name)", `		if ` + alive(blind) + ` {
			err := s.cfg.Store.PutIfAbsent(ctx, info.Name, body, meta)
			if errors.Is(err, objectstore.ErrExists) {
				return nil // it must have been ours
			}
			return err
		}
		there, err := Stat(ctx, s.cfg.Store, info.Name)`}}, 400, "two-tasks-one-name"},
		{overwrite, []edit{{"sinks/s3store/s3store.go", `	opts.SetMatchETagExcept("*")`, "	if !" + alive(overwrite) + " {\n	opts.SetMatchETagExcept(\"*\")\n	}"}}, 200, ""},
		{trust, []edit{{"sinks/parquetsink/sink.go", "	s.mu.lanes[src] = newLane(src, at)", "	if " + alive(trust) + " && at.offset >= 0 {\n	at.offset = from\n	}\n	s.mu.lanes[src] = newLane(src, at)"}}, 300, ""},
		{skip, []edit{{"stream/work.go", "		p.fail(fmt.Errorf(\"%s offset %d (%s): %w\", it.part, it.rec.Offset, schemas.ShownURI(it.ref.URI), err))", `		if ` + alive(skip) + ` {
			it.span.End()
			p.giveBack(it, 0, embed.AllOfIt)
			it.ticket.Settle(Skipped, nil)
			return
		}
		p.fail(fmt.Errorf("%s offset %d (%s): %w", it.part, it.rec.Offset, schemas.ShownURI(it.ref.URI), err))`}}, 20, "refused-though-acknowledged"},
		{unburied, []edit{{"stream/work.go", "	p.letters <- deadLetter{f, err}", "	if " + alive(unburied) + " {\n	f.ticket.Settle(Dead, nil)\n	return\n	}\n	p.letters <- deadLetter{f, err}"}}, 50, ""},
		{gap, []edit{{"stream/tracker.go", "	t.passLocked(l, p.Offset, Skipped)\n	k := &Ticket", "	if !" + alive(gap) + " {\n	t.passLocked(l, p.Offset, Skipped)\n	}\n	k := &Ticket"}}, 50, ""},
		{hasty, []edit{{"sinks/tee.go", "		c.add()\n		if err := t.tallies[i].write(ctx, m.Sink, r, rows, c.report)", `		report := c.report
		if ` + alive(hasty) + ` && i > 0 {
			report = func(error) {}
		} else {
			c.add()
		}
		if err := t.tallies[i].write(ctx, m.Sink, r, rows, report)`}}, 100, ""},
		{blindly, []edit{{"sinks/pgvectorsink/batch.go", "	case next == b.r.First:\n", "	case next == b.r.First || " + alive(blindly) + ":\n"}}, 20, "transaction-that-landed"},
		{stays, []edit{{"sinks/pgvectorsink/batch.go", "	return b.cut(schemas", "	if " + alive(stays) + " {\n	b.r.Deletes, b.rows = nil, nil\n	}\n	return b.cut(schemas"}}, 60, "transaction-that-landed"},
		{halved, []edit{{"sinks/pgvectorsink/recall.go", "		b.r.Skipped = with(b.r.Skipped, without(gone, b.rows))", `		if ` + alive(halved) + ` {
			b.r.Skipped = with(b.r.Skipped, gone)
		} else {
			b.r.Skipped = with(b.r.Skipped, without(gone, b.rows))
		}`}}, 60, "table-and-files"},
		{recommit, []edit{{"sinks/icebergsink/commit.go", "		if len(tried.Added) == 0 {", `		if ` + alive(recommit) + ` && unsettled != nil {
			tried.Added = c.Wanted()
		}
		if len(tried.Added) == 0 {`}}, 20, "table-commit-that-landed"},
		{unsaid, []edit{{"sinks/icebergsink/commit.go", "	summary := map[string]string{progressKey: progress,", `	if ` + alive(unsaid) + ` {
		return map[string]string{commitKey: o.Nonce}, nil
	}
	summary := map[string]string{progressKey: progress,`}}, 20, "table-commit-that-landed"},
		{hollow, []edit{{"sinks/icebergsink/files.go", "	return f, store.Put(ctx,", `	if ` + alive(hollow) + ` {
		go func() { _ = store.Put(context.WithoutCancel(ctx), name, body, "") }()
		return f, nil
	}
	return f, store.Put(ctx,`}}, 20, "table-commit-that-landed"},
		{lingers, []edit{{"sinks/icebergsink/deletes.go", "	if s.cfg.KeepDeleted {", "	if s.cfg.KeepDeleted || " + alive(lingers) + " {"}}, 20, "lake-and-files"},
		{kept, []edit{{"sinks/parquetsink/sink.go", "time.AfterFunc(s.cfg.RollAge, s.rollAged)", "time.AfterFunc(s.cfg.RollAge*map[bool]time.Duration{true: 1000, false: 1}[" + alive(kept) + "], s.rollAged)"}}, 2, "idle-topic-never-flushes"},
		{mute, []edit{{"stream/epoch.go", "		case <-tick.C:", "		case <-map[bool]<-chan time.Time{false: tick.C}[" + alive(mute) + "]:"}}, 2, "idle-topic-never-flushes"},
		{unread, []edit{{"stream/tracker.go", "	points := t.pointsLocked()\n	var settled", `	points := t.pointsLocked()
	if ` + alive(unread) + ` {
		for p, l := range t.mu.lanes {
			points[p] = l.next
		}
	}
	var settled`}}, 6, "rebalance-loses-batches"},
		{twice, []edit{{"sinks/icebergsink/commit.go", "		if len(tried.Added) == 0 {", `		if ` + alive(twice) + ` && unsettled != nil && !v.made(o.Nonce) {
			tried.Added = c.Wanted()
		}
		if len(tried.Added) == 0 {`}}, 20, "two-writers-of-a-table"},
		{again, []edit{{"sinks/catchup.go", "	if ahead < 0 {", "	if ahead < 0 || " + alive(again) + " {"}}, 60, "tee-tells-two-stories"},
		{neighbour, []edit{{"embed/executor.go", "r.payloads[h][i],", "r.payloads[h][map[bool]int{true: 0, false: i}[" + alive(neighbour) + "]],"}}, 50, ""},
		{leak, []edit{{"stream/pipeline.go", "func() { p.free(f) }", "func() {\n	if " + alive(leak) + " && f.rec.Offset%7 == 3 {\n	<-p.slots\n	f.turn()\n	return\n	}\n	p.free(f) }"}}, 50, ""},
	}
}

// mutantPackage says which mutant is alive.
const mutantPackage = `package mutant

import "os"

// Is says whether the named mutant is alive.
func Is(name string) bool { return os.Getenv("VECMILL_MUTANT") == name }
`

// TestTheOracleCatchesEveryMutant proves that the simulation can fail: with each of the bugs alive it does, within a few seeds.
func TestTheOracleCatchesEveryMutant(t *testing.T) {
	binary := buildMutants(t)
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // a mutant may do anything, also nothing
			defer cancel()
			run := []string{"-test.run", "^TestEverySeedKeepsTheInvariants$", "-seeds", strconv.Itoa(m.seeds)}
			if m.scenario != "" {
				run = []string{"-test.run", "^TestNoIncidentHappensHere$/^" + m.scenario + "$", "-plays", strconv.Itoa(m.seeds)}
			}
			cmd := exec.CommandContext(ctx, binary, run...)
			cmd.Env = append(os.Environ(), "VECMILL_MUTANT="+m.name)
			out, err := cmd.CombinedOutput()
			if ctx.Err() != nil {
				t.Fatal("neither caught nor passed in time")
			}
			if err == nil {
				t.Fatalf("%d seeds did not notice", m.seeds)
			}
			t.Log(verdictOf(string(out)))
			reproduce(t, ctx, binary, m.name, string(out))
		})
	}
}

// reproduce plays the command that a failing seed has printed, which must fail in the same way each time: with the same trace, or with a panic again.
func reproduce(t *testing.T, ctx context.Context, binary, mutant, out string) {
	t.Helper()
	command := regexp.MustCompile(`reproduce"?: "?(worker simulate --seed [\w -]*\w)`).FindStringSubmatch(out)
	if command == nil {
		t.Fatalf("it prints no command:\n%s", out)
	}
	says := "panic: "
	if trace := regexp.MustCompile(`\btrace: \w+\n`).FindString(out); trace != "" {
		says = trace
	}
	for range *commands {
		cmd := exec.CommandContext(ctx, binary, "-command", command[1])
		cmd.Env = append(os.Environ(), "VECMILL_MUTANT="+mutant)
		again, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(again), says) {
			t.Errorf("%q does not fail with %q (%v):\n%s", command[1], says, err, again[max(0, len(again)-2000):])
		}
	}
}

// commands is how often each command is played.
var commands = flag.Int("commands", 1, "number of times that the command of a mutant's failing seed is played")

// verdictOf is the first line of a failing run that says why.
func verdictOf(out string) string {
	for line := range strings.Lines(out) {
		if strings.Contains(line, "seed ") || strings.HasPrefix(line, "panic:") {
			return strings.TrimSpace(line)
		}
	}
	return out
}

// buildMutants builds this package's test with every mutant in it, all of them asleep.
func buildMutants(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	sources := map[string]string{filepath.Join(root, "internal/mutant/mutant.go"): mutantPackage}
	for _, m := range mutants() {
		for _, e := range m.edits {
			path := filepath.Join(root, e.file)
			text, ok := sources[path]
			if !ok {
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				text = strings.Replace(string(b), "import (", "import (\n\t\"vecmill/internal/mutant\"", 1)
			}
			if n := strings.Count(text, e.old); n != 1 {
				t.Fatalf("%s: %s has the place to change %d times:\n%s", m.name, e.file, n, e.old)
			}
			sources[path] = strings.Replace(text, e.old, e.new, 1)
		}
	}
	overlay := map[string]map[string]string{"Replace": {}}
	for path, text := range sources {
		file := filepath.Join(dir, strings.ReplaceAll(strings.TrimPrefix(path, root), "/", "_"))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay["Replace"][path] = file
	}
	b, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	list, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "simulate.test")
	if err := os.WriteFile(list, b, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "test", "-c", "-vet=off", "-overlay", list, "-o", binary, "vecmill/internal/simulate")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the mutants: %v\n%s", err, out)
	}
	return binary
}
