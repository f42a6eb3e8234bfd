package vorbis

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

var errFloor0 = errors.New("floor type 0 is not supported in this build: it is of encoders before the year 2001")

// Head is what the identification header says.
type Head struct {
	Channels, Rate int // 1 to 255, and samples of each a second
	short, long    int // sizes of blocks
}

// ParseHead reads the identification header, a stream's first packet.
func ParseHead(b []byte) (Head, error) {
	if len(b) < 30 || b[0] != 1 || !bytes.HasPrefix(b[1:], []byte("vorbis")) {
		return Head{}, errors.New("no identification header")
	}
	h := Head{Channels: int(b[11]), Rate: int(binary.LittleEndian.Uint32(b[12:])), short: 1 << (b[28] & 15), long: 1 << (b[28] >> 4)}
	switch {
	case binary.LittleEndian.Uint32(b[7:]) != 0:
		return Head{}, fmt.Errorf("version %d", binary.LittleEndian.Uint32(b[7:]))
	case h.short < 64 || h.short > h.long || h.long > 8192 || b[29]&1 == 0 || h.Channels == 0 || h.Rate == 0:
		return Head{}, errors.New("damaged identification header")
	}
	return h, nil
}

type coupling struct{ magnitude, angle int }

type mapping struct {
	couplings []coupling
	mux       []int // submap of each channel
	floors    []int // of submaps
	residues  []int
}

type mode struct {
	long    bool
	mapping int
}

// setup is what the third header says: how packets are to be read.
type setup struct {
	books    []*book
	floors   []*floor
	residues []*residue
	mappings []mapping
	modes    []mode
}

// parseSetup reads the setup header.
func parseSetup(b []byte, h Head) (*setup, error) {
	if len(b) < 7 || b[0] != 5 || !bytes.HasPrefix(b[1:], []byte("vorbis")) {
		return nil, errors.New("no setup header")
	}
	r := &bitReader{b: b[7:]}
	s := &setup{}
	left := &budget{entries: maxEntries, values: maxValues}
	for range r.read(8) + 1 {
		k, err := parseBook(r, left)
		if err != nil {
			return nil, err
		}
		s.books = append(s.books, k)
	}
	for range r.read(6) + 1 {
		if r.read(16) != 0 {
			return nil, errSetup
		}
	}
	for range r.read(6) + 1 {
		f, err := parseFloor(r, len(s.books))
		if err != nil {
			return nil, err
		}
		s.floors = append(s.floors, f)
	}
	for range r.read(6) + 1 {
		d, err := parseResidue(r, s.books)
		if err != nil {
			return nil, err
		}
		s.residues = append(s.residues, d)
	}
	if err := s.parseMappings(r, h.Channels); err != nil {
		return nil, err
	}
	for range r.read(6) + 1 {
		m := mode{long: r.flag()}
		types := r.read(32)
		if m.mapping = r.read(8); types != 0 || m.mapping >= len(s.mappings) {
			return nil, errSetup
		}
		s.modes = append(s.modes, m)
	}
	if !r.flag() || r.ended() {
		return nil, errSetup
	}
	return s, nil
}

// parseMappings reads the mappings: how channels are put together, and which floor and residue each has.
func (s *setup) parseMappings(r *bitReader, channels int) error {
	for range r.read(6) + 1 {
		var m mapping
		if r.read(16) != 0 {
			return errSetup
		}
		submaps := 1
		if r.flag() {
			submaps = r.read(4) + 1
		}
		if r.flag() {
			width := ilog(channels - 1)
			for range r.read(8) + 1 {
				c := coupling{r.read(width), r.read(width)}
				if c.magnitude == c.angle || c.magnitude >= channels || c.angle >= channels {
					return errSetup
				}
				m.couplings = append(m.couplings, c)
			}
		}
		reserved := r.read(2)
		m.mux = make([]int, channels)
		if submaps > 1 {
			for c := range m.mux {
				if m.mux[c] = r.read(4); m.mux[c] >= submaps {
					return errSetup
				}
			}
		}
		for range submaps {
			r.read(8)
			f, d := r.read(8), r.read(8)
			if f >= len(s.floors) || d >= len(s.residues) {
				return errSetup
			}
			m.floors, m.residues = append(m.floors, f), append(m.residues, d)
		}
		if reserved != 0 || r.ended() {
			return errSetup
		}
		s.mappings = append(s.mappings, m)
	}
	return nil
}
