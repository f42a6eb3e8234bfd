package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"vecmill/schemas"
)

// Place is where a URL of objects or files leads: to a prefix of a bucket, or to a directory of this machine.
type Place struct {
	Bucket string // "": it is a directory
	Prefix string // of keys, as it is written
	Dir    string // absolute; "": it is a bucket
}

// ErrNoPlace says that a URL is neither s3:// nor file://.
var ErrNoPlace = errors.New("is not s3://bucket/prefix or file:///directory")

// ParsePlace cuts s3://bucket/prefix or file:///directory as it is written: %, ? and # are characters of keys and names like others, as in references and in listings of buckets. Its errors show no password and no signature.
func ParsePlace(raw string) (Place, error) {
	scheme, rest, ok := strings.Cut(raw, ":")
	path, remote := strings.CutPrefix(rest, "//")
	switch {
	case ok && remote && strings.EqualFold(scheme, "s3"):
		return parseBucket(path)
	case ok && strings.EqualFold(scheme, "file"): // file:/directory, too, as Java writes it
		if !strings.HasPrefix(path, "/") || !filepath.IsAbs(filepath.FromSlash(path)) {
			return Place{}, fmt.Errorf("%q is not file:///absolute/directory", schemas.ShownURI(raw))
		}
		return Place{Dir: filepath.Clean(filepath.FromSlash(path))}, nil
	}
	return Place{}, fmt.Errorf("%q %w", schemas.ShownURI(raw), ErrNoPlace)
}

func parseBucket(path string) (Place, error) {
	bucket, prefix, _ := strings.Cut(path, "/")
	if strings.ContainsAny(bucket, ":@") { // no bucket's name has one: a user and a password, which may have a slash, as in URLs
		return Place{}, errors.New("s3://xxxxx@... names a user; credentials are s3.access_key and s3.secret_key")
	}
	if bucket == "" {
		return Place{}, fmt.Errorf("%q names no bucket", schemas.ShownURI("s3://"+path))
	}
	return Place{Bucket: bucket, Prefix: prefix}, nil
}
