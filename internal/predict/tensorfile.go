package predict

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"

	"vecmill/embed"
	"vecmill/model/checkpoint"
)

// readTensors reads a safetensors file: floating types as float32, integers and booleans as int64.
func readTensors(path string) (_ map[string]embed.Tensor, err error) {
	file, err := checkpoint.OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	all := map[string]embed.Tensor{}
	for _, name := range file.Names() {
		stored, _ := file.Tensor(name)
		t := embed.Tensor{Name: name}
		for _, d := range stored.Shape {
			t.Shape = append(t.Shape, int64(d))
		}
		switch stored.DType {
		case checkpoint.F32, checkpoint.F16, checkpoint.BF16:
			t.F32, err = stored.Float32()
		default:
			t.I64, err = stored.Int64()
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		all[name] = t
	}
	return all, nil
}

// writeTensors writes a safetensors file, tensors in the order given.
func writeTensors(path string, tensors []embed.Tensor) error {
	data, err := encodeTensors(tensors)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return fmt.Errorf("writing tensors: %w", err)
	}
	return nil
}

func encodeTensors(tensors []embed.Tensor) ([]byte, error) {
	type entry struct {
		DType   string   `json:"dtype"`
		Shape   []int64  `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	header, body := map[string]entry{}, []byte{}
	for _, t := range tensors {
		e := entry{DType: "F32", Shape: append([]int64{}, t.Shape...)}
		e.Offsets[0] = int64(len(body))
		for _, v := range t.F32 {
			body = binary.LittleEndian.AppendUint32(body, math.Float32bits(v))
		}
		if t.F32 == nil {
			e.DType = "I64"
			for _, v := range t.I64 {
				body = binary.LittleEndian.AppendUint64(body, uint64(v))
			}
		}
		e.Offsets[1] = int64(len(body))
		if _, twice := header[t.Name]; twice {
			return nil, fmt.Errorf("two tensors are named %s", t.Name)
		}
		header[t.Name] = e
	}
	head, err := json.Marshal(header)
	if err != nil {
		return nil, err
	}
	head = append(head, bytes.Repeat([]byte(" "), (8-len(head)%8)%8)...) // readers map the data: keep it aligned
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(head))), append(head, body...)...), nil
}
