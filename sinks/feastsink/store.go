package feastsink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"vecmill/schemas"
	"vecmill/sinks/deliver"
	"vecmill/sinks/jsonrow"
	"vecmill/sinks/rest"
)

// Open looks whether the server has the push source, and makes a sink.
func Open(ctx context.Context, c Config) (*deliver.Sink, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("feast: %w", err)
	}
	c.URL = strings.TrimSuffix(c.URL, "/")
	c.Deliver.Name = fmt.Sprintf("feast %s, push source %s", c.URL, c.Source)
	s := &store{cfg: c, client: rest.Client(c.Transport)}
	return deliver.Open(ctx, c.Deliver, s, lasting, func(ctx context.Context) error {
		empty, err := c.frame(nil)
		if err != nil {
			return err
		}
		return s.push(ctx, empty)
	})
}

type store struct {
	cfg    Config
	client *http.Client
}

// Check refuses what JSON cannot say.
func (s *store) Check(row *schemas.Row) error { return jsonrow.Check(row) }

// Put pushes the rows of the heads, and passes over the others and deletions.
func (s *store) Put(ctx context.Context, b deliver.Batch) error {
	rows := slices.DeleteFunc(b.Upserts(), func(r *schemas.Row) bool { return len(s.cfg.Heads) > 0 && !slices.Contains(s.cfg.Heads, r.Head) })
	if len(rows) == 0 {
		return nil
	}
	f, err := s.cfg.frame(rows)
	if err != nil {
		return deliver.Refused(err)
	}
	return classify(s.push(ctx, f))
}

func (s *store) push(ctx context.Context, f frame) error {
	text, err := json.Marshal(map[string]any{"push_source_name": s.cfg.Source, "to": s.cfg.To, "df": f})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.URL+"/push", bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if s.cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+s.cfg.Token)
	}
	_, err = rest.Do(s.client, req)
	return err
}

// What Feast says of a value that is not of its feature's type, and of a column that is not there (F2).
var (
	wrongValue  = regexp.MustCompile(`is of type <class|Conversion failed for column|Value out of range|out of bounds|has type .*, but expected one of|Could not convert`)
	wrongColumn = regexp.MustCompile(`not in index|not found in table|does not exist in schema|None of \[`)
)

// classify is an error of a push as deliver has it.
func classify(err error) error {
	e, ok := errors.AsType[*rest.Error](err)
	switch {
	case ok && e.Code == http.StatusInternalServerError && wrongColumn.MatchString(e.Said):
		return deliver.Final(fmt.Errorf("a feature view of the source wants columns that are not pushed; name them in columns, or map them by the source's field_mapping: %w", err))
	case ok && e.Code == http.StatusInternalServerError && wrongValue.MatchString(e.Said):
		return deliver.Refused(fmt.Errorf("a value is not of its feature's type: %w", err))
	case lasting(err):
		return deliver.Final(err)
	}
	return rest.Classify(err)
}

// lasting says whether the server will answer so again, whatever the rows: a source that it does not know is 422.
func lasting(err error) bool {
	e, ok := errors.AsType[*rest.Error](err)
	return ok && !rest.Passing(e.Code) && e.Code != http.StatusRequestEntityTooLarge
}

// Close lets idle connections go.
func (s *store) Close() error {
	s.client.CloseIdleConnections()
	return nil
}
