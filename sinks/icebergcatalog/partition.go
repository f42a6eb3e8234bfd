package icebergcatalog

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/apache/iceberg-go"

	"vecmill/schemas"
	"vecmill/sinks/icebergsink"
)

var partitionRE = regexp.MustCompile(`^(?:([a-z]+)\((?:([0-9]{1,6}), *)?)?([a-z_]+)(\))?$`)

// parsePartition reads "task", "day(created_at)", "bucket(16, ref_id)".
func parsePartition(s string) (column string, t iceberg.Transform, err error) {
	m := partitionRE.FindStringSubmatch(s)
	if m == nil || (m[1] == "") != (m[4] == "") {
		return "", nil, fmt.Errorf("%q is not a column, or a transform of one such as day(created_at) or bucket(16, ref_id)", s)
	}
	name := m[1]
	switch {
	case name == "":
		name = "identity"
	case m[2] != "":
		name += "[" + m[2] + "]"
	}
	if t, err = iceberg.ParseTransform(name); err != nil {
		return "", nil, fmt.Errorf("%q: %w", s, err)
	}
	return m[3], t, nil
}

// specOf is the partition spec of a configuration for a schema.
func specOf(fields []string, sc *iceberg.Schema) (*iceberg.PartitionSpec, error) {
	var opts []iceberg.PartitionOption
	for _, s := range fields {
		column, t, err := parsePartition(s)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errMisfit, err)
		}
		f, ok := sc.FindFieldByName(column)
		if !ok {
			return nil, fmt.Errorf("%w: partition %s: there is no column %s", errMisfit, s, column)
		}
		if !t.CanTransform(f.Type) {
			return nil, fmt.Errorf("%w: partition %s: %s does not work on a column of type %s", errMisfit, s, t, f.Type)
		}
		target := column // named as other writers do
		if _, plain := t.(iceberg.IdentityTransform); !plain {
			kind, _, _ := strings.Cut(t.String(), "[")
			target += "_" + strings.Replace(kind, "truncate", "trunc", 1)
		}
		opts = append(opts, iceberg.AddPartitionFieldBySourceID(f.ID, target, t, sc, nil))
	}
	spec, err := iceberg.NewPartitionSpecOpts(opts...)
	if err != nil {
		return nil, fmt.Errorf("%w: partition: %w", errMisfit, err)
	}
	return &spec, nil
}

// source is a column that a row has a value of without being written, as the library's literals.
type source func(pipeline string, r *schemas.Row) iceberg.Literal

// sources are the columns by which tables may be partitioned.
var sources = map[string]source{
	icebergsink.PipelineColumn: func(p string, _ *schemas.Row) iceberg.Literal { return iceberg.StringLiteral(p) },
	"ref_id":                   text(func(r *schemas.Row) string { return r.RefID }),
	"row_id":                   text(func(r *schemas.Row) string { return r.RowID }),
	"content_hash":             text(func(r *schemas.Row) string { return r.ContentHash }),
	"modality":                 text(func(r *schemas.Row) string { return string(r.Modality) }),
	"model":                    text(func(r *schemas.Row) string { return r.Model }),
	"model_digest":             text(func(r *schemas.Row) string { return r.ModelDigest }),
	"preprocess_digest":        text(func(r *schemas.Row) string { return r.PreprocessDigest }),
	"head":                     text(func(r *schemas.Row) string { return r.Head }),
	"task":                     text(func(r *schemas.Row) string { return string(r.Task) }),
	"topic":                    text(func(r *schemas.Row) string { return r.Topic }),
	"partition":                func(_ string, r *schemas.Row) iceberg.Literal { return iceberg.Int32Literal(r.Partition) },
	"offset":                   func(_ string, r *schemas.Row) iceberg.Literal { return iceberg.Int64Literal(r.Offset) },
	"created_at": func(_ string, r *schemas.Row) iceberg.Literal {
		return iceberg.TimestampLiteral(r.CreatedAt.UnixMicro())
	},
}

// text repairs what is not UTF-8 as the files do.
func text(f func(*schemas.Row) string) source {
	return func(_ string, r *schemas.Row) iceberg.Literal {
		return iceberg.StringLiteral(strings.ToValidUTF8(f(r), "\uFFFD"))
	}
}

// tuple is the values of a spec for the files of one partition.
type tuple struct {
	spec   iceberg.PartitionSpec
	values map[int]any
	kinds  map[int]string
}

// partitionField computes one field of a spec.
type partitionField struct {
	iceberg.PartitionField
	from source
}

// partitioner computes the tuples of a spec; nil for a table without partitions.
func partitioner(spec iceberg.PartitionSpec, sc *iceberg.Schema) (func(string, *schemas.Row) (icebergsink.Tuple, error), error) {
	var fields []partitionField
	for _, f := range spec.Fields() {
		column, ok := sc.FindColumnName(f.SourceID())
		from, known := sources[column]
		if !ok || !known {
			return nil, fmt.Errorf("%w: the table is partitioned by %s of column %q, which this build cannot compute for a row", errMisfit, f.Transform, column)
		}
		source, _ := sc.FindFieldByID(f.SourceID())
		if _, void := f.Transform.(iceberg.VoidTransform); !void && !f.Transform.CanTransform(source.Type) {
			return nil, fmt.Errorf("%w: the table is partitioned by %s of column %s, which this build does not know", errMisfit, f.Transform, column)
		}
		fields = append(fields, partitionField{f, from})
	}
	if len(fields) == 0 {
		return nil, nil
	}
	kinds := kindsOf(spec, sc)
	return func(pipeline string, r *schemas.Row) (icebergsink.Tuple, error) {
		values := map[int]any{}
		for _, f := range fields {
			v := f.Transform.Apply(iceberg.Optional[iceberg.Literal]{Val: f.from(pipeline, r), Valid: true})
			values[f.FieldID] = nil
			if v.Valid {
				values[f.FieldID] = v.Val.Any()
			}
		}
		return tupleOf(spec, kinds, values), nil
	}, nil
}

// kindsOf are the types of a spec's fields, but for those of columns that the table has no more.
func kindsOf(spec iceberg.PartitionSpec, sc *iceberg.Schema) map[int]iceberg.Type {
	kinds := map[int]iceberg.Type{}
	for _, f := range spec.Fields() {
		if source, ok := sc.FindFieldByID(f.SourceID()); ok {
			kinds[f.FieldID] = f.Transform.ResultType(source.Type)
		}
	}
	return kinds
}

// tupleOf is values of a spec as a tuple.
func tupleOf(spec iceberg.PartitionSpec, kinds map[int]iceberg.Type, values map[int]any) icebergsink.Tuple {
	t := tuple{spec, values, map[int]string{}}
	var path []string
	for _, f := range spec.Fields() {
		human, kind := "null", kinds[f.FieldID]
		switch v := values[f.FieldID]; {
		case v != nil && kind != nil:
			human = f.Transform.ToHumanStrType(kind, v)
		case v != nil:
			human = fmt.Sprint(v)
		}
		switch kind.(type) {
		case iceberg.DateType:
			t.kinds[f.FieldID] = "date"
		case iceberg.TimestampTzType:
			t.kinds[f.FieldID] = "timestamp-micros"
		}
		path = append(path, url.QueryEscape(f.Name)+"="+url.QueryEscape(human))
	}
	return icebergsink.Tuple{Path: strings.Join(path, "/"), Values: t}
}
