package dlq

import (
	"bytes"
	"context"
	"encoding/json"
	"io"

	"vecmill/schemas"
	"vecmill/sinks"
)

// WriteManifest writes the references of letters to w as lines of a manifest, for `backfill run`. It gives the letters that it wrote, to be marked when w is
// durable. tell is as in Replay.
func WriteManifest(ctx context.Context, from sinks.LetterReader, o ReplayOptions, w io.Writer, tell func(Outcome)) ([]schemas.Origin, Summary, error) {
	marks, err := from.Replayed(ctx)
	if err != nil {
		return nil, Summary{}, err
	}
	r := &replay{o: o, from: from, marks: marks, tell: tell, within: map[schemas.SourceID]schemas.Span{}}
	if o.Settled != nil {
		if err := r.survey(ctx); err != nil {
			return nil, r.sum, err
		}
	}
	var written []schemas.Origin
	seen := map[schemas.Origin]bool{}
	err = from.Letters(ctx, func(l sinks.StoredLetter) error {
		of := l.Origin()
		if !o.Filter.takes(&l) || seen[of] {
			return nil
		}
		seen[of] = true
		if what, why := r.verdict(&l); what != "" {
			r.report(of, nil, what, why)
			return nil
		}
		var line bytes.Buffer
		switch jsonErr := json.Compact(&line, l.Value); {
		case jsonErr != nil:
			r.report(of, nil, Failed, "the record is not JSON, and cannot be a line of a manifest")
			return nil
		case schemas.IsNoRef(l.Value):
			r.report(of, nil, Failed, "it stands for a line or row that was no reference, and would be none again: mend that, and compute it as a list of its own")
			return nil
		case o.DryRun:
			r.report(of, nil, WouldReplay, "")
			return nil
		}
		line.WriteByte('\n')
		if _, err := w.Write(line.Bytes()); err != nil {
			return err
		}
		written = append(written, of)
		r.report(of, nil, Replayed, "")
		return nil
	})
	return written, r.sum, err
}
