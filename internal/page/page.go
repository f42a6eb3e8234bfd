package page

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"vecmill/internal/status"
	"vecmill/stream"
)

//go:embed assets
var assets embed.FS

// policy keeps the page to what the worker itself serves: a transcript that holds markup, or a picture that is a page, can load and send nothing.
const policy = "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"

// New serves the page at /, its data at /status.json, and objects of recent items below /recent/. now is called for each
// request, from any goroutine; object gives what Recent keeps, nil means that there is none.
func New(now func() status.Status, object func(pipeline string, item Which) ([]byte, bool)) http.Handler {
	static, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(err) // the directory is in the binary
	}
	m := http.NewServeMux()
	m.Handle("GET /", http.FileServerFS(static))
	m.HandleFunc("GET /status.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(now()) // the browser has gone: nobody to tell
	})
	if object != nil {
		m.HandleFunc("GET /recent/{pipeline}/{topic}/{partition}/{offset}/{serial}", func(w http.ResponseWriter, r *http.Request) {
			part, err1 := strconv.Atoi(r.PathValue("partition"))
			offset, err2 := strconv.ParseInt(r.PathValue("offset"), 10, 64)
			serial, err3 := strconv.ParseInt(r.PathValue("serial"), 10, 64)
			data, ok := object(r.PathValue("pipeline"), Which{stream.Position{Partition: stream.Partition{Topic: r.PathValue("topic"), ID: part}, Offset: offset}, serial})
			kind := mediaType(data)
			switch {
			case err1 != nil || err2 != nil || err3 != nil || ok && kind == "":
				http.NotFound(w, r)
				return
			case !ok: // newer ones came between the page's look at the status and now: no fault, of which a browser's console would tell
				w.WriteHeader(http.StatusNoContent)
				return
			}
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Cache-Control", "no-store")
			_, _ = w.Write(data)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		m.ServeHTTP(w, r)
	})
}

// mediaType says what a browser may show an object as, "" if not at all: objects come from strangers, and a page among them must never be one of ours.
func mediaType(data []byte) string {
	switch kind := http.DetectContentType(data); {
	case strings.HasPrefix(kind, "image/"), strings.HasPrefix(kind, "audio/"):
		return kind
	case kind == "application/ogg":
		return "audio/ogg"
	case kind == "video/webm":
		return "audio/webm"
	case strings.HasPrefix(string(data), "fLaC"):
		return "audio/flac"
	}
	return ""
}

// objectPath is where the object of an item is served.
func objectPath(pipeline string, w Which) string {
	return "recent/" + url.PathEscape(pipeline) + "/" + url.PathEscape(w.At.Topic) + "/" + strconv.Itoa(w.At.ID) + "/" + strconv.FormatInt(w.At.Offset, 10) + "/" + strconv.FormatInt(w.Serial, 10)
}
