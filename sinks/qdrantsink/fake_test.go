package qdrantsink

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// fake is a Qdrant in memory behind its own gRPC definitions: what a request may say, and which fields it has, is theirs. Behind them it keeps named vectors of
// a fixed size, payloads, and the conditions that this package uses, and answers mistakes with the codes and words of the server.
type fake struct {
	qdrant.UnimplementedCollectionsServer
	addr   string
	apiKey string // that requests must have; "" for none
	old    bool   // a server before metadata of collections
	mu     struct {
		sync.Mutex
		away        int // so many requests fail
		collections map[string]*collection
		indexed     map[string]qdrant.FieldType
	}
}

type collection struct {
	config *qdrant.CollectionConfig
	points map[string]*qdrant.PointStruct
}

func startFake(t testing.TB) *fake { return startFakeOf(t, math.MaxInt32) } // the server sets no limit

// startFakeOf starts a fake that takes messages of limit bytes, as a proxy may.
func startFakeOf(t testing.TB, limit int) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{addr: l.Addr().String()}
	f.mu.collections, f.mu.indexed = map[string]*collection{}, map[string]qdrant.FieldType{}
	s := grpc.NewServer(grpc.UnaryInterceptor(f.admit), grpc.MaxRecvMsgSize(limit))
	qdrant.RegisterCollectionsServer(s, f)
	qdrant.RegisterPointsServer(s, points{f: f})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Stop()
		<-ended
	})
	return f
}

// admit is what lies before every request.
func (f *fake) admit(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	if f.apiKey != "" && !slices.Equal(md.Get("api-key"), []string{f.apiKey}) {
		return nil, status.Error(codes.Unauthenticated, "Invalid API key or JWT")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.away > 0 {
		f.mu.away--
		return nil, status.Error(codes.Unavailable, "connection error")
	}
	return handle(ctx, req)
}

func (f *fake) find(name string) (*collection, error) {
	if c := f.mu.collections[name]; c != nil {
		return c, nil
	}
	return nil, status.Errorf(codes.NotFound, "Not found: Collection `%s` doesn't exist!", name)
}

func (f *fake) CollectionExists(_ context.Context, r *qdrant.CollectionExistsRequest) (*qdrant.CollectionExistsResponse, error) {
	return &qdrant.CollectionExistsResponse{Result: &qdrant.CollectionExists{Exists: f.mu.collections[r.GetCollectionName()] != nil}}, nil
}

func (f *fake) Create(_ context.Context, r *qdrant.CreateCollection) (*qdrant.CollectionOperationResponse, error) {
	if f.mu.collections[r.GetCollectionName()] != nil {
		return nil, status.Errorf(codes.AlreadyExists, "Collection `%s` already exists!", r.GetCollectionName())
	}
	c := &qdrant.CollectionConfig{Params: &qdrant.CollectionParams{VectorsConfig: r.GetVectorsConfig()}, Metadata: r.GetMetadata()}
	if f.old {
		c.Metadata = nil
	}
	f.mu.collections[r.GetCollectionName()] = &collection{c, map[string]*qdrant.PointStruct{}}
	return &qdrant.CollectionOperationResponse{Result: true}, nil
}

func (f *fake) Get(_ context.Context, r *qdrant.GetCollectionInfoRequest) (*qdrant.GetCollectionInfoResponse, error) {
	c, err := f.find(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	return &qdrant.GetCollectionInfoResponse{Result: &qdrant.CollectionInfo{Config: c.config}}, nil
}

// points are the fake's second service: both have a method named Get.
type points struct {
	qdrant.UnimplementedPointsServer
	f *fake
}

func (p points) CreateFieldIndex(_ context.Context, r *qdrant.CreateFieldIndexCollection) (*qdrant.PointsOperationResponse, error) {
	if _, err := p.f.find(r.GetCollectionName()); err != nil {
		return nil, err
	}
	p.f.mu.indexed[r.GetFieldName()] = r.GetFieldType()
	return done(), nil
}

func done() *qdrant.PointsOperationResponse {
	return &qdrant.PointsOperationResponse{Result: &qdrant.UpdateResult{Status: qdrant.UpdateStatus_Completed}}
}

func (p points) Upsert(_ context.Context, r *qdrant.UpsertPoints) (*qdrant.PointsOperationResponse, error) {
	c, err := p.f.find(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	sizes := c.config.GetParams().GetVectorsConfig().GetParamsMap().GetMap()
	for _, x := range r.GetPoints() { // all or none
		if x.GetVectors().GetVectors() == nil {
			return nil, status.Error(codes.InvalidArgument, "Expected some vectors")
		}
		for name, v := range x.GetVectors().GetVectors().GetVectors() {
			switch n := len(v.GetDense().GetData()); {
			case sizes[name] == nil:
				return nil, status.Errorf(codes.InvalidArgument, "Wrong input: Not existing vector name error: %s", name)
			case uint64(n) != sizes[name].GetSize():
				return nil, status.Errorf(codes.InvalidArgument, "Wrong input: Vector dimension error: expected dim: %d, got %d", sizes[name].GetSize(), n)
			}
		}
		if x.GetPayload()["attributes"].GetStructValue().GetFields()["poison"] != nil {
			return nil, status.Error(codes.InvalidArgument, "Wrong input: poison")
		}
	}
	for _, x := range r.GetPoints() {
		c.points[x.GetId().GetUuid()] = x
	}
	return done(), nil
}

func (p points) Delete(_ context.Context, r *qdrant.DeletePoints) (*qdrant.PointsOperationResponse, error) {
	c, err := p.f.find(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	filter := r.GetPoints().GetFilter()
	maps.DeleteFunc(c.points, func(_ string, x *qdrant.PointStruct) bool { return holds(filter, x) })
	return done(), nil
}

func (p points) Scroll(_ context.Context, r *qdrant.ScrollPoints) (*qdrant.ScrollResponse, error) {
	c, err := p.f.find(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	out := &qdrant.ScrollResponse{}
	for _, id := range slices.Sorted(maps.Keys(c.points)) {
		if x := c.points[id]; holds(r.GetFilter(), x) && len(out.Result) < int(r.GetLimit()) {
			out.Result = append(out.Result, &qdrant.RetrievedPoint{Id: x.GetId(), Payload: x.GetPayload()})
		}
	}
	return out, nil
}

// holds says whether a point is what a filter asks for. A condition that the fake does not know is a mistake of the test.
func holds(f *qdrant.Filter, p *qdrant.PointStruct) bool {
	if len(f.GetShould())+len(f.GetMust())+len(f.GetMustNot()) == 0 || len(f.GetShould()) > 0 {
		panic(fmt.Sprintf("a filter that the fake does not know: %v", f))
	}
	for _, c := range f.GetMust() {
		if !meets(c.GetField(), p) {
			return false
		}
	}
	for _, c := range f.GetMustNot() {
		if meets(c.GetField(), p) {
			return false
		}
	}
	return true
}

func meets(c *qdrant.FieldCondition, p *qdrant.PointStruct) bool {
	v, known := p.GetPayload()[c.GetKey()]
	switch {
	case !known:
		return false
	case c.GetRange() != nil && c.GetRange().Lt != nil:
		return float64(v.GetIntegerValue()) < c.GetRange().GetLt()
	}
	switch m := c.GetMatch().GetMatchValue().(type) {
	case *qdrant.Match_Keyword:
		return v.GetStringValue() == m.Keyword
	case *qdrant.Match_Integer:
		return v.GetIntegerValue() == m.Integer
	}
	panic(fmt.Sprintf("a condition that the fake does not know: %v", c))
}
