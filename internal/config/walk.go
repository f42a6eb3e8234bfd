package config

import (
	"encoding"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// leaf is one setting: a field that is not a struct.
type leaf struct {
	path string // kafka.brokers, pipelines[].name
	env  string // VECMILL_KAFKA_BROKERS
	doc  string
	v    reflect.Value
}

// walk calls f for every setting of v, a struct. Elements of pipelines are named by their own name in env, and by [] in path.
func walk(v reflect.Value, path, env string, f func(leaf) error) error {
	t := v.Type()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		p, e := join(path, name, "."), join(env, envName(name), "_")
		if err := walkField(v.Field(i), p, e, t.Field(i).Tag.Get("doc"), f); err != nil {
			return err
		}
	}
	return nil
}

func walkField(v reflect.Value, path, env, doc string, f func(leaf) error) error {
	switch {
	case v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.Struct:
		if v.IsNil() {
			return nil
		}
		return walk(v.Elem(), path, env, f)
	case v.Kind() == reflect.Struct:
		return walk(v, path, env, f)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		for i := range v.Len() {
			key := strconv.Itoa(i)
			if n := v.Index(i).FieldByName("Name"); n.IsValid() && n.String() != "" {
				key = n.String()
			}
			if err := walk(v.Index(i), path+"[]", env+"_"+envName(key), f); err != nil {
				return err
			}
		}
		return nil
	}
	return f(leaf{path, env, doc, v})
}

func join(a, b, sep string) string {
	if a == "" {
		return b
	}
	return a + sep + b
}

func envName(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, s)
}

// applyEnv overrides settings from the environment.
func applyEnv(c *Config, getenv func(string) (string, bool)) error {
	return walk(reflect.ValueOf(c).Elem(), "", "VECMILL", func(l leaf) error {
		s, ok := getenv(l.env)
		if !ok {
			return nil
		}
		if err := parseInto(l.v, s); err != nil {
			return fmt.Errorf("environment variable %s: %w", l.env, err)
		}
		return nil
	})
}

// parseInto sets a setting from text; lists are separated by commas.
func parseInto(v reflect.Value, s string) error {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(s))
	}
	var err error
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Bool:
		var b bool
		b, err = strconv.ParseBool(s)
		v.SetBool(b)
	case reflect.Int, reflect.Int64:
		var n int64
		n, err = strconv.ParseInt(s, 10, 64)
		v.SetInt(n)
	case reflect.Float64:
		var x float64
		x, err = strconv.ParseFloat(s, 64)
		v.SetFloat(x)
	case reflect.Slice:
		var list []string
		for item := range strings.SplitSeq(s, ",") {
			if item = strings.TrimSpace(item); item != "" {
				list = append(list, item)
			}
		}
		v.Set(reflect.ValueOf(list))
	default:
		err = fmt.Errorf("a %s cannot be set from the environment", v.Type())
	}
	if err != nil {
		return fmt.Errorf("%q is not a %s", s, v.Type())
	}
	return nil
}

// WriteReference prints every setting with its path, type, default and meaning, as Markdown.
func WriteReference(w io.Writer) error {
	c := sample()
	if _, err := io.WriteString(w, referenceHead); err != nil {
		return err
	}
	return walk(reflect.ValueOf(c).Elem(), "", "VECMILL", func(l leaf) error {
		_, err := fmt.Fprintf(w, "| `%s` | %s | %s | %s |\n", l.path, typeName(l.v.Type()), defaultOf(l.v), l.doc)
		return err
	})
}

const referenceHead = `# Configuration

One YAML file. Every setting can also come from an environment variable: ` + "`VECMILL_`" + ` and the path in capitals with
underscores (` + "`kafka.brokers`" + ` is ` + "`VECMILL_KAFKA_BROKERS`" + `); inside lists the entry's name, or its number, takes the
place of ` + "`[]`" + ` (` + "`VECMILL_PIPELINES_SPEECH_MEMORY_BUDGET`" + `). Lists are separated by commas there.

| setting | type | default | meaning |
| --- | --- | --- | --- |
`

// sample is a default configuration with one of everything, so that walk reaches every setting.
func sample() *Config {
	c := NewDefaultConfig()
	p := Pipeline{Heads: make([]Head, 1), Outputs: []Output{{Parquet: &Parquet{}}}}
	p.fill()
	p.Group, p.Heads[0].Name = "", ""
	c.Pipelines = []Pipeline{p}
	return c
}

func typeName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Bytes]():
		return "size"
	case reflect.TypeFor[Duration]():
		return "duration"
	case reflect.TypeFor[Secret]():
		return "secret"
	case reflect.TypeFor[*bool]():
		return "bool"
	case reflect.TypeFor[[]string]():
		return "list of strings"
	case reflect.TypeFor[float64]():
		return "number"
	case reflect.TypeFor[int64]():
		return "int"
	}
	return t.String()
}

func defaultOf(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	if list, ok := v.Interface().([]string); ok {
		return code(strings.Join(list, ", "))
	}
	if v.IsZero() && v.Kind() != reflect.Bool {
		return ""
	}
	return code(fmt.Sprint(v.Interface()))
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}
