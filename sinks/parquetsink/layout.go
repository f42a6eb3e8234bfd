package parquetsink

import (
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"vecmill/schemas"
	"vecmill/sinks/objectstore"
)

// Layout is how the files of a source are named.
type Layout string

// The layouts.
const (
	Plain Layout = "plain" // <prefix>/<pipeline>/<topic>/<partition>/<first offset>.<format>
	Hive  Layout = "hive"  // <prefix>/pipeline=<pipeline>/source=<topic>/part=<partition>/day=<day>/<first offset>.<format>
)

// Layouts lists every layout.
func Layouts() []Layout { return []Layout{Plain, Hive} }

// firstDay is the day of the first file of every hive chain. It has no rows: all writers of a chain must fight for one name, whatever their clocks say.
const firstDay = "1970-01-01"

// Dir is the directory of a source's chain, without a slash at the end.
func (y Layout) Dir(prefix string, src schemas.SourceID) string {
	plain := objectstore.SourceDir(prefix, src)
	if y != Hive {
		return plain
	}
	topicDir, part := path.Split(plain)
	pipelineDir, topic := path.Split(path.Clean(topicDir))
	root, pipeline := path.Split(path.Clean(pipelineDir))
	return root + "pipeline=" + pipeline + "/source=" + topic + "/part=" + part
}

// Root is the directory of all chains of a pipeline, with a slash at the end.
func (y Layout) Root(prefix, pipeline string) string {
	return path.Dir(path.Dir(y.Dir(prefix, schemas.SourceID{Pipeline: pipeline, Topic: "t"}))) + "/"
}

// Source is the source in whose chain a file's name lies; ok is false for names beneath Root that are not a chain's.
func (y Layout) Source(prefix, pipeline, name string) (src schemas.SourceID, ok bool) {
	rest, beneath := strings.CutPrefix(name, y.Root(prefix, pipeline))
	parts := strings.Split(rest, "/")
	depth, topicKey, partKey := 3, "", ""
	if y == Hive {
		depth, topicKey, partKey = 4, "source=", "part="
	}
	if !beneath || len(parts) != depth {
		return src, false
	}
	segment, hasTopic := strings.CutPrefix(parts[0], topicKey)
	digits, hasPart := strings.CutPrefix(parts[1], partKey)
	topic, err := url.PathUnescape(segment)
	n, nerr := strconv.Atoi(digits)
	if !hasTopic || !hasPart || err != nil || nerr != nil {
		return src, false
	}
	src = schemas.SourceID{Pipeline: pipeline, Topic: topic, Partition: n}
	_, ok = y.place(y.Dir(prefix, src), name)
	return src, ok
}

// Name is the name that the file with this content must have.
func (y Layout) Name(prefix string, f *FileInfo) string {
	return y.stem(y.Dir(prefix, f.Range.Source), place{f.Range.First, f.Day}) + f.Format.suffix()
}

// place is where a file of a chain begins. Places of a chain only rise: a file moves the offset forwards, or the day, or both. So each is
// the name of one file at most, and the order of the names is the order of the chain.
type place struct {
	offset int64  // -1 while there is no file
	day    string // "" in the plain layout
}

// start is where a chain without a file begins.
func (y Layout) start() place {
	if y == Hive {
		return place{-1, firstDay}
	}
	return place{offset: -1}
}

// stem is a file's name without the end that says its format.
func (y Layout) stem(dir string, at place) string {
	if y == Hive {
		dir += "/day=" + at.day
	}
	return fmt.Sprintf("%s/%020d", dir, at.offset)
}

// place reads a file's name, of any format; ok is false for names that are not of the chain in dir.
func (y Layout) place(dir, name string) (at place, ok bool) {
	rest, inDir := strings.CutPrefix(name, dir+"/")
	if y == Hive && inDir {
		segment, file, _ := strings.Cut(rest, "/")
		day, isDay := strings.CutPrefix(segment, "day=")
		if !isDay || !validDay(day) {
			return place{}, false
		}
		at.day, rest = day, file
	}
	format, isFile := FormatOf(rest)
	digits := strings.TrimSuffix(rest, format.suffix())
	if !inDir || !isFile || len(digits) != 20 {
		return place{}, false
	}
	n, err := parseOffset(digits)
	at.offset = n
	return at, err == nil
}

// validDay holds for the days that can be in a name, which sort as they follow each other.
func validDay(day string) bool {
	t, err := time.Parse(time.DateOnly, day)
	return err == nil && t.Format(time.DateOnly) == day
}

// today is the day that rows are written on now: the clock's (UTC), but never one before the chain's.
func today(at place) string { return max(at.day, time.Now().UTC().Format(time.DateOnly)) }
