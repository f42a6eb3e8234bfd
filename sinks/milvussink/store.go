package milvussink

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"vecmill/schemas"
	"vecmill/sinks/deliver"
	"vecmill/sinks/rpc"
	"vecmill/sinks/vectorindex"
)

// Open connects, makes the collection if it is not there, refuses one that does not fit, and makes a sink.
func Open(ctx context.Context, c Config) (*deliver.Sink, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("milvus: %w", err)
	}
	conn, address, err := rpc.Dial(c.URL, port, c.TLS)
	if err != nil {
		return nil, fmt.Errorf("milvus: %w", err)
	}
	c.Deliver.Name = fmt.Sprintf("milvus %s, collection %s", address, c.Collection)
	s := &store{cfg: c, conn: conn, db: milvuspb.NewMilvusServiceClient(conn)}
	return deliver.Open(ctx, c.Deliver, s, lasting, s.prepare)
}

// store writes batches to a collection.
type store struct {
	cfg  Config
	conn *grpc.ClientConn
	db   milvuspb.MilvusServiceClient
}

// with adds the headers of every request.
func (s *store) with(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, s.cfg.headers()...)
}

// Check refuses what the collection does not take.
func (s *store) Check(r *schemas.Row) error {
	for name, text := range map[string]string{"ref_id": r.RefID, "head": r.Head, "topic": r.Topic} {
		if len(text) > longestText {
			return fmt.Errorf("%s has %d bytes, and a text in Milvus %d at most", name, len(text), longestText)
		}
	}
	return s.cfg.Index.Check(r, "collection "+s.cfg.Collection)
}

// Put upserts the rows that have vectors and then carries out the deletions (M1).
func (s *store) Put(ctx context.Context, b deliver.Batch) error {
	ctx = s.with(ctx)
	c, err := s.columns(b.Upserts())
	if err != nil {
		return deliver.Refused(err)
	}
	if c.rows > 0 {
		r, err := s.db.Upsert(ctx, &milvuspb.UpsertRequest{CollectionName: s.cfg.Collection, FieldsData: c.fields(), NumRows: c.rows})
		if err := answered(r.GetStatus(), err); err != nil {
			return classify(err)
		}
	}
	for _, d := range b.Deletions() {
		r, err := s.db.Delete(ctx, &milvuspb.DeleteRequest{CollectionName: s.cfg.Collection, Expr: earlier(&d), ConsistencyLevel: commonpb.ConsistencyLevel_Strong})
		if err := answered(r.GetStatus(), err); err != nil {
			return classify(err)
		}
	}
	return nil
}

// earlier are the entities that a deletion takes away.
func earlier(d *deliver.Deletion) string {
	return fmt.Sprintf("ref_id == %s and topic == %s and partition == %d and offset < %d", quote(d.RefID), quote(d.Source.Topic), d.Source.Partition, d.Offset)
}

// quote is a text as a literal of Milvus's expressions.
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`).Replace(strings.ToValidUTF8(text, "\uFFFD")) + `"`
}

// columns are rows as Milvus takes them: a list for each field.
type columns struct {
	rows    uint32
	dim     int
	vectors []float32
	texts   map[string][]string
	numbers map[string][]int64
	rest    [][]byte // the dynamic fields of each row as a JSON object
}

func (s *store) columns(rows []*schemas.Row) (*columns, error) {
	c := &columns{dim: s.cfg.Index.Dimension, texts: map[string][]string{}, numbers: map[string][]int64{}}
	for _, r := range rows {
		v := vectorindex.Vector(r)
		if len(v) == 0 {
			continue
		}
		payload, err := s.cfg.Index.Payload(r)
		if err != nil {
			return nil, err
		}
		for _, name := range vectorindex.Needed() {
			switch x := payload[name].(type) {
			case string:
				c.texts[name] = append(c.texts[name], x)
			case int64:
				c.numbers[name] = append(c.numbers[name], x)
			default:
				return nil, fmt.Errorf("row %s: column %s is a %T", r.RowID, name, x)
			}
			delete(payload, name)
		}
		rest, err := json.Marshal(payload)
		if err != nil {
			return nil, fmt.Errorf("row %s: %w", r.RowID, err)
		}
		c.vectors, c.rest = append(c.vectors, v...), append(c.rest, rest)
		c.rows++
	}
	return c, nil
}

func (c *columns) fields() []*schemapb.FieldData {
	out := []*schemapb.FieldData{
		{Type: schemapb.DataType_FloatVector, FieldName: "vector", Field: &schemapb.FieldData_Vectors{Vectors: &schemapb.VectorField{
			Dim: int64(c.dim), Data: &schemapb.VectorField_FloatVector{FloatVector: &schemapb.FloatArray{Data: c.vectors}},
		}}},
		{Type: schemapb.DataType_JSON, IsDynamic: true, Field: scalars(&schemapb.ScalarField{Data: &schemapb.ScalarField_JsonData{JsonData: &schemapb.JSONArray{Data: c.rest}}})},
	}
	for _, name := range vectorindex.Needed() {
		f := &schemapb.FieldData{FieldName: name, Type: schemapb.DataType_VarChar}
		if isNumber(name) {
			f.Type, f.Field = schemapb.DataType_Int64, scalars(&schemapb.ScalarField{Data: &schemapb.ScalarField_LongData{LongData: &schemapb.LongArray{Data: c.numbers[name]}}})
		} else {
			f.Field = scalars(&schemapb.ScalarField{Data: &schemapb.ScalarField_StringData{StringData: &schemapb.StringArray{Data: c.texts[name]}}})
		}
		out = append(out, f)
	}
	return out
}

func scalars(f *schemapb.ScalarField) *schemapb.FieldData_Scalars {
	return &schemapb.FieldData_Scalars{Scalars: f}
}

// Close lets the connection go.
func (s *store) Close() error { return s.conn.Close() }
