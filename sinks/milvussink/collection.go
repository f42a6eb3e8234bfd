package milvussink

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"

	"vecmill/schemas"
	"vecmill/sinks/vectorindex"
)

// digestKey is the collection's property with the model's digest.
const digestKey = "vecmill.model_digest"

// longestText is the server's limit of a text, bytes.
const longestText = 65535

func metric(m vectorindex.Metric) string {
	return map[vectorindex.Metric]string{vectorindex.Cosine: "COSINE", vectorindex.L2: "L2", vectorindex.Inner: "IP"}[m]
}

// prepare makes the collection if it is not there, refuses one that does not fit, and loads it.
func (s *store) prepare(ctx context.Context) error {
	ctx = s.with(ctx)
	name := s.cfg.Collection
	there, err := s.db.HasCollection(ctx, &milvuspb.HasCollectionRequest{CollectionName: name})
	if err := answered(there.GetStatus(), err); err != nil && !isCode(err, codeNoCollection) {
		return err
	}
	if !there.GetValue() {
		if err := s.create(ctx); err != nil {
			return err
		}
	}
	c, err := s.db.DescribeCollection(ctx, &milvuspb.DescribeCollectionRequest{CollectionName: name})
	if err := answered(c.GetStatus(), err); err != nil {
		return err
	}
	if err := s.fits(c.GetSchema()); err != nil {
		return err
	}
	if err := s.index(ctx); err != nil {
		return err
	}
	if err := answered(s.db.LoadCollection(ctx, &milvuspb.LoadCollectionRequest{CollectionName: name})); err != nil {
		return fmt.Errorf("loading it: %w", err)
	}
	return s.sameModel(ctx, value(c.GetProperties(), digestKey))
}

func isCode(err error, code int32) bool {
	f, ok := errors.AsType[fault](err)
	return ok && f.code == code
}

func (s *store) create(ctx context.Context) error {
	schema, err := proto.Marshal(s.schema())
	if err != nil {
		return fmt.Errorf("making its schema: %w", err)
	}
	err = answered(s.db.CreateCollection(ctx, &milvuspb.CreateCollectionRequest{
		CollectionName: s.cfg.Collection, Schema: schema, Properties: pairs(digestKey, s.cfg.Index.ModelDigest),
	}))
	if err == nil {
		return nil
	}
	if there, e := s.db.HasCollection(ctx, &milvuspb.HasCollectionRequest{CollectionName: s.cfg.Collection}); e == nil && there.GetValue() {
		return nil // another worker was faster
	}
	return fmt.Errorf("making it: %w", err)
}

// schema are the fields: the key, the vector, and the columns that are always there.
func (s *store) schema() *schemapb.CollectionSchema {
	out := &schemapb.CollectionSchema{Name: s.cfg.Collection, EnableDynamicField: true, Fields: []*schemapb.FieldSchema{
		{Name: "vector", DataType: schemapb.DataType_FloatVector, TypeParams: pairs("dim", strconv.Itoa(s.cfg.Index.Dimension))},
	}}
	for _, name := range vectorindex.Needed() {
		f := &schemapb.FieldSchema{Name: name, DataType: schemapb.DataType_VarChar, TypeParams: pairs("max_length", strconv.Itoa(longestText)), IsPrimaryKey: name == "row_id"}
		if isNumber(name) {
			f.DataType, f.TypeParams = schemapb.DataType_Int64, nil
		}
		out.Fields = append(out.Fields, f)
	}
	return out
}

// isNumber says which of the columns that are always there are numbers.
func isNumber(column string) bool {
	return column == "partition" || column == "offset" || column == "window"
}

func pairs(key, value string) []*commonpb.KeyValuePair {
	return []*commonpb.KeyValuePair{{Key: key, Value: value}}
}

func value(in []*commonpb.KeyValuePair, key string) string {
	for _, p := range in {
		if p.GetKey() == key {
			return p.GetValue()
		}
	}
	return ""
}

// fits compares the collection's fields with ours.
func (s *store) fits(is *schemapb.CollectionSchema) error {
	have := map[string]*schemapb.FieldSchema{}
	for _, f := range is.GetFields() {
		have[f.GetName()] = f
	}
	for _, want := range s.schema().GetFields() {
		f := have[want.GetName()]
		switch {
		case f == nil || f.GetDataType() != want.GetDataType() || f.GetIsPrimaryKey() != want.GetIsPrimaryKey():
			return schemas.Unfitf(schemas.PlaceLayout, "it has no field %s as this sink makes it; name a collection that is not there, and it is made", want.GetName())
		case want.GetName() == "vector" && value(f.GetTypeParams(), "dim") != value(want.GetTypeParams(), "dim"):
			return schemas.Unfitf(schemas.PlaceDimension, "its vectors have %s numbers, and the model gives %d; name another collection", value(f.GetTypeParams(), "dim"), s.cfg.Index.Dimension)
		}
	}
	if !is.GetEnableDynamicField() {
		return schemas.Unfitf(schemas.PlaceLayout, "it has no dynamic fields; name a collection that is not there, and it is made")
	}
	return nil
}

// index makes the vector's index if there is none, and refuses one of another metric.
func (s *store) index(ctx context.Context) error {
	name, want := s.cfg.Collection, metric(s.cfg.Index.Metric)
	is, err := s.db.DescribeIndex(ctx, &milvuspb.DescribeIndexRequest{CollectionName: name, FieldName: "vector"})
	if err != nil {
		return err
	}
	for _, x := range is.GetIndexDescriptions() { // an answer that there is no index is an error to some servers, and to others an empty list
		if has := value(x.GetParams(), "metric_type"); x.GetFieldName() == "vector" && has != want {
			return schemas.Unfitf(schemas.PlaceMetric, "its index has the metric %s, and metric is %s; change the setting, or name another collection", has, s.cfg.Index.Metric)
		}
	}
	if len(is.GetIndexDescriptions()) > 0 {
		return nil
	}
	if err := answered(s.db.CreateIndex(ctx, &milvuspb.CreateIndexRequest{
		CollectionName: name, FieldName: "vector", IndexName: "vector", ExtraParams: append(pairs("index_type", "AUTOINDEX"), pairs("metric_type", want)...),
	})); err != nil {
		return fmt.Errorf("making its index: %w", err)
	}
	return nil
}

// sameModel refuses a collection of another model (M2).
func (s *store) sameModel(ctx context.Context, is string) error {
	ours := s.cfg.Index.ModelDigest
	if is == "" {
		others, err := s.db.Query(ctx, &milvuspb.QueryRequest{
			CollectionName: s.cfg.Collection, Expr: "model_digest != " + quote(ours), OutputFields: []string{"model_digest"},
			QueryParams: pairs("limit", "1"), ConsistencyLevel: commonpb.ConsistencyLevel_Strong,
		})
		if err := answered(others.GetStatus(), err); err != nil {
			return fmt.Errorf("looking for entities of another model: %w", err)
		}
		for _, f := range others.GetFieldsData() {
			if d := f.GetScalars().GetStringData().GetData(); f.GetFieldName() == "model_digest" && len(d) > 0 {
				is = d[0]
			}
		}
		if is == "" {
			return nil
		}
	}
	if is != ours {
		return schemas.Unfitf(schemas.PlaceModel, "it has rows of model %s, and this is model %s; vectors of two models cannot be compared: give each a collection of its own", is, ours)
	}
	return nil
}
