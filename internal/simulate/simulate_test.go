package simulate

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
)

var (
	seeds   = flag.Uint64("seeds", 1000, "number of seeds that TestEverySeedKeepsTheInvariants plays")
	first   = flag.Uint64("first", 0, "the first of them")
	command = flag.String("command", "", "instead of tests, do what worker does at this command, such as a failing seed's")
	plays   = flag.Uint64("plays", 6, "number of seeds that each scenario is played with")
)

// stage is where every test plays.
var stage *Stage

func TestMain(m *testing.M) {
	if os.Getenv(asLoad) != "" {
		beLoad()
		return
	}
	flag.Parse()
	if testing.Short() {
		*seeds = min(*seeds, 20)
	}
	if *command != "" {
		playCommand(*command)
	}
	stage = NewStage()
	m.Run()
}

// playCommand does what worker does at a command that Campaign.Command has made, and ends the process.
func playCommand(line string) {
	c := Campaign{Seeds: 1}
	f := flag.NewFlagSet("simulate", flag.ExitOnError)
	f.Uint64Var(&c.First, "seed", 0, "")
	f.StringVar(&c.Scenario, "scenario", "", "")
	f.StringVar((*string)(&c.Source), "source", string(Scripted), "")
	f.BoolVar(&c.Verbose, "verbose", false, "")
	_ = f.Parse(strings.Fields(line)[2:])
	var err error
	Borrow(func(t *testing.T) { err = c.Run(t.Context(), t, os.Stdout) })
	if err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// play plays one seed, which must keep every invariant.
func play(t *testing.T, c *Campaign, seed uint64) Result {
	t.Helper()
	plan, err := c.Plan(seed)
	if err != nil {
		t.Fatal(err)
	}
	res := stage.Run(t, plan, nil)
	if res.Err == nil {
		return res
	}
	if testing.Verbose() {
		var b bytes.Buffer
		res.Trace(&b)
		t.Logf("%s%s", plan.String(), b.String())
	}
	t.Fatalf("seed %d: %v\n%s", seed, res.Err, c.again(t, stage, &plan, &res))
	return res
}

func TestEverySeedKeepsTheInvariants(t *testing.T) {
	var all Coverage
	for seed := *first; seed < *first+*seeds; seed++ {
		all.Add(play(t, &Campaign{}, seed).Coverage)
	}
	t.Logf("%+v", all)
	if *seeds >= 500 && (all.Barred < 20 || all.NamesLost < 2 || all.Unclear < 5 || all.Outrun < 5 || all.Crashes < 100 || all.Faults < 100 || all.Pauses < 100) {
		t.Error("hardly anything went wrong in these worlds: they prove little")
	}
}

// kafkaSeeds is the number of seeds of kafka-go over the in-process Kafka.
const kafkaSeeds = 50

func TestEverySeedKeepsTheInvariantsOverKafka(t *testing.T) {
	var all Coverage
	for seed := *first; seed < *first+min(*seeds, kafkaSeeds); seed++ {
		all.Add(play(t, &Campaign{Source: Kafka}, seed).Coverage)
	}
	t.Logf("%+v", all)
}

func TestNoIncidentHappensHere(t *testing.T) {
	for _, s := range Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			var all []Result
			for seed := range *plays {
				all = append(all, play(t, &Campaign{Scenario: s.Name}, seed))
			}
			var seen Coverage
			for i := range all {
				seen.Add(all[i].Coverage)
			}
			t.Logf("%+v", seen)
			if s.Check == nil {
				return
			}
			if err := s.Check(all); err != nil {
				t.Fatal(err)
			}
		})
	}
}
