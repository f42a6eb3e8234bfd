package hdf5

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const dense = "data2vec_vision/tf_model_1/data2vec_vision/encoder/layer_._0/attention/attention/query/kernel:0"

// fixture is a file that h5py wrote (tools/golden/formats.py).
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "testdata", "formats", name, "tf_model.h5"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func root(t testing.TB, b []byte) *Group {
	t.Helper()
	f, err := Open(b)
	if err != nil {
		t.Fatal(err)
	}
	g, err := f.Root()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGroupsAttributesAndDatasetsOfH5pyAreRead(t *testing.T) {
	for _, name := range []string{"keras", "keras_variable", "keras_latest", "keras_chunked", "keras_latest_chunked"} {
		t.Run(name, func(t *testing.T) {
			g := root(t, fixture(t, name))
			layers, ok, err := g.Strings("layer_names")
			if err != nil || !ok || len(layers) < 5 || layers[0] != "data2vec_vision" || layers[3] != "decode_head" {
				t.Errorf("layer_names %v, %v, %v", layers, ok, err)
			}
			if want := slices.Sorted(slices.Values(layers)); !slices.Equal(g.Names(), want) {
				t.Errorf("members %v, want the layers %v", g.Names(), want)
			}
			if v, ok, err := g.Strings("keras_version"); err != nil || !ok || !slices.Equal(v, []string{"2.18.0"}) {
				t.Errorf("keras_version %v, %v, %v", v, ok, err)
			}
			if _, ok, err := g.Strings("no such"); ok || err != nil {
				t.Errorf("an attribute that is not there: %v, %v", ok, err)
			}
			layer, err := g.Group("fpn1.1/tf_model_1")
			if err != nil || !slices.Equal(layer.Names(), []string{"fpn1.1"}) {
				t.Errorf("group %v", err)
			}
			if w, _, err := mustGroup(t, g, "dropout_0").Strings("weight_names"); err != nil || len(w) != 0 {
				t.Errorf("an empty list reads %v, %v", w, err)
			}
			d, err := g.Dataset(dense)
			if err != nil {
				t.Fatal(err)
			}
			if d.Kind != Float32 || !slices.Equal(d.Shape, []int{4, 6}) || len(d.Raw) != 96 {
				t.Errorf("dataset %v %v of %d bytes", d.Kind, d.Shape, len(d.Raw))
			}
		})
	}
}

func mustGroup(t testing.TB, g *Group, name string) *Group {
	t.Helper()
	found, err := g.Group(name)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestWhatIsNotThereIsNamed(t *testing.T) {
	g := root(t, fixture(t, "keras"))
	for name, err := range map[string]error{
		"no_group":         second(g.Group("no_group")),
		"fpn1.0/no":        second(g.Group("fpn1.0/no")),
		"no_dataset":       second(g.Dataset("no_dataset")),
		"is not a dataset": second(g.Dataset("fpn1.0")),
		"is not a group":   second(g.Group(dense)),
	} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v, want %q", err, name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// superblock is a file whose root is the object header v1 made of messages.
func superblock(messages ...[]byte) []byte {
	b := append([]byte("\x89HDF\r\n\x1a\n"), 0, 0, 0, 0, 0, 8, 8, 0, 4, 0, 16, 0, 0, 0, 0, 0)
	put := func(v uint64) { b = binary.LittleEndian.AppendUint64(b, v) }
	put(0)
	put(undefined)
	end := len(b)
	put(0) // end of file, patched below
	put(undefined)
	put(0)
	put(96) // the root's header
	b = append(b, make([]byte, 96-len(b))...)
	all := slices.Concat(messages...)
	b = append(b, 1, 0, byte(len(messages)), 0, 1, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(all)))
	b = append(append(b, 0, 0, 0, 0), all...)
	binary.LittleEndian.PutUint64(b[end:], uint64(len(b)))
	return b
}

func msg(kind uint16, data ...byte) []byte {
	b := binary.LittleEndian.AppendUint16(nil, kind)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(data)))
	return append(append(b, 0, 0, 0, 0), data...)
}

func u64s(vs ...uint64) []byte {
	var b []byte
	for _, v := range vs {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

func TestFilesThatLieAreRefusedWithAReason(t *testing.T) {
	good := fixture(t, "keras")
	patched := func(at int, v byte) []byte {
		b := slices.Clone(good)
		b[at] = v
		return b
	}
	for name, tc := range map[string]struct {
		b    []byte
		want string
	}{
		"nothing":                        {nil, "not an HDF5"},
		"text":                           {[]byte("hello"), "not an HDF5"},
		"a superblock cut off":           {good[:50], "cut off"},
		"superblock version 9":           {patched(8, 9), "version 9"},
		"addresses of 4 bytes":           {patched(13, 4), "4"},
		"a user block":                   {patched(25, 2), "user block"},
		"a file cut at the end":          {good[:len(good)-1], "truncated"},
		"a root outside the file":        {patched(70, 0xff), "outside"},
		"a header that continues itself": {superblock(msg(msgContinuation, u64s(112, 24)...)), "continues in itself"},
		"a continuation outside":         {superblock(msg(msgContinuation, u64s(1<<40, 24)...)), "outside"},
		"a root that is no group":        {superblock(), "not a group"},
		"a symbol table outside":         {superblock(msg(msgSymbols, u64s(1<<40, 1<<40)...)), "outside"},
		"a heap that is none":            {superblock(msg(msgSymbols, u64s(96, 96)...)), "no heap of names"},
		"links in a heap that is none":   {superblock(msg(msgLinkInfo, append([]byte{0, 0}, u64s(64, 64)...)...)), "no heap at 64"},
		"a soft link":                    {superblock(msg(msgLink, append([]byte{1, 8, 1, 1, 'a'}, u64s(64)...)...)), "soft"},
		"two links of one name": {superblock(msg(msgLink, append([]byte{1, 0, 1, 'a'}, u64s(64)...)...),
			msg(msgLink, append([]byte{1, 0, 1, 'a'}, u64s(64)...)...)), "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Open(tc.b)
			if err == nil {
				_, err = f.Root()
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

// object is a file whose root header holds a dataset's messages.
func object(t testing.TB, messages ...[]byte) (*Dataset, error) {
	t.Helper()
	f, err := Open(superblock(messages...))
	if err != nil {
		t.Fatal(err)
	}
	return f.dataset(96)
}

func TestDatasetsThatAreNotReadSayWhy(t *testing.T) {
	f32 := msg(msgDatatype, 0x11, 0x20, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0)
	space := func(n ...uint64) []byte {
		return msg(msgDataspace, append([]byte{1, byte(len(n)), 0, 0, 0, 0, 0, 0}, u64s(n...)...)...)
	}
	at := func(a, n uint64) []byte { return msg(msgLayout, append([]byte{3, 1}, u64s(a, n)...)...) }
	if d, err := object(t, f32, space(2), at(0, 8)); err != nil || d.Kind != Float32 || !bytes.Equal(d.Raw, []byte("\x89HDF\r\n\x1a\n")) {
		t.Fatalf("a plain dataset: %v", err)
	}
	if d, err := object(t, f32, space(1), msg(msgLayout, 3, 0, 4, 0, 1, 2, 3, 4)); err != nil || !bytes.Equal(d.Raw, []byte{1, 2, 3, 4}) {
		t.Fatalf("a compact dataset: %v", err)
	}
	if d, err := object(t, f32, space(0), at(undefined, 0)); err != nil || len(d.Raw) != 0 {
		t.Fatalf("an empty dataset: %v", err)
	}
	for name, tc := range map[string]struct {
		messages [][]byte
		want     string
	}{
		"data outside the file":      {[][]byte{f32, space(2), at(1<<40, 8)}, "outside"},
		"more elements than bytes":   {[][]byte{f32, space(3), at(0, 8)}, "needs 12"},
		"a shape that overflows":     {[][]byte{f32, space(1<<40, 1<<40), at(0, 8)}, "impossible"},
		"a dimension of 2^60":        {[][]byte{f32, space(1 << 60), at(0, 8)}, "dimension"},
		"data that were not written": {[][]byte{f32, space(2), at(undefined, 8)}, "never written"},
		"chunks cut off":             {[][]byte{f32, space(2), msg(msgLayout, 3, 2, 2)}, "cut off"},
		"chunks of no dimensions":    {[][]byte{f32, space(2), msg(msgLayout, 3, 2, 1)}, "chunks of 0 dimensions"},
		"chunks of no size":          {[][]byte{f32, space(2), chunksOf(0, 0, 4)}, "shape [0]"},
		"chunks of other elements":   {[][]byte{f32, space(2), chunksOf(0, 2, 8)}, "of 8 bytes each"},
		"more chunks than bytes":     {[][]byte{f32, space(1 << 40), chunksOf(0, 1, 4)}, "more chunks than the file has bytes"},
		"chunks that are a bomb":     {[][]byte{f32, space(1 << 30), chunksOf(0, 1<<30, 4)}, "a bomb, or damaged"},
		"chunks without a tree":      {[][]byte{f32, space(2), chunksOf(0, 2, 4)}, "no tree of chunks"},
		"chunks of an unknown index": {[][]byte{f32, space(2), indexed(9, 0)}, "index of kind 9"},
		"an array that is none":      {[][]byte{f32, space(2), indexed(indexFixed, 96, 0)}, "no array of chunks (FAHD)"},
		"an array elsewhere":         {[][]byte{f32, space(2), indexed(indexExtensible, 1<<40, 0, 0, 0, 0, 0)}, "outside"},
		"a tree of chunks of old":    {[][]byte{f32, space(2), indexed(indexTree2, 96, 0, 0, 0, 0, 0, 0)}, "no tree of type 10"},
		"one chunk outside":          {[][]byte{f32, space(2), indexed(indexOne, 1<<40)}, "outside"},
		"chunks one behind another":  {[][]byte{f32, space(3), indexed(indexImplicit, 1<<40)}, "outside"},
		"no chunks":                  {[][]byte{f32, space(2), indexed(indexFixed, undefined, 0)}, "1 of its 1 chunks were never written"},
		"an unknown filter":          {[][]byte{f32, space(2), at(0, 8), msg(msgFilters, 2, 1, 4, 0, 0, 0, 0, 0)}, "the filter 4"},
		"compression of one piece":   {[][]byte{f32, space(2), at(0, 8), msg(msgFilters, 2, 1, 1, 0, 0, 0, 0, 0)}, "not in chunks"},
		"data elsewhere":             {[][]byte{f32, space(2), at(0, 8), msg(msgExternal, 1)}, "another file"},
		"no type":                    {[][]byte{space(2), at(0, 8)}, "not a dataset"},
		"a type of no size":          {[][]byte{msg(msgDatatype, 0x11, 0x20, 31, 0, 0, 0, 0, 0), space(2), at(0, 8)}, "no size"},
		"a type cut off":             {[][]byte{msg(msgDatatype, 0x11), space(2), at(0, 8)}, "cut off"},
		"33 dimensions":              {[][]byte{f32, msg(msgDataspace, 1, 33, 0), at(0, 8)}, "33 dimensions"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := object(t, tc.messages...); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

// chunksOf is a layout of chunks with so many elements of so many bytes, under a tree.
func chunksOf(tree uint64, n, element uint32) []byte {
	b := append([]byte{3, 2, 2}, u64s(tree)...)
	return msg(msgLayout, binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, n), element)...)
}

// indexed is a layout of chunks of two elements of four bytes, whose index lies at an address and has the given parameters.
func indexed(kind indexKind, at uint64, parameters ...byte) []byte {
	b := append([]byte{4, 2, 0, 2, 1, 2, 4, byte(kind)}, parameters...)
	return msg(msgLayout, append(b, u64s(at)...)...)
}

func TestABigEndianFloatIsNotTakenForALittleOne(t *testing.T) {
	big := msg(msgDatatype, 0x11, 0x21, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0)
	d, err := object(t, big, msg(msgDataspace, 1, 0, 0, 0, 0, 0, 0, 0), msg(msgLayout, append([]byte{3, 1}, u64s(0, 4)...)...))
	if err != nil || d.Kind != Other {
		t.Errorf("kind %v, %v", d, err)
	}
}

func FuzzFile(f *testing.F) {
	f.Add(fixture(f, "keras"), "layer_names")
	f.Add(fixture(f, "keras_latest"), "layer_names")
	f.Add(fixture(f, "keras_chunked"), dense)
	f.Add(fixture(f, "keras_latest_chunked"), "layer_names0")
	f.Add(superblock(msg(msgSymbols, u64s(96, 96)...)), "x")
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		file, err := Open(b)
		if err != nil {
			return
		}
		g, err := file.Root()
		if err != nil {
			return
		}
		if values, ok, err := g.Strings(name); err != nil && (ok || values != nil) {
			t.Fatalf("an error with values: %v", err)
		}
		for _, n := range g.Names() {
			if d, err := g.Dataset(n); err == nil && len(d.Raw) > times*len(b)+spare {
				t.Fatalf("%d bytes of data in a file of %d", len(d.Raw), len(b))
			}
			if below, err := g.Group(n); err == nil {
				_ = below.Names()
			}
		}
	})
}
