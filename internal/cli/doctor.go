package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"vecmill/internal/wire"
)

// runDoctor prints a line for each thing that a worker depends on, and fails if one of them would not do.
func runDoctor(ctx context.Context, e *env, args []string) error {
	f := e.flags("doctor")
	path := f.String("config", "", "configuration file")
	asJSON := f.Bool("json", false, "print one JSON object per line")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	c, _, err := e.loadWithModels(*path)
	if err != nil {
		return err
	}
	var troubles, doubts int
	wire.Examine(ctx, c, func(x wire.Finding) {
		switch x.Grade {
		case wire.Trouble:
			troubles++
		case wire.Doubt:
			doubts++
		}
		printFinding(e.stdout, x, *asJSON)
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case troubles > 0:
		return fmt.Errorf("%d of the checks failed; a worker would not start, or not keep its promises", troubles)
	case !*asJSON:
		whom := "worker"
		if c.ValidateSource() != nil {
			whom = "backfill"
		}
		fmt.Fprintf(e.stdout, "everything a %s needs is there; warnings: %d\n", whom, doubts)
	}
	return nil
}

func printFinding(w io.Writer, x wire.Finding, asJSON bool) {
	if asJSON {
		_ = json.NewEncoder(w).Encode(x) // nobody is left to tell
		return
	}
	fmt.Fprintf(w, "%-4s  %-24s %s\n", x.Grade, x.Check, x.Text)
}
