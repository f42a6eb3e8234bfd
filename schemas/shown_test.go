package schemas

import (
	"strings"
	"testing"
)

func TestWhatIsShownOfAURI(t *testing.T) {
	for uri, want := range map[string]string{
		"https://host/a.wav": "https://host/a.wav",
		"https://host/a.wav?X-Amz-Date=x&X-Amz-Signature=secret":     "https://host/a.wav?...",
		"HTTPS://host/a.wav?sig=secret":                              "HTTPS://host/a.wav?...",
		"https://host?sig=secret":                                    "https://host?...",
		"https://host/a.tar?sig=secret#bytes=0-99":                   "https://host/a.tar?...#bytes=0-99",
		"https://host/a?b?sig=secret":                                "https://host/a?...",
		"https://me:secret@host/a":                                   "https://xxxxx@host/a",
		"https://secret@host:8443/a@b?sig=secret":                    "https://xxxxx@host:8443/a@b?...",
		"https://me:secret@evil@host":                                "https://xxxxx@host",
		"ftp://me:secret@host/a?sig=secret":                          "ftp://xxxxx@host/a?...",
		"https:/host/a?sig=secret":                                   "https:/host/a?...",
		"https://host/%zz?sig=secret":                                "https://host/%zz?...",
		"s3://bucket/what?.wav#1":                                    "s3://bucket/what?.wav#1",
		"file:///data/a?b#c":                                         "file:///data/a?b#c",
		InlinePlace:                                                  InlinePlace,
		"":                                                           "",
		"gs://bucket/a?X-Goog-Signature=secret&X-Goog-Credential=no": "gs://bucket/a?...",
	} {
		if got := ShownURI(uri); got != want {
			t.Errorf("%s is shown as %s, want %s", uri, got, want)
		}
	}
}

func TestWhatIsShownOfAnID(t *testing.T) {
	long := "https://host/" + strings.Repeat("a", 2*MaxID) + "?sig=secret"
	for _, c := range []struct {
		ref  Ref
		want string
	}{
		{Ref{ID: "call-17", URI: "https://host/a?sig=secret"}, "call-17"},
		{Ref{ID: "https://host/a?sig=secret", URI: "https://host/a?sig=secret"}, "https://host/a?..."},
		{Ref{ID: IDOf(long), URI: long}, strings.TrimSuffix(long, "sig=secret") + "..."},
		{Ref{ID: "s3://box/a?b", URI: "s3://box/a?b"}, "s3://box/a?b"},
		{Ref{ID: "a?b", Inline: []byte("x")}, "a?b"},
	} {
		if got := c.ref.ShownID(); got != c.want {
			t.Errorf("%s is shown as %s, want %s", c.ref.ID, got, c.want)
		}
	}
}

// A fault of a reference goes to logs and letters as others do.
func TestAFaultOfAURIDoesNotHaveItsSignature(t *testing.T) {
	for _, uri := range []string{"https://ho st/a?sig=secret", "https://host/a%zz?sig=secret", "https://h:port/a?sig=secret", "https:/host/a?sig=secret", "//host/a?sig=secret", "ftp://host/a?sig=secret", "https://me:secret\x7f@host/a", ":?sig=secret"} {
		r := Ref{ID: "a", URI: uri}
		if err := r.Validate(); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", uri, err)
		}
	}
}
