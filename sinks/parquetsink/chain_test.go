package parquetsink_test

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

// chainOf writes a chain of ten files of ten offsets each.
func chainOf(t *testing.T, st *sinktest.MemStore, source schemas.SourceID) []parquetsink.FileInfo {
	t.Helper()
	s := open(t, config(st))
	if _, _, err := s.Resume(t.Context(), source, 0); err != nil {
		t.Fatal(err)
	}
	for o := int64(0); o < 100; o += 10 {
		write(t, s, source, o, o+10)
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	closeSink(t, s)
	files, err := parquetsink.Chain(t.Context(), st, "out/rows", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestAFileSaysWhatItCovers(t *testing.T) {
	for _, drop := range []bool{false, true} {
		t.Run(fmt.Sprintf("metadata dropped %v", drop), func(t *testing.T) {
			st := sinktest.NewMemStore()
			st.DropMeta = drop
			source := schemas.SourceID{Pipeline: "pipe", Topic: "strange/töpic %", Partition: 12}
			f := chainOf(t, st, source)[3]
			r, rows := sinktest.Make(source, 30, 40)
			if f.Range.Source != source || f.Range.Span != r.Span || fmt.Sprint(f.Range.Dead, f.Range.Skipped, f.Range.Lost) != fmt.Sprint(r.Dead, r.Skipped, r.Lost) {
				t.Errorf("range %+v, want %+v", f.Range, r)
			}
			if f.Rows != int64(len(rows)) || f.Schema != parquetsink.SchemaVersion || f.Writer != "test" || f.Nonce == "" || f.Created.IsZero() || f.Metadata["model-digest"] != "sha256:abc" {
				t.Errorf("%+v", f)
			}
			if want := "out/rows/pipe/strange%2Ft%C3%B6pic%20%25/12/00000000000000000030.parquet"; f.Name != want {
				t.Errorf("name %s, want %s", f.Name, want)
			}
		})
	}
}

func TestAChainIsFollowedFromTheFileThatCoversTheHint(t *testing.T) {
	st := sinktest.NewMemStore()
	chainOf(t, st, src(0))
	for _, c := range []struct {
		from  int64
		first int64
	}{{0, 0}, {9, 0}, {10, 10}, {55, 50}, {99, 90}, {100, 90}, {100_000, 90}} {
		files, err := parquetsink.Chain(t.Context(), st, "out/rows", src(0), c.from)
		if err != nil || files[0].Range.First != c.first || files[len(files)-1].Range.Next != 100 {
			t.Errorf("from %d: %v, begins at %d", c.from, err, files[0].Range.First)
		}
	}
}

// TestAChainIsFollowedNoFurtherThanItIsWanted damages the last file but one, which nobody who does not come there sees.
func TestAChainIsFollowedNoFurtherThanItIsWanted(t *testing.T) {
	st := sinktest.NewMemStore()
	files := chainOf(t, st, src(0))
	if err := st.Put(t.Context(), files[8].Name, []byte("PAR1"), ""); err != nil {
		t.Fatal(err)
	}
	for in, want := range map[schemas.Span][2]int64{
		{First: 0, Next: 1}: {0, 10}, {First: 0, Next: 10}: {0, 10}, {First: 0, Next: 11}: {0, 20}, {First: 35, Next: 71}: {30, 80}, {First: 79, Next: 80}: {70, 80}, {First: 95, Next: 200}: {90, 100},
	} {
		got, err := parquetsink.Plain.ChainIn(t.Context(), st, "out/rows", src(0), in)
		if err != nil || len(got) == 0 || [2]int64{got[0].Range.First, got[len(got)-1].Range.Next} != want {
			t.Errorf("in %v: %v, %d files, want %v", in, err, len(got), want)
		}
	}
	if _, err := parquetsink.Plain.ChainIn(t.Context(), st, "out/rows", src(0), schemas.Span{First: 75, Next: 81}); err == nil || !strings.Contains(err.Error(), files[8].Name) {
		t.Errorf("to the damaged file: %v", err)
	}
}

func TestABrokenChainIsRefusedWithTheNamesOfTheFiles(t *testing.T) {
	body := func(st *sinktest.MemStore, f parquetsink.FileInfo) []byte {
		o, err := st.Stat(t.Context(), f.Name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := st.Read(t.Context(), f.Name, 0, o.Size)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	name := func(first int) string { return fmt.Sprintf("out/rows/pipe/topic/0/%020d.parquet", first) }
	for _, c := range []struct {
		name string
		make func(whole, broken *sinktest.MemStore, files []parquetsink.FileInfo)
		want []string
	}{
		{"a file is missing", func(whole, broken *sinktest.MemStore, files []parquetsink.FileInfo) {
			for i, f := range files {
				if i != 4 {
					broken.PutIfAbsent(t.Context(), f.Name, body(whole, f), nil)
				}
			}
		}, []string{"no file covers offsets 40 to 49", name(30), name(50)}},
		{"a file was renamed", func(whole, broken *sinktest.MemStore, files []parquetsink.FileInfo) {
			broken.PutIfAbsent(t.Context(), name(7), body(whole, files[0]), nil)
		}, []string{name(7), "begins at offset 0"}},
		{"a file of another chain lies inside one", func(whole, broken *sinktest.MemStore, files []parquetsink.FileInfo) {
			broken.PutIfAbsent(t.Context(), name(0), body(whole, files[0]), nil)
			other := sinktest.NewMemStore()
			s := open(t, config(other))
			s.Resume(t.Context(), src(0), 0)
			write(t, s, src(0), 0, 5)
			s.Flush(t.Context())
			write(t, s, src(0), 5, 8)
			closeSink(t, s)
			broken.PutIfAbsent(t.Context(), name(5), body(other, parquetsink.FileInfo{Name: name(5)}), nil)
		}, []string{"both cover offsets 5 to 7", name(0), name(5)}},
		{"a file is damaged", func(whole, broken *sinktest.MemStore, files []parquetsink.FileInfo) {
			b := body(whole, files[0])
			broken.PutIfAbsent(t.Context(), name(0), b[:len(b)-3], nil)
		}, []string{name(0), "footer"}},
		{"a file is somebody else's Parquet", func(_, broken *sinktest.MemStore, _ []parquetsink.FileInfo) {
			broken.PutIfAbsent(t.Context(), name(0), []byte("PAR1 no"), nil)
		}, []string{name(0)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			whole, broken := sinktest.NewMemStore(), sinktest.NewMemStore()
			c.make(whole, broken, chainOf(t, whole, src(0)))
			conf := config(broken)
			conf.Retry.Attempts = 1
			s := open(t, conf)
			_, _, err := s.Resume(t.Context(), src(0), 0)
			if err == nil {
				t.Fatal("it resumes")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not contain %q", err, w)
				}
			}
			if strings.Contains(c.want[0], "cover") && !errors.Is(err, parquetsink.ErrBrokenChain) {
				t.Errorf("%v is not ErrBrokenChain", err)
			}
			closeSink(t, s)
		})
	}
}

func TestFilesExpiredByALifecycleRuleDoNotBreakTheChain(t *testing.T) {
	whole, kept := sinktest.NewMemStore(), sinktest.NewMemStore()
	for _, f := range chainOf(t, whole, src(0))[6:] {
		o, _ := whole.Stat(t.Context(), f.Name)
		b, _ := whole.Read(t.Context(), f.Name, 0, o.Size)
		kept.PutIfAbsent(t.Context(), f.Name, b, o.Meta)
	}
	for _, from := range []int64{0, 30, 60, 75, 100} {
		s := open(t, config(kept))
		if next, known, err := s.Resume(t.Context(), src(0), from); err != nil || !known || next != 100 {
			t.Errorf("with the hint %d it resumes at %d, %v, %v", from, next, known, err)
		}
		closeSink(t, s)
	}
}

func TestManySpansAreReadFromTheFooter(t *testing.T) {
	st := sinktest.NewMemStore()
	s := open(t, config(st))
	if _, _, err := s.Resume(t.Context(), src(0), 0); err != nil {
		t.Fatal(err)
	}
	write(t, s, src(0), 0, 20_000) // far more dead and skipped offsets than 2 KB of metadata can tell
	closeSink(t, s)
	a := read(t, st, src(0))
	if err := a.Audit(src(0), 0, 20_000, true); err != nil {
		t.Fatal(err)
	}
	o, err := st.Stat(t.Context(), "out/rows/pipe/topic/0/00000000000000000000.parquet")
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for k, v := range o.Meta {
		size += len(k) + len(v)
	}
	if size > 2000 || o.Meta["vecmill-dead"] != "footer" || o.Meta["vecmill-next-offset"] != "20000" {
		t.Errorf("%d bytes of object metadata: %v", size, o.Meta)
	}
}

func TestAChainThatGoesOnWithAnotherModelIsTold(t *testing.T) {
	st := sinktest.NewMemStore()
	var told []string
	for i, c := range []struct{ digest, told string }{{"", ""}, {"a", ""}, {"a", ""}, {"b", "00000000000000000020.parquet was of a"}, {"b", ""}, {"", ""}, {"c", ""}} {
		conf := config(st)
		conf.Metadata = map[string]string{}
		if c.digest != "" {
			conf.Metadata["model_digest"] = c.digest
		}
		told = nil
		conf.OtherModel = func(f parquetsink.FileInfo) { told = append(told, path.Base(f.Name)+" was of "+f.ModelDigest()) }
		s := open(t, conf)
		if next, _, err := s.Resume(t.Context(), src(0), 0); err != nil || i > 0 && next != int64(i)*10 {
			t.Fatalf("%d: %d, %v", i, next, err)
		}
		write(t, s, src(0), int64(i)*10, int64(i)*10+10)
		closeSink(t, s)
		if got := strings.Join(told, ", "); got != c.told {
			t.Errorf("with model %q after %d files it is told of %q, want %q", c.digest, i, got, c.told)
		}
	}
}
