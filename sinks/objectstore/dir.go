package objectstore

import (
	"net/url"
	"path"
	"strconv"

	"vecmill/schemas"
)

// SourceDir is where the objects of one source lie: "<prefix>/<pipeline>/<topic>/<partition>", without a slash at the end. Characters
// that mean something in a path are percent-encoded, so different sources never share a directory.
func SourceDir(prefix string, src schemas.SourceID) string {
	return path.Join(prefix, segment(src.Pipeline), segment(src.Topic), strconv.Itoa(src.Partition))
}

// segment makes one path segment of a name; ordinary names stay as they are.
func segment(s string) string {
	switch s {
	case "":
		return "%"
	case ".":
		return "%2E"
	case "..":
		return "%2E%2E"
	}
	return url.PathEscape(s)
}
