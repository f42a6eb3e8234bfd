package predict

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// predicted is the line of output of one file.
func predicted(t *testing.T, model, file string, options ...string) (result any, charset string, err error) {
	t.Helper()
	o := Options{}
	for _, s := range options {
		if err := o.Set(s); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	job := Job{Settings: Settings{Model: "../demo/models/" + model, Cache: t.TempDir(), Threads: 1}, Options: o}
	err = Run(t.Context(), job, &b, func(do func(Input) error) error { return do(OfFile(file)) })
	var line struct {
		Result  any
		Charset string
	}
	if err == nil {
		err = json.Unmarshal(b.Bytes(), &line)
	}
	return line.Result, line.Charset, err
}

func TestTextIsReadOutOfWhatItIsWrappedIn(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	want, charset, err := predicted(t, "text-intent", file("plain", "Please book a table at the café\n"))
	if err != nil || charset != "" {
		t.Fatalf("%v, character set %q", err, charset)
	}
	for name, c := range map[string]struct {
		content, charset string
		options          []string
	}{
		"JSON":                 {`{"body": {"text": "Please book a table at the café"}}`, "", []string{"text_format=json", "text_field=body.text"}},
		"HTML":                 {"<p>Please <b>book a table</b> at the caf&eacute;</p>", "", []string{"text_format=html"}},
		"Markdown":             {"Please **book** a [table](http://x) at the café\n", "", []string{"text_format=markdown"}},
		"Latin-1":              {"Please book a table at the caf\xe9\r\n", "", []string{"text_charset=latin1"}},
		"a set to be detected": {"Please book a table at the caf\xe9", "windows-1252", []string{"text_charset=detect"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, charset, err := predicted(t, "text-intent", file("wrapped", c.content), c.options...)
			if err != nil || !equalJSON(got, want) || charset != c.charset {
				t.Errorf("%v, character set %q, %v; want %v, %q", got, charset, err, want, c.charset)
			}
		})
	}
	for option, words := range map[string]string{
		"text_format=pdf":      `option text_format: "pdf" is not one of`,
		"text_charset=klingon": "option text_charset",
		"text_field=a":         "option text_field",
		"text_draft=true":      `no option "text_draft"`,
	} {
		if _, _, err := predicted(t, "text-intent", file("plain", "a"), option); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, want %q", option, err, words)
		}
	}
	if _, _, err := predicted(t, "text-intent", file("bad", "caf\xe9"), "text_invalid_utf8=fail"); err == nil || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("invalid UTF-8: %v", err)
	}
}

func TestPicturesAreReadAsAsked(t *testing.T) {
	const file = "../../embed/image/testdata/pictures/jpeg_orientation6.jpg"
	want, _, err := predicted(t, "vision-digits", file)
	if err != nil {
		t.Fatal(err)
	}
	for option, same := range map[string]bool{"image_orientation=exif": true, "image_libraries=off": true, "image_max_pixels=1000": true, "image_orientation=ignore": false} {
		got, _, err := predicted(t, "vision-digits", file, option)
		if err != nil || equalJSON(got, want) != same {
			t.Errorf("%s: %v, %v; the same as without: want %t", option, got, err, same)
		}
	}
	const large = "../../embed/image/testdata/bench.jpg"
	whole, _, err1 := predicted(t, "vision-digits", large)
	draft, _, err2 := predicted(t, "vision-digits", large, "image_draft=true")
	if err1 != nil || err2 != nil || equalJSON(whole, draft) {
		t.Errorf("at a reduced size %v, %v; whole %v, %v", draft, err2, whole, err1)
	}
	for option, words := range map[string]string{
		"image_orientation=up": `option image_orientation "up" is not one of exif, ignore`,
		"image_max_pixels=100": "at most 100 are allowed",
		"image_draft=much":     "option image_draft",
	} {
		if _, _, err := predicted(t, "vision-digits", file, option); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, want %q", option, err, words)
		}
	}
}
