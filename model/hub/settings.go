package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// publicEndpoint is the Hub that is asked when HF_ENDPOINT names no other.
const publicEndpoint = "https://huggingface.co"

// Settings say which Hub is asked, and how. Zero values of the last five fields mean their defaults.
type Settings struct {
	Endpoint  string            // address of the Hub, without a path's trailing slash
	Cache     string            // the Hub's cache directory: holds models--owner--name
	Token     string            // sent to Endpoint only; empty: none
	Offline   bool              // never ask the network
	Decoder   bool              // fetch the beam decoder, too, if the checkpoint has one: its language model may be larger than the weights
	Transport http.RoundTripper // of all requests; http.DefaultTransport
	Log       *slog.Logger      // told of attempts that failed; slog.Default()
	Attempts  int               // of one request or file without any progress; 5
	Backoff   time.Duration     // before the second attempt, doubled before each further one; 1 s
	Stall     time.Duration     // without a byte after which a transfer counts as broken; 60 s
}

// Environment reads the variables that Hugging Face's own tools read: HF_ENDPOINT, HF_HOME, HF_HUB_CACHE, HF_TOKEN, HF_TOKEN_PATH,
// HF_HUB_OFFLINE, their older names, and the token file. getenv is os.Getenv, or a test's. It fails if no directory
// can be found for the cache or the token file cannot be read.
func Environment(getenv func(string) string) (Settings, error) {
	first := func(names ...string) string {
		for _, n := range names {
			if v := strings.TrimSpace(getenv(n)); v != "" {
				return v
			}
		}
		return ""
	}
	path := func(names ...string) string { // as there, "~" is the home, also where no shell has seen to it
		v := first(names...)
		if rest, ok := strings.CutPrefix(v, "~"); ok && (rest == "" || rest[0] == '/') && first("HOME") != "" {
			return filepath.Join(first("HOME"), rest)
		}
		return v
	}
	s := Settings{
		Endpoint: strings.TrimRight(first("HF_ENDPOINT"), "/"),
		Cache:    path("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"),
		Token:    first("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
		Offline:  isTrue(first("HF_HUB_OFFLINE")) || isTrue(first("TRANSFORMERS_OFFLINE")),
	}
	if s.Endpoint == "" {
		s.Endpoint = publicEndpoint
	}
	home := path("HF_HOME")
	if home == "" {
		base := path("XDG_CACHE_HOME")
		if base == "" && first("HOME") != "" {
			base = filepath.Join(first("HOME"), ".cache")
		}
		if base != "" {
			home = filepath.Join(base, "huggingface")
		}
	}
	if s.Cache == "" {
		if home == "" {
			return Settings{}, errors.New("finding the Hub's cache directory: none of HF_HUB_CACHE, HF_HOME and HOME is set")
		}
		s.Cache = filepath.Join(home, "hub")
	}
	file := path("HF_TOKEN_PATH")
	if file == "" && home != "" {
		file = filepath.Join(home, "token")
	}
	if s.Token == "" && file != "" {
		b, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Settings{}, fmt.Errorf("reading the Hub's token: %w", err)
		}
		s.Token = strings.TrimSpace(string(b))
	}
	return s, nil
}

func isTrue(v string) bool {
	switch strings.ToUpper(v) {
	case "1", "ON", "YES", "TRUE":
		return true
	}
	return false
}

// check fills in defaults and says what cannot work.
func (s *Settings) check() (*url.URL, error) {
	u, err := url.Parse(s.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, errors.New("HF_ENDPOINT is not http://host or https://host") // not shown: it may hold a password
	}
	if s.Cache == "" {
		return nil, errors.New("no directory given for the Hub's cache; set HF_HUB_CACHE")
	}
	if strings.ContainsFunc(s.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("HF_TOKEN is no token: it contains a space or a control character")
	}
	if s.Transport == nil {
		s.Transport = http.DefaultTransport
	}
	if s.Log == nil {
		s.Log = slog.Default()
	}
	if s.Attempts <= 0 {
		s.Attempts = 5
	}
	if s.Backoff <= 0 {
		s.Backoff = time.Second
	}
	if s.Stall <= 0 {
		s.Stall = time.Minute
	}
	return u, nil
}
