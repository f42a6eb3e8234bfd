package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/model/float16"
)

// stored is a tensor to write into a test file.
type stored struct {
	name  string
	dtype DType
	shape []int
	raw   []byte
}

func f32(name string, shape []int, values ...float32) stored {
	var raw []byte
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return stored{name, F32, shape, raw}
}

// encode makes the bytes of a safetensors file.
func encode(t testing.TB, tensors ...stored) []byte {
	t.Helper()
	return encodeFor(t, "pt", tensors...)
}

// encodeFor marks the file with a format; empty: with none.
func encodeFor(t testing.TB, format string, tensors ...stored) []byte {
	t.Helper()
	header := map[string]any{}
	if format != "" {
		header["__metadata__"] = map[string]string{"format": format}
	}
	var body []byte
	for _, s := range tensors {
		header[s.name] = map[string]any{"dtype": s.dtype, "shape": s.shape, "data_offsets": []int{len(body), len(body) + len(s.raw)}}
		body = append(body, s.raw...)
	}
	b, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	return append(raw(string(b)), body...)
}

// raw is a file of any header without tensor bytes.
func raw(header string) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
}

func write(t testing.TB, dir, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, tensors ...stored) *Checkpoint {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, SingleFile, encode(t, tensors...))
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestFloatTypesWidenExactly(t *testing.T) {
	half := []struct {
		bits uint16
		want float32
	}{
		{0x0000, 0},
		{0x3c00, 1},
		{0xc000, -2},
		{0x7bff, 65504},
		{0x0400, 0x1p-14},         // the smallest normal
		{0x0001, 0x1p-24},         // the smallest subnormal
		{0x83ff, -1023 * 0x1p-24}, // the largest subnormal, negative
		{0x7c00, float32(math.Inf(1))},
		{0xfc00, float32(math.Inf(-1))},
	}
	var raw []byte
	for _, h := range half {
		raw = binary.LittleEndian.AppendUint16(raw, h.bits)
	}
	bf := []byte{0x80, 0x3f, 0x49, 0xc0} // 1, -3.140625
	c := open(t, stored{"h", F16, []int{len(half)}, raw}, stored{"b", BF16, []int{2}, bf}, f32("f", []int{1, 2}, 0.1, -0.2))
	h, _ := c.Tensor("h")
	got, err := h.Float32()
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range half {
		if got[i] != w.want {
			t.Errorf("half %04x reads %v, want %v", w.bits, got[i], w.want)
		}
	}
	for name, want := range map[string][]float32{"b": {1, -3.140625}, "f": {0.1, -0.2}} {
		x, _ := c.Tensor(name)
		if got, err := x.Float32(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s reads %v, %v, want %v", name, got, err, want)
		}
	}
}

// TestDoublesAreRounded as torch does it: to the nearest, ties to even, what is too large to infinity.
func TestDoublesAreRounded(t *testing.T) {
	var raw []byte
	for _, v := range []float64{0.1, 1 + 0x1p-24, 1 + 0x3p-24, -1e300, 0x1p-150} {
		raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(v))
	}
	want := []float32{0.1, 1, 1 + 0x1p-22, float32(math.Inf(-1)), 0}
	c := open(t, stored{"d", F64, []int{5}, raw})
	d, _ := c.Tensor("d")
	if got, err := d.Float32(); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	var wrote, floats bytes.Buffer
	if err := binary.Write(&floats, binary.LittleEndian, want); err != nil {
		t.Fatal(err)
	}
	if n, err := d.WriteTo(&wrote); err != nil || n != 20 || !bytes.Equal(wrote.Bytes(), floats.Bytes()) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestWriteToWritesFloat32OfAnyLength(t *testing.T) {
	const n = 40_000 // more than one chunk of the conversion
	var halves, floats []byte
	for i := range n {
		halves = binary.LittleEndian.AppendUint16(halves, uint16(i%0x7c00))
		floats = binary.LittleEndian.AppendUint32(floats, math.Float32bits(float16.Float(uint16(i%0x7c00))))
	}
	c := open(t, stored{"h", F16, []int{n}, halves}, stored{"f", F32, []int{n}, floats})
	for _, name := range []string{"h", "f"} {
		x, _ := c.Tensor(name)
		var b bytes.Buffer
		if k, err := x.WriteTo(&b); err != nil || k != 4*n || !bytes.Equal(b.Bytes(), floats) {
			t.Errorf("%s wrote %d bytes, %v", name, k, err)
		}
	}
}

func TestIntegersReadAsInt64(t *testing.T) {
	c := open(t, stored{"i64", "I64", []int{1}, []byte{0xfe, 255, 255, 255, 255, 255, 255, 255}}, stored{"i32", "I32", []int{1}, []byte{0xfd, 255, 255, 255}},
		stored{"bool", "BOOL", []int{2}, []byte{1, 0}}, stored{"i16", "I16", []int{1}, []byte{0xfc, 255}}, stored{"i8", "I8", []int{1}, []byte{0xfb}})
	for name, want := range map[string][]int64{"i64": {-2}, "i32": {-3}, "bool": {1, 0}, "i16": {-4}, "i8": {-5}} {
		x, _ := c.Tensor(name)
		if got, err := x.Int64(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s reads %v, %v, want %v", name, got, err, want)
		}
		if _, err := x.Float32(); err == nil {
			t.Errorf("%s reads as float32", name)
		}
		if _, err := x.WriteTo(&bytes.Buffer{}); err == nil {
			t.Errorf("%s is written as float32", name)
		}
	}
	f := open(t, f32("x", nil, 1))
	if x, _ := f.Tensor("x"); x.Elements() != 1 {
		t.Errorf("a scalar has %d elements", x.Elements())
	} else if _, err := x.Int64(); err == nil {
		t.Error("a float reads as int64")
	}
}

func TestDamagedFilesAreRefusedWithAReason(t *testing.T) {
	good := encode(t, f32("a", []int{2}, 1, 2), f32("b", []int{1}, 3))
	entry := func(s string) []byte { return append(raw(`{"w":`+s+`}`), make([]byte, 8)...) }
	for name, tc := range map[string]struct {
		b    []byte
		want string
	}{
		"an empty file":                      {nil, "too few"},
		"a header longer than the file":      {binary.LittleEndian.AppendUint64(nil, 1<<40), "truncated"},
		"a header length of 2^64-1":          {append(bytes.Repeat([]byte{255}, 8), '{', '}'), "truncated"},
		"a header that is no JSON":           {raw("hello"), "not a JSON object"},
		"a header that is a list":            {raw("[1]"), "not a JSON object"},
		"a header that stops":                {raw(`{"w":{"dtype":"F32"`), "header"},
		"a file cut at the end":              {good[:len(good)-1], "truncated"},
		"bytes after the last tensor":        {append(slices.Clone(good), 0), "belong to none"},
		"offsets beyond the file":            {entry(`{"dtype":"F32","shape":[4],"data_offsets":[0,16]}`), "truncated"},
		"offsets that run backwards":         {entry(`{"dtype":"F32","shape":[0],"data_offsets":[0,-8]}`), "claims bytes"},
		"one offset":                         {entry(`{"dtype":"F32","shape":[2],"data_offsets":[0]}`), "offsets"},
		"a shape that needs more bytes":      {entry(`{"dtype":"F32","shape":[3],"data_offsets":[0,8]}`), "needs 12 bytes"},
		"a shape whose product overflows":    {entry(`{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}`), "impossible shape"},
		"a negative dimension":               {entry(`{"dtype":"F32","shape":[-1,-2],"data_offsets":[0,8]}`), "impossible shape"},
		"an unknown type":                    {entry(`{"dtype":"F99","shape":[2],"data_offsets":[0,8]}`), `"F99"`},
		"a type that is a number":            {entry(`{"dtype":3,"shape":[2],"data_offsets":[0,8]}`), "entry of w"},
		"two entries of one name":            {append(raw(`{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`), make([]byte, 8)...), "twice"},
		"tensors that overlap":               {append(raw(`{"v":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`), make([]byte, 8)...), "overlap"},
		"a hole between tensors":             {entry(`{"dtype":"F32","shape":[1],"data_offsets":[4,8]}`), "hole"},
		"metadata that is no map of strings": {raw(`{"__metadata__":{"a":1}}`), "metadata"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, SingleFile, tc.b)
			c, err := Open(dir)
			if err == nil {
				t.Fatalf("opened: %v", c.Names())
			}
			if !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), SingleFile) {
				t.Errorf("error %q does not say %q of the file", err, tc.want)
			}
		})
	}
}

func TestShardsAreOneCheckpoint(t *testing.T) {
	index := func(m string) []byte { return []byte(`{"metadata":{"total_size":1},"weight_map":` + m + `}`) }
	const one, two = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
	both := fmt.Sprintf(`{"a":%q,"b":%q}`, one, two)
	for name, tc := range map[string]struct {
		index   []byte
		a, b    []stored
		wantErr string
	}{
		"both shards are read":           {index(both), []stored{f32("a", []int{1}, 1)}, []stored{f32("b", []int{1}, 2)}, ""},
		"a weight the shard lacks":       {index(fmt.Sprintf(`{"a":%q,"b":%q,"c":%q}`, one, two, two)), []stored{f32("a", []int{1}, 1)}, []stored{f32("b", []int{1}, 2)}, "places c"},
		"a weight in two shards":         {index(both), []stored{f32("a", []int{1}, 1)}, []stored{f32("a", []int{1}, 2), f32("b", []int{1}, 2)}, "another shard holds a"},
		"a shard that is not there":      {index(`{"a":"other.safetensors"}`), nil, nil, "other.safetensors"},
		"a shard outside the directory":  {index(`{"a":"../x.safetensors"}`), nil, nil, "not a file name"},
		"a shard in a subdirectory":      {index(`{"a":"d/x.safetensors"}`), nil, nil, "not a file name"},
		"an index without weights":       {index(`{}`), nil, nil, "weight_map"},
		"an index that is no JSON":       {[]byte("{"), nil, nil, IndexFile},
		"an index with a directory name": {index(`{"a":"."}`), nil, nil, "not a file name"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, IndexFile, tc.index)
			if tc.a != nil {
				write(t, dir, one, encode(t, tc.a...))
				write(t, dir, two, encode(t, tc.b...))
			}
			c, err := Open(dir)
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Errorf("error %v, want %q", err, tc.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			if !slices.Equal(c.Names(), []string{"a", "b"}) {
				t.Errorf("names %v", c.Names())
			}
		})
	}
}

func TestADirectoryWithoutReadableWeightsSaysWhatToDo(t *testing.T) {
	for file, want := range map[string]string{
		"": "holds no weights", "flax_model.msgpack": "save_pretrained", "tf_model.h5.index.json": "tf_model.h5.index.json",
		"checkpoint_best.pt": "neither a torch archive", "pytorch_model.bin": "neither a torch archive", "tf_model.h5": "not an HDF5 file",
	} {
		dir := t.TempDir()
		if file != "" {
			write(t, dir, file, nil)
		}
		_, err := Open(dir)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with %q: %v", file, err)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "nowhere")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
}

func TestSafetensorsWinOverOtherFormats(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, TensorFlowFile, []byte("damaged"))
	write(t, dir, TorchFile, []byte("damaged"))
	if f, err := FormatOf(dir); f != Torch || err != nil {
		t.Errorf("format %s, %v, want torch before tensorflow", f, err)
	}
	write(t, dir, SingleFile, encode(t, scalar("w")))
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if f := c.Format(); f != Safetensors {
		t.Errorf("format %s", f)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if files, err := Files(dir); err != nil || !slices.Equal(files, []string{SingleFile}) {
		t.Errorf("files %v, %v", files, err)
	}
}

func FuzzParseSafetensors(f *testing.F) {
	f.Add(encode(f, f32("a", []int{2}, 1, 2), stored{"b", BF16, []int{1, 1}, []byte{1, 2}}))
	f.Add(encodeFor(f, "tf", f32("a/b/kernel:0", []int{1, 2}, 1, 2), f32("a/b/bias:0", []int{2}, 1, 2)))
	f.Add(raw(`{"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		tensors, err := parseWeights(b)
		if err != nil {
			return
		}
		total := 0
		for _, x := range tensors {
			if int64(x.Elements())*x.DType.size() != int64(len(x.raw)) {
				t.Fatalf("%s of shape %v has %d bytes", x.Name, x.Shape, len(x.raw))
			}
			total += len(x.raw)
		}
		if total > len(b) {
			t.Fatalf("%d bytes of tensors in a file of %d", total, len(b))
		}
	})
}

func FuzzParseIndex(f *testing.F) {
	f.Add([]byte(`{"weight_map":{"a":"model-00001-of-00001.safetensors"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		index, err := parseIndex(b)
		if err != nil {
			return
		}
		for _, file := range index {
			if filepath.Base(file) != file {
				t.Fatalf("accepted the file name %q", file)
			}
		}
	})
}
