package checkpoint

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// str, num and tuple are pickled values.
func str(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func num(n int32) string { return "J" + string(binary.LittleEndian.AppendUint32(nil, uint32(n))) }

func tuple(ns ...int32) string {
	s := "("
	for _, n := range ns {
		s += num(n)
	}
	return s + "t"
}

// tensorOf is a pickled tensor over storage 0, which has numel float32 elements.
func tensorOf(numel, offset int32, shape, strides string) string {
	storage := "(" + str("storage") + "ctorch\nFloatStorage\n" + str("0") + str("cpu") + num(numel) + "tQ"
	return "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + num(offset) + shape + strides + "\x89ccollections\nOrderedDict\n)RtR"
}

// dictOf is a pickle of a dict with one entry.
func dictOf(value string) string { return "\x80\x02}" + str("w") + value + "s." }

type member struct {
	name, content string
	method        uint16
}

func archiveOf(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, m := range members {
		w, err := z.CreateHeader(&zip.FileHeader{Name: m.name, Method: m.method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTorchFilesThatAreNotWeightsAreRefusedWithAReason(t *testing.T) {
	four := member{"m/data/0", strings.Repeat("\x00", 16), zip.Store}
	file := func(pickle string, more ...member) []byte {
		return archiveOf(t, append([]member{{"m/data.pkl", pickle, zip.Store}}, more...)...)
	}
	tensor := tensorOf(4, 0, tuple(4), tuple(1))
	for name, tc := range map[string]struct {
		b    []byte
		want string
	}{
		"a call of os.system":               {file("\x80\x02cos\nsystem\n" + str("echo") + "\x85R."), "os.system"},
		"a call named on the stack":         {file("\x80\x04" + str("builtins") + str("eval") + "\x93."), "builtins.eval"},
		"a call of protocol 0":              {file("(" + str("echo") + "iposix\nsystem\n."), "posix.system"},
		"a global without a call":           {file("cargparse\nNamespace\n."), "argparse.Namespace"},
		"another function of torch's":       {file("ctorch._utils\n_rebuild_device_tensor_from_numpy\n."), "_rebuild_device_tensor"},
		"a class that is called":            {file("ctorch\nFloatStorage\n)R."), "called"},
		"state for a tensor":                {file(dictOf(tensor+"}b"), four), "state"},
		"a list in place of a dict":         {file("]."), "not the weights of a model"},
		"a dict that holds itself":          {file("}q\x00" + str("w") + "h\x00s."), "not a tensor"},
		"a number in place of a tensor":     {file(dictOf("K\x01")), "w is a int64"},
		"a weight named twice":              {file("}("+str("w")+tensor+str("w")+tensor+"u.", four), "names w twice"},
		"a weight named by a number":        {file("}K\x01"+tensor+"s.", four), "named by"},
		"a storage that is not there":       {file(dictOf(tensor)), "lacks"},
		"a storage of another size":         {file(dictOf(tensorOf(3, 0, tuple(3), tuple(1))), four), "16 bytes"},
		"a storage of 2^31-1 elements":      {file(dictOf(tensorOf(1<<31-1, 0, tuple(3), tuple(1))), four), "need 8589934588"},
		"a storage of -1 elements":          {file(dictOf(tensorOf(-1, 0, tuple(), tuple())), four), "wrong kind"},
		"a view beyond the storage":         {file(dictOf(tensorOf(4, 1, tuple(4), tuple(1))), four), "4 elements where 3 are left"},
		"a view that begins after the end":  {file(dictOf(tensorOf(4, 5, tuple(), tuple())), four), "begins at element 5"},
		"a view that begins before":         {file(dictOf(tensorOf(4, -1, tuple(1), tuple(1))), four), "begins at element -1"},
		"a negative stride":                 {file(dictOf(tensorOf(4, 3, tuple(4), tuple(-1))), four), "impossible"},
		"a negative dimension":              {file(dictOf(tensorOf(4, 0, tuple(-4), tuple(1))), four), "impossible"},
		"a shape that overflows":            {file(dictOf(tensorOf(4, 0, tuple(1<<31-1, 1<<31-1, 1<<31-1), tuple(0, 0, 0))), four), "impossible"},
		"four elements repeated to 2^31":    {file(dictOf(tensorOf(4, 0, tuple(1<<30, 2), tuple(0, 1))), four), "repeats"},
		"strides for another shape":         {file(dictOf(tensorOf(4, 0, tuple(4), tuple())), four), "wrong kind"},
		"a compressed storage":              {file(dictOf(tensor), member{"m/data/0", strings.Repeat("\x00", 16), zip.Deflate}), "compressed"},
		"a compressed pickle":               {archiveOf(t, member{"m/data.pkl", dictOf(tensor), zip.Deflate}), "compressed"},
		"big-endian storages":               {file(dictOf(tensor), four, member{"m/byteorder", "big", zip.Store}), "byte order"},
		"a member there twice":              {file(dictOf(tensor), four, four), "twice"},
		"an archive of something else":      {archiveOf(t, member{"readme", "hello", zip.Store}), "no data.pkl"},
		"a program":                         {file(dictOf(tensor), four, member{"m/constants.pkl", ").", zip.Store}), "TorchScript"},
		"an archive without directory":      {file(dictOf(tensor), four)[:200], "truncated"},
		"a pickle of something else":        {[]byte("\x80\x02K\x01."), "not one of torch.save"},
		"an old tar":                        {append(make([]byte, 257), "ustar\x00"...), "tar"},
		"text":                              {[]byte("version https://git-lfs.github.com/spec/v1\n"), "neither"},
		"a pickle without end":              {file("\x80\x02}"), "no end"},
		"an unknown opcode":                 {file("\xff"), "unknown opcode"},
		"a pickle of too many instructions": {file(strings.Repeat("N0", 3<<20)), "instructions"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, TorchFile, tc.b)
			c, err := Open(dir)
			if err == nil {
				t.Fatalf("opened: %v", c.Names())
			}
			if !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), TorchFile) {
				t.Errorf("error %q does not say %q of the file", err, tc.want)
			}
		})
	}
}

func fixture(t testing.TB, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{"testdata", "formats"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestACutFileOfAnyFormatIsRefused(t *testing.T) {
	for _, tc := range []struct {
		path  []string
		parse func([]byte) ([]Tensor, error)
	}{
		{[]string{"bin_legacy", TorchFile}, parseTorch},
		{[]string{"bin_zip", TorchFile}, parseTorch},
		{[]string{"keras", TensorFlowFile}, parseTensorFlow},
		{[]string{"keras_latest", TensorFlowFile}, parseTensorFlow},
		{[]string{"keras_latest_chunked", TensorFlowFile}, parseTensorFlow},
	} {
		b := fixture(t, tc.path...)
		for n := 0; n < len(b); n += 1 + n/512 {
			if _, err := tc.parse(b[:n]); err == nil {
				t.Errorf("%v reads when cut at %d of %d bytes", tc.path, n, len(b))
			}
		}
	}
}

// It proves that damage is survived, not that it is found: weights themselves carry no checksum in these formats.
func TestADamagedByteNeverCostsMoreThanAnError(t *testing.T) {
	for _, tc := range []struct {
		path  []string
		parse func([]byte) ([]Tensor, error)
	}{
		{[]string{"bin_legacy", TorchFile}, parseTorch},
		{[]string{"bin_zip", TorchFile}, parseTorch},
		{[]string{"keras_variable", TensorFlowFile}, parseTensorFlow},
		{[]string{"keras_latest", TensorFlowFile}, parseTensorFlow},
		{[]string{"keras_latest_chunked", TensorFlowFile}, parseTensorFlow},
	} {
		b := fixture(t, tc.path...)
		for i := 0; i < len(b); i += 1 + len(b)/2048 {
			for _, x := range []byte{0xff, 0x01} {
				b[i] ^= x
				if tensors, err := tc.parse(b); err == nil {
					consistent(t, tensors, len(b))
				}
				b[i] ^= x
			}
		}
	}
}

// consistent reads every tensor and compares it with what its shape claims.
func consistent(t *testing.T, tensors []Tensor, size int) {
	t.Helper()
	for _, x := range tensors {
		if x.strides == nil && int64(x.Elements())*x.DType.size() != int64(len(x.raw)) {
			t.Fatalf("%s of shape %v has %d bytes", x.Name, x.Shape, len(x.raw))
		}
		if len(x.raw) > size {
			t.Fatalf("%s has %d bytes in a file of %d", x.Name, len(x.raw), size)
		}
		if x.Elements() > 1<<16 {
			continue
		}
		n := 0
		x.rows(func(row []byte, k, step int) {
			n += k
			_ = row[int64((k-1)*step)*x.DType.size()+x.DType.size()-1]
		})
		if n != x.Elements() {
			t.Fatalf("%s of shape %v walks %d elements", x.Name, x.Shape, n)
		}
	}
}

func FuzzParseTorch(f *testing.F) {
	for _, format := range []string{"bin_zip", "bin_zip_protocol4", "bin_legacy"} {
		f.Add(fixture(f, format, TorchFile))
	}
	f.Add(fixture(f, "training", "checkpoint_best.pt"))
	f.Add(archiveOf(f, member{"m/data.pkl", dictOf(tensorOf(4, 0, tuple(2, 2), tuple(1, 2))), zip.Store}, member{"m/data/0", strings.Repeat("\x01", 16), zip.Store}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if tensors, err := parseTorch(b); err == nil {
			consistent(t, tensors, len(b))
		}
		if tensors, err := parseFairseq(b); err == nil {
			consistent(t, tensors, len(b)+4) // text's token types are made up
		}
	})
}

func FuzzParseTensorFlow(f *testing.F) {
	for _, format := range []string{"keras", "keras_variable", "keras_split", "keras_latest", "keras_chunked", "keras_latest_chunked"} {
		f.Add(fixture(f, format, TensorFlowFile))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if tensors, err := parseTensorFlow(b); err == nil {
			consistent(t, tensors, 16*len(b)+1<<20) // chunks may be packed: see hdf5
		}
	})
}

func BenchmarkATransposedKernelIsWritten(b *testing.B) {
	const rows, columns = 768, 3072
	x := Tensor{Name: "kernel", DType: F32, Shape: []int{rows, columns}, raw: make([]byte, 4*rows*columns)}
	for _, bm := range []struct {
		name string
		t    Tensor
	}{{"row-major", x}, {"transposed", x.transposed(1, 0)}} {
		b.Run(bm.name, func(b *testing.B) {
			b.SetBytes(4 * rows * columns)
			for b.Loop() {
				var out bytes.Buffer
				out.Grow(4 * rows * columns)
				if _, err := bm.t.WriteTo(&out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
