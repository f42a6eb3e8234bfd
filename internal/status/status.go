// Package status says how a worker stands at one moment, from the totals that its pipelines keep: what the live page draws, and the display of a backfill.
package status

import (
	"cmp"
	"hash/fnv"
	"slices"
	"time"

	"vecmill/embed"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
)

// Status is a worker at one moment: what /status.json gives.
type Status struct {
	Version   string     `json:"version"`
	Started   time.Time  `json:"started"`
	Now       time.Time  `json:"now"`
	Phase     string     `json:"phase"`   // loading, running, draining
	CPU       float64    `json:"cpu"`     // seconds of all processors that the process has had
	Peak      float64    `json:"peak"`    // floating-point operations a second that the machine is capable of; 0: not measured
	Bounds    []float64  `json:"bounds"`  // upper bounds of the buckets of times, seconds; behind the last there is one more
	Devices   int        `json:"devices"` // GPUs that its pipelines have sessions on
	Price     float64    `json:"price"`   // of this machine for an hour; 0: not told
	Pipelines []Pipeline `json:"pipelines"`
}

// Pipeline is one line of a worker. Counts are totals since it was opened; the page makes rates of them.
type Pipeline struct {
	About
	Stages     []Stage  `json:"stages"`  // in the order of flow
	Written    []Output `json:"written"` // each output, in the order of the configuration
	Records    int64    `json:"records"`
	Rows       int64    `json:"rows"`
	Skipped    int64    `json:"skipped"`
	Lost       int64    `json:"lost"`
	Bytes      int64    `json:"bytes"`
	Cost       int64    `json:"cost"`       // useful steps computed
	PaddedCost int64    `json:"paddedCost"` // steps computed, padding included
	Batches    int64    `json:"batches"`
	FLOPs      float64  `json:"flops"` // floating-point operations of useful work
	Held       int64    `json:"held"`  // bytes of the memory budget
	Budget     int64    `json:"budget"`
	Lag        int64    `json:"lag"`
	LagKnown   bool     `json:"lagKnown"`  // it is of the assigned partitions, or of a list that has been opened: without either, 0 says nothing
	Durable    int64    `json:"durable"`   // sum of the commit points
	CommitAge  float64  `json:"commitAge"` // seconds
	Partitions int      `json:"partitions"`
	Assigned   uint32   `json:"assigned"` // tells sets of partitions apart: Lag and Durable are of those that are assigned now
	Places     []Place  `json:"places"`   // those that lag most, at most placesShown
	Dead       []Dead   `json:"dead"`
	Faults     []Fault  `json:"faults"`  // of outputs, dead letters, brokers and what objects are fetched from, at most one each
	Samples    int64    `json:"samples"` // made of objects
	Took       []int64  `json:"took"`    // records with rows by how long they took to have them: counts of the buckets of Status.Bounds
	Ran        []int64  `json:"ran"`     // batches likewise, by how long the session took
	Recent     []Item   `json:"recent"`  // the last first
	Letters    []Letter `json:"letters"` // the last first
	Private    bool     `json:"private"` // recent items and letters are not kept
	List       *List    `json:"list,omitempty"`
}

// List is how far a bounded list has come: a backfill's. Unlike places it stays when the list has been read to its end.
type List struct {
	Start   int64 `json:"start"`   // the outputs had what is before it when the run began
	Durable int64 `json:"durable"` // now
	Total   int64 `json:"total"`   // -1: not opened yet
}

// About is what does not change while a pipeline runs.
type About struct {
	Name       string   `json:"name"`
	Modality   string   `json:"modality"`
	Topics     []string `json:"topics"`
	Class      string   `json:"class"`
	Model      string   `json:"model"`
	Digest     string   `json:"digest"`
	Precision  string   `json:"precision"`  // fp32, fp16, int8, as exported
	Preprocess string   `json:"preprocess"` // digest
	Decoders   string   `json:"decoders"`   // libraries that take part, "" for none
	Heads      []string `json:"heads"`
	Outputs    []string `json:"outputs"`
	Fetchers   int      `json:"-"`
	Preparers  int      `json:"-"`
	Sessions   int      `json:"-"`
	Slots      int      `json:"-"`
	Window     int      `json:"-"`      // samples that may wait for a batch
	Replay     string   `json:"replay"` // the command that sends dead letters again, but for the reason; "" if there is none, since the configuration is in no file
}

// Stage is one step of the way of a record.
type Stage struct {
	Name    string  `json:"name"`
	Done    int64   `json:"done"`    // total of what has come through it
	Unit    string  `json:"unit"`    // of Done
	Busy    float64 `json:"busy"`    // seconds, summed over its workers
	Wait    float64 `json:"wait"`    // seconds that was waited for it, summed over what waited: references for a fetcher and then for memory, objects for a decoder, samples for a session, records for those before them
	Workers int     `json:"workers"` // 0: it has no time of its own
	Queue   int64   `json:"queue"`   // what waits in it or before it now
	Limit   int64   `json:"limit"`   // of Queue; 0: none
}

// Output is one place that rows are written to.
type Output struct {
	Name       string  `json:"name"` // as the configuration names it, such as outputs[0]
	Kind       string  `json:"kind"`
	BestEffort bool    `json:"bestEffort"` // nothing waits for it
	Rows       int64   `json:"rows"`       // total of those that it has taken over
	Waiting    int64   `json:"waiting"`    // rows of these that are not durable in it yet
	Settled    int64   `json:"settled"`    // rows that are durable in it; those that it gave up are neither there nor waiting
	Busy       float64 `json:"busy"`       // seconds that it took to take rows over, and was too full to, summed over the writers of the stage write, which go from output to output
	Wait       float64 `json:"wait"`       // seconds from being handed to it until being durable in it, summed over the settled rows
	Held       int64   `json:"held"`       // bytes of rows that it holds in memory
	Limit      int64   `json:"limit"`      // of Held
}

// Place is one partition.
type Place struct {
	Partition string `json:"partition"`
	Read      int64  `json:"read"`
	Durable   int64  `json:"durable"`
	End       int64  `json:"end"`
	Lag       int64  `json:"lag"`
}

// Dead counts the dead letters of one reason.
type Dead struct {
	Reason schemas.Reason `json:"reason"`
	Count  int64          `json:"count"`
	Advice string         `json:"advice"`
}

// placesShown bounds what the page is told of 10,000 partitions.
const placesShown = 200

// Of puts one pipeline together; outputs, times, faults, recent items and letters are its caller's to add.
func Of(a About, s stream.Stats, e embed.Stats, places []stream.Place) Pipeline {
	p := Pipeline{
		About: a, Records: s.Records, Rows: s.Rows, Skipped: s.Skipped, Lost: s.Lost, Bytes: s.FetchedBytes,
		Cost: e.Cost, PaddedCost: e.Padded, Batches: e.Batches, FLOPs: e.FLOPs, Held: s.Held, Budget: s.Budget,
		Lag: s.Lag, LagKnown: len(places) > 0, CommitAge: s.Waiting.Seconds(), Partitions: len(places), Places: placesOf(places),
		Stages: []Stage{
			{Name: "read", Done: s.Records, Unit: "records", Queue: int64(s.InFlight), Limit: int64(a.Slots)},
			{Name: "fetch", Done: s.FetchedBytes, Unit: "bytes", Busy: (s.Fetch - s.ReserveWait).Seconds(), Wait: s.FetchQueue + s.ReserveWait.Seconds(), Workers: a.Fetchers, Queue: int64(s.Unfetched), Limit: max(int64(a.Slots), int64(s.Unfetched))},    // a record may have several references
			{Name: "preprocess", Done: e.Objects, Unit: "objects", Busy: e.Preprocess.Seconds(), Wait: e.PreprocessWait, Workers: a.Preparers, Queue: int64(e.Undecoded), Limit: max(int64((embed.LaneDepth+1)*a.Preparers+a.Fetchers), int64(e.Undecoded))}, // objects of one priority; those of another have as much room beside them
			{Name: "batch", Done: e.Batches, Unit: "batches", Busy: e.Collate.Seconds(), Wait: e.Queue, Workers: a.Sessions, Queue: int64(e.Waiting), Limit: int64(a.Window)},                                                                                // each executor has one that puts its next batch together beside it
			{Name: "infer", Done: e.Cost, Unit: "steps", Busy: e.Infer.Seconds(), Workers: a.Sessions},
			{Name: "heads", Done: s.Rows, Unit: "rows", Busy: e.HeadsOn.Seconds(), Workers: a.Sessions},
			{Name: "write", Done: s.Commits, Unit: "commits", Busy: s.Write.Seconds(), Wait: s.HoldBack, Workers: s.Writers},
		},
		Written: []Output{}, Samples: e.Samples, Took: []int64{}, Ran: []int64{}, Dead: []Dead{}, Faults: []Fault{}, Recent: []Item{}, Letters: []Letter{},
	}
	for _, at := range places {
		p.Durable += at.Durable
		p.Assigned ^= hashOf(at.Partition)
	}
	for _, reason := range schemas.Reasons() {
		if n := s.Dead[reason]; n > 0 {
			p.Dead = append(p.Dead, Dead{reason, n, advice[reason]})
		}
	}
	return p
}

// Outputs says how each output stands, of which kinds gives the kind.
func Outputs(kinds []string, members []sinks.MemberStats) []Output {
	all := make([]Output, len(members))
	for i, m := range members {
		all[i] = Output{
			Name: m.Name, Kind: kinds[i], BestEffort: m.BestEffort, Rows: m.Rows, Waiting: m.Waiting, Settled: m.Settled, Busy: m.Write.Seconds(), Wait: m.Durable, Held: m.Held, Limit: m.Limit,
		}
	}
	return all
}

// hashOf is a number of a partition. Those of a set are combined in no order.
func hashOf(p stream.Partition) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(p.String())) // which never fails
	return h.Sum32()
}

func placesOf(all []stream.Place) []Place {
	slices.SortFunc(all, func(a, b stream.Place) int {
		return cmp.Or(cmp.Compare(b.Lag(), a.Lag()), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.ID, b.ID))
	})
	shown := make([]Place, 0, min(len(all), placesShown))
	for _, p := range all[:min(len(all), placesShown)] {
		shown = append(shown, Place{p.String(), p.Read, p.Durable, p.End, p.Lag()})
	}
	return shown
}

// advice says what to do about dead letters of a reason.
var advice = map[schemas.Reason]string{
	schemas.ReasonSchema:       "The record is no reference, or is nobody's. Compare it with docs/schemas.md; worker config check --config FILE --sample MESSAGES shows how records are understood.",
	schemas.ReasonFetchMissing: "The object is gone, or not there in the version asked for. Replay once it is back.",
	schemas.ReasonFetchDenied:  "The store or fetch's allow-lists refuse it. Grant the access or extend the list, then replay.",
	schemas.ReasonFetchFailed:  "The store or host answered with faults until the retries were used up. Replay when it is well again.",
	schemas.ReasonTooLarge:     "Over a limit on bytes, pixels, seconds, tokens or memory. Change the setting that the letter names, then replay.",
	schemas.ReasonDecode:       "The bytes are damaged, or not in a format that is read: worker predict --model DIR FILE tells more. Or decoding took longer than item_deadline, as the letter says: give it more CPU or raise that, then replay.",
	schemas.ReasonTooShort:     "Nothing in it for the model to see. There is nothing to replay.",
	schemas.ReasonModel:        "The model or a head fails on this item alone. worker predict --model DIR FILE reproduces it.",
	schemas.ReasonSinkReject:   "An output will never take this row; the letter has its words. Mend the table or collection, then replay.",
	schemas.ReasonPanic:        "A stage panicked on this item: a bug of ours. Please report it with the letter.",
}

// Item is one object and what became of it.
type Item struct {
	Serial    int64          `json:"serial"` // tells it from others of its record
	ID        string         `json:"id"`
	URI       string         `json:"uri"`
	Partition string         `json:"partition"`
	Offset    int64          `json:"offset"`
	At        int64          `json:"at"`     // Unix milliseconds of its fetch
	Object    string         `json:"object"` // path of its bytes, "" if a browser cannot show them
	Media     string         `json:"media"`  // media type of these
	Text      string         `json:"text"`   // of a text
	Bytes     int            `json:"bytes"`
	Computed  bool           `json:"computed"`
	Results   []Result       `json:"results"` // by head, of what is computed; there may be none, as of silence
	Dead      schemas.Reason `json:"dead"`    // of the letter that its record became, "" if it did not
}

// Result is what one head made of an item.
type Result struct {
	Head  string  `json:"head"`
	Task  string  `json:"task"`
	Value string  `json:"value"`
	Score float32 `json:"score"` // 0: none
	Bars  []Bar   `json:"bars"`
}

// Bar is one label with its score.
type Bar struct {
	Label string  `json:"label"`
	Score float32 `json:"score"`
}

// Letter is a dead letter.
type Letter struct {
	Partition string         `json:"partition"`
	Offset    int64          `json:"offset"`
	Reason    schemas.Reason `json:"reason"`
	Message   string         `json:"message"`
	At        int64          `json:"at"` // Unix milliseconds
}
