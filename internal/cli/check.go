package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"vecmill/internal/wire"
	"vecmill/sinks"
)

// headerFlags are headers of a sample, as name=value.
type headerFlags []sinks.Header

// String implements flag.Value.
func (h *headerFlags) String() string { return "" }

// Set implements flag.Value.
func (h *headerFlags) Set(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return fmt.Errorf("%q is not name=value", s)
	}
	*h = append(*h, sinks.Header{Key: name, Value: []byte(value)})
	return nil
}

// mostSample is the largest sample file that is read.
const mostSample = 64 << 20

func runCheck(ctx context.Context, e *env, args []string) error {
	f := e.flags("config check")
	path := f.String("config", "", "configuration file")
	sample := f.String("sample", "", "file of sample messages, - for standard input: one JSON value after the other, or one message of anything else; shows how they are understood")
	topic := f.String("topic", "", "topic that the samples come from; default: the first of each pipeline")
	key := f.String("key", "", "key of the samples")
	var headers headerFlags
	f.Var(&headers, "header", "name=value, a header of the samples; may be given several times")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	c, _, err := e.loadWithModels(*path)
	if err != nil {
		return err
	}
	if err := wire.CheckInputs(c); err != nil {
		return usageError{err}
	}
	if *sample == "" {
		fmt.Fprintf(e.stdout, "%s is valid; pipelines: %d\n", *path, len(c.Pipelines))
		return nil
	}
	b, err := readSample(*sample)
	if err != nil {
		return err
	}
	o := wire.SampleOptions{Topic: *topic}
	o.Time, o.Headers = time.Now(), headers
	if *key != "" {
		o.Key = []byte(*key)
	}
	return wire.Explain(ctx, e.stdout, c, wire.Messages(b), o)
}

func readSample(path string) ([]byte, error) {
	in := os.Stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("reading the samples: %w", err)
		}
		defer func() { _ = file.Close() }() // only read
		in = file
	}
	b, err := io.ReadAll(io.LimitReader(in, mostSample))
	if err != nil {
		return nil, fmt.Errorf("reading the samples: %w", err)
	}
	return b, nil
}
