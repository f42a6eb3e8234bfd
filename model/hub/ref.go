package hub

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// Schemes of model references.
const (
	scheme   = "hf://"
	schemeS3 = "s3://"
)

// mainRevision is the branch that a reference without a revision means.
const mainRevision = "main"

// Ref names a model on a Hub.
type Ref struct {
	Owner, Name string // as in hf://owner/name
	Revision    string // branch, tag or commit; never empty
}

var (
	partRE     = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,95}$`)
	revisionRE = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}$`)
)

// IsReference says whether a model's path is a reference that must be fetched, and not a path in the file system.
func IsReference(path string) bool {
	return strings.HasPrefix(path, scheme) || strings.HasPrefix(path, schemeS3)
}

// Parse reads hf://owner/name or hf://owner/name@revision. The parts are safe as names of files.
func Parse(s string) (Ref, error) {
	rest, ok := strings.CutPrefix(s, scheme)
	if !ok {
		return Ref{}, fmt.Errorf("%q is not hf://owner/name or hf://owner/name@revision", s)
	}
	id, revision, pinned := strings.Cut(rest, "@")
	owner, name, _ := strings.Cut(id, "/")
	for _, part := range []string{owner, name} {
		// The cache joins the parts by two dashes, which is why no part may contain them.
		if !partRE.MatchString(part) || strings.Contains(part, "--") || strings.Contains(part, "..") {
			return Ref{}, fmt.Errorf("%q is not hf://owner/name or hf://owner/name@revision", s)
		}
	}
	if !pinned {
		revision = mainRevision
	}
	if !revisionRE.MatchString(revision) || !filepath.IsLocal(revision) || strings.Contains(revision, "..") {
		return Ref{}, fmt.Errorf("%q names no branch, tag or commit after the @", s)
	}
	return Ref{owner, name, revision}, nil
}

// ID is owner/name.
func (r Ref) ID() string { return r.Owner + "/" + r.Name }

// String is the reference, with its revision.
func (r Ref) String() string { return scheme + r.ID() + "@" + r.Revision }

// folder is the model's directory in the cache.
func (r Ref) folder() string { return "models--" + r.Owner + "--" + r.Name }
