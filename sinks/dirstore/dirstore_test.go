package dirstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vecmill/sinks/dirstore"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/sinktest"
)

func open(t *testing.T, root string) *dirstore.Store {
	t.Helper()
	s, err := dirstore.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDirectoryConforms(t *testing.T) {
	sinktest.RunStore(t, func(t *testing.T) objectstore.Store { return open(t, filepath.Join(t.TempDir(), "made", "by", "open")) })
}

func TestNamesStayInsideTheDirectory(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	for _, name := range []string{"", ".", "..", "../x", "a/../../x", "/etc/x", "a//b", "a/", ".vecmill-tmp", ".vecmill-tmp/x"} {
		if err := s.PutIfAbsent(t.Context(), name, nil, nil); !errors.Is(err, objectstore.ErrRefused) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestNoTemporaryFileRemains(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	for range 2 { // the second loses
		s.PutIfAbsent(t.Context(), "a/b", []byte("x"), nil)
	}
	if err := s.Put(t.Context(), "a/b", []byte("y"), ""); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(filepath.Join(root, ".vecmill-tmp"))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
	if b, err := s.Read(t.Context(), "a/b", 0, 10); err != nil || string(b) != "y" {
		t.Errorf("read %q, %v", b, err)
	}
}

func TestOpenRemovesOldLeftoversOnly(t *testing.T) {
	root := t.TempDir()
	open(t, root)
	tmp := filepath.Join(root, ".vecmill-tmp")
	for name, age := range map[string]time.Duration{"put-old": 2 * time.Hour, "put-live": time.Second} {
		p := filepath.Join(tmp, name)
		if err := os.WriteFile(p, []byte("half"), 0o644); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(p, at, at); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, root)
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) != 1 || left[0].Name() != "put-live" {
		t.Errorf("left: %v, %v", left, err)
	}
	if names, err := s.List(t.Context(), "", ""); err != nil || len(names) > 0 {
		t.Errorf("unpublished files are listed: %v, %v", names, err)
	}
}

func TestADirectoryThatCannotBeWrittenIsRefused(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := dirstore.Open(file); err == nil || !strings.Contains(err.Error(), "output directory") {
		t.Errorf("opening a file as a directory gives %v", err)
	}
}
