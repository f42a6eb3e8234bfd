package pickle

import "fmt"

// object runs the instructions that would import or call, through the resolver.
func (m *machine) object(op byte) (bool, error) {
	switch op {
	case opGlobal:
		module, err := m.line()
		if err != nil {
			return true, err
		}
		name, err := m.line()
		if err != nil {
			return true, err
		}
		return true, m.global(Global{module, name})
	case opStackGlobal:
		names, err := m.popN(2)
		if err != nil {
			return true, err
		}
		module, ok1 := names[0].(string)
		name, ok2 := names[1].(string)
		if !ok1 || !ok2 {
			return true, fmt.Errorf("a global is named by a %T and a %T", names[0], names[1])
		}
		return true, m.global(Global{module, name})
	case opInst:
		return true, m.instance()
	case opReduce, opNewObj, opNewObjEx:
		return true, m.call(op)
	case opBuild:
		v, err := m.popN(1)
		if err != nil {
			return true, err
		}
		obj, err := m.pop()
		if err != nil {
			return true, err
		}
		m.push(obj)
		return true, m.r.Build(obj, v[0])
	case opPersID, opBinPersID:
		return true, m.persistent(op)
	}
	return false, nil
}

func (m *machine) global(g Global) error {
	v, err := m.r.Global(g)
	m.push(v)
	return err
}

// call hands a function and its arguments to the resolver. Keyword arguments (NEWOBJ_EX) are not part of any file that is read.
func (m *machine) call(op byte) error {
	n := 2
	if op == opNewObjEx {
		n = 3
	}
	v, err := m.popN(n)
	if err != nil {
		return err
	}
	args, ok := v[1].(Tuple)
	if !ok {
		return fmt.Errorf("the arguments of a call are a %T", v[1])
	}
	if n == 3 {
		if kw, ok := v[2].(*Dict); !ok || len(kw.Entries) > 0 {
			return fmt.Errorf("a call has keyword arguments")
		}
	}
	out, err := m.r.Call(v[0], args)
	m.push(out)
	return err
}

// instance is protocol 0's call: the arguments lie above a mark, the class is named in the instruction.
func (m *machine) instance() error {
	module, err := m.line()
	if err != nil {
		return err
	}
	name, err := m.line()
	if err != nil {
		return err
	}
	args, err := m.popMark()
	if err != nil {
		return err
	}
	callee, err := m.r.Global(Global{module, name})
	if err != nil {
		return err
	}
	out, err := m.r.Call(callee, args)
	m.push(out)
	return err
}

func (m *machine) persistent(op byte) error {
	var id any
	var err error
	if op == opPersID {
		id, err = m.line()
	} else {
		id, err = m.pop()
	}
	if err != nil {
		return err
	}
	v, err := m.r.Persistent(id)
	m.push(v)
	return err
}
