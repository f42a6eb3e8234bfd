package demo

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/segmentio/kafka-go"

	"vecmill/schemas"
)

// item is what the demo shows of one sample.
type item struct {
	sample Sample
	result *schemas.Row // transcript or classification
	vector []float32
	took   time.Duration
}

// show prints the table, the neighbours, the dead letter and the summary.
func show(ctx context.Context, w io.Writer, s *servers, samples []Sample, r *result, out string) error {
	rows, files, err := readRows(ctx, s)
	if err != nil {
		return err
	}
	items, err := gather(samples, rows)
	if err != nil {
		return err
	}
	for _, part := range []struct{ title, modality string }{
		{"Speech, transcribed (Data2VecAudioForCTC)", "audio"},
		{"Sentences, labelled (Data2VecTextForSequenceClassification)", "text"},
		{"Pictures, labelled (Data2VecVisionForImageClassification)", "image"},
	} {
		err := table(w, part.title, slices.DeleteFunc(slices.Clone(items), func(i item) bool { return i.sample.Modality != part.modality }))
		if err != nil {
			return err
		}
	}
	neighbours(w, items)
	if err := deadLetter(ctx, w, s); err != nil {
		return err
	}
	committed, err := committedOffsets(ctx, s)
	if err != nil {
		return err
	}
	return summary(w, items, r, len(rows), files, committed, out)
}

// gather joins rows to samples and checks that every sample has exactly its rows: a demo of exactly-once that never looks would prove nothing.
func gather(samples []Sample, rows []schemas.Row) ([]item, error) {
	byID := map[string]*item{}
	items := make([]item, len(samples))
	for i, s := range samples {
		items[i].sample = s
		byID[s.File] = &items[i]
	}
	seen := map[string]bool{}
	for i := range rows {
		r := &rows[i]
		it := byID[r.RefID]
		if it == nil || seen[r.RowID] {
			return nil, fmt.Errorf("the output has a row that it should not: %s, %s", r.RefID, r.Head)
		}
		seen[r.RowID] = true
		if r.Task == schemas.TaskEmbedding {
			it.vector = r.Vector
			continue
		}
		it.result = r
		t := r.Timings
		it.took = t.Fetch + t.Preprocess + t.Queue + t.Infer
	}
	for i := range items {
		if items[i].result == nil || items[i].vector == nil {
			return nil, fmt.Errorf("the output lacks rows of %s", items[i].sample.File)
		}
	}
	return items, nil
}

func (i *item) got() string {
	if i.result.Task == schemas.TaskTranscript {
		return i.result.Text
	}
	return i.result.Label
}

func (i *item) right() bool { return i.got() == i.sample.Expected }

func table(w io.Writer, title string, items []item) error {
	fmt.Fprintf(w, "%s\n", title)
	t := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	for i := range items {
		it := &items[i]
		mark := "✓"
		if !it.right() {
			mark = "✗ expected " + it.sample.Expected
		}
		fmt.Fprintf(t, "  %s\t%s\t%.2f\t%4d ms\t%s\n", it.sample.File, describe(it), it.result.Score, it.took.Milliseconds(), mark)
	}
	fmt.Fprintln(t)
	return printed(t.Flush())
}

func printed(err error) error {
	if err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// describe is the result, and for text the sentence it is about.
func describe(it *item) string {
	if it.sample.Modality != "text" {
		return it.got()
	}
	const most = 44
	sentence := []rune(strings.TrimSpace(string(it.sample.Data)))
	if len(sentence) > most {
		sentence = append(sentence[:most-1], '…')
	}
	return it.got() + "\t" + string(sentence)
}

// neighbours shows for one query per modality which other items lie closest, and how often the nearest of all items is of the same kind.
func neighbours(w io.Writer, items []item) {
	fmt.Fprintln(w, "Nearest neighbours (cosine of the embeddings)")
	same, total := 0, 0
	for _, modality := range []string{"text", "image"} {
		of := slices.DeleteFunc(slices.Clone(items), func(i item) bool { return i.sample.Modality != modality })
		for q := range of {
			near := nearest(of, q)
			total++
			if near[0].sample.Expected == of[q].sample.Expected {
				same++
			}
			if q == 0 {
				fmt.Fprintf(w, "  %s (%s):", of[q].sample.File, of[q].sample.Expected)
				for _, n := range near[:min(3, len(near))] {
					fmt.Fprintf(w, "  %s (%s) %.2f", n.sample.File, n.sample.Expected, dot(of[q].vector, n.vector))
				}
				fmt.Fprintln(w)
			}
		}
	}
	fmt.Fprintf(w, "  the nearest neighbour is of the same kind for %d of %d sentences and pictures\n\n", same, total)
}

func nearest(of []item, q int) []item {
	others := slices.Concat(of[:q], of[q+1:])
	slices.SortStableFunc(others, func(a, b item) int {
		return cmp.Compare(dot(of[q].vector, b.vector), dot(of[q].vector, a.vector))
	})
	return others
}

func dot(a, b []float32) float64 {
	var sum float64
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// deadLetter shows the letter of the reference that points nowhere.
func deadLetter(ctx context.Context, w io.Writer, s *servers) error {
	for o := range s.client.ListObjectsIter(ctx, outputs, minio.ListObjectsOptions{Prefix: "dead-letters/", Recursive: true}) {
		if o.Err != nil {
			return fmt.Errorf("listing the dead letters: %w", o.Err)
		}
		body, err := s.client.GetObject(ctx, outputs, o.Key, minio.GetObjectOptions{})
		if err != nil {
			return fmt.Errorf("reading a dead letter: %w", err)
		}
		var letter struct{ Reason, Message string }
		err = json.NewDecoder(body).Decode(&letter)
		body.Close()
		if err != nil {
			return fmt.Errorf("reading a dead letter: %w", err)
		}
		fmt.Fprintf(w, "Dead letter, as it should be: %s\n  %s: %s\n\n", o.Key, letter.Reason, letter.Message)
	}
	return nil
}

// committedOffsets sums the offsets that the three groups have committed.
func committedOffsets(ctx context.Context, s *servers) (int64, error) {
	client := &kafka.Client{Addr: kafka.TCP(s.broker.ListenAddrs()...)}
	var sum int64
	for _, p := range pipelineNames() {
		var parts []int
		for i := range partitions {
			parts = append(parts, i)
		}
		resp, err := client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: "vecmill-" + p, Topics: map[string][]int{topic: parts}})
		if err != nil {
			return 0, fmt.Errorf("asking for committed offsets: %w", err)
		}
		for _, o := range resp.Topics[topic] {
			sum += max(o.CommittedOffset, 0)
		}
	}
	return sum, nil
}

func summary(w io.Writer, items []item, r *result, rows, files int, committed int64, out string) error {
	right := 0
	for i := range items {
		if items[i].right() {
			right++
		}
	}
	var cost, padded int64
	var bytes int64
	for _, s := range r.stats {
		cost, padded, bytes = cost+s.Embed.Cost, padded+s.Embed.Padded, bytes+s.Stream.FetchedBytes
	}
	t := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	fmt.Fprintf(t, "Items\t%d, %d of them as expected\n", len(items), right)
	fmt.Fprintf(t, "Speed\t%.0f items/s (%.1f s from the first poll to the last commit; models loaded in %.1f s)\n",
		float64(len(items))/r.took.Seconds(), r.took.Seconds(), r.loading.Seconds())
	fmt.Fprintf(t, "Padding ratio\t%.2f (computed over useful steps)\n", float64(padded)/float64(max(cost, 1)))
	fmt.Fprintf(t, "Fetched\t%.1f MB from s3://%s\n", float64(bytes)/1e6, inputs)
	fmt.Fprintf(t, "Written\t%d rows in %d Parquet files, in s3://%s and in %s\n", rows, files, outputs, out)
	fmt.Fprintf(t, "Committed\t%d offsets (%d records, three consumer groups)\n", committed, len(items)+1)
	if err := t.Flush(); err != nil {
		return printed(err)
	}
	_, err := fmt.Fprintf(w, "\nLook at them: duckdb -c \"select ref_id, head, label, text, score from read_parquet('%s/**/*.parquet', union_by_name = true)\"\n", out)
	return printed(err)
}
