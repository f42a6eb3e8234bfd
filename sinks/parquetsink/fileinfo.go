package parquetsink

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"time"

	"vecmill/schemas"
)

// SchemaVersion is the version of the files' columns and metadata that this build writes.
const SchemaVersion = 1

// FileInfo is what a file says of itself, in its footer and in its object metadata.
type FileInfo struct {
	Name     string
	Format   Format            // as its name says; "" is Parquet
	Range    schemas.Range     // offsets covered, with the dead, the skipped and the lost ones; every other offset has rows
	Origin   int64             // first offset that was ever handed to this chain's writer; offsets before it count as skipped. Set in the first file only
	Rows     int64             // 0 for a file that only records a range
	Schema   int               // SchemaVersion of its writer
	Writer   string            // the process that wrote it
	Nonce    string            // unique per file
	Day      string            // hive layout: its own day, 2006-01-02; "" in the plain layout
	NextDay  string            // hive layout: the day of the file behind it
	Created  time.Time         // UTC, by the writer's clock
	Metadata map[string]string // Config.Metadata, without prefix
}

// metaPrefix begins every key of ours. The keys are the same in the footer and in the object metadata; only hyphens, since
// proxies drop headers with underscores.
const metaPrefix = "vecmill-"

// maxObjectMetadata is S3's limit of 2 KB less a reserve for how servers count.
const maxObjectMetadata = 1900

// inFooter stands in the object metadata for spans that do not fit there.
const inFooter = "footer"

// footer is the complete metadata of a file.
func (f *FileInfo) footer() map[string]string {
	m := map[string]string{
		"pipeline":       url.PathEscape(f.Range.Source.Pipeline), // headers are ASCII
		"topic":          url.PathEscape(f.Range.Source.Topic),
		"partition":      strconv.Itoa(f.Range.Source.Partition),
		"first-offset":   strconv.FormatInt(f.Range.First, 10),
		"next-offset":    strconv.FormatInt(f.Range.Next, 10),
		"origin-offset":  strconv.FormatInt(f.Origin, 10),
		"dead":           FormatSpans(f.Range.Dead),
		"skipped":        FormatSpans(f.Range.Skipped),
		"lost":           FormatSpans(f.Range.Lost),
		"deletes":        formatDeletions(f.Range.Deletes),
		"rows":           strconv.FormatInt(f.Rows, 10),
		"schema-version": strconv.Itoa(f.Schema),
		"writer":         f.Writer,
		"nonce":          f.Nonce,
		"created-at":     f.Created.UTC().Format(time.RFC3339Nano),
	}
	out := make(map[string]string, len(m)+len(f.Metadata))
	for k, v := range f.Metadata {
		out[metaPrefix+strings.ReplaceAll(k, "_", "-")] = v
	}
	for k, v := range m {
		out[metaPrefix+k] = v
	}
	if f.Day != "" {
		out[metaPrefix+"day"], out[metaPrefix+"next-day"] = f.Day, f.NextDay
	}
	return out
}

// objectMetadata is the footer's, with long spans left out.
func (f *FileInfo) objectMetadata() map[string]string {
	m := f.footer()
	if len(f.Range.Deletes) > 0 {
		m[metaPrefix+"deletes"] = inFooter // ids of any length and alphabet are nothing for headers
	}
	size := 0
	for k, v := range m {
		size += len(k) + len(v)
	}
	for _, k := range []string{metaPrefix + "skipped", metaPrefix + "dead", metaPrefix + "lost"} {
		if size <= maxObjectMetadata {
			break
		}
		size -= len(m[k]) - len(inFooter)
		m[k] = inFooter
	}
	maps.DeleteFunc(m, func(_, v string) bool { return v == "" }) // empty headers do not survive every server
	return m
}

// complete says whether metadata is all there; if not, the footer has to be read.
func complete(m map[string]string) bool {
	return m[metaPrefix+"next-offset"] != "" && m[metaPrefix+"dead"] != inFooter && m[metaPrefix+"skipped"] != inFooter && m[metaPrefix+"lost"] != inFooter &&
		m[metaPrefix+"deletes"] != inFooter
}

// parseInfo reads metadata as written by footer.
func parseInfo(name string, m map[string]string) (FileInfo, error) {
	p := infoParser{name: name, left: maps.Clone(m)}
	f := FileInfo{Name: name, Metadata: map[string]string{}}
	f.Range.Source = schemas.SourceID{Pipeline: p.path("pipeline"), Topic: p.path("topic"), Partition: int(p.number("partition"))}
	f.Range.Span = schemas.Span{First: p.number("first-offset"), Next: p.number("next-offset")}
	f.Range.Dead, f.Range.Skipped, f.Range.Lost = p.spans("dead"), p.spans("skipped"), p.spans("lost")
	f.Range.Deletes = p.deletions("deletes")
	f.Origin, f.Rows, f.Schema = p.number("origin-offset"), p.number("rows"), int(p.number("schema-version"))
	f.Writer, f.Nonce = p.text("writer"), p.text("nonce")
	f.Day, f.NextDay = p.day("day"), p.day("next-day")
	created, err := time.Parse(time.RFC3339Nano, p.text("created-at"))
	p.fail("created-at", err)
	if f.Created = created.UTC(); f.Created.Year() < 0 || f.Created.Year() > 9999 { // by its zone: it could not be written again
		p.fail("created-at", fmt.Errorf("it is of the year %d in UTC", f.Created.Year()))
	}
	for k, v := range p.left {
		if rest, ours := strings.CutPrefix(k, metaPrefix); ours {
			f.Metadata[rest] = v
		}
	}
	f.Format, _ = FormatOf(name)
	switch {
	case p.err != nil:
	case f.Range.First > f.Range.Next, f.Range.First == f.Range.Next && f.NextDay == f.Day:
		p.fail("next-offset", fmt.Errorf("%d is not after first-offset %d", f.Range.Next, f.Range.First))
	case f.NextDay < f.Day, f.Day == "" && f.NextDay != "":
		p.fail("next-day", fmt.Errorf("%q is before day %q", f.NextDay, f.Day))
	}
	return f, p.err
}

// after is the place of the file behind this one.
func (f *FileInfo) after() place { return place{f.Range.Next, f.NextDay} }

// infoParser takes keys out of a map and keeps the first fault.
type infoParser struct {
	name string
	left map[string]string
	err  error
}

func (p *infoParser) fail(key string, err error) {
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("metadata of %s: %s%s: %w", p.name, metaPrefix, key, err)
	}
}

func (p *infoParser) text(key string) string {
	v := p.left[metaPrefix+key]
	delete(p.left, metaPrefix+key)
	return v
}

func (p *infoParser) path(key string) string {
	v, err := url.PathUnescape(p.text(key))
	p.fail(key, err)
	return v
}

func (p *infoParser) day(key string) string {
	v := p.text(key)
	if v != "" && !validDay(v) {
		p.fail(key, fmt.Errorf("%q is not a day", v))
	}
	return v
}

func (p *infoParser) number(key string) int64 {
	n, err := parseOffset(p.text(key))
	p.fail(key, err)
	return n
}

func (p *infoParser) spans(key string) []schemas.Span {
	s, err := ParseSpans(p.text(key))
	p.fail(key, err)
	return s
}

// formatDeletions is a JSON list of [offset, id]; "" for none.
func formatDeletions(all []schemas.Deletion) string {
	if len(all) == 0 {
		return ""
	}
	list := make([][2]any, len(all))
	for i, d := range all {
		list[i] = [2]any{d.Offset, d.RefID}
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic(err) // numbers and strings always encode
	}
	return string(b)
}

func (p *infoParser) deletions(key string) []schemas.Deletion {
	text := p.text(key)
	if text == "" {
		return nil
	}
	var list [][2]json.RawMessage
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		p.fail(key, err)
		return nil
	}
	all := make([]schemas.Deletion, len(list))
	for i, pair := range list {
		p.fail(key, errors.Join(json.Unmarshal(pair[0], &all[i].Offset), json.Unmarshal(pair[1], &all[i].RefID)))
	}
	return all
}

// ModelDigest is that of the model that the rows are of; "" if the file does not say.
func (f *FileInfo) ModelDigest() string { return digestOf(f.Metadata) }

// digestOf finds the model's digest in metadata as it is given, or as it is read.
func digestOf(m map[string]string) string { return cmp.Or(m["model_digest"], m["model-digest"]) }

// Dir is the directory of a source's chain in the plain layout, without a slash at the end.
func Dir(prefix string, src schemas.SourceID) string { return Plain.Dir(prefix, src) }
