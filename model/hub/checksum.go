package hub

import (
	"crypto/sha1" //nolint:gosec // git's blob ids are what the Hub announces for small files
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
)

// Lengths of checksums in hex.
const (
	sha256Hex = 2 * sha256.Size
	sha1Hex   = 2 * sha1.Size
)

// verify compares a file with what was announced. checked is false if the ETag is no checksum that is known (a mirror's, say);
// then only the size was compared. A difference is errChecksum.
func verify(path string, m meta) (checked bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }() // only read
	st, err := f.Stat()
	if err != nil {
		return false, err
	}
	if m.size >= 0 && st.Size() != m.size {
		return false, fmt.Errorf("%w: %d bytes instead of %d", errChecksum, st.Size(), m.size)
	}
	var h hash.Hash
	switch _, err := hex.DecodeString(m.etag); {
	case err != nil:
		return false, nil
	case len(m.etag) == sha256Hex:
		h = sha256.New()
	case len(m.etag) == sha1Hex:
		h = sha1.New()
		_, _ = fmt.Fprintf(h, "blob %d\x00", st.Size()) // a hash takes everything
	default:
		return false, nil
	}
	if _, err := io.CopyBuffer(h, f, make([]byte, 1<<20)); err != nil {
		return false, err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != m.etag {
		return true, fmt.Errorf("%w: checksum %s instead of %s", errChecksum, got, m.etag)
	}
	return true, nil
}
