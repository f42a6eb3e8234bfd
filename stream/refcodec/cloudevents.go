package refcodec

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
)

// CloudEvents reads CloudEvents 1.0 in Kafka's binding: binary mode (attributes in headers ce_*, the value is the data), structured mode (the value is the
// event in JSON) and JSON batches of these. The data is a reference, or goes through the Mapping: JSON as its value, text/* as a string, else as bytes. Rows
// carry the event's id, source, type and subject as attributes ce_id, ce_source, ce_type and ce_subject.
type CloudEvents struct {
	Mapping Mapping
}

// ceAttributes are what rows say of their event.
var ceAttributes = []string{"ce_id", "ce_source", "ce_type", "ce_subject"}

// event is one CloudEvent.
type event struct {
	attributes map[string]any // context attributes and extensions: strings, numbers, booleans
	data       []byte         // nil: none
	isJSON     bool           // data is JSON, by its content type
}

// Decode implements stream.Decoder.
func (c CloudEvents) Decode(_ context.Context, topic string, rec *stream.Record) (refs []schemas.Ref, err error) {
	events, err := parseEvents(rec)
	if err != nil {
		return nil, err
	}
	for i := range events {
		some, err := c.references(&events[i], topic, rec)
		if err != nil {
			return nil, err
		}
		refs = append(refs, some...)
	}
	return refs, nil
}

func (c CloudEvents) references(e *event, topic string, rec *stream.Record) (refs []schemas.Ref, err error) {
	if c.Mapping == nil {
		if !e.isJSON || e.data == nil {
			return nil, fault("data", "missing, or not JSON; without an expression (map) an event's data is a reference")
		}
		ref, err := schemas.ParseRef(e.data)
		if err != nil {
			return nil, err
		}
		refs = []schemas.Ref{ref}
	} else {
		value, err := e.value()
		if err != nil {
			return nil, err
		}
		if refs, err = c.Mapping.Map(Message{Value: value, Event: e.attributes, Topic: topic, Record: rec}); err != nil {
			return nil, err
		}
	}
	said := map[string]string{}
	for _, name := range ceAttributes {
		said[name], _ = e.attributes[strings.TrimPrefix(name, "ce_")].(string)
	}
	for i := range refs {
		withAttributes(&refs[i], ceAttributes, said)
	}
	return refs, nil
}

// value is the data as an expression sees it.
func (e *event) value() (any, error) {
	kind, _ := e.attributes["datacontenttype"].(string)
	switch {
	case e.data == nil:
		return nil, nil
	case e.isJSON:
		return ParseJSON(e.data)
	case strings.HasPrefix(strings.ToLower(kind), "text/") && utf8.Valid(e.data):
		return string(e.data), nil
	}
	return e.data, nil
}

func parseEvents(rec *stream.Record) ([]event, error) {
	content, _, _ := mime.ParseMediaType(last(rec.Headers, "content-type")) // what is no media type is none of those below
	switch {
	case content == "application/cloudevents+json":
		e, err := structured(rec.Value)
		return []event{e}, err
	case content == "application/cloudevents-batch+json":
		var all []json.RawMessage
		if err := json.Unmarshal(rec.Value, &all); err != nil {
			return nil, fault("", "not a JSON list of events: "+err.Error())
		}
		events := make([]event, len(all))
		for i := range all {
			var err error
			if events[i], err = structured(all[i]); err != nil {
				return nil, err
			}
		}
		return events, nil
	case strings.HasPrefix(content, "application/cloudevents"):
		return nil, fault("content-type", fmt.Sprintf("%.100q is not read; structured events are JSON", content))
	case last(rec.Headers, "ce_specversion") != "":
		e, err := binaryMode(rec)
		return []event{e}, err
	}
	e, err := structured(rec.Value) // some producers leave the header out
	return []event{e}, err
}

func last(headers []sinks.Header, name string) string {
	for i := len(headers) - 1; i >= 0; i-- {
		if strings.EqualFold(headers[i].Key, name) {
			return string(headers[i].Value)
		}
	}
	return ""
}

func binaryMode(rec *stream.Record) (event, error) {
	e := event{attributes: map[string]any{}, data: rec.Value}
	for _, h := range rec.Headers {
		name, ok := strings.CutPrefix(strings.ToLower(h.Key), "ce_")
		if !ok {
			continue
		}
		if !utf8.Valid(h.Value) {
			return e, fault("ce_"+name, "not valid UTF-8")
		}
		e.attributes[name] = string(h.Value)
	}
	kind := last(rec.Headers, "content-type")
	if kind != "" {
		e.attributes["datacontenttype"] = kind
	}
	e.isJSON = kind == "" || isJSON(kind)
	return e, e.check()
}

// structured reads an event in the JSON format.
func structured(b []byte) (event, error) {
	e := event{attributes: map[string]any{}}
	if !utf8.Valid(b) {
		return e, fault("", "not valid UTF-8")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil || members == nil {
		return e, fault("", "not an event in JSON, and there is no header ce_specversion")
	}
	if members["specversion"] == nil {
		return e, fault("specversion", "missing, and there is no header ce_specversion: not a CloudEvent")
	}
	for name, raw := range members {
		if name == "data" || name == "data_base64" {
			continue
		}
		v, err := ParseJSON(raw)
		if err != nil {
			return e, err
		}
		switch v.(type) {
		case map[string]any, []any:
			return e, fault(name, "is neither a string nor a number nor a boolean, and only data may be")
		}
		if v != nil {
			e.attributes[name] = v
		}
	}
	if err := e.check(); err != nil {
		return e, err
	}
	kind, _ := e.attributes["datacontenttype"].(string)
	e.isJSON = kind == "" || isJSON(kind)
	data, plain := members["data"]
	encoded, binary := members["data_base64"]
	switch {
	case plain && binary:
		return e, fault("data_base64", "give data or data_base64, not both")
	case binary:
		var text string
		if err := json.Unmarshal(encoded, &text); err != nil {
			return e, fault("data_base64", "is not a string")
		}
		var err error
		if e.data, err = base64.StdEncoding.DecodeString(text); err != nil {
			return e, fault("data_base64", "not standard base64: "+err.Error())
		}
	case plain && !bytes.Equal(data, []byte("null")):
		e.data = data
		if !e.isJSON { // a string is the data itself
			var text string
			if err := json.Unmarshal(data, &text); err != nil {
				return e, fault("data", fmt.Sprintf("is not a string, and datacontenttype is %.100q", kind))
			}
			e.data = []byte(text)
		}
	}
	return e, nil
}

// check asks for the attributes that every event has.
func (e *event) check() error {
	for _, name := range []string{"specversion", "id", "source", "type"} {
		if s, ok := e.attributes[name].(string); !ok || s == "" {
			return fault(name, "missing, or not a string: not a CloudEvent")
		}
	}
	if v := e.attributes["specversion"].(string); v != "1.0" {
		return fault("specversion", fmt.Sprintf("%.20q is not 1.0", v))
	}
	return nil
}

func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || kind == "text/json" || strings.HasSuffix(kind, "+json"))
}
