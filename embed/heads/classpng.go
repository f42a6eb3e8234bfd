package heads

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
)

// classPNG writes a map of classes as a grey PNG, row by row: image/png wants the whole picture in memory, which may have 64 million pixels.
type classPNG struct {
	out  bytes.Buffer
	idat bytes.Buffer
	z    *zlib.Writer
	wide bool // 16 bits a pixel
	row  []byte
}

func newClassPNG(width, height, classes int) *classPNG {
	m := &classPNG{wide: classes > 256}
	depth := byte(8)
	if m.wide {
		depth = 16
	}
	m.out.WriteString("\x89PNG\r\n\x1a\n")
	header := binary.BigEndian.AppendUint32(nil, uint32(width))
	header = binary.BigEndian.AppendUint32(header, uint32(height))
	m.chunk("IHDR", append(header, depth, 0, 0, 0, 0)) // grey; deflate, adaptive filters, not interlaced
	m.z = zlib.NewWriter(&m.idat)
	return m
}

// add appends a row of classes, unfiltered: they are numbers of no order.
func (m *classPNG) add(classes []int) {
	m.row = append(m.row[:0], 0)
	for _, c := range classes {
		if m.wide {
			m.row = append(m.row, byte(c>>8))
		}
		m.row = append(m.row, byte(c))
	}
	_, _ = m.z.Write(m.row) // into memory: it does not fail
}

// bytes ends the picture.
func (m *classPNG) bytes() []byte {
	_ = m.z.Close()
	m.chunk("IDAT", m.idat.Bytes())
	m.chunk("IEND", nil)
	return m.out.Bytes()
}

func (m *classPNG) chunk(kind string, data []byte) {
	n := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	sum := crc32.Update(crc32.ChecksumIEEE([]byte(kind)), crc32.IEEETable, data)
	m.out.Write(n)
	m.out.WriteString(kind)
	m.out.Write(data)
	m.out.Write(binary.BigEndian.AppendUint32(nil, sum))
}
