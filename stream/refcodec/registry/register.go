package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/sr"

	"vecmill/internal/retry"
	"vecmill/schemas"
)

// Register makes sure that an Avro schema is in a subject, and gives its id. A registry that finds it incompatible with the subject's other versions refuses it.
func (r *Registry) Register(ctx context.Context, subject, schema string) (id int, err error) {
	_, err = retry.Do(ctx, retry.Default(), answered, func(ctx context.Context) error {
		id, err = r.client.RegisterSchema(ctx, subject, sr.Schema{Schema: schema, Type: sr.TypeAvro}, -1, -1)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("registering the schema of subject %s with the registry at %v: %w", subject, r.cfg.URLs, schemas.Unreachable(err, answered))
	}
	return id, nil
}

// answered says whether the registry has answered, and will not answer otherwise.
func answered(err error) bool {
	answer, ok := errors.AsType[*sr.ResponseError](err)
	return ok && answer.StatusCode >= 400 && answer.StatusCode < 500
}
