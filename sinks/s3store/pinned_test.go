package s3store_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"vecmill/sinks/objectstore"
	"vecmill/sinks/s3store"
)

// TestAPinnedObjectIsReadAsItWas puts another object over one that was looked at, and removes it.
func TestAPinnedObjectIsReadAsItWas(t *testing.T) {
	srv := httptest.NewTLSServer(fake(t))
	defer srv.Close()
	c := client(t, srv)
	s := s3store.New(c, "bucket", s3store.Options{})
	put := func(text string) {
		t.Helper()
		if err := s.Put(t.Context(), "dir/x", []byte(text), "text/plain"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Pin(t.Context(), "dir/x"); !errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("of what is not there: %v", err)
	}
	put("before")
	p, err := s.Pin(t.Context(), "dir/x")
	if err != nil || p.Size != 6 || p.ETag == "" || p.Changed.IsZero() {
		t.Fatalf("%+v, %v", p, err)
	}
	read := func() (string, error) {
		b, err := s.ReadPinned(t.Context(), &p, 1, 4)
		return string(b), err
	}
	if got, err := read(); got != "efor" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	put("behind")
	if got, err := read(); got != "" || !errors.Is(err, objectstore.ErrChanged) {
		t.Errorf("when another is there: %q, %v", got, err)
	}
	put("b")
	if got, err := read(); got != "" || !errors.Is(err, objectstore.ErrChanged) {
		t.Errorf("when a shorter one is there: %q, %v", got, err)
	}
	put("before")
	if got, err := read(); got != "efor" || err != nil {
		t.Errorf("when it is back: %q, %v", got, err)
	}
	if _, err := s.ReadPinned(t.Context(), &s3store.Pinned{Name: "dir/y", ETag: "e", Size: 6}, 0, 6); !errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("when it is gone: %v", err)
	}
}

// TestTheMD5OfAnObjectIsItsEntityTagWhereThatIsOne has tags that look like one, and are none.
func TestTheMD5OfAnObjectIsItsEntityTagWhereThatIsOne(t *testing.T) {
	const sum = "9A0364B9E99BB480DD25E1F0284C8555"
	for _, c := range []struct{ name, etag, encryption, want string }{
		{"put at once", sum, "", sum},
		{"with keys of the store's", sum, "AES256", sum},
		{"with keys of KMS", sum, "aws:kms", ""},
		{"with them, twice", sum, "aws:kms:dsse", ""},
		{"in parts", sum + "-2", "", ""},
		{"of a store that counts", "17", "", ""},
		{"of a store that has other letters", strings.Repeat("g", 32), "", ""},
	} {
		srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Last-Modified", "Mon, 02 Jan 2006 15:04:05 GMT")
			w.Header().Set("ETag", `"`+c.etag+`"`)
			if c.encryption != "" {
				w.Header().Set("x-amz-server-side-encryption", c.encryption)
			}
		}))
		p, err := s3store.New(client(t, srv), "bucket", s3store.Options{}).Pin(t.Context(), "x")
		srv.Close()
		if err != nil || p.ETag != c.etag || p.MD5 != c.want {
			t.Errorf("%s: %+v, %v, want %q", c.name, p, err, c.want)
		}
	}
}

// TestAPinnedVersionIsReadWhenItIsNotTheCurrentOne has a bucket that keeps versions, and credentials that may read them, or not.
func TestAPinnedVersionIsReadWhenItIsNotTheCurrentOne(t *testing.T) {
	for _, c := range []struct {
		name    string
		current int    // answer to a GET without a version
		version int    // and to one with it
		code    string // of the latter
		want    error
	}{
		{"put over", 412, 206, "", nil},
		{"removed", 404, 206, "", nil},
		{"put over, and versions are not to be read", 412, 403, "AccessDenied", objectstore.ErrChanged},
		{"removed, and the version, too", 404, 404, "NoSuchVersion", objectstore.ErrNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Last-Modified", "Mon, 02 Jan 2006 15:04:05 GMT")
				status, code := c.current, "Any"
				switch {
				case r.Method == http.MethodHead:
					w.Header().Set("x-amz-version-id", "v1")
					status = 200
				case r.URL.Query().Get("versionId") == "v1":
					status, code = c.version, c.code
				}
				if status >= 400 {
					w.Header().Set("Content-Type", "application/xml")
					w.WriteHeader(status)
					fmt.Fprintf(w, "<Error><Code>%s</Code><Message>m</Message></Error>", code)
					return
				}
				if r.Method == http.MethodGet && r.Header.Get("If-Match") != `"e"` {
					t.Errorf("If-Match: %s", r.Header.Get("If-Match"))
				}
				w.Header().Set("ETag", `"e"`)
				w.Header().Set("Content-Length", "4")
				w.WriteHeader(status)
				if r.Method == http.MethodGet {
					fmt.Fprint(w, "efor")
				}
			}))
			defer srv.Close()
			s := s3store.New(client(t, srv), "bucket", s3store.Options{})
			p, err := s.Pin(t.Context(), "x")
			if err != nil || p.Version != "v1" {
				t.Fatalf("%+v, %v", p, err)
			}
			got, err := s.ReadPinned(t.Context(), &p, 1, 4)
			if !errors.Is(err, c.want) || err == nil && string(got) != "efor" {
				t.Errorf("%q, %v; want %v", got, err, c.want)
			}
		})
	}
}
