package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// maxListing bounds the answer that lists a model's files, in bytes.
const maxListing = 32 << 20

// listing is what a revision is: a commit and its files.
type listing struct {
	commit string
	files  []string // names below the model's root, with slashes; safe to join to a directory
}

var (
	commitRE = regexp.MustCompile(`^[0-9A-Za-z]{1,64}$`)
	etagRE   = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_-]{0,127}$`)
)

// parseListing reads the Hub's description of a revision.
func parseListing(b []byte) (listing, error) {
	var x struct {
		SHA      string `json:"sha"`
		Siblings []struct {
			Name string `json:"rfilename"`
		} `json:"siblings"`
	}
	if err := json.Unmarshal(b, &x); err != nil {
		return listing{}, fmt.Errorf("the Hub's list of files is no JSON: %w; check HF_ENDPOINT", err)
	}
	if !commitRE.MatchString(x.SHA) {
		return listing{}, fmt.Errorf("the Hub's list of files names no commit")
	}
	l := listing{commit: x.SHA}
	for _, s := range x.Siblings {
		if safeName(s.Name) {
			l.files = append(l.files, s.Name)
		}
	}
	return l, nil
}

// list asks which commit a revision is, and for its files.
func (c *Client) list(ctx context.Context, ref Ref) (listing, error) {
	u := c.endpoint.JoinPath("api", "models", ref.Owner, ref.Name, "revision", url.PathEscape(ref.Revision))
	var l listing
	err := c.set.again(ctx, func() (bool, error) {
		resp, err := c.do(ctx, exchange{method: http.MethodGet, url: u})
		if err != nil {
			return false, err
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusOK {
			return false, refused(ref.String(), resp, c.set.Token != "")
		}
		b, err := io.ReadAll(io.LimitReader(resp.Body, maxListing+1))
		if err != nil {
			return false, err
		}
		if len(b) > maxListing {
			return false, fmt.Errorf("the Hub's list of files is longer than %d bytes", maxListing)
		}
		l, err = parseListing(b)
		return false, err
	})
	return l, err
}

// meta is what the Hub announces of a file.
type meta struct {
	etag string // sha256 of a large file's content, git's blob id of another's
	size int64  // -1: not announced

	linked bool // the ETag is that of the stored file, whatever else is said
}

// fileURL is where a file of a commit is.
func (c *Client) fileURL(ref Ref, commit, name string) *url.URL {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return c.endpoint.JoinPath(append([]string{ref.Owner, ref.Name, "resolve", commit}, parts...)...)
}

// announce asks the Hub what a file is, without following it to its storage.
func (c *Client) announce(ctx context.Context, ref Ref, commit, name string) (meta, error) {
	var m meta
	err := c.set.again(ctx, func() (bool, error) {
		m = meta{size: -1}
		other := ""
		resp, err := c.do(ctx, exchange{
			method: http.MethodHead, url: c.fileURL(ref, commit, name), byHub: true,
			hop: func(r *http.Response) {
				m.read(r)
				if at := r.Header.Get("X-Repo-Commit"); at != "" && at != commit {
					other = at
				}
			},
		})
		if err != nil {
			return false, err
		}
		defer func() { _ = resp.Body.Close() }()
		switch {
		case resp.StatusCode/100 != 2 && resp.StatusCode/100 != 3:
			return false, refused(name, resp, c.set.Token != "")
		case other != "":
			return false, fmt.Errorf("the Hub answered with commit %s for %s of %s", other, name, commit)
		case !etagRE.MatchString(m.etag):
			return false, fmt.Errorf("the Hub announced no ETag for %s; check HF_ENDPOINT", name)
		}
		return false, nil
	})
	return m, err
}

// read takes what an answer of the Hub announces. What is said of the stored file counts more than what is said of the answer.
func (m *meta) read(r *http.Response) {
	if tag := unquote(r.Header.Get("X-Linked-Etag")); tag != "" {
		m.etag, m.linked = tag, true
	} else if tag := unquote(r.Header.Get("ETag")); tag != "" && !m.linked {
		m.etag = tag
	}
	if n, err := strconv.ParseInt(r.Header.Get("X-Linked-Size"), 10, 64); err == nil && n >= 0 {
		m.size = n
	} else if r.StatusCode == http.StatusOK && m.size < 0 {
		m.size = r.ContentLength
	}
}

// unquote takes an ETag out of its quotes, a weak one too.
func unquote(tag string) string { return strings.Trim(strings.TrimPrefix(tag, "W/"), `"`) }
