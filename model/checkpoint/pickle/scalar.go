package pickle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// maxLong bounds a Python int, in bytes; torch's magic number has ten.
const maxLong = 256

var errShort = errors.New("the input ends in the middle")

func (m *machine) byte() (byte, error) {
	if m.pos >= len(m.in) {
		return 0, errShort
	}
	m.pos++
	return m.in[m.pos-1], nil
}

// take gives the next n bytes, which alias the input.
func (m *machine) take(n uint64) ([]byte, error) {
	if n > uint64(len(m.in)-m.pos) {
		return nil, errShort
	}
	m.pos += int(n)
	return m.in[m.pos-int(n) : m.pos : m.pos], nil
}

// uint reads a little-endian number of width bytes.
func (m *machine) uint(width uint64) (uint64, error) {
	b, err := m.take(width)
	var v uint64
	for i := len(b) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v, err
}

// line reads up to a newline.
func (m *machine) line() (string, error) {
	n := bytes.IndexByte(m.in[m.pos:], '\n')
	if n < 0 {
		return "", errShort
	}
	b, _ := m.take(uint64(n) + 1)
	return m.text8(b[:n])
}

// text8 copies a string, within the limit on all of them.
func (m *machine) text8(b []byte) (string, error) {
	if m.strings += len(b); m.strings > maxString {
		return "", fmt.Errorf("the strings of the pickle take more than %d bytes", maxString)
	}
	return string(b), nil
}

// scalar runs instructions that push a number, a boolean or None.
func (m *machine) scalar(op byte) (bool, error) {
	switch op {
	case opProto:
		v, err := m.byte()
		if err == nil && v > 5 {
			err = fmt.Errorf("unknown pickle protocol %d", v)
		}
		return true, err
	case opFrame:
		_, err := m.take(8)
		return true, err
	case opNone:
		m.push(nil)
	case opNewTrue, opNewFalse:
		m.push(op == opNewTrue)
	case opBinInt1, opBinInt2, opBinInt:
		v, err := m.uint(map[byte]uint64{opBinInt1: 1, opBinInt2: 2, opBinInt: 4}[op])
		if op == opBinInt {
			m.push(int64(int32(v)))
		} else {
			m.push(int64(v))
		}
		return true, err
	case opLong1, opLong4:
		return true, m.long(map[byte]uint64{opLong1: 1, opLong4: 4}[op])
	case opInt, opLong:
		return true, m.decimal()
	case opBinFloat:
		b, err := m.take(8)
		if err == nil {
			m.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
		}
		return true, err
	case opFloat:
		s, err := m.line()
		if err != nil {
			return true, err
		}
		v, err := strconv.ParseFloat(s, 64)
		m.push(v)
		return true, err
	default:
		return false, nil
	}
	return true, nil
}

// long reads a two's-complement number with its length before it.
func (m *machine) long(width uint64) error {
	n, err := m.uint(width)
	if err != nil {
		return err
	}
	if n > maxLong {
		return fmt.Errorf("a number of %d bytes", n)
	}
	b, err := m.take(n)
	if err != nil {
		return err
	}
	be := make([]byte, len(b))
	for i, x := range b {
		be[len(b)-1-i] = x
	}
	v := new(big.Int).SetBytes(be)
	if len(be) > 0 && be[0]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(be))))
	}
	m.pushInt(v)
	return nil
}

// decimal reads a number in text; 00 and 01 are the booleans of protocol 0.
func (m *machine) decimal() error {
	s, err := m.line()
	if err != nil {
		return err
	}
	if s == "00" || s == "01" {
		m.push(s == "01")
		return nil
	}
	if len(s) > maxLong {
		return fmt.Errorf("a number of %d digits", len(s))
	}
	v, ok := new(big.Int).SetString(strings.TrimSuffix(s, "L"), 10)
	if !ok {
		return fmt.Errorf("%q is no number", s)
	}
	m.pushInt(v)
	return nil
}

func (m *machine) pushInt(v *big.Int) {
	if v.IsInt64() {
		m.push(v.Int64())
	} else {
		m.push(v)
	}
}

// text runs instructions that push a string or bytes.
func (m *machine) text(op byte) (bool, error) {
	var width uint64
	switch op {
	case opShortUnicode, opShortBinString, opShortBinBytes:
		width = 1
	case opBinUnicode, opBinString, opBinBytes:
		width = 4
	case opUnicode8, opBytes8, opByteArray8:
		width = 8
	case opString, opUnicode:
		s, err := m.line()
		if q := len(s) - 1; op == opString && q > 0 && s[0] == s[q] {
			s = s[1:q]
		}
		m.push(s)
		return true, err
	default:
		return false, nil
	}
	n, err := m.uint(width)
	if err != nil {
		return true, err
	}
	b, err := m.take(n)
	if err != nil {
		return true, err
	}
	switch op {
	case opShortBinBytes, opBinBytes, opBytes8, opByteArray8:
		m.push(b)
	default:
		s, err := m.text8(b)
		m.push(s)
		return true, err
	}
	return true, nil
}
