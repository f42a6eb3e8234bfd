package hdf5

import (
	"bytes"
	"compress/zlib"
	"strings"
	"testing"
)

func zipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestFiltersAreUndone(t *testing.T) {
	for name, tc := range map[string]struct {
		f    filter
		raw  []byte
		want string
	}{
		"deflate":                           {deflate, zipped(t, []byte("abcabc")), "abcabc"},
		"shuffle":                           {shuffle, []byte("adbecf"), "abcdef"},
		"shuffle, with bytes that are left": {shuffle, []byte("acbde"), "abcde"},
		"fletcher32":                        {fletcher32, []byte("abcdef-*VP"), "abcdef"}, // sums as h5py 3.16 writes them
		"fletcher32, an odd byte":           {fletcher32, []byte("abcde\xc7)\xf0O"), "abcde"},
		"fletcher32, zeros":                 {fletcher32, make([]byte, 10), "\x00\x00\x00\x00\x00\x00"},
		"fletcher32, with carries":          {fletcher32, bytes.Repeat([]byte{255}, 804), strings.Repeat("\xff", 800)},
		"fletcher32, of an old library":     {fletcher32, []byte("abcdef*-PV"), "abcdef"},
		"lzf, literals":                     {lzf, []byte("\x02abc"), "abc"},
		"lzf, a copy":                       {lzf, []byte("\x02abc\x20\x02"), "abcabc"},
		"lzf, a copy of what it just wrote": {lzf, []byte("\x00a\x60\x00"), "aaaaaa"},
		"lzf, a long copy":                  {lzf, []byte("\x00a\xe0\x05\x00"), strings.Repeat("a", 15)},
	} {
		t.Run(name, func(t *testing.T) {
			element := map[string]int{"shuffle": 3}[name]
			if element == 0 {
				element = 2
			}
			if got, err := tc.f.undo(tc.raw, len(tc.want), element); err != nil || string(got) != tc.want {
				t.Errorf("%q, %v; want %q", got, err, tc.want)
			}
		})
	}
}

func TestChunksThatLieAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		f    filter
		raw  []byte
		want string
	}{
		"deflate to more":           {deflate, zipped(t, []byte("abcdefg")), "more than its 6 bytes"},
		"deflate to less":           {deflate, zipped(t, []byte("abc")), "unexpected EOF"},
		"no deflate":                {deflate, []byte("abcdef"), "zlib"},
		"a wrong sum":               {fletcher32, []byte("abcdeg-*VP"), "damaged"},
		"no room for a sum":         {fletcher32, []byte("abc"), "no room"},
		"lzf to more":               {lzf, []byte("\x06abcdefg"), "more than its 6 bytes"},
		"lzf cut off":               {lzf, []byte("\x06ab"), "cut off"},
		"lzf from before its begin": {lzf, []byte("\x20\x00"), "before its begin"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := tc.f.undo(tc.raw, 6, 2); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}
