package checkpoint

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"unsafe"

	"vecmill/model/float16"
)

// DType is the element type of a stored tensor, in the spelling of safetensors.
type DType string

// The element types that convert to float32.
const (
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
	F64  DType = "F64"
)

// size is the bytes of one element; 0 if the type is unknown.
func (d DType) size() int64 {
	switch d {
	case "BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2":
		return 1
	case F16, BF16, "I16", "U16":
		return 2
	case F32, "I32", "U32":
		return 4
	case F64, "I64", "U64":
		return 8
	}
	return 0
}

// Tensor is one stored weight: little-endian, in the file's own memory. What it gives is row-major, however the file lays it out.
// It is valid until its Checkpoint is closed.
type Tensor struct {
	Name    string // as the checkpoint has it
	DType   DType  // as it is stored
	Shape   []int  // empty for a scalar
	raw     []byte
	strides []int  // of each dimension, in elements; nil if raw is row-major, and then it is exactly the tensor
	file    string // that raw lies in; empty if in none
	at      int64  // byte of file at which raw begins
}

// Stored says where a file holds exactly the bytes that WriteTo writes: the file's name in the checkpoint's directory and the first byte.
// Such a weight can be used where it lies. ok is false for other element types, orders of dimensions and compressed data.
func (t *Tensor) Stored() (file string, at int64, ok bool) {
	return t.file, t.at, t.file != "" && t.DType == F32 && t.strides == nil
}

// locate notes where raw lies if that is in data, the bytes of file.
func (t *Tensor) locate(file string, data []byte) {
	if len(t.raw) == 0 || len(data) == 0 {
		return
	}
	at := uintptr(unsafe.Pointer(&t.raw[0])) - uintptr(unsafe.Pointer(&data[0])) // compared, never followed; wraps if it lies before
	if at <= uintptr(len(data)-min(len(data), len(t.raw))) {
		t.file, t.at = file, int64(at)
	}
}

// Elements is the number of elements; 1 for a scalar.
func (t *Tensor) Elements() int { return product(t.Shape) }

// Float32 converts the tensor to float32. F16 and BF16 widen exactly, F64 is rounded to the nearest, as the reference does when it loads.
func (t *Tensor) Float32() ([]float32, error) {
	if err := t.floating(); err != nil {
		return nil, err
	}
	out := make([]float32, t.count())
	rest := out
	t.rows(func(row []byte, n, step int) {
		widen(rest[:n], row, step, t.DType)
		rest = rest[n:]
	})
	return out, nil
}

// Int64 converts a tensor of integers or booleans to int64.
func (t *Tensor) Int64() ([]int64, error) {
	var read func(b []byte) int64
	switch t.DType {
	case "BOOL", "U8":
		read = func(b []byte) int64 { return int64(b[0]) }
	case "I8":
		read = func(b []byte) int64 { return int64(int8(b[0])) }
	case "I16":
		read = func(b []byte) int64 { return int64(int16(binary.LittleEndian.Uint16(b))) }
	case "I32":
		read = func(b []byte) int64 { return int64(int32(binary.LittleEndian.Uint32(b))) }
	case "I64":
		read = func(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) }
	default:
		return nil, fmt.Errorf("tensor %s has element type %s, not an integer one", t.Name, t.DType)
	}
	width := int(t.DType.size())
	out := make([]int64, 0, t.count())
	t.rows(func(row []byte, n, step int) {
		for i := range n {
			out = append(out, read(row[i*step*width:]))
		}
	})
	return out, nil
}

// WriteTo writes the tensor as little-endian float32: verbatim from the file's memory for row-major F32, through a small buffer for
// the others. It implements io.WriterTo.
func (t *Tensor) WriteTo(w io.Writer) (int64, error) {
	if err := t.floating(); err != nil {
		return 0, err
	}
	if t.DType == F32 && t.strides == nil {
		n, err := w.Write(t.raw)
		return int64(n), err
	}
	const chunk = 16 << 10 // elements
	width := int(t.DType.size())
	values, bytes := make([]float32, chunk), make([]byte, 0, 4*chunk)
	var total int64
	var failed error
	flush := func() {
		n, err := w.Write(bytes)
		total, failed, bytes = total+int64(n), err, bytes[:0]
	}
	t.rows(func(row []byte, n, step int) {
		for failed == nil && n > 0 {
			k := min(n, (cap(bytes)-len(bytes))/4)
			widen(values[:k], row, step, t.DType)
			for _, v := range values[:k] {
				bytes = binary.LittleEndian.AppendUint32(bytes, math.Float32bits(v))
			}
			if len(bytes) == cap(bytes) {
				flush()
			}
			if n -= k; n > 0 {
				row = row[k*step*width:]
			}
		}
	})
	if failed == nil && len(bytes) > 0 {
		flush()
	}
	return total, failed
}

func (t *Tensor) floating() error {
	switch t.DType {
	case F32, F16, BF16, F64:
		return nil
	}
	return fmt.Errorf("weight %s has element type %s; supported are F64, F32, F16 and BF16", t.Name, t.DType)
}

// widen decodes, or rounds, len(dst) elements of raw that lie step elements apart.
func widen(dst []float32, raw []byte, step int, d DType) {
	switch d {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i*step:]))
		}
	case F16:
		for i := range dst {
			dst[i] = float16.Float(binary.LittleEndian.Uint16(raw[2*i*step:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(raw[2*i*step:])) << 16)
		}
	case F64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i*step:])))
		}
	}
}

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
