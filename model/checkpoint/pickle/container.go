package pickle

import (
	"errors"
	"fmt"
	"strconv"
)

// container runs instructions on the stack, tuples, lists and dicts.
func (m *machine) container(op byte) (bool, error) {
	switch op {
	case opMark:
		m.push(mark{})
	case opPop:
		if len(m.stack) == 0 {
			return true, errors.New("the stack is empty")
		}
		m.stack = m.stack[:len(m.stack)-1]
	case opPopMark:
		_, err := m.popMark()
		return true, err
	case opDup:
		v, err := m.top()
		m.push(v)
		return true, err
	case opEmptyTuple:
		m.push(Tuple{})
	case opTuple1, opTuple2, opTuple3:
		items, err := m.popN(int(op) - opTuple1 + 1)
		m.push(Tuple(items))
		return true, err
	case opEmptyList, opEmptySet:
		m.push(&List{})
	case opEmptyDict:
		m.push(&Dict{})
	case opTuple, opList, opFrozenSet, opDict:
		return true, m.collect(op)
	case opAppend:
		items, err := m.popN(1)
		if err != nil {
			return true, err
		}
		return true, m.extend(items)
	case opAppends, opAddItems:
		items, err := m.popMark()
		if err != nil {
			return true, err
		}
		return true, m.extend(items)
	case opSetItem:
		items, err := m.popN(2)
		if err != nil {
			return true, err
		}
		return true, m.set(items)
	case opSetItems:
		items, err := m.popMark()
		if err != nil {
			return true, err
		}
		return true, m.set(items)
	default:
		return false, nil
	}
	return true, nil
}

// collect makes a container of everything above the mark.
func (m *machine) collect(op byte) error {
	items, err := m.popMark()
	if err != nil {
		return err
	}
	switch op {
	case opTuple:
		m.push(Tuple(items))
	case opDict:
		m.push(&Dict{})
		return m.set(items)
	default:
		m.push(&List{items})
	}
	return nil
}

// extend appends to the list on top of the stack.
func (m *machine) extend(items []any) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	l, ok := v.(*List)
	if !ok {
		return fmt.Errorf("a %T is appended to", v)
	}
	l.Items = append(l.Items, items...)
	return nil
}

// set puts keys and values, alternating, into the dict on top of the stack.
func (m *machine) set(items []any) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	d, ok := v.(*Dict)
	if !ok {
		return fmt.Errorf("items are set in a %T", v)
	}
	if len(items)%2 != 0 {
		return errors.New("a key has no value")
	}
	for i := 0; i < len(items); i += 2 {
		d.Entries = append(d.Entries, Entry{items[i], items[i+1]})
	}
	return nil
}

// memoize runs instructions on the memo, which is how a pickle says that two places hold the same object.
func (m *machine) memoize(op byte) (bool, error) {
	key := uint64(len(m.memo))
	var err error
	switch op {
	case opMemoize:
	case opBinPut, opBinGet:
		key, err = m.uint(1)
	case opLongBinPut, opLongBinGet:
		key, err = m.uint(4)
	case opPut, opGet:
		var s string
		if s, err = m.line(); err == nil {
			key, err = strconv.ParseUint(s, 10, 64)
		}
	default:
		return false, nil
	}
	if err != nil {
		return true, err
	}
	switch op {
	case opBinGet, opLongBinGet, opGet:
		v, ok := m.memo[key]
		if !ok {
			return true, fmt.Errorf("value %d is used before it is stored", key)
		}
		m.push(v)
	default:
		v, err := m.top()
		if _, isMark := v.(mark); isMark {
			err = errors.New("a mark is stored as a value")
		}
		m.memo[key] = v
		return true, err
	}
	return true, nil
}
