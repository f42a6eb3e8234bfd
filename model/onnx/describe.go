package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Description is what a model file says about itself.
type Description struct {
	Inputs   []Port   // graph inputs that are not weights
	Outputs  []Port   //
	Opset    int64    // version of the default domain, 0 if it imports none
	External []string // locations of external data files, sorted, each once
}

// Describe reads the encoded model in b without touching its weights. Bytes that are no ONNX model are an error.
func Describe(b []byte) (*Description, error) {
	var d Description
	var graph []byte
	err := fields(b, func(n protowire.Number, v protowire.Type, m []byte, _ uint64) error {
		switch {
		case n == modelGraph && v == protowire.BytesType:
			graph = m
		case n == modelOpsetImport && v == protowire.BytesType:
			return d.opset(m)
		}
		return nil
	})
	if err == nil && graph == nil {
		err = errors.New("it has no graph")
	}
	if err == nil {
		err = d.graph(graph)
	}
	if err == nil && len(d.Outputs) == 0 {
		err = errors.New("its graph has no outputs")
	}
	if err != nil {
		return nil, fmt.Errorf("not an ONNX model: %w", err)
	}
	slices.Sort(d.External)
	d.External = slices.Compact(d.External)
	return &d, nil
}

func (d *Description) opset(m []byte) error {
	var domain string
	var version int64
	err := fields(m, func(n protowire.Number, v protowire.Type, s []byte, u uint64) error {
		switch {
		case n == opsetDomain && v == protowire.BytesType:
			domain = string(s)
		case n == opsetVersion && v == protowire.VarintType:
			version = int64(u)
		}
		return nil
	})
	if domain == "" {
		d.Opset = version
	}
	return err
}

func (d *Description) graph(b []byte) error {
	weights := map[string]bool{}
	var ins []Port
	err := fields(b, func(n protowire.Number, v protowire.Type, m []byte, _ uint64) error {
		if v != protowire.BytesType {
			return nil
		}
		switch n {
		case graphInitializer:
			name, location, err := tensor(m)
			weights[name] = true
			if location != "" {
				d.External = append(d.External, location)
			}
			return err
		case graphInput:
			p, err := port(m)
			ins = append(ins, p)
			return err
		case graphOutput:
			p, err := port(m)
			d.Outputs = append(d.Outputs, p)
			return err
		}
		return nil
	})
	for _, p := range ins {
		if !weights[p.Name] { // old exporters list the weights among the inputs
			d.Inputs = append(d.Inputs, p)
		}
	}
	return err
}

// tensor reads a TensorProto's name and, if its data lies in another file, that file's location.
func tensor(b []byte) (name, location string, err error) {
	err = fields(b, func(n protowire.Number, v protowire.Type, m []byte, _ uint64) error {
		switch {
		case v != protowire.BytesType:
		case n == tensorName:
			name = string(m)
		case n == tensorExternalData:
			var key, value string
			err := fields(m, func(n protowire.Number, _ protowire.Type, s []byte, _ uint64) error {
				switch n {
				case entryKey:
					key = string(s)
				case entryValue:
					value = string(s)
				}
				return nil
			})
			if key == "location" {
				location = value
			}
			return err
		}
		return nil
	})
	return name, location, err
}

func port(b []byte) (Port, error) {
	var p Port
	err := fields(b, func(n protowire.Number, v protowire.Type, m []byte, _ uint64) error {
		switch {
		case v != protowire.BytesType:
		case n == valueInfoName:
			p.Name = string(m)
		case n == valueInfoType:
			return fields(m, func(n protowire.Number, v protowire.Type, m []byte, _ uint64) error {
				if n != typeTensor || v != protowire.BytesType {
					return nil
				}
				return p.tensorType(m)
			})
		}
		return nil
	})
	return p, err
}

func (p *Port) tensorType(b []byte) error {
	return fields(b, func(n protowire.Number, v protowire.Type, m []byte, u uint64) error {
		switch {
		case n == tensorElem && v == protowire.VarintType && u < math.MaxInt32:
			p.Type = Type(u)
		case n == tensorShape && v == protowire.BytesType:
			return fields(m, func(n protowire.Number, v protowire.Type, m []byte, _ uint64) error {
				if n != shapeDim || v != protowire.BytesType {
					return nil
				}
				d, err := dim(m)
				p.Dims = append(p.Dims, d)
				return err
			})
		}
		return nil
	})
}

// dim reads one axis. One with neither a value nor a name is dynamic and gets the name "?".
func dim(b []byte) (Dim, error) {
	d := Dim{Name: "?"}
	err := fields(b, func(n protowire.Number, v protowire.Type, m []byte, u uint64) error {
		switch {
		case n == dimValue && v == protowire.VarintType:
			if u > math.MaxInt32 {
				return fmt.Errorf("an axis of length %d", u)
			}
			d = Dim{N: int(u)}
		case n == dimParam && v == protowire.BytesType && len(m) > 0:
			d = Dim{Name: string(m)}
		}
		return nil
	})
	return d, err
}

// fields calls f for each field of a message with its bytes or its integer value. Every length is checked against what there is.
func fields(b []byte, f func(n protowire.Number, t protowire.Type, m []byte, v uint64) error) error {
	for len(b) > 0 {
		n, t, k := protowire.ConsumeTag(b)
		if k < 0 {
			return protowire.ParseError(k)
		}
		b = b[k:]
		var m []byte
		var v uint64
		switch t {
		case protowire.BytesType:
			m, k = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			v, k = protowire.ConsumeVarint(b)
		default:
			k = protowire.ConsumeFieldValue(n, t, b)
		}
		if k < 0 {
			return protowire.ParseError(k)
		}
		if err := f(n, t, m, v); err != nil {
			return err
		}
		b = b[k:]
	}
	return nil
}
