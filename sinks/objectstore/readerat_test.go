package objectstore

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// counted is bytes, and how often they were asked for.
type counted struct {
	*bytes.Reader
	asked int
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	c.asked++
	return c.Reader.ReadAt(p, off)
}

// TestWhatReadsAheadGivesTheSameBytesByFewerRequests reads in small pieces from the beginning, and anywhere, in any lengths.
func TestWhatReadsAheadGivesTheSameBytesByFewerRequests(t *testing.T) {
	body := make([]byte, 10_000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range body {
		body[i] = byte(r.IntN(256))
	}
	c := &counted{Reader: bytes.NewReader(body)}
	whole, err := io.ReadAll(iotest.OneByteReader(io.NewSectionReader(Ahead(c, int64(len(body)), 1000), 0, int64(len(body)))))
	if err != nil || !bytes.Equal(whole, body) || c.asked != 10 {
		t.Errorf("%d bytes by %d requests: %v", len(whole), c.asked, err)
	}
	a := Ahead(c, int64(len(body)), 300)
	for range 2000 {
		p, off := make([]byte, r.IntN(500)), int64(r.IntN(len(body)+200))
		n, err := a.ReadAt(p, off)
		want := body[min(off, int64(len(body))):min(off+int64(len(p)), int64(len(body)))]
		if !bytes.Equal(p[:n], want) || n < len(p) && !errors.Is(err, io.EOF) || n == len(p) && err != nil && !errors.Is(err, io.EOF) {
			t.Fatalf("%d bytes from %d on: %d, %v", len(p), off, n, err)
		}
	}
	if n, err := Ahead(c, 20_000, 300).ReadAt(make([]byte, 200), 9900); n != 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("of an object that is shorter than it should be: %d, %v", n, err)
	}
}
