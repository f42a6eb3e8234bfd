package beam

// setOrder gives the order in which CPython 3.7 to 3.13 walks set(ids) | {top}: the order of an open-addressing table, which the reference's
// search inherits. ids ascend and are not negative.
func setOrder(ids []int, top int) []int {
	var first pySet
	first.resize(0)
	for _, id := range ids {
		first.add(id)
	}
	var out pySet
	out.resize(0)
	out.merge(&first)
	one := pySet{}
	one.resize(0)
	one.add(top)
	out.merge(&one)
	order := make([]int, 0, out.used)
	for _, e := range out.slots {
		if e != 0 {
			order = append(order, e-1)
		}
	}
	return order
}

// pySet is the table: each slot holds a number plus one, 0 if it is free. Nothing is ever taken out.
type pySet struct {
	slots []int
	used  int
}

const (
	smallest     = 8
	linearProbes = 9
	perturbShift = 5
)

// resize makes a table of the power of two above least and moves everything there in the old order.
func (s *pySet) resize(least int) {
	size := smallest
	for size <= least {
		size *= 2
	}
	old := s.slots
	s.slots = make([]int, size)
	for _, e := range old {
		if e != 0 {
			s.slots[s.place(e)] = e
		}
	}
}

// place finds the slot of an entry: the one that holds it, or a free one.
func (s *pySet) place(e int) int {
	mask := uint(len(s.slots) - 1)
	perturb := uint(e - 1)
	i := perturb & mask
	for {
		probes := uint(0)
		if i+linearProbes <= mask {
			probes = linearProbes
		}
		for at := i; at <= i+probes; at++ {
			if s.slots[at] == 0 || s.slots[at] == e {
				return int(at)
			}
		}
		perturb >>= perturbShift
		i = (i*5 + 1 + perturb) & mask
	}
}

func (s *pySet) add(id int) {
	at := s.place(id + 1)
	if s.slots[at] != 0 {
		return
	}
	s.slots[at] = id + 1
	s.used++
	if s.used*5 >= (len(s.slots)-1)*3 {
		least := s.used * 4
		if s.used > 50000 {
			least = s.used * 2
		}
		s.resize(least)
	}
}

// merge adds another set.
func (s *pySet) merge(other *pySet) {
	if other.used == 0 {
		return
	}
	if (s.used+other.used)*5 >= (len(s.slots)-1)*3 {
		s.resize((s.used + other.used) * 2)
	}
	if s.used == 0 {
		if len(s.slots) == len(other.slots) {
			copy(s.slots, other.slots)
		} else {
			for _, e := range other.slots {
				if e != 0 {
					s.slots[s.place(e)] = e
				}
			}
		}
		s.used = other.used
		return
	}
	for _, e := range other.slots {
		if e != 0 {
			s.add(e - 1)
		}
	}
}
