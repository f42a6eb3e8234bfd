package objectstore

import (
	"context"
	"fmt"
)

// Whole reads an object of at most so many bytes in one request: of one that is replaced meanwhile it gives what it was or what it is. After a Stat, what has grown since would lack its end. A longer one is an error.
func Whole(ctx context.Context, st Store, name string, most int64) ([]byte, error) {
	b, err := st.Read(ctx, name, 0, most+1)
	if err == nil && int64(len(b)) > most {
		return nil, fmt.Errorf("reading %s: it has more than %d bytes", name, most)
	}
	return b, err
}
