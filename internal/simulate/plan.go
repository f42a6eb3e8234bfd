package simulate

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Plan is one world: how large it is, how its workers are set up, what goes wrong and when. [Draw] makes one from a seed; scenarios write theirs by hand.
type Plan struct {
	Seed        uint64
	Source      Source
	Partitions  int
	Records     int           // of each partition
	Trickle     time.Duration // most of the records come over this time; 0: all are there at the start
	Outputs     int           // required outputs; more than one are joined by a Tee
	Table       bool          // the last of them is a table of a database, the others are Parquet
	Lake        bool          // the last of them is an Iceberg table; not with Table
	BestEffort  bool          // and one that may fail
	Workers     int           // at the start
	Even        bool          // each record has one row, and there are no gaps
	Probe       bool          // workers ask the store for conditional PUTs when they start
	LetterTopic bool          // dead letters go to a topic; over kafka only

	Pipeline PipelinePlan
	Group    GroupPlan
	Faults   FaultPlan
	Steps    []Step
	Calm     time.Duration // from here on nothing goes wrong any more

	command string              // that plays it again; "" if none is known
	judge   func(*Result) error // beyond the invariants, of the scripted source; nil: nothing
}

// PipelinePlan is the configuration of each worker, in small.
type PipelinePlan struct {
	MaxInFlight, Fetchers int
	Budget                int64
	CommitInterval        time.Duration
	RollRows              int
	RollAge               time.Duration
	MaxBuffered           int64
	Uploads               int
	BreakerWindow         int
	BreakerMax            int
	Infer                 time.Duration
}

// GroupPlan is the consumer group's.
type GroupPlan struct {
	Session, Heartbeat, Rebalance, Drain time.Duration

	Dead time.Duration // how much longer the first heartbeat after a pause waits on a connection that is dead
}

// FaultPlan gives the chance of each fault per request, and the times in which one of them befalls every request.
type FaultPlan struct {
	Slow     time.Duration // upper bound of ordinary latencies
	SlowDown float64       // 503, not carried out
	Reset    float64       // no answer; it may have been carried out
	Hang     float64       // no answer at all, until the caller gives up; it may have been carried out, or will be
	Conflict float64       // 409 to a conditional PUT
	Truncate float64       // a body that ends early
	Corrupt  float64       // a body with a wrong byte
	Commit   float64       // a commit fails; it may have been carried out
	Windows  []Window
}

// Window is a time in which all requests of a kind fail.
type Window struct {
	What     Outage
	From, To time.Duration
}

// Outage is what fails in a Window.
type Outage string

// The outages.
const (
	StoreDown   Outage = "store-down"   // 503 to everything
	Expired     Outage = "expired"      // 403 ExpiredToken to everything
	Denied      Outage = "denied"       // 403 AccessDenied to PUTs
	DiskFull    Outage = "disk-full"    // 507 to PUTs of files; transactions find no space
	LettersDown Outage = "letters-down" // 503 to PUTs of dead letters
	InputsDown  Outage = "inputs-down"  // 503 to GETs of objects
	ModelDown   Outage = "model-down"   // every run of the model fails
	BrokerDown  Outage = "broker-down"  // the broker answers nobody

	DatabaseDown Outage = "database-down" // the database takes no connections
	CatalogDown  Outage = "catalog-down"  // nor does the catalog
)

func outages() []Outage {
	return []Outage{StoreDown, Expired, Denied, DiskFull, LettersDown, InputsDown, BrokerDown}
}

// Step is one thing that happens to a worker. Slots are where workers run; each has one process at a time.
type Step struct {
	At   time.Duration
	Do   Action
	Slot int           // Owner: wherever partition 0 is then
	N    int           // CrashAt, PauseAt: the effect from now on at which it happens
	For  time.Duration // Pause, PauseAt, Isolate, Suspend
}

// Owner stands for the slot of the process that owns partition 0 when the step is due.
const Owner = -1

// Action is what a Step does.
type Action string

// The actions.
const (
	Crash     Action = "crash"     // SIGKILL; the slot starts another process
	CrashAt   Action = "crash-at"  // SIGKILL in the middle of an effect (a PUT, a commit), which may have been carried out
	Terminate Action = "terminate" // SIGTERM; the slot starts another process
	Remove    Action = "remove"    // SIGTERM; the slot stays empty
	Start     Action = "start"     // a process in an empty slot
	Pause     Action = "pause"     // SIGSTOP, and SIGCONT later
	PauseAt   Action = "pause-at"  // SIGSTOP when an effect is about to leave the process, which it does after SIGCONT
	Isolate   Action = "isolate"   // the process does not reach the broker, and goes on writing
	Suspend   Action = "suspend"   // every process pauses, and with them the broker: the clock jumps
	Rebalance Action = "rebalance" // the group is asked to rejoin
)

func actions() []Action {
	return []Action{Crash, Crash, CrashAt, CrashAt, CrashAt, Terminate, Remove, Start, Pause, PauseAt, PauseAt, PauseAt, PauseAt, Isolate, Isolate, Suspend, Rebalance, Rebalance}
}

// Draw makes the plan of a seed.
func Draw(seed uint64) Plan {
	r := draws{seed}.of("plan")
	p := Plan{
		Seed: seed, Partitions: 1 + r.IntN(3), Records: 8 + r.IntN(25), Outputs: 1, Workers: 1 + r.IntN(4), Calm: span(r, 5*time.Second, 25*time.Second),
		Pipeline: PipelinePlan{
			MaxInFlight: 4 + r.IntN(21), Fetchers: 1 + r.IntN(4), Budget: 3000 + r.Int64N(6000), CommitInterval: span(r, 50*time.Millisecond, time.Second),
			RollRows: 4 + r.IntN(20), RollAge: span(r, 200*time.Millisecond, 3*time.Second), MaxBuffered: 20_000 + r.Int64N(200_000), Uploads: 1 + r.IntN(2),
			BreakerWindow: 60, BreakerMax: 55, Infer: span(r, time.Millisecond, 40*time.Millisecond),
		},
		Group: GroupPlan{
			Session: span(r, 3*time.Second, 9*time.Second), Heartbeat: span(r, 300*time.Millisecond, time.Second),
			Rebalance: span(r, 10*time.Second, 20*time.Second), Drain: span(r, 2*time.Second, 9*time.Second),
		},
	}
	if chance(r, 0.85) {
		p.Trickle = span(r, time.Second, p.Calm)
	}
	if chance(r, 0.3) {
		p.Outputs = 2
	}
	p.BestEffort, p.Probe = chance(r, 0.1), chance(r, 0.15)
	p.LetterTopic = chance(draws{seed}.of("letters"), 0.5)
	p.drawFaults(r)
	p.drawTable(draws{seed}.of("table"))
	p.drawLake(draws{seed}.of("lake"))
	for range 1 + r.IntN(7) {
		p.Steps = append(p.Steps, Step{
			At: span(r, 200*time.Millisecond, 3*time.Second+p.Trickle), Do: actions()[r.IntN(len(actions()))], Slot: max(r.IntN(7)-3, Owner), N: 1 + r.IntN(8),
			For: span(r, 100*time.Millisecond, 2*p.Group.Session+p.Group.Rebalance),
		})
	}
	return p
}

func (p *Plan) drawFaults(r *rand.Rand) {
	f := &p.Faults
	f.Slow = []time.Duration{20 * time.Millisecond, 100 * time.Millisecond, time.Second}[r.IntN(3)]
	for _, rate := range []*float64{&f.SlowDown, &f.Reset, &f.Hang, &f.Conflict, &f.Truncate, &f.Corrupt, &f.Commit} {
		if chance(r, 0.5) {
			*rate = 0.15 * r.Float64()
		}
	}
	for _, what := range outages() {
		if chance(r, 0.12) {
			from := span(r, 0, p.Calm)
			f.Windows = append(f.Windows, Window{what, from, min(from+span(r, 100*time.Millisecond, 12*time.Second), p.Calm)})
		}
	}
}

// drawTable has numbers of its own, so that worlds without a table are what they were before there were tables.
func (p *Plan) drawTable(r *rand.Rand) {
	if !chance(r, 0.25) {
		return
	}
	p.Table = true
	p.drawOutage(r, DatabaseDown)
}

// drawLake has numbers of its own, too.
func (p *Plan) drawLake(r *rand.Rand) {
	if p.Table || !chance(r, 0.3) {
		return
	}
	p.Lake = true
	p.drawOutage(r, CatalogDown)
}

// drawOutage takes a server away for a while, now and then.
func (p *Plan) drawOutage(r *rand.Rand, what Outage) {
	if chance(r, 0.2) {
		from := span(r, 0, p.Calm)
		p.Faults.Windows = append(p.Faults.Windows, Window{what, from, min(from+span(r, 100*time.Millisecond, 12*time.Second), p.Calm)})
	}
}

// String is the plan for people.
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d partitions of %d records, %d workers, %d outputs (a table: %v, a lake: %v); calm after %v\n", p.Seed, p.Partitions, p.Records, p.Workers, p.Outputs, p.Table, p.Lake, p.Calm)
	fmt.Fprintf(&b, "  pipeline %+v\n  group %+v\n  faults %+v\n", p.Pipeline, p.Group, p.Faults)
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "  %+v\n", s)
	}
	return b.String()
}
