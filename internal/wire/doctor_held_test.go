package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/segmentio/kafka-go"

	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
	"vecmill/stream"
)

// chained has the pipeline's output hold 40 offsets of partition 1, in four files, and its log so many records, of which the group has committed some.
func chained(t *testing.T, d *doctor, p *config.Pipeline, records int, committed int64) (dir string) {
	t.Helper()
	dir = t.TempDir()
	p.Outputs[0].Parquet.URL = "file://" + dir
	store, err := dirstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	cfg := parquetsink.NewDefaultConfig()
	cfg.Store, cfg.Tasks, cfg.RollRows = store, []schemas.Task{schemas.TaskEmbedding}, 1
	sink, err := parquetsink.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	src := schemas.SourceID{Pipeline: p.Name, Topic: "refs", Partition: 1}
	if _, _, err := sink.Resume(t.Context(), src, 0); err != nil {
		t.Fatal(err)
	}
	for first := int64(0); first < 40; first += 10 {
		r, rows := sinktest.MakeOf(cfg.Tasks, src, first, first+10)
		if err := sink.Write(t.Context(), r, rows, func(err error) {
			if err != nil {
				t.Error(err)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := sink.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if names := parquets(t, dir); len(names) != 4 {
		t.Fatalf("the chain is %q", names)
	}
	log, err := kafkaLog(d.c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if records > 0 {
		if err := log.Append(t.Context(), stream.Partition{Topic: "refs", ID: 1}, make([]stream.Record, records)); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, d.c, p.Group, 1, committed)
	return dir
}

// commit sets the group's place in a partition of refs.
func commit(t *testing.T, c *config.Config, group string, partition int, next int64) {
	t.Helper()
	tr := &kafka.Transport{}
	defer tr.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(c.Kafka.Brokers...), Transport: tr}
	res, err := client.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{GroupID: group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{"refs": {{Partition: partition, Offset: next}}}})
	if err == nil {
		err = res.Topics["refs"][0].Error
	}
	if err != nil {
		t.Fatal(err)
	}
}

// parquets are the files below a directory.
func parquets(t *testing.T, dir string) (names []string) {
	t.Helper()
	if err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() && strings.HasSuffix(path, ".parquet") {
			names = append(names, path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return names
}

// ofWhatIsHeld are outputs that a worker would end with at its first assignment, and those that lack what they are meant to have.
func ofWhatIsHeld() []illness {
	return []illness{
		{"an output that fits", 0, func(t *testing.T, d *doctor, p *config.Pipeline) { chained(t, d, p, 50, 40) }, "output p 0", Sound, []string{"can be written; what it holds of 1 of 3 partitions fits their logs"}},
		{"an output that holds nothing", 0, nil, "output p 0", Sound, []string{"can be written; it holds nothing yet"}},
		{"a topic that was deleted and made again", 0, func(t *testing.T, d *doctor, p *config.Pipeline) { chained(t, d, p, 7, 0) }, "output p 0", Trouble, []string{"refs/1 ends at offset 40, beyond the end of the log (7)", "give the pipeline a new name"}},
		{"a file that is gone", 0, func(t *testing.T, d *doctor, p *config.Pipeline) {
			if err := os.Remove(parquets(t, chained(t, d, p, 40, 5))[2]); err != nil {
				t.Fatal(err)
			}
		}, "output p 0", Trouble, []string{"no file covers offsets 20 to 29", "put the files back", "backfill audit"}},
		{"another layout", 0, func(t *testing.T, d *doctor, p *config.Pipeline) {
			chained(t, d, p, 40, 40)
			p.Outputs[0].Parquet.Layout = "hive"
		}, "output p 0", Trouble, []string{"of layout plain", "keep that layout, or write to another prefix"}},
		{"another format", 0, func(t *testing.T, d *doctor, p *config.Pipeline) {
			files := *p.Outputs[0].Parquet
			files.URL = "file://" + chained(t, d, p, 40, 40)
			files.Compression = "none"
			p.Outputs[0] = outputOf(t, fmt.Sprintf("arrow: {url: %q}", files.URL))
		}, "output p 0", Trouble, []string{"is of format parquet", "keep that format, or write to another prefix"}},
		{"a best-effort output of another layout", 0, func(t *testing.T, d *doctor, p *config.Pipeline) {
			chained(t, d, p, 40, 40)
			p.Outputs[0].Parquet.Layout, p.Outputs[0].BestEffort = "hive", true
		}, "output p 0", Doubt, []string{"a worker would go on without this output", "keep that layout"}},
		{"an output whose place has changed", 0, func(t *testing.T, d *doctor, p *config.Pipeline) {
			chained(t, d, p, 40, 40)
			commit(t, d.c, p.Group, 0, 9)
		}, "output p 0", Doubt, []string{"it has nothing of refs/0, whose records the group has committed", "check its place"}},
	}
}

// TestLookingAtWhatIsHeldWritesNothing compares the files of an output, whose fault the doctor finds, before and after.
func TestLookingAtWhatIsHeldWritesNothing(t *testing.T) {
	c := ward(t, 0)
	p := &c.Pipelines[0]
	dir := chained(t, newDoctor(c, nil), p, 40, 40)
	before := parquets(t, dir)
	examine(t, c)
	if after := parquets(t, dir); !slices.Equal(before, after) {
		t.Errorf("there was %q, and is %q", before, after)
	}
}

// holder is an output that knows where it stands, and nothing else: the sink that is left out is a panic.
type holder struct {
	sinks.Sink
	mu     sync.Mutex
	asked  []schemas.SourceID
	resume func(ctx context.Context, src schemas.SourceID, from int64) (int64, bool, error)
}

func (h *holder) Resume(ctx context.Context, src schemas.SourceID, from int64) (int64, bool, error) {
	h.mu.Lock()
	h.asked = append(h.asked, src)
	h.mu.Unlock()
	return h.resume(ctx, src, from)
}

// TestWhatIsHeldIsComparedWithItsLog has brokers say what the case has them say. It shows no store: parquetsink, icebergsink, pgvectorsink and redissink have conformance tests for what they resume at.
func TestWhatIsHeldIsComparedWithItsLog(t *testing.T) {
	files, rows := &config.Output{Parquet: &config.Parquet{}}, &config.Output{Webhook: &config.Webhook{}}
	at := func(next int64, known bool, err error) func(context.Context, schemas.SourceID, int64) (int64, bool, error) {
		return func(context.Context, schemas.SourceID, int64) (int64, bool, error) { return next, known, err }
	}
	broken := errors.New("it is broken")
	for _, c := range []struct {
		name   string
		parts  int
		in     stream.Bounds
		output *config.Output
		last   bool // the pipeline begins at the end
		resume func(context.Context, schemas.SourceID, int64) (int64, bool, error)
		asked  int
		grade  Grade
		text   string // "" for none
		err    string // likewise
	}{
		{"no brokers", 0, stream.Bounds{}, files, false, at(0, false, nil), 0, Sound, "", ""},
		{"an output without offsets", 3, stream.Bounds{Committed: 9, End: 9}, rows, false, at(0, false, nil), 3, Sound, "", ""},
		{"where the commit is", 3, stream.Bounds{Committed: 9, End: 9}, files, false, at(9, true, nil), 3, Sound, "what it holds of 3 of 3 partitions fits their logs", ""},
		{"a lost commit, which is only a hint", 3, stream.Bounds{Committed: -1, End: 9}, files, false, at(9, true, nil), 3, Sound, "of 3 of 3", ""},
		{"nothing, of a group with commits", 5, stream.Bounds{Committed: 9, End: 9}, files, false, at(0, false, nil), 5, Doubt, "it has nothing of refs/0, refs/1, refs/2 and 2 others", ""},
		{"nothing, of a group with commits that began at the end", 2, stream.Bounds{Committed: 9, End: 9}, files, true, at(0, false, nil), 2, Sound, "it holds nothing yet", ""},
		{"what retention took", 1, stream.Bounds{Committed: 5, First: 12, End: 20}, files, false, at(7, true, nil), 1, Doubt, "retention has taken what it lacks of refs/0 (offsets 7 to 11)", ""},
		{"what retention took before it held anything", 1, stream.Bounds{Committed: 5, First: 12, End: 20}, rows, false, at(0, false, nil), 1, Sound, "", ""},
		{"what retention took before the first start", 1, stream.Bounds{Committed: -1, First: 12, End: 20}, files, false, at(0, false, nil), 1, Sound, "it holds nothing yet", ""},
		{"more partitions than are asked for", 5000, stream.Bounds{Committed: 9, End: 9}, files, false, at(9, true, nil), heldMost, Sound, "what it holds of 64 of 5000 partitions fits their logs (64 were looked at; backfill audit looks at all)", ""},
		{"one fault with all of many", 5000, stream.Bounds{Committed: 9, End: 9}, files, false, at(0, false, broken), heldMost, Trouble, "", "it is broken; and something of the kind with 63 other partitions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			of := bounds{}
			for i := range c.parts {
				of[stream.Partition{Topic: "refs", ID: i}] = c.in
			}
			h := &holder{resume: c.resume}
			p := &config.Pipeline{Name: "p"}
			if c.last {
				p.StartAt = string(stream.StartLast)
			}
			grade, text, err := newDoctor(&config.Config{}, nil).held(t.Context(), p, c.output, h, of)
			if grade != c.grade || !strings.Contains(text, c.text) || (text == "") != (c.text == "") || fmt.Sprint(err) != orNil(c.err) {
				t.Errorf("%s %q, %v", grade, text, err)
			}
			if len(h.asked) != c.asked {
				t.Errorf("asked for %d partitions, want %d", len(h.asked), c.asked)
			}
			if late := (schemas.SourceID{Pipeline: "p", Topic: "refs", Partition: (heldMost - 1) * c.parts / heldMost}); c.parts > heldMost && !slices.Contains(h.asked, late) {
				t.Errorf("asked for %v, want such as %v", h.asked, late)
			}
		})
	}
}

func orNil(text string) string {
	if text == "" {
		return "<nil>"
	}
	return text
}

// TestLookingAtWhatIsHeldEnds: an output that answers for some partitions alone is no fault, and is not waited for.
func TestLookingAtWhatIsHeldEnds(t *testing.T) {
	for answers, words := range map[int][]string{6: {"of 6 of 10 partitions", "in 45s no more could be looked at"}, 0: {"what it holds could not be looked at in 45s"}} {
		synctest.Test(t, func(t *testing.T) {
			of := bounds{}
			for i := range 10 {
				of[stream.Partition{Topic: "refs", ID: i}] = stream.Bounds{Committed: 9, End: 9}
			}
			h := &holder{resume: func(ctx context.Context, src schemas.SourceID, _ int64) (int64, bool, error) {
				if src.Partition >= answers {
					<-ctx.Done()
					return 0, false, ctx.Err()
				}
				return 9, true, nil
			}}
			grade, text, err := newDoctor(&config.Config{}, nil).held(t.Context(), &config.Pipeline{Name: "p"}, &config.Output{Parquet: &config.Parquet{}}, h, of)
			if grade != Doubt || err != nil {
				t.Errorf("%s %q, %v", grade, text, err)
			}
			for _, w := range words {
				if !strings.Contains(text, w) {
					t.Errorf("%q does not say %q", text, w)
				}
			}
		})
	}
}
