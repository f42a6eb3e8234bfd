package pickle

import (
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"
)

func TestPlainDataReadsAsPythonWroteIt(t *testing.T) {
	huge, _ := new(big.Int).SetString("1950a86a20f9469cfc6c", 16)
	for name, tc := range map[string]struct {
		in   string
		want any
	}{
		"None":                             {"N.", nil},
		"booleans of protocol 2":           {"\x80\x02\x88\x89\x86.", Tuple{true, false}},
		"booleans of protocol 0":           {"I01\nI00\n\x86.", Tuple{true, false}},
		"small integers":                   {"K\xffM\xff\xffJ\xff\xff\xff\xff\x87.", Tuple{int64(255), int64(65535), int64(-1)}},
		"integers in text":                 {"I-12\nL34L\n\x86.", Tuple{int64(-12), int64(34)}},
		"a long of no bytes is 0":          {"\x8a\x00.", int64(0)},
		"a negative long":                  {"\x8a\x02\x00\xff.", int64(-256)},
		"a long beyond 64 bits":            {"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", huge},
		"floats":                           {"G\x3f\xf8\x00\x00\x00\x00\x00\x00F2.5\n\x86.", Tuple{1.5, 2.5}},
		"strings of every length":          {"X\x02\x00\x00\x00ab\x8c\x01cU\x01d\x87.", Tuple{"ab", "c", "d"}},
		"a quoted string":                  {"S'it'\n.", "it"},
		"bytes":                            {"C\x02\x00\x01.", []byte{0, 1}},
		"a tuple above a mark":             {"(K\x01K\x02t.", Tuple{int64(1), int64(2)}},
		"a list built in two ways":         {"]K\x01a(K\x02K\x03e.", &List{[]any{int64(1), int64(2), int64(3)}}},
		"a dict built in two ways":         {"}K\x01K\x02s(K\x03K\x04u.", &Dict{[]Entry{{int64(1), int64(2)}, {int64(3), int64(4)}}}},
		"a value used twice":               {"]q\x05h\x05\x86.", Tuple{&List{}, &List{}}},
		"a value stored in order":          {"\x80\x04\x95\x06\x00\x00\x00\x00\x00\x00\x00]\x94h\x00\x86.", Tuple{&List{}, &List{}}},
		"what was popped is gone":          {"K\x01K\x020(K\x031.", int64(1)},
		"the bytes after the end are left": {"N.rest", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, n, err := Decode([]byte(tc.in), Data{})
			if err != nil || !reflect.DeepEqual(got, tc.want) {
				t.Errorf("%#v, %v, want %#v", got, err, tc.want)
			}
			if n != strings.LastIndex(tc.in, ".")+1 && !strings.Contains(tc.in, "2.5") {
				t.Errorf("took %d of %d bytes", n, len(tc.in))
			}
		})
	}
}

func TestASharedValueIsOneValue(t *testing.T) {
	v, _, err := Decode([]byte("]q\x00h\x00K\x01a\x86."), Data{})
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := v.(Tuple); !ok || p[0] != p[1] || len(p[0].(*List).Items) != 1 {
		t.Errorf("%#v", v)
	}
}

func TestAValueMayContainItself(t *testing.T) {
	v, _, err := Decode([]byte("]q\x00h\x00a."), Data{})
	if l, ok := v.(*List); err != nil || !ok || l.Items[0] != any(l) {
		t.Errorf("%v", err)
	}
}

func TestDamageIsAnError(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"nothing":                          {"", "no end"},
		"no value":                         {".", "empty"},
		"a mark for a value":               {"(.", "mark"},
		"a mark in a tuple":                {"K\x01(\x86.", "mark"},
		"a stored mark":                    {"(q\x00.", "mark"},
		"a tuple of too few":               {"K\x01\x87.", "empty"},
		"a tuple without a mark":           {"K\x01t.", "no mark"},
		"a value that was never stored":    {"h\x00.", "before it is stored"},
		"an odd number of items":           {"}(K\x01u.", "no value"},
		"items of a list":                  {"]K\x01K\x02s.", "items are set"},
		"an append to a dict":              {"}K\x01a.", "appended"},
		"an unknown opcode":                {"\xf0", "unknown opcode"},
		"protocol 9":                       {"\x80\x09N.", "protocol 9"},
		"a string longer than the file":    {"X\xff\xff\xff\x7fab", "ends in the middle"},
		"a string of 2^64-1 bytes":         {"\x8d\xff\xff\xff\xff\xff\xff\xff\xff", "ends in the middle"},
		"a number of 2^31 bytes":           {"\x8b\x00\x00\x00\x80", "bytes"},
		"a number that is none":            {"Ix\n.", "no number"},
		"a line without end":               {"I12", "ends in the middle"},
		"arguments that are no tuple":      {"NNR.", "arguments"},
		"a global":                         {"cos\nsystem\n.", "os.system"},
		"a global named by numbers":        {"K\x01K\x02\x93.", "named by"},
		"a persistent id":                  {"NQ.", "persistent"},
		"a call of a value":                {"N)R.", "calls"},
		"the state of a value":             {"NNb.", "restores"},
		"more instructions than the limit": {strings.Repeat("N0", maxOps/2+1), "instructions"},
	} {
		t.Run(name, func(t *testing.T) {
			v, _, err := Decode([]byte(tc.in), Data{})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, error %v, want %q", v, err, tc.want)
			}
		})
	}
}

// recorder resolves every global to its name and calls by writing them down.
type recorder struct{ calls []string }

func (r *recorder) Global(g Global) (any, error) { return g, nil }

func (r *recorder) Call(callee any, args Tuple) (any, error) {
	r.calls = append(r.calls, fmt.Sprintf("call %v%v", callee, args))
	return "made", nil
}

func (r *recorder) Build(obj, state any) error {
	r.calls = append(r.calls, fmt.Sprint("build ", obj, " ", state))
	return nil
}

func (r *recorder) Persistent(id any) (any, error) {
	if id == "no" {
		return nil, errors.New("refused")
	}
	return fmt.Sprint("stored ", id), nil
}

func TestTheResolverSeesWhatPythonWouldRun(t *testing.T) {
	for name, tc := range map[string]struct{ in, value, calls string }{
		"a call":                    {"ca\nb\nK\x01\x85R.", "made", "[call a.b[1]]"},
		"a call named on the stack": {"\x8c\x01a\x8c\x01b\x93K\x01\x85\x81.", "made", "[call a.b[1]]"},
		"an empty keyword call":     {"ca\nb\n)}\x92.", "made", "[call a.b[]]"},
		"an instance of protocol 0": {"(K\x01ia\nb\n.", "made", "[call a.b[1]]"},
		"a state":                   {"ca\nb\n)RK\x07b.", "made", "[call a.b[] build made 7]"},
		"a persistent id":           {"X\x01\x00\x00\x00zQ.", "stored z", "[]"},
		"a persistent id in a line": {"Pz\n.", "stored z", "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{}
			v, _, err := Decode([]byte(tc.in), r)
			if err != nil || v != any(tc.value) || fmt.Sprint(r.calls) != tc.calls {
				t.Errorf("%v, %v, calls %v", v, err, r.calls)
			}
		})
	}
	if _, _, err := Decode([]byte("Pno\n."), &recorder{}); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("the resolver's refusal is lost: %v", err)
	}
	if _, _, err := Decode([]byte("ca\nb\n)}(K\x01K\x02u\x92."), &recorder{}); err == nil {
		t.Error("keyword arguments are dropped")
	}
}

func TestLookupGivesTheLastValueOfAKey(t *testing.T) {
	d := &Dict{[]Entry{{"a", 1}, {2, 3}, {"a", 4}}}
	if v, ok := d.Lookup("a"); !ok || v != 4 {
		t.Errorf("%v, %v", v, ok)
	}
	if _, ok := d.Lookup("b"); ok {
		t.Error("found what is not there")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("\x80\x02}q\x00(X\x01\x00\x00\x00aK\x01X\x01\x00\x00\x00bca\nb\n)RK\x01bu."))
	f.Add([]byte("\x80\x04\x95\x06\x00\x00\x00\x00\x00\x00\x00]\x94h\x00\x86."))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, n, err := Decode(b, &recorder{})
		if err == nil && (n < 1 || n > len(b)) {
			t.Fatalf("took %d of %d bytes", n, len(b))
		}
	})
}
