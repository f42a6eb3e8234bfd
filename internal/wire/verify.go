package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"vecmill/internal/backfill"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/internal/dlq"
	"vecmill/internal/publish"
	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/stream"
)

// Verified is what an audit says of a recomputation.
type Verified struct {
	Planned  int64    `json:"planned"`  // references of the old output that the new pipeline had not
	Known    int64    `json:"known"`    // that it had already
	Computed int64    `json:"computed"` // of the planned ones, in each output
	Dead     int64    `json:"dead"`     // likewise
	Stream   int64    `json:"stream"`   // offsets of topics that the new output covers
	Buried   int64    `json:"buried"`   // references of topics that are dead letters of the new pipeline, and have rows in the old output
	Audited  int      `json:"audited"`  // outputs, but for those that are best-effort
	Offences []string `json:"offences,omitempty"`
}

func (v *Verified) offend(format string, args ...any) {
	v.Offences = append(v.Offences, fmt.Sprintf(format, args...))
}

// How long to wait at least for workers that write nothing more, and how often to look.
const (
	workersWait = 5 * time.Minute
	workersPoll = 2 * time.Second
)

// patienceWith is how long workers may write nothing more: the last rows of a topic wait until they are old enough for a file, or a snapshot, of their own.
func patienceWith(p *config.Pipeline) time.Duration {
	longest := workersWait
	for i := range p.Outputs {
		o := &p.Outputs[i]
		if o.BestEffort {
			continue
		}
		if files, _ := o.Files(); files != nil {
			longest = max(longest, 2*files.RollAge.D())
		} else if o.Iceberg != nil {
			longest = max(longest, 2*o.Iceberg.RollAge.D())
		}
	}
	return longest
}

// Verify audits the new outputs, and counts: everything planned has a row or a letter, all rows are of one model, the stream is written as far as the old pipeline had written it when it was asked, with all that this has of it, and at most lacking references are dead letters.
// waits is told how many records workers have before them.
func (r *Reembed) Verify(ctx context.Context, p *plan.Plan, lacking int64, waits func(behind int64)) (*Verified, error) {
	v := &Verified{Planned: p.Items}
	var about planAbout
	if err := json.Unmarshal(p.About, &about); err != nil {
		return nil, fmt.Errorf("reading what the plan says of itself: %w", err)
	}
	v.Known = about.Known
	state, err := r.published(ctx)
	if err != nil {
		return nil, err
	}
	want, err := r.streamed(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.await(ctx, v, want, state, waits); err != nil {
		return nil, err
	}
	bounds := about.Bounds
	if bounds == nil && p.Items+v.Known == 0 {
		bounds = []backfill.Bound{} // an earlier build planned what an output that had nothing has
	}
	if err := r.grown(ctx, v, bounds); err != nil {
		return nil, err
	}
	if err := r.compare(ctx, v, &divided{p, state, bounds, want}); err != nil {
		return nil, err
	}
	r.auditor.o.Letters = true
	all, err := r.auditor.pipeline(ctx, r.New)
	if err != nil {
		return nil, err
	}
	v.count(all, p, state == nil)
	if state != nil {
		if err := r.countThrough(ctx, v, p, state); err != nil {
			return nil, err
		}
	}
	switch {
	case v.Audited == 0 && p.Items > 0:
		return nil, errNoneTells
	case v.Dead+v.Buried > lacking:
		v.offend("%d references are dead letters: the old output has rows of them, and the new one has not; worker dlq list names them, --lacking %[1]d accepts them", v.Dead+v.Buried)
	}
	return v, nil
}

// errNoneTells says that nobody knows what was computed.
var errNoneTells = errors.New("no output of the new pipeline keeps account of what it has; one of parquet, arrow, postgres or iceberg beside the others does, unless it is best_effort")

// counted is what an audit found in one output.
type counted struct {
	output               string
	bestEffort           bool  // and may lack rows: nothing is counted in it
	has                  bool  // something of the plan
	next, computed, dead int64 // of the plan, all shares together
	models               []string
}

// count adds up what was found: of the plan, too, unless a topic's workers compute it.
func (v *Verified) count(all []Audited, p *plan.Plan, here bool) {
	var outputs []counted
	for i := range all {
		a := &all[i]
		for _, o := range a.Offences {
			v.offend("%s, %s/%d: %s", a.Output, a.Topic, a.Partition, o)
		}
		if i == 0 || all[i-1].index != a.index {
			outputs = append(outputs, counted{output: a.Output, bestEffort: a.bestEffort})
		}
		t := &outputs[len(outputs)-1]
		t.models = append(t.models, a.Models...)
		if a.Topic == dlq.ManifestTopic+p.Name {
			t.has, t.next, t.computed, t.dead = true, t.next+a.Next, t.computed+a.Computed, t.dead+a.Dead
		}
	}
	for i := range outputs {
		t := &outputs[i]
		if models := slices.Compact(slices.Sorted(slices.Values(t.models))); len(models) > 1 {
			v.offend("%s has rows of %d models (%s), which what searches it cannot tell apart", t.output, len(models), strings.Join(models, ", "))
		}
		if t.bestEffort {
			continue
		}
		v.Audited++
		switch {
		case !here:
		case !t.has && p.Items > 0:
			v.offend("%s has nothing of the plan", t.output)
		case t.has:
			if v.Computed, v.Dead = t.computed, t.dead; t.next != p.Items || t.computed+t.dead != p.Items {
				v.offend("%s has %d rows' references and %d dead letters up to %d, and %d are planned", t.output, t.computed, t.dead, t.next, p.Items)
			}
		}
	}
}

// await waits until workers have written what the old output has of topics now, and what was published of the plan.
func (r *Reembed) await(ctx context.Context, v *Verified, streamed map[schemas.SourceID]int64, state *publish.State, waits func(behind int64)) error {
	want := map[schemas.SourceID]int64{}
	maps.Copy(want, streamed)
	if state != nil {
		for i, end := range state.Ends {
			if end > state.Begins[i] { // else it has none of the plan, and the new pipeline may have nothing of it
				want[schemas.SourceID{Pipeline: r.New.Name, Topic: r.topic, Partition: i}] = end
			}
		}
	}
	if len(want) == 0 {
		return nil
	}
	outputs, closeAll, err := pastsOf(ctx, r.auditor.stores, r.New)
	if err != nil {
		return err
	}
	defer closeAll()
	least, deadline, patience := int64(math.MaxInt64), time.Now(), patienceWith(r.New)
	for {
		behind, err := r.furthest(ctx, v, outputs, want)
		if err != nil {
			return err
		}
		switch {
		case behind == 0:
			return nil
		case behind < least: // somebody is at work
			least, deadline = behind, time.Now().Add(patience)
		case time.Now().After(deadline):
			return fmt.Errorf("%s has %d records of topics to write yet, and has written none in %s: is a worker running with this configuration? Give the command again when it has come there", r.New.Name, behind, patience)
		}
		waits(behind)
		if !retry.Sleep(ctx, workersPoll) {
			return ctx.Err()
		}
	}
}

// furthest is how many records the output that is furthest behind has to write yet.
func (r *Reembed) furthest(ctx context.Context, v *Verified, outputs []past, want map[schemas.SourceID]int64) (behind int64, err error) {
	v.Stream = math.MaxInt64
	quiet := slices.Collect(maps.Keys(want)) // of which no output has anything
	for _, out := range outputs {
		left, offsets, nothing, err := r.behind(ctx, out, want)
		if err != nil {
			return 0, err
		}
		behind, v.Stream = max(behind, left), min(v.Stream, offsets)
		quiet = slices.DeleteFunc(quiet, func(src schemas.SourceID) bool { return !slices.Contains(nothing, src) })
	}
	if behind == 0 || len(quiet) == 0 {
		return behind, nil
	}
	begun, err := r.before(ctx, want, quiet)
	return behind - begun, err
}

// behind is how many records an output has to write yet, and how many offsets of topics other than the plan's it has. nothing are the sources that it has none of.
func (r *Reembed) behind(ctx context.Context, out past, want map[schemas.SourceID]int64) (left, offsets int64, nothing []schemas.SourceID, err error) {
	if err := out.look(ctx); err != nil {
		return 0, 0, nil, err
	}
	for src, next := range want {
		span, known, err := out.span(ctx, src)
		if err != nil {
			return 0, 0, nil, err
		}
		if !known {
			nothing = append(nothing, src)
		}
		if src.Topic != r.topic {
			offsets += span.Next - max(0, span.First)
		}
		left += max(0, next-span.Next)
	}
	return left, offsets, nothing, nil
}

// before is how many of the wanted records of some sources lie before the place where the new pipeline began. Of a partition of which no output has anything its group's commit tells that: nothing came there since.
func (r *Reembed) before(ctx context.Context, want map[schemas.SourceID]int64, sources []schemas.SourceID) (n int64, err error) {
	logs, _, err := r.auditor.bounds(ctx, r.New)
	for _, src := range sources {
		at := logs[stream.Partition{Topic: src.Topic, ID: src.Partition}].Committed
		n += min(want[src], max(0, at)) // -1: it has not begun
	}
	return n, err
}

// grown finds what the old output has got since the plan was begun that comes by no stream: of lists, and with --no-stream of topics, too.
func (r *Reembed) grown(ctx context.Context, v *Verified, bounds []backfill.Bound) error {
	if bounds == nil {
		return nil
	}
	old, err := pastOf(ctx, r.auditor.stores, r.Old)
	if err != nil {
		return err
	}
	defer old.close()
	sources, err := old.sources(ctx, r.Old.Name)
	if err != nil {
		return err
	}
	for _, src := range sources {
		list, ok := strings.CutPrefix(src.Topic, dlq.ManifestTopic)
		if !ok && !r.noStream {
			continue
		}
		span, _, err := old.span(ctx, src)
		if err != nil {
			return err
		}
		planned := int64(0)
		if i := slices.IndexFunc(bounds, func(b backfill.Bound) bool { return b.Source == src }); i >= 0 {
			planned = bounds[i].Next
		}
		if span.Next <= planned {
			continue
		}
		what := fmt.Sprintf("list %s", list)
		if !ok {
			what = fmt.Sprintf("topic %s, partition %d,", src.Topic, src.Partition)
		}
		v.offend("the output of %s has come to %d of %s since the plan took it up to %d: give the command again with --plan at another place, which plans what came since", r.Old.Name, span.Next, what, planned)
	}
	return nil
}

// streamed is how far the old output has come with topics, as the new pipeline's sources.
func (r *Reembed) streamed(ctx context.Context) (map[schemas.SourceID]int64, error) {
	want := map[schemas.SourceID]int64{}
	if r.noStream {
		return want, nil
	}
	old, err := pastOf(ctx, r.auditor.stores, r.Old)
	if err != nil {
		return nil, err
	}
	defer old.close()
	sources, err := old.sources(ctx, r.Old.Name)
	if err != nil {
		return nil, err
	}
	for _, src := range sources {
		span, _, err := old.span(ctx, src)
		if err != nil {
			return nil, err
		}
		if src.Pipeline = r.New.Name; !strings.HasPrefix(src.Topic, dlq.ManifestTopic) {
			want[src] = span.Next
		}
	}
	return want, nil
}
