package arrowfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// ErrDamaged says that a file's own words do not fit its bytes.
var ErrDamaged = errors.New("the file is damaged")

// prefix begins every message: four bytes of ones, and the length of the message's metadata.
const (
	prefix       = 8
	continuation = 0xffffffff
)

// messages implements ipc.MessageReader for a stream of known length, of which every message lies inside.
type messages struct {
	in   io.Reader
	left int64 // bytes of in that are not read
	last *ipc.Message
}

// Message gives the next message, and io.EOF behind the mark of the end, which has to be the file's end.
func (m *messages) Message() (*ipc.Message, error) {
	length, err := m.begin()
	switch {
	case err != nil:
		return nil, err
	case length == 0 && m.left != 0:
		return nil, fmt.Errorf("%w: %d bytes behind its end", ErrDamaged, m.left)
	case length == 0:
		return nil, io.EOF
	}
	meta, err := m.bytes(length)
	if err != nil {
		return nil, err
	}
	if err := sound(meta.Bytes()); err != nil {
		return nil, err
	}
	probe := ipc.NewMessage(meta, memory.NewBufferBytes([]byte{}))
	body, err := m.bytes(probe.BodyLen())
	probe.Release()
	if err != nil {
		return nil, err
	}
	m.Release()
	m.last = ipc.NewMessage(meta, body)
	return m.last, nil
}

// begin reads a prefix; 0 is the mark of the end.
func (m *messages) begin() (length int64, err error) {
	head, err := m.bytes(prefix)
	if err != nil {
		return 0, err
	}
	length = int64(int32(binary.LittleEndian.Uint32(head.Bytes()[4:])))
	if binary.LittleEndian.Uint32(head.Bytes()) != continuation {
		return 0, fmt.Errorf("%w: no message where one has to begin", ErrDamaged)
	}
	return length, nil
}

// bytes reads the next n bytes, if there are so many.
func (m *messages) bytes(n int64) (*memory.Buffer, error) {
	if n < 0 || n > m.left {
		return nil, fmt.Errorf("%w: %d bytes are to come, and %d are there", ErrDamaged, n, m.left)
	}
	out := make([]byte, n)
	if _, err := io.ReadFull(m.in, out); err != nil {
		return nil, fmt.Errorf("reading %d bytes: %w", n, noEOF(err)) // the library takes io.EOF for the end of a sound file
	}
	m.left -= n
	return memory.NewBufferBytes(out), nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Retain implements ipc.MessageReader; a reader here has one owner.
func (m *messages) Retain() {}

// Release implements ipc.MessageReader.
func (m *messages) Release() {
	if m.last != nil {
		m.last.Release()
		m.last = nil
	}
}
