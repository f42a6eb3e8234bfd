package refcodec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"vecmill/schemas"
	"vecmill/stream"
)

// S3Event reads notifications of object stores: those of S3 and MinIO (a list of Records, keys form-encoded), those of S3 in an envelope of SNS, and
// S3's events on EventBridge (one detail, keys as they are).
//
// A reference's id is bucket/key, which is also the key of MinIO's Kafka messages. It asks for the version that the event names, or else for the entity tag, so
// that what is computed is what was notified; an object that was overwritten meanwhile is a dead letter (fetch-missing), and the event of the overwriting gives the row.
//
// Removals are tombstones, but for one: that of one version in a versioned bucket does not say whether the object is gone, so it is passed over. Events that
// bring no bytes (tags, ACLs, access, replication, restores, the test event) are passed over too.
type S3Event struct {
	PlainKeys bool // keys in Records are as they are: versitygw writes them so. No key tells by itself which it is
}

// s3Attributes are what rows say of their event.
var s3Attributes = []string{"s3_event", "s3_time", "s3_sequencer"}

type s3Message struct {
	// S3, MinIO
	Records []s3Record `json:"Records"`
	Event   string     `json:"Event"` // s3:TestEvent
	// SNS
	Type    string  `json:"Type"`
	Message *string `json:"Message"`
	// EventBridge
	Source     string    `json:"source"`
	DetailType string    `json:"detail-type"`
	Time       string    `json:"time"`
	Detail     *s3Detail `json:"detail"`
}

type s3Record struct {
	EventName string   `json:"eventName"`
	EventTime string   `json:"eventTime"`
	S3        *s3Place `json:"s3"`
}

type s3Place struct {
	Bucket struct {
		Name string `json:"name"`
	} `json:"bucket"`
	Object s3Object `json:"object"`
}

type s3Object struct {
	Key         string `json:"key"`
	ETag        string `json:"eTag"`
	VersionID   string `json:"versionId"`
	ContentType string `json:"contentType"`
	Sequencer   string `json:"sequencer"`
}

type s3Detail struct {
	Bucket struct {
		Name string `json:"name"`
	} `json:"bucket"`
	Object struct {
		Key       string `json:"key"`
		ETag      string `json:"etag"`
		VersionID string `json:"version-id"`
		Sequencer string `json:"sequencer"`
	} `json:"object"`
	DeletionType string `json:"deletion-type"`
}

// Decode implements stream.Decoder.
func (d S3Event) Decode(_ context.Context, _ string, rec *stream.Record) ([]schemas.Ref, error) {
	return d.references(rec.Value, true)
}

func (d S3Event) references(b []byte, envelope bool) ([]schemas.Ref, error) {
	if !utf8.Valid(b) {
		return nil, fault("", "not valid UTF-8")
	}
	var m s3Message
	if err := json.Unmarshal(b, &m); err != nil {
		if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, fault(t.Field, fmt.Sprintf("is a JSON %s, want %s", t.Value, t.Type))
		}
		return nil, fault("", "not a notification in JSON: "+err.Error())
	}
	switch {
	case m.Records != nil:
		return d.records(m.Records)
	case m.Detail != nil && m.DetailType != "":
		return m.bridge()
	case m.Event == "s3:TestEvent":
		return nil, nil
	case envelope && m.Type == "Notification" && m.Message != nil:
		return d.references([]byte(*m.Message), false)
	}
	return nil, fault("Records", "missing; this is no notification of S3 or MinIO, and no event of EventBridge")
}

func (d S3Event) records(all []s3Record) (refs []schemas.Ref, err error) {
	for i := range all {
		r := &all[i]
		at := fmt.Sprintf("Records[%d].", i)
		if r.EventName == "" {
			return nil, fault(at+"eventName", "missing")
		}
		what := s3Kind(strings.TrimPrefix(r.EventName, "s3:"))
		if what == s3Nothing {
			continue
		}
		if r.S3 == nil {
			return nil, fault(at+"s3", "missing")
		}
		o := &r.S3.Object
		key := o.Key
		if !d.PlainKeys {
			key, err = url.QueryUnescape(o.Key) // form encoding: + is a space
		}
		if err != nil {
			return nil, fault(at+"s3.object.key", err.Error())
		}
		ref, err := s3Ref(at+"s3.", r.S3.Bucket.Name, key, o.VersionID, o.ETag)
		if err != nil {
			return nil, err
		}
		ref.ContentType = o.ContentType
		withAttributes(&ref, s3Attributes, map[string]string{"s3_event": strings.TrimPrefix(r.EventName, "s3:"), "s3_time": r.EventTime, "s3_sequencer": o.Sequencer})
		refs = s3Add(refs, ref, what)
	}
	return refs, nil
}

func (m *s3Message) bridge() ([]schemas.Ref, error) {
	d := m.Detail
	var what s3What
	switch {
	case m.Source != "" && m.Source != "aws.s3":
		return nil, fault("source", fmt.Sprintf("%.100q is not aws.s3", m.Source))
	case m.DetailType == "Object Created":
		what = s3Created
	case m.DetailType == "Object Deleted" && d.DeletionType == "Permanently Deleted":
		what = s3Removed
	case m.DetailType == "Object Deleted":
		what = s3Marked
	default:
		return nil, nil
	}
	ref, err := s3Ref("detail.", d.Bucket.Name, d.Object.Key, d.Object.VersionID, d.Object.ETag)
	if err != nil {
		return nil, err
	}
	withAttributes(&ref, s3Attributes, map[string]string{"s3_event": m.DetailType, "s3_time": m.Time, "s3_sequencer": d.Object.Sequencer})
	return s3Add(nil, ref, what), nil
}

// s3What is what an event means for an object's rows.
type s3What int

const (
	s3Nothing s3What = iota
	s3Created
	s3Removed // the object, or one version of it
	s3Marked  // a delete marker hides the object
)

func s3Kind(event string) s3What {
	family, action, _ := strings.Cut(event, ":")
	switch family {
	case "ObjectCreated":
		return s3Created
	case "ObjectRemoved", "LifecycleExpiration":
		if action == "DeleteMarkerCreated" {
			return s3Marked
		}
		return s3Removed
	}
	return s3Nothing
}

func s3Ref(at, bucket, key, version, etag string) (schemas.Ref, error) {
	switch {
	case bucket == "":
		return schemas.Ref{}, fault(at+"bucket.name", "missing")
	case key == "":
		return schemas.Ref{}, fault(at+"object.key", "missing")
	case !utf8.ValidString(key):
		return schemas.Ref{}, fault(at+"object.key", "not valid UTF-8")
	}
	if version == "null" { // of an object from before the bucket had versions
		version = ""
	}
	r := schemas.Ref{ID: bucket + "/" + key, URI: "s3://" + bucket + "/" + key, Version: version, ETag: strings.Trim(etag, `"`)}
	return r, schemas.Reject(schemas.ReasonSchema, r.Validate())
}

// s3Add puts an event behind those before it. Of two writes of one object without versions only the last is there to be fetched.
func s3Add(refs []schemas.Ref, r schemas.Ref, what s3What) []schemas.Ref {
	switch {
	case what == s3Removed && r.Version != "":
		return refs
	case what != s3Created: // what the record said of the object before does not matter any more
		refs = without(refs, func(o *schemas.Ref) bool { return o.ID == r.ID })
		return append(refs, schemas.Ref{ID: r.ID, Deleted: true})
	}
	if r.Version != "" {
		r.ETag = ""
	}
	refs = without(refs, func(o *schemas.Ref) bool {
		return !o.Deleted && o.ID == r.ID && (o.Version == "" || o.Version == r.Version)
	})
	return append(refs, r)
}
