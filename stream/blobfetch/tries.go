package blobfetch

import (
	"errors"
	"io/fs"
	"net/url"
	"strings"
)

// Try is how a fetch goes: a try that failed and is followed by another one, or its end.
type Try struct {
	URI    string // of the object, as errors name it
	Err    error  // nil where the object came
	Failed int    // tries so far that failed and were followed by others
	Last   bool   // it is the end
}

// Telling is this Fetcher, with its limits and connections, for who wants to hear of tries. told is called from any goroutine.
func (f *Fetcher) Telling(told func(Try)) *Fetcher {
	own := *f
	own.told = told
	return &own
}

func (f *Fetcher) tell(t Try) {
	if f.told != nil {
		f.told(t)
	}
}

// Anonymous is the text of the error with the object's store or host in place of its name, which may be private.
func (t *Try) Anonymous() string {
	text := strings.ReplaceAll(t.Err.Error(), t.URI, "an object of "+origin(t.URI))
	if asked, ok := errors.AsType[*url.Error](t.Err); ok {
		text = strings.ReplaceAll(text, asked.URL, origin(asked.URL))
	}
	if file, ok := errors.AsType[*fs.PathError](t.Err); ok {
		text = strings.ReplaceAll(text, file.Op+" "+file.Path, file.Op)
	}
	return text
}

// origin is a URI without its path.
func origin(uri string) string {
	scheme, rest, _ := strings.Cut(uri, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}
