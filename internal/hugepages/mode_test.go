package hugepages

import (
	"slices"
	"testing"
	"testing/fstest"
)

func TestTheKernelsSettingIsRead(t *testing.T) {
	for setting, want := range map[string]Mode{
		"[always] madvise never\n": Always, "always [madvise] never\n": Madvise, "always madvise [never]\n": Never, "": Unknown, "rubbish": Unknown,
	} {
		machine := fstest.MapFS{"sys/kernel/mm/transparent_hugepage/enabled": {Data: []byte(setting)}}
		if got := ModeOf(machine); got != want {
			t.Errorf("%q is %q, want %q", setting, got, want)
		}
	}
	if got := ModeOf(fstest.MapFS{}); got != Unknown {
		t.Errorf("without the setting it is %q", got)
	}
}

func TestWhatTheUserSaysOfPagesStays(t *testing.T) {
	for _, c := range []struct {
		env  []string
		mode Mode
		want []string // nil: the process goes on as it is
	}{
		{[]string{"A=1"}, Madvise, []string{"A=1", "GLIBC_TUNABLES=glibc.malloc.hugetlb=1", marker + "=1"}},
		{nil, Madvise, []string{"GLIBC_TUNABLES=glibc.malloc.hugetlb=1", marker + "=1"}},
		{[]string{"GLIBC_TUNABLES=", "A=1"}, Madvise, []string{"A=1", "GLIBC_TUNABLES=glibc.malloc.hugetlb=1", marker + "=1"}},
		{[]string{"GLIBC_TUNABLES=glibc.malloc.arena_max=2", "A=1"}, Madvise, []string{"A=1", "GLIBC_TUNABLES=glibc.malloc.arena_max=2:glibc.malloc.hugetlb=1", marker + "=1"}},
		{[]string{"GLIBC_TUNABLES=glibc.malloc.hugetlb=0"}, Madvise, nil},
		{[]string{"GLIBC_TUNABLES=glibc.malloc.arena_max=2:glibc.malloc.hugetlb=2"}, Madvise, nil},
		{[]string{"GLIBC_TUNABLES=", marker + "=1"}, Madvise, nil}, // as the loader of a program with capabilities leaves it
		{[]string{"A=1"}, Always, nil},
		{[]string{"A=1"}, Never, nil},
		{[]string{"A=1"}, Unknown, nil},
	} {
		got, wanted := environment(c.env, c.mode)
		if wanted != (c.want != nil) || !slices.Equal(got, c.want) {
			t.Errorf("%q where the kernel says %q: %q, %v; want %q", c.env, c.mode, got, wanted, c.want)
		}
	}
	for tunables, want := range map[string]bool{"": false, "glibc.malloc.hugetlb=1": true, "glibc.malloc.hugetlb=0": false, "glibc.malloc.hugetlb=0:glibc.malloc.hugetlb=1": true, "x=glibc.malloc.hugetlb": false} {
		t.Setenv(variable, tunables)
		if got := Asked(); got != want {
			t.Errorf("with %q it has asked: %v", tunables, got)
		}
	}
}
