package simulate

import (
	"fmt"
	"strings"
	"time"

	"vecmill/embed"
)

// Scenario is a world made by hand: the incident of a comparable system, or of our own, that must not happen here. Each is played with several
// seeds, which draw the log, the latencies and the details.
type Scenario struct {
	Name  string
	About string // what happened where
	Plan  func(seed uint64) Plan
	Check func(results []Result) error // it sees all seeds' results, so that none is played for nothing; nil: nothing. What holds for each seed is judged by its plan
}

// Play is the scenario's plan for a seed.
func (s *Scenario) Play(seed uint64) Plan {
	p := s.Plan(seed)
	p.Seed = seed
	return p
}

// FindScenario finds one by its name.
func FindScenario(name string) (Scenario, error) {
	var names []string
	for _, s := range Scenarios() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Scenario{}, fmt.Errorf("there is no scenario %q; there are %s", name, strings.Join(names, ", "))
}

// quiet is a world in which nothing goes wrong: two workers, three partitions, records over ten seconds.
func quiet(uint64) Plan {
	return Plan{
		Partitions: 3, Records: 30, Trickle: 10 * time.Second, Outputs: 1, Workers: 2, Calm: 20 * time.Second,
		Pipeline: PipelinePlan{
			MaxInFlight: 16, Fetchers: 3, Budget: 6000, CommitInterval: 200 * time.Millisecond, RollRows: 8, RollAge: time.Second,
			MaxBuffered: 100_000, Uploads: 2, Infer: 5 * time.Millisecond,
		},
		Group:  GroupPlan{Session: 4 * time.Second, Heartbeat: 500 * time.Millisecond, Rebalance: 15 * time.Second, Drain: 8 * time.Second},
		Faults: FaultPlan{Slow: 60 * time.Millisecond},
	}
}

// with changes the quiet world.
func with(change func(p *Plan, d draws)) func(uint64) Plan {
	return func(seed uint64) Plan {
		p := quiet(seed)
		change(&p, draws{seed})
		return p
	}
}

// each makes n steps at times drawn from the first ten seconds.
func each(p *Plan, d draws, n int, do Action, f func(i int, s *Step)) {
	for i := range n {
		s := Step{At: span(d.of("step "+string(do), int64(i)), 500*time.Millisecond, 10*time.Second), Do: do, Slot: i % 2}
		if f != nil {
			f(i, &s)
		}
		p.Steps = append(p.Steps, s)
	}
}

// anyOf says that at least one of the seeds saw what the scenario is about.
func anyOf(what string, saw func(*Coverage) int) func([]Result) error {
	return func(all []Result) error {
		for i := range all {
			if saw(&all[i].Coverage) > 0 {
				return nil
			}
		}
		return fmt.Errorf("no seed had %s: the scenario proves nothing", what)
	}
}

// allOf says that each of the checks holds.
func allOf(checks ...func([]Result) error) func([]Result) error {
	return func(all []Result) error {
		for _, check := range checks {
			if err := check(all); err != nil {
				return err
			}
		}
		return nil
	}
}

// stopsSaying says that a worker stopped with these words.
func stopsSaying(words string) func(*Result) error {
	return func(r *Result) error {
		if !strings.Contains(strings.Join(r.Ends, "\n"), words) {
			return fmt.Errorf("no worker stopped saying %q; they said %q", words, r.Ends)
		}
		return nil
	}
}

// Scenarios is the table of incidents.
func Scenarios() []Scenario {
	return append(incidents(), ours()...)
}

// incidents happened elsewhere.
func incidents() []Scenario {
	barred := func(c *Coverage) int { return c.Barred }
	return []Scenario{
		{"rebalance-loses-batches", "Redpanda Connect 4010: 10,433 messages lost in one rebalance, one batch window for each of seven revoked partitions", with(func(p *Plan, d draws) {
			p.Partitions, p.Pipeline.Infer = 7, 80*time.Millisecond
			if d.seed%2 == 1 {
				p.Group.Drain = 400 * time.Millisecond // less than what is under way takes
			}
			each(p, d, 6, Rebalance, nil)
		}), allOf(anyOf("an assignment taken back with records under way", func(c *Coverage) int { return c.Drains }), anyOf("a record that a drain gave up", func(c *Coverage) int { return int(c.Abandoned) }))},
		{"landed-but-reported-failed", "Redpanda Connect 4666, 4591: a commit that had landed but looked failed had its files deleted, or written again", with(func(p *Plan, d draws) {
			p.Faults.Reset, p.Faults.Hang, p.Faults.Commit = 0.3, 0.1, 0.3
		}), anyOf("a file that landed without an answer", func(c *Coverage) int { return c.Unheard })},
		{"zombie-coordinator", "Iceberg Kafka Connect 17551, 17340, 17637: a paused coordinator wakes and commits the same files again", with(func(p *Plan, d draws) {
			p.Workers, p.Pipeline.CommitInterval = 3, 2*time.Second
			each(p, d, 2, PauseAt, func(i int, s *Step) { s.Slot, s.N, s.For = Owner, 1+i%3, 12*time.Second })
		}), anyOf("a file name lost to another owner", barred)},
		{"two-tasks-one-name", "Confluent S3 sink 253, Ray Data 52967: two tasks write one object at a rebalance", with(func(p *Plan, d draws) {
			p.Partitions, p.Workers, p.Faults.Slow = 1, 3, time.Second
			each(p, d, 4, Isolate, func(_ int, s *Step) { s.Slot, s.For = Owner, 9*time.Second })
			each(p, d, 2, PauseAt, func(_ int, s *Step) { s.Slot, s.N, s.For = Owner, 1, 10*time.Second })
		}), anyOf("a file name lost to another owner", barred)},
		{"idle-topic-never-flushes", "Confluent S3 sink 144, 341, 70: rows of an idle topic are flushed only if exactly-once is given up", with(func(p *Plan, _ draws) {
			p.Workers = 1 // where a second one joins, a drain writes the rows
			p.Records, p.Trickle, p.Pipeline.RollRows, p.Pipeline.RollAge = 1, 0, 1000, 3*time.Second
			p.judge = settledBetween(p.Pipeline.RollAge, 12*time.Second)
		}), nil},
		{"checkpoint-before-rows", "Daft 7373: a checkpoint was sealed before its rows were written, and the retry skips them", with(func(p *Plan, d draws) {
			each(p, d, 6, CrashAt, func(i int, s *Step) { s.N = 1 + d.of("n", int64(i)).IntN(12) })
		}), anyOf("a crash", func(c *Coverage) int { return c.Crashes })},
		{"refused-though-acknowledged", "Vector 24543: messages that the sink rejects with 401 or 403 are lost although acknowledgements are on", with(func(p *Plan, _ draws) {
			p.Faults.Windows = []Window{{Denied, 2 * time.Second, 6 * time.Second}, {Expired, 8 * time.Second, 11 * time.Second}}
			p.judge = stopsSaying("the store refuses")
		}), nil},
		{"drain-times-out", "PostHog 56097: a drain at a rebalance timed out 60 times an hour, each a cause of duplicates", with(func(p *Plan, d draws) {
			p.Pipeline.Infer, p.Group.Drain, p.Faults.Slow = 900*time.Millisecond, time.Second, 400*time.Millisecond
			each(p, d, 5, Rebalance, nil)
		}), anyOf("a record that a drain gave up", func(c *Coverage) int { return int(c.Abandoned) })},
		{"transaction-that-landed", "a COMMIT whose answer was lost is tried again, and every row is there twice", with(func(p *Plan, _ draws) {
			p.Table, p.Faults.Reset, p.Faults.Hang = true, 0.2, 0.1
		}), anyOf("a transaction that found its offsets stored", func(c *Coverage) int { return c.Stored })},
		{"table-commit-that-landed", "Redpanda Connect 4591, Iceberg Kafka Connect 17340: a commit to the catalog timed out, had landed, and its files were committed again", with(func(p *Plan, _ draws) {
			p.Lake, p.Faults.Reset, p.Faults.Hang, p.Faults.Conflict = true, 0.2, 0.15, 0.2
		}), anyOf("a commit that landed and looked failed", func(c *Coverage) int { return c.Unclear })},
		{"two-writers-of-a-table", "Iceberg Kafka Connect 17551, 17637, 16282: an owner that was paused with its commit ready wakes beside the next one", with(func(p *Plan, d draws) {
			p.Lake, p.Workers, p.Faults.Slow, p.Group.Dead = true, 3, 300*time.Millisecond, 10*time.Second
			each(p, d, 4, PauseAt, func(i int, s *Step) { s.Slot, s.N, s.For = Owner, 1+i, time.Duration(8+6*i)*time.Second })
			each(p, d, 3, Isolate, func(_ int, s *Step) { s.Slot, s.For = Owner, 9*time.Second })
		}), anyOf("a commit that came second", func(c *Coverage) int { return c.Outrun })},
		{"clean-up-after-a-late-put", "a PUT that timed out lands minutes later, when another owner has written on", with(func(p *Plan, d draws) {
			p.Faults.Hang = 0.25
			each(p, d, 3, Crash, nil)
		}), anyOf("a PUT that came late and found its name taken", func(c *Coverage) int { return c.Belated })},
	}
}

// settledBetween says that everything was committed so long after the beginning, and not sooner: by what the scenario is about.
func settledBetween(least, most time.Duration) func(*Result) error {
	return func(r *Result) error {
		if r.Settled < least || r.Settled > most {
			return fmt.Errorf("everything was committed after %v, want %v to %v", r.Settled, least, most)
		}
		return nil
	}
}

// ours are the faults that Vecmill promises to bear.
func ours() []Scenario {
	const looksLike = "looks like a fault of the system, not of the data"
	breaker := func(p *Plan) {
		p.Records, p.Pipeline.BreakerWindow, p.Pipeline.BreakerMax, p.Calm = 60, 20, 16, 60*time.Second
	}
	return []Scenario{
		{"breaker-fetch", "the objects' store fails for good: the breaker opens before everything is a dead letter", with(func(p *Plan, _ draws) {
			breaker(p)
			p.Faults.Windows = []Window{{InputsDown, time.Second, 55 * time.Second}}
			p.judge = stopsSaying(looksLike)
		}), nil},
		{"device-lost", "every run of the model fails: the worker stops, and nothing becomes a dead letter for it", with(func(p *Plan, _ draws) {
			p.Faults.Windows = []Window{{ModelDown, time.Second, 55 * time.Second}}
			p.judge = stopsSaying(embed.ErrBroken.Error())
		}), nil},
		{"sink-fails-for-good", "a sink that stays down stops the worker with its error, and nothing becomes a dead letter for it", with(func(p *Plan, _ draws) {
			p.Calm = 120 * time.Second
			p.Faults.Windows = []Window{{DiskFull, 2 * time.Second, 100 * time.Second}}
			p.judge = stopsSaying("writing p/refs/")
		}), nil},
		{"letters-fail-for-good", "dead letters that cannot be stored stop the worker, and their records are not passed over", with(func(p *Plan, _ draws) {
			p.Calm = 120 * time.Second
			p.Faults.Windows = []Window{{LettersDown, time.Second, 100 * time.Second}}
			p.judge = stopsSaying("writing the dead letter of")
		}), nil},
		{"tee-tells-two-stories", "one output has a row and the other a dead letter, since a crash came between their files and the fetch went otherwise the second time", with(func(p *Plan, d draws) {
			p.Outputs, p.Faults.SlowDown, p.Faults.Reset = 2, 0.25, 0.2
			each(p, d, 6, CrashAt, func(i int, s *Step) { s.N = 1 + d.of("n", int64(i)).IntN(8) })
		}), anyOf("a crash", func(c *Coverage) int { return c.Crashes })},
		{"zombie-in-a-transaction", "a process pauses with a source's line locked, or with its COMMIT ready, while another owner writes on", with(func(p *Plan, d draws) {
			p.Table, p.Workers, p.Faults.Slow = true, 3, 300*time.Millisecond
			each(p, d, 3, PauseAt, func(i int, s *Step) { s.Slot, s.N, s.For = Owner, 1+i, time.Duration(8+12*i)*time.Second })
			each(p, d, 3, Isolate, func(_ int, s *Step) { s.Slot, s.For = Owner, 9*time.Second })
		}), anyOf("a transaction that found its offsets stored", func(c *Coverage) int { return c.Stored })},
		{"table-and-files", "a table and files are told one story, though only crashes, tombstones and fetches that are given up tell them apart", with(func(p *Plan, d draws) {
			p.Outputs, p.Table, p.Faults.SlowDown, p.Faults.Reset = 2, true, 0.25, 0.2
			each(p, d, 6, CrashAt, func(i int, s *Step) { s.N = 1 + d.of("n", int64(i)).IntN(8) })
		}), anyOf("a crash", func(c *Coverage) int { return c.Crashes })},
		{"lake-and-files", "the same of an Iceberg table and files", with(func(p *Plan, d draws) {
			p.Outputs, p.Lake, p.Faults.SlowDown, p.Faults.Reset = 2, true, 0.25, 0.2
			each(p, d, 6, CrashAt, func(i int, s *Step) { s.N = 1 + d.of("n", int64(i)).IntN(8) })
		}), anyOf("a crash", func(c *Coverage) int { return c.Crashes })},
		{"database-restart", "the database is away for a while", with(func(p *Plan, _ draws) {
			p.Table = true
			p.Faults.Windows = []Window{{DatabaseDown, 2 * time.Second, 9 * time.Second}}
		}), nil},
		{"catalog-restart", "the catalog is away for a while, and slow before", with(func(p *Plan, _ draws) {
			p.Lake, p.Faults.Slow = true, 900*time.Millisecond
			p.Faults.Windows = []Window{{CatalogDown, 2 * time.Second, 9 * time.Second}}
		}), nil},
		{"zombie-beyond-the-end", "a zombie's file lands between the look-up of the log's end and that of the chain's: the topic was not deleted", with(func(p *Plan, d draws) {
			p.Partitions, p.Records, p.Workers, p.Faults.Slow = 1, 60, 2, 900*time.Millisecond
			p.Pipeline.RollRows, p.Pipeline.RollAge = 2, 300*time.Millisecond
			each(p, d, 8, Isolate, func(_ int, s *Step) { s.Slot, s.For = Owner, 5*time.Second })
		}), nil}, // no seed has had it (Coverage.Beyond): a member of the scripted group reads nothing more once it is cut off, or has woken
		{"broker-restart", "the broker is away for longer than a session", with(func(p *Plan, _ draws) {
			p.Faults.Windows = []Window{{BrokerDown, 3 * time.Second, 9 * time.Second}}
		}), nil},
		{"suspended", "all machines are suspended for minutes: every clock jumps", with(func(p *Plan, _ draws) {
			p.Calm = 200 * time.Second
			p.Steps = []Step{{At: 3 * time.Second, Do: Suspend, For: 3 * time.Minute}}
		}), nil},
		{"rolling-restart", "every worker is terminated in turn", with(func(p *Plan, _ draws) {
			p.Workers = 3
			for i := range 3 {
				p.Steps = append(p.Steps, Step{At: time.Duration(2+3*i) * time.Second, Do: Terminate, Slot: i})
			}
			p.judge = readOnce
		}), nil},
	}
}

// readOnce says that no record of a quiet world was read twice: workers that go in good order have committed what they read.
func readOnce(r *Result) error {
	q := quiet(0)
	if want := int64(q.Partitions * q.Records); r.Coverage.Records != want {
		return fmt.Errorf("%d records were read, want each of %d once (I6)", r.Coverage.Records, want)
	}
	return nil
}
