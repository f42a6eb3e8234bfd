package shard

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// ErrDamaged says that a file cannot be read as a tar file from some place on.
var ErrDamaged = errors.New("it is damaged, or no tar file")

// Member is a file in a tar file: Size bytes from Off on.
type Member struct {
	Name      string
	Off, Size int64
}

// Sample is what WebDataset calls the key: members that agree in it, up to the first dot of the name's last part, are one sample.
func (m *Member) Sample() string {
	dir, base := path.Split(m.Name)
	base, _, _ = strings.Cut(base, ".")
	return dir + base
}

// block is what the places of headers and members are multiples of.
const block = 512

// Members calls each for every regular file of a tar file of size bytes, from the header at byte from on; next is where the next one's header is. Directories and links are passed over. An error of
// body or each ends it, and is returned; other errors are ErrDamaged.
func Members(body io.ReaderAt, size, from int64, each func(m *Member, next int64) error) error {
	w := &window{body: body, size: size, pos: from}
	r := tar.NewReader(w)
	for {
		h, err := r.Next()
		switch {
		case w.fault != nil:
			return w.fault
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%w: behind byte %d: %w", ErrDamaged, w.pos, err)
		case h.Typeflag == tar.TypeGNUSparse || h.PAXRecords["GNU.sparse.major"] != "" || h.PAXRecords["GNU.sparse.map"] != "":
			return fmt.Errorf("%w: member %s is sparse, and not there as one range of bytes", ErrDamaged, h.Name)
		case h.Typeflag != tar.TypeReg:
			continue
		case h.Size > size-w.pos:
			return fmt.Errorf("%w: member %s has %d bytes, and %d are left", ErrDamaged, h.Name, h.Size, size-w.pos)
		}
		m := &Member{Name: h.Name, Off: w.pos, Size: h.Size}
		if err := each(m, m.Off+(m.Size+block-1)/block*block); err != nil {
			return err
		}
	}
}

// Sizes of a window.
const (
	narrow = 64 << 10
	wide   = 4 << 20
)

// window is what of a file is in memory. It implements io.ReadSeeker, which archive/tar moves over members.
type window struct {
	body  io.ReaderAt
	size  int64
	pos   int64
	at    int64 // where buf begins
	buf   []byte
	next  int // bytes to read the next time
	fault error
}

// Read implements io.Reader.
func (w *window) Read(p []byte) (int, error) {
	if w.pos >= w.size {
		return 0, io.EOF
	}
	if w.pos < w.at || w.pos >= w.at+int64(len(w.buf)) {
		if w.fault = w.fill(); w.fault != nil {
			return 0, w.fault
		}
	}
	n := copy(p, w.buf[w.pos-w.at:])
	w.pos += int64(n)
	return n, nil
}

// fill reads from pos on: twice as much as before where that is the end of what is there, else little.
func (w *window) fill() error {
	if len(w.buf) > 0 && w.pos < w.at+int64(len(w.buf))+narrow {
		w.next = min(2*w.next, wide)
	} else {
		w.next = narrow
	}
	n := int(min(int64(w.next), w.size-w.pos))
	if cap(w.buf) < n {
		w.buf = make([]byte, n)
	}
	w.buf, w.at = w.buf[:n], w.pos
	got, err := w.body.ReadAt(w.buf, w.pos)
	if got < n {
		if errors.Is(err, io.EOF) || err == nil {
			err = io.ErrUnexpectedEOF
		}
		w.buf = w.buf[:0]
		return err
	}
	return nil
}

// Seek implements io.Seeker, forward and within the file, as archive/tar asks for it.
func (w *window) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		off += w.pos
	case io.SeekEnd:
		off += w.size
	}
	if off < 0 {
		return w.pos, errors.New("seeking before the beginning")
	}
	w.pos = off
	return off, nil
}
