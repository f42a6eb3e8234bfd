package qdrantsink

import (
	"context"
	"fmt"

	"github.com/qdrant/go-client/qdrant"

	"vecmill/schemas"
	"vecmill/sinks/rpc"
	"vecmill/sinks/vectorindex"
)

// digestKey is where a collection's metadata has the model's digest.
const digestKey = "vecmill_model_digest"

func distance(m vectorindex.Metric) qdrant.Distance {
	return map[vectorindex.Metric]qdrant.Distance{
		vectorindex.Cosine: qdrant.Distance_Cosine, vectorindex.L2: qdrant.Distance_Euclid, vectorindex.Inner: qdrant.Distance_Dot,
	}[m]
}

// prepare makes the collection if it is not there, and refuses one that does not fit.
func (s *store) prepare(ctx context.Context) error {
	there, err := s.db.CollectionExists(ctx, s.cfg.Collection)
	if err != nil {
		return err
	}
	if !there {
		if err := s.create(ctx); err != nil {
			return err
		}
	}
	info, err := s.db.GetCollectionInfo(ctx, s.cfg.Collection)
	if err != nil {
		return err
	}
	if err := s.fits(info.GetConfig()); err != nil {
		return err
	}
	if err := s.sameModel(ctx, info.GetConfig()); err != nil {
		return err
	}
	for field, kind := range map[string]qdrant.FieldType{
		"ref_id": qdrant.FieldType_FieldTypeKeyword, "topic": qdrant.FieldType_FieldTypeKeyword, "model_digest": qdrant.FieldType_FieldTypeKeyword,
		"partition": qdrant.FieldType_FieldTypeInteger, "offset": qdrant.FieldType_FieldTypeInteger,
	} {
		if _, err := s.db.CreateFieldIndex(ctx, &qdrant.CreateFieldIndexCollection{
			CollectionName: s.cfg.Collection, FieldName: field, FieldType: &kind, Wait: qdrant.PtrOf(true),
		}); err != nil {
			return fmt.Errorf("making an index for %s: %w", field, err)
		}
	}
	return nil
}

func (s *store) create(ctx context.Context) error {
	x := &s.cfg.Index
	params := map[string]*qdrant.VectorParams{}
	for _, head := range x.Heads {
		params[head] = &qdrant.VectorParams{Size: uint64(x.Dimension), Distance: distance(x.Metric)}
	}
	err := s.db.CreateCollection(ctx, &qdrant.CreateCollection{
		CollectionName: s.cfg.Collection, VectorsConfig: qdrant.NewVectorsConfigMap(params),
		Metadata: map[string]*qdrant.Value{digestKey: qdrant.NewValueString(x.ModelDigest)},
	})
	if err == nil {
		return nil
	}
	if there, e := s.db.CollectionExists(ctx, s.cfg.Collection); e == nil && there {
		return nil // another worker was faster
	}
	return fmt.Errorf("making it: %w", err)
}

// fits compares the collection's vectors with the rows'.
func (s *store) fits(c *qdrant.CollectionConfig) error {
	x := &s.cfg.Index
	named := c.GetParams().GetVectorsConfig().GetParamsMap().GetMap()
	for _, head := range x.Heads {
		v := named[head]
		switch {
		case v == nil:
			return schemas.Unfitf(schemas.PlaceLayout, "it has no vector named %s, after the head; name a collection that is not there, and it is made", head)
		case v.GetSize() != uint64(x.Dimension):
			return schemas.Unfitf(schemas.PlaceDimension, "its vector %s has %d numbers, and the model gives %d; name another collection", head, v.GetSize(), x.Dimension)
		case v.GetDistance() != distance(x.Metric):
			return schemas.Unfitf(schemas.PlaceMetric, "its vector %s has the metric %s, and metric is %s; change the setting, or name another collection", head, v.GetDistance(), x.Metric)
		}
	}
	return nil
}

// sameModel refuses a collection of another model (Q2).
func (s *store) sameModel(ctx context.Context, c *qdrant.CollectionConfig) error {
	is := c.GetMetadata()[digestKey].GetStringValue()
	if is == "" {
		others, err := s.db.Scroll(ctx, &qdrant.ScrollPoints{
			CollectionName: s.cfg.Collection, Limit: qdrant.PtrOf(uint32(1)), WithPayload: qdrant.NewWithPayloadInclude("model_digest"),
			Filter: &qdrant.Filter{MustNot: []*qdrant.Condition{qdrant.NewMatchKeyword("model_digest", s.cfg.Index.ModelDigest)}},
		})
		if err != nil {
			return fmt.Errorf("looking for points of another model: %w", err)
		}
		if len(others) == 0 {
			return nil
		}
		if is = others[0].GetPayload()["model_digest"].GetStringValue(); is == "" {
			return schemas.Unfitf(schemas.PlaceLayout, "it has points that are not rows of Vecmill; name another collection")
		}
	}
	if is != s.cfg.Index.ModelDigest {
		return schemas.Unfitf(schemas.PlaceModel, "it has rows of model %s, and this is model %s; vectors of two models cannot be compared: give each a collection of its own", is, s.cfg.Index.ModelDigest)
	}
	return nil
}

// lasting says whether the server will answer so again, whatever the rows.
func lasting(err error) bool {
	return rpc.Lasting(err) || schemas.Unfit(err)
}
