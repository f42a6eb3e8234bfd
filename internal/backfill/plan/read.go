package plan

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"vecmill/sinks/parquetfile"
)

// Reader gives the references of a plan by offset. It holds one part at a time and is for one goroutine.
type Reader struct {
	at   Place
	plan *Plan
	part *Part
	refs []string // of part
}

// NewReader reads p, which lies at a place.
func NewReader(at Place, p *Plan) *Reader { return &Reader{at: at, plan: p} }

// Ref is the reference of an offset, as JSON.
func (r *Reader) Ref(ctx context.Context, offset int64) (string, error) {
	if offset < 0 || offset >= r.plan.Items {
		return "", fmt.Errorf("plan %s has no reference %d", r.plan.Name, offset)
	}
	if part := r.plan.part(offset); part != r.part {
		refs, err := r.open(ctx, part)
		if err != nil {
			return "", fmt.Errorf("reading part %s of the plan: %w", part.Name, err)
		}
		r.part, r.refs = part, refs
	}
	return r.refs[offset-r.part.First], nil
}

// body is a part as it was planned.
func (r *Reader) body(ctx context.Context, part *Part) ([]byte, error) {
	body, err := r.at.read(ctx, part.Name)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != part.SHA256 {
		return nil, fmt.Errorf("its content is not what was planned: it was changed or damaged; plan again")
	}
	return body, nil
}

func (r *Reader) open(ctx context.Context, part *Part) ([]string, error) {
	body, err := r.body(ctx, part)
	if err != nil {
		return nil, err
	}
	refs, err := decode(body)
	if err == nil && int64(len(refs)) != part.Items {
		err = fmt.Errorf("it has %d references, not %d", len(refs), part.Items)
	}
	return refs, err
}

func decode(body []byte) (refs []string, err error) {
	err = parquetfile.Scan(bytes.NewReader(body), int64(len(body)), []string{"ref"}, func(row []parquetfile.Value) error {
		refs = append(refs, row[0].Text)
		return nil
	})
	return refs, err
}
