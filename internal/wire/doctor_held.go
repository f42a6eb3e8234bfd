package wire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/parquetsink"
	"vecmill/stream"
)

// bounds are what the brokers say of partitions.
type bounds = map[stream.Partition]stream.Bounds

// heldMost is how many partitions an output is asked for: each is a listing of a store, a query, or a table's metadata. What is wrong with one of a topic is wrong with most.
const heldMost = 64

// heldAtOnce is how many of them at once, as at an assignment.
const heldAtOnce = 8

// holding is what an output holds of a partition.
type holding struct {
	part  stream.Partition
	in    stream.Bounds
	next  int64 // it ends before this
	known bool  // it holds anything, and knows it
	err   error
}

// held asks an output what it has of partitions, as their assignment does, and compares that with their logs. It asks the output alone, not those beside it, so that nothing is
// copied from one to another: Resume writes nothing. The text is empty for an output that does not know its offsets, and without partitions.
func (d *doctor) held(ctx context.Context, p *config.Pipeline, o *config.Output, sink sinks.Sink, of bounds) (Grade, string, error) {
	within, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	all := sampled(of)
	var asked errgroup.Group
	asked.SetLimit(heldAtOnce)
	for i := range all {
		h := &all[i]
		asked.Go(func() error {
			h.next, h.known, h.err = sink.Resume(within, schemas.SourceID{Pipeline: p.Name, Topic: h.part.Topic, Partition: h.part.ID}, max(h.in.Committed, 0))
			return nil
		})
	}
	_ = asked.Wait() // each has its error
	looked := all[:0]
	for _, h := range all {
		if h.err == nil || within.Err() == nil || !errors.Is(h.err, within.Err()) { // else the time was over
			looked = append(looked, h)
		}
	}
	again, cancelAgain := context.WithTimeout(ctx, checkTime)
	defer cancelAgain()
	if err := d.refused(again, looked); err != nil {
		return Trouble, "", err
	}
	grade, text := judgeHeld(p, o, looked, len(of))
	return grade, text, nil
}

// sampled are partitions in order, at most heldMost of them, from all over the list.
func sampled(of bounds) (all []holding) {
	parts := slices.SortedFunc(maps.Keys(of), func(a, b stream.Partition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.ID, b.ID))
	})
	n := min(len(parts), heldMost)
	for i := range n {
		part := parts[i*len(parts)/n]
		all = append(all, holding{part: part, in: of[part]})
	}
	return all
}

// refused is what an assignment of one of these partitions would end a worker with: of the first, and how many others have something, too.
func (d *doctor) refused(ctx context.Context, all []holding) error {
	var ends map[stream.Partition]int64 // now: a worker may have written since they were looked at
	var far []stream.Partition
	for i := range all {
		if h := &all[i]; h.err == nil && h.known && h.next > h.in.End {
			far = append(far, h.part)
		}
	}
	if len(far) > 0 {
		var err error
		if ends, err = d.ends(ctx, far); err != nil {
			return fmt.Errorf("looking up again where logs end: %w", err)
		}
	}
	var first error
	n := 0
	for i := range all {
		h := &all[i]
		err := h.err
		if end, ok := ends[h.part]; ok && h.next > end {
			err = fmt.Errorf("what it holds of %s ends at offset %d, beyond the end of the log (%d): %w", h.part, h.next, end, stream.ErrBeyondEnd)
		}
		if err == nil {
			continue
		}
		if n++; first == nil {
			first = err
		}
	}
	if errors.Is(first, parquetsink.ErrBrokenChain) {
		first = fmt.Errorf("%w; put the files back (backfill audit names all that are missing), or give the pipeline a new name to start a new chain of output", first)
	}
	if n > 1 {
		first = fmt.Errorf("%w; and something of the kind with %d other partitions", first, n-1)
	}
	return first
}

// ends are where the logs of partitions end now.
func (d *doctor) ends(ctx context.Context, parts []stream.Partition) (map[stream.Partition]int64, error) {
	log, err := kafkaLog(d.c, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	now, err := log.Bounds(ctx, "", parts)
	ends := make(map[stream.Partition]int64, len(now))
	for part, b := range now {
		ends[part] = b.End
	}
	return ends, err
}

// judgeHeld says how what an output holds of the partitions that were looked at, out of so many, fits their logs.
func judgeHeld(p *config.Pipeline, o *config.Output, looked []holding, of int) (Grade, string) {
	var holds int
	var without, gone []string
	for i := range looked {
		h := &looked[i]
		begin := h.in.Committed
		switch {
		case h.known:
			holds++
			begin = h.next
		case h.in.Committed > 0 && p.StartAt != string(stream.StartLast):
			without = append(without, h.part.String())
		}
		if begin >= 0 && begin < h.in.First {
			gone = append(gone, fmt.Sprintf("%s (offsets %d to %d)", h.part, begin, h.in.First-1))
		}
	}
	if of == 0 || len(looked) > 0 && holds == 0 && !keepsAccount(o) {
		return Sound, ""
	}
	text := "it holds nothing yet"
	switch {
	case len(looked) == 0:
		return Doubt, fmt.Sprintf("what it holds could not be looked at in %v; backfill audit takes its time", checkTime)
	case holds > 0:
		text = fmt.Sprintf("what it holds of %d of %d partitions fits their logs", holds, of)
	}
	if len(looked) < of {
		text += fmt.Sprintf(" (%d were looked at; backfill audit looks at all)", len(looked))
	}
	grade := Sound
	if len(without) > 0 {
		grade = Doubt
		text += fmt.Sprintf("; it has nothing of %s, whose records the group has committed, and begins behind them: if it is no new output, check its place, its layout and the pipeline's name", some(without))
	}
	if len(gone) > 0 {
		grade = Doubt
		text += fmt.Sprintf("; retention has taken what it lacks of %s, which will be recorded as lost: raise the topic's retention above the longest backlog", some(gone))
	}
	if len(looked) < min(of, heldMost) {
		grade = Doubt
		text += fmt.Sprintf("; in %v no more could be looked at", checkTime)
	}
	return grade, text
}

// keepsAccount says whether an output can be audited: then it is told, too, that it holds nothing.
func keepsAccount(o *config.Output) bool {
	files, _ := o.Files()
	return files != nil || o.Postgres != nil || o.Iceberg != nil
}

// some names the first of a list.
func some(all []string) string {
	const most = 3
	if len(all) > most {
		return fmt.Sprintf("%s and %d others", strings.Join(all[:most], ", "), len(all)-most)
	}
	return strings.Join(all, ", ")
}
