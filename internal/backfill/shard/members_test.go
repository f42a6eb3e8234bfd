package shard

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
)

type entry struct {
	h    tar.Header
	body []byte
}

func file(name string, n int) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}, bytes.Repeat([]byte(name[len(name)-1:]), n)}
}

func archive(t testing.TB, entries []entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		e.h.Size = int64(len(e.body))
		if err := w.WriteHeader(&e.h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// counted counts what is read of a file.
type counted struct {
	body        []byte
	reads, read int
	fails       int // the number of the read that does, from 1
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	if c.reads++; c.reads == c.fails {
		return 0, errCut
	}
	n, err := bytes.NewReader(c.body).ReadAt(p, off)
	c.read += n
	return n, err
}

var errCut = errors.New("cut off")

// TestMembersAreWhereTheirBytesAre has names and sizes that take headers of more than one block, and goes on at each header.
func TestMembersAreWhereTheirBytesAre(t *testing.T) {
	entries := []entry{
		{h: tar.Header{Name: "a/", Typeflag: tar.TypeDir}},
		file("a/000.x.flac", 1000), file("a/000.txt", 0),
		{h: tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "a/000.txt"}},
		file(strings.Repeat("long/", 60)+"ü.flac", 512), file("a/big.flac", 5<<20), file("last", 1),
	}
	body := archive(t, entries)
	var all []Member
	var nexts []int64
	c := &counted{body: body}
	if err := Members(c, int64(len(body)), 0, func(m *Member, next int64) error {
		all, nexts = append(all, *m), append(nexts, next)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	i := 0
	for _, e := range entries {
		if e.h.Typeflag != tar.TypeReg {
			continue
		}
		if m := all[i]; m.Name != e.h.Name || m.Size != int64(len(e.body)) || !bytes.Equal(body[m.Off:m.Off+m.Size], e.body) {
			t.Errorf("member %d is %+v, want %s", i, m, e.h.Name)
		}
		i++
	}
	if i != len(all) || all[0].Sample() != "a/000" || all[4].Sample() != "last" {
		t.Errorf("%d members, %+v", i, all)
	}
	if c.read > 300<<10 {
		t.Errorf("%d bytes were read to step over 5 MiB", c.read)
	}
	for i, from := range nexts {
		var rest []Member
		if err := Members(&counted{body: body}, int64(len(body)), from, func(m *Member, _ int64) error {
			rest = append(rest, *m)
			return nil
		}); err != nil || len(rest) != len(all)-1-i || len(rest) > 0 && !reflect.DeepEqual(rest, all[i+1:]) {
			t.Errorf("from %d: %+v, %v", from, rest, err)
		}
	}
}

func TestManySmallMembersAreReadAlong(t *testing.T) {
	var entries []entry
	for i := range 4000 {
		entries = append(entries, file(fmt.Sprintf("%04d.txt", i), 700))
	}
	c, n := &counted{body: archive(t, entries)}, 0
	if err := Members(c, int64(len(c.body)), 0, func(*Member, int64) error { n++; return nil }); err != nil || n != 4000 || c.reads > 9 {
		t.Errorf("%d members by %d reads of %d bytes: %v", n, c.reads, len(c.body), err)
	}
}

func TestAFileThatIsNoTarFileIsDamagedAndAFailedReadIsNot(t *testing.T) {
	good := archive(t, []entry{file("a", 100<<10), file("b", 100<<10)})
	for name, c := range map[string]struct {
		file *counted
		want error
		n    int
	}{
		"compressed":     {&counted{body: append([]byte{0x1f, 0x8b}, good[:8192]...)}, ErrDamaged, 0},
		"cut in a file":  {&counted{body: good[:120<<10]}, ErrDamaged, 1},
		"cut in a head":  {&counted{body: good[:103<<10-200]}, ErrDamaged, 1},
		"a read fails":   {&counted{body: good, fails: 2}, errCut, 1},
		"empty":          {&counted{}, nil, 0},
		"without an end": {&counted{body: good[:len(good)-1024]}, nil, 2},
	} {
		n := 0
		err := Members(c.file, int64(len(c.file.body)), 0, func(*Member, int64) error { n++; return nil })
		if !errors.Is(err, c.want) || c.want == nil && err != nil || n != c.n {
			t.Errorf("%s: %v after %d members, want %v after %d", name, err, n, c.want, c.n)
		}
	}
	stop := errors.New("stop")
	if err := Members(&counted{body: good}, int64(len(good)), 0, func(*Member, int64) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the caller's error is %v", err)
	}
}

// Whatever the bytes: members that lie inside, one behind the other, or an error.
func FuzzMembers(f *testing.F) {
	f.Add(archive(f, []entry{file("a/b.flac", 600), file("c", 0), file(strings.Repeat("n", 200), 3)}))
	f.Fuzz(func(t *testing.T, body []byte) {
		before := int64(0)
		_ = Members(bytes.NewReader(body), int64(len(body)), 0, func(m *Member, next int64) error {
			if m.Off < before+block || m.Size < 0 || m.Off+m.Size > int64(len(body)) || next < m.Off+m.Size || next%block != 0 {
				t.Fatalf("%+v behind %d, then %d, of %d bytes", m, before, next, len(body))
			}
			before = next
			return nil
		})
	})
}

var _ io.ReadSeeker = (*window)(nil)
