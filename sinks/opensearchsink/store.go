package opensearchsink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"vecmill/schemas"
	"vecmill/sinks/deliver"
	"vecmill/sinks/rest"
)

// Open connects, makes the index or looks whether it fits, and makes a sink.
func Open(ctx context.Context, c Config) (*deliver.Sink, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("opensearch: %w", err)
	}
	c.URL = strings.TrimSuffix(c.URL, "/")
	c.Deliver.Name = fmt.Sprintf("opensearch %s, index %s", c.URL, c.Name)
	s := &store{cfg: c, client: rest.Client(c.Transport)}
	return deliver.Open(ctx, c.Deliver, s, lasting, s.prepare)
}

type store struct {
	cfg    Config
	client *http.Client
}

// Check refuses rows that the index has no place for.
func (s *store) Check(r *schemas.Row) error {
	if n := len(r.RefID); n > mostTerm {
		return fmt.Errorf("ref_id has %d bytes, and an index finds up to %d", n, mostTerm)
	}
	return s.cfg.Index.Check(r, "index "+s.cfg.Name)
}

// Put indexes the rows and then carries the deletions out.
func (s *store) Put(ctx context.Context, b deliver.Batch) error {
	if rows := b.Upserts(); len(rows) > 0 {
		body, err := s.cfg.bulk(rows)
		if err != nil {
			return deliver.Refused(err)
		}
		var a answer
		if err := s.send(ctx, http.MethodPost, "/"+s.cfg.Name+"/_bulk", "application/x-ndjson", body, &a); err != nil {
			return rest.Classify(err)
		}
		if err := a.verdict(len(rows)); err != nil {
			return err
		}
	}
	gone := b.Deletions()
	if len(gone) == 0 {
		return nil
	}
	if err := s.ask(ctx, http.MethodPost, "/_refresh", nil, nil); err != nil {
		return rest.Classify(err)
	}
	for i := range gone {
		if err := s.delete(ctx, &gone[i]); err != nil {
			return rest.Classify(err)
		}
	}
	return nil
}

// delete takes away what a deletion names (O4).
func (s *store) delete(ctx context.Context, d *deliver.Deletion) error {
	earlier := map[string]any{"range": map[string]any{"offset": map[string]any{"lt": d.Offset}}}
	query := map[string]any{"bool": map[string]any{"filter": []any{term("ref_id", d.RefID), term("topic", d.Source.Topic), term("partition", d.Source.Partition), earlier}}}
	var did struct {
		TimedOut bool `json:"timed_out"`
		Failures []json.RawMessage
	}
	if err := s.ask(ctx, http.MethodPost, "/_delete_by_query", map[string]any{"query": query}, &did); err != nil {
		return err
	}
	if did.TimedOut || len(did.Failures) > 0 {
		return fmt.Errorf("deleting documents of %s: %d failures, timed out: %v", d.RefID, len(did.Failures), did.TimedOut)
	}
	return nil
}

// ask sends a request about the index with a body of JSON, if there is one, and reads the answer into out.
func (s *store) ask(ctx context.Context, method, path string, body, out any) error {
	return s.askServer(ctx, method, "/"+s.cfg.Name+path, body, out)
}

// askServer is ask of anything.
func (s *store) askServer(ctx context.Context, method, path string, body, out any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	return s.send(ctx, method, path, "application/json", text, out)
}

func (s *store) send(ctx context.Context, method, path, kind string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, s.cfg.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", kind)
	}
	if s.cfg.User != "" {
		req.SetBasicAuth(s.cfg.User, s.cfg.Password)
	}
	text, err := rest.Do(s.client, req)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("an answer that is not the server's: %w", err)
	}
	return nil
}

// lasting says whether preparing will fail so again.
func lasting(err error) bool {
	e, ok := errors.AsType[*rest.Error](err)
	return schemas.Unfit(err) || ok && !rest.Passing(e.Code)
}

// Close lets idle connections go.
func (s *store) Close() error {
	s.client.CloseIdleConnections()
	return nil
}
