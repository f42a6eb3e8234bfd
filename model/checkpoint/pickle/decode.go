package pickle

import (
	"errors"
	"fmt"
)

// Limits of one pickle. A state dict of a thousand tensors takes some forty thousand opcodes and a hundred kilobytes of strings.
const (
	maxOps    = 4 << 20
	maxString = 64 << 20 // bytes of all strings
)

// mark separates the arguments of a call or container on the stack.
type mark struct{}

// machine is the state of one decoding: Python's pickle machine without the power to call.
type machine struct {
	in      []byte
	pos     int
	stack   []any
	memo    map[uint64]any
	strings int // bytes copied so far
	r       Resolver
}

// Decode reads the pickle at the start of b and returns its value and the bytes it took.
func Decode(b []byte, r Resolver) (value any, n int, err error) {
	m := &machine{in: b, memo: map[uint64]any{}, r: r}
	for range maxOps {
		at := m.pos
		op, err := m.byte()
		if err != nil {
			return nil, 0, fmt.Errorf("the pickle has no end: %w", err)
		}
		if op == opStop {
			v, err := m.pop()
			if err != nil {
				return nil, 0, err
			}
			return v, m.pos, nil
		}
		if err := m.step(op); err != nil {
			return nil, 0, fmt.Errorf("at byte %d of the pickle: %w", at, err)
		}
	}
	return nil, 0, fmt.Errorf("the pickle has more than %d instructions", maxOps)
}

// step runs one instruction. The kinds are split by what they do, to keep each table readable.
func (m *machine) step(op byte) error {
	for _, kind := range []func(byte) (bool, error){m.scalar, m.text, m.container, m.memoize, m.object} {
		if known, err := kind(op); known || err != nil {
			return err
		}
	}
	return fmt.Errorf("unknown opcode 0x%02x: not a pickle, or a damaged one", op)
}

func (m *machine) push(v any) { m.stack = append(m.stack, v) }

func (m *machine) pop() (any, error) {
	if len(m.stack) == 0 {
		return nil, errors.New("the stack is empty")
	}
	v := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	if _, ok := v.(mark); ok {
		return nil, errors.New("a mark is where a value should be")
	}
	return v, nil
}

// popMark takes everything above the last mark, and the mark.
func (m *machine) popMark() ([]any, error) {
	for i := len(m.stack) - 1; i >= 0; i-- {
		if _, ok := m.stack[i].(mark); ok {
			items := append([]any(nil), m.stack[i+1:]...)
			m.stack = m.stack[:i]
			return items, nil
		}
	}
	return nil, errors.New("there is no mark on the stack")
}

// popN takes the last n values.
func (m *machine) popN(n int) ([]any, error) {
	if len(m.stack) < n {
		return nil, errors.New("the stack is empty")
	}
	items := append([]any(nil), m.stack[len(m.stack)-n:]...)
	for _, v := range items {
		if _, ok := v.(mark); ok {
			return nil, errors.New("a mark is where a value should be")
		}
	}
	m.stack = m.stack[:len(m.stack)-n]
	return items, nil
}

// top is the value below everything that is about to be popped.
func (m *machine) top() (any, error) {
	if len(m.stack) == 0 {
		return nil, errors.New("the stack is empty")
	}
	return m.stack[len(m.stack)-1], nil
}
