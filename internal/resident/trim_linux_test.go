package resident

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

const size = 8 << 20

// mapped is a file's pages in this process, all of them touched.
func mapped(t *testing.T, protection int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, bytes.Repeat([]byte("weights."), size/8), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	b, err := unix.Mmap(int(f.Fd()), 0, size, protection, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(b) })
	if n := bytes.Count(b, []byte("weights.")); n != size/8 {
		t.Fatalf("%d words", n)
	}
	return b
}

// presence is how many pages of b this process has in its tables.
func presence(t *testing.T, b []byte) (pages int) {
	t.Helper()
	at := uintptr(unsafe.Pointer(&b[0]))
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range parse(maps) {
		if m.start <= at && at < m.start+m.bytes {
			return m.resident << 10 / os.Getpagesize()
		}
	}
	t.Fatalf("no mapping has %x", at)
	return 0
}

func TestPagesOfFilesAreGivenBackAndComeAgain(t *testing.T) {
	b, data := mapped(t, unix.PROT_READ|unix.PROT_EXEC), mapped(t, unix.PROT_READ)
	if n := presence(t, b); n < size/os.Getpagesize() {
		t.Fatalf("%d pages are resident before", n)
	}
	if err := Trim(); err != nil {
		t.Fatal(err)
	}
	if n := presence(t, data); n < size/os.Getpagesize() {
		t.Errorf("of a file that is no program %d pages are left", n)
	}
	if n := presence(t, b); n != 0 {
		t.Errorf("%d pages are resident still", n)
	}
	if n := bytes.Count(b, []byte("weights.")); n != size/8 {
		t.Errorf("then %d words are there", n)
	}
}

// TestWhatWasWrittenStays: a page that was written to, and made read-only, is not the file's.
func TestWhatWasWrittenStays(t *testing.T) {
	b := mapped(t, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC)
	copy(b[size/2:], "written")
	if err := Trim(); err != nil { // while it can be written to
		t.Fatal(err)
	}
	if err := unix.Mprotect(b, unix.PROT_READ|unix.PROT_EXEC); err != nil {
		t.Fatal(err)
	}
	if err := Trim(); err != nil {
		t.Fatal(err)
	}
	if got := string(b[size/2 : size/2+7]); got != "written" {
		t.Errorf("%q is there", got)
	}
}

// TestMappingsAreReadAsTheSystemTellsThem has lines of a process: its program, addresses that the loader has filled in, some of which are swapped out, memory of its own and a shared file.
func TestMappingsAreReadAsTheSystemTellsThem(t *testing.T) {
	got := parse([]byte(`00400000-00402000 r-xp 00002000 fe:00 10634039                           /bin/worker
Rss:                   8 kB
Anonymous:             0 kB
Swap:                  0 kB
THPeligible:           0
VmFlags: rd ex mr mw me sd
00402000-00403000 r--p 00004000 fe:00 10634039                           /bin/a name
Rss:                   4 kB
Anonymous:             4 kB
Swap:                  0 kB
00403000-00404000 r--p 00005000 fe:00 10634039                           /bin/worker
Anonymous:             0 kB
Swap:                  4 kB
SwapPss:               2 kB
c000000000-c004000000 rw-p 00000000 00:00 0
Anonymous:          1024 kB
7f0000000000-7f0000001000 r--s 00000000 fe:00 7                          /a (deleted)
7f0000001000-7f0000002000 r--p 00000000 fe:00 7                          /b
7f0000002000-7f0000003000 r--p 00000000 00:06 7                          /dev/gpu
Anonymous:             0 kB
`))
	want := []mapping{
		{start: 0x400000, bytes: 0x2000, file: "/bin/worker", readOnly: true, runs: true, resident: 8},
		{start: 0x402000, bytes: 0x1000, file: "/bin/a name", readOnly: true, own: 4, resident: 4},
		{start: 0x403000, bytes: 0x1000, file: "/bin/worker", readOnly: true, swapped: 4},
		{start: 0xc000000000, bytes: 0x4000000, own: 1024, swapped: -1},
		{start: 0x7f0000000000, bytes: 0x1000, file: "/a (deleted)", own: -1, swapped: -1},
		{start: 0x7f0000001000, bytes: 0x1000, file: "/b", readOnly: true, own: -1, swapped: -1},
		{start: 0x7f0000002000, bytes: 0x1000, readOnly: true, swapped: -1},
	}
	if len(got) != len(want) {
		t.Fatalf("%d mappings: %+v", len(got), got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("mapping %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}
