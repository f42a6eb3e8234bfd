package predict

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

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
		case checkpoint.F32, checkpoint.F16, checkpoint.BF16, checkpoint.F64:
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

// mayWrite says beforehand what a file of tensors would fail with at the end: its place is none. An empty path is no file.
func mayWrite(path string) error {
	if path == "" {
		return nil
	}
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return faultf("the tensors cannot be written to %s, which is a directory", path)
	}
	if st, err := os.Stat(filepath.Dir(path)); err != nil || !st.IsDir() {
		return faultf("the tensors cannot be written to %s: there is no directory %s", path, filepath.Dir(path))
	}
	return nil
}

// writeTensors writes a safetensors file, tensors in the order given. The file appears complete or not at all.
func writeTensors(path string, tensors []embed.Tensor) error {
	if err := replace(path, func(w *bufio.Writer) error { return encodeTensors(w, tensors) }); err != nil {
		return fmt.Errorf("writing tensors to %s: %w", path, err)
	}
	return nil
}

// replace writes a file beside path and renames it; a path that is no file, like /dev/stdout, is written as it is.
func replace(path string, write func(*bufio.Writer) error) (err error) {
	var f *os.File
	st, missing := os.Stat(path)
	plain := missing != nil || st.Mode().IsRegular()
	if plain {
		f, err = os.CreateTemp(filepath.Dir(path), ".tensors-")
	} else {
		f, err = os.OpenFile(path, os.O_WRONLY, 0)
	}
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if err = errors.Join(write(w), w.Flush()); err == nil && plain {
		err = f.Chmod(0o644) // CreateTemp's is the owner's alone
	}
	if err = errors.Join(err, f.Close()); !plain {
		return err
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func encodeTensors(w *bufio.Writer, tensors []embed.Tensor) error {
	type entry struct {
		DType   string   `json:"dtype"`
		Shape   []int64  `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	header, at := map[string]entry{}, int64(0)
	for _, t := range tensors {
		e := entry{DType: "F32", Shape: append([]int64{}, t.Shape...)}
		size := 4 * int64(len(t.F32))
		if t.F32 == nil {
			e.DType, size = "I64", 8*int64(len(t.I64))
		}
		e.Offsets = [2]int64{at, at + size}
		at += size
		if _, twice := header[t.Name]; twice {
			return fmt.Errorf("two tensors are named %s", t.Name)
		}
		header[t.Name] = e
	}
	head, err := json.Marshal(header)
	if err != nil {
		return err
	}
	head = append(head, bytes.Repeat([]byte(" "), (8-len(head)%8)%8)...) // readers map the data: keep it aligned
	if _, err := w.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(head))), head...)); err != nil {
		return err
	}
	for _, t := range tensors {
		for part := range slices.Chunk(t.F32, 4096) {
			b := make([]byte, 0, 4*len(part))
			for _, v := range part {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
			}
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
		if t.F32 != nil {
			continue
		}
		for part := range slices.Chunk(t.I64, 4096) {
			b := make([]byte, 0, 8*len(part))
			for _, v := range part {
				b = binary.LittleEndian.AppendUint64(b, uint64(v))
			}
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
	}
	return nil
}
