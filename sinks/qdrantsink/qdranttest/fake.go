// Package qdranttest has a Qdrant in memory, for tests of what writes to one without a server at hand.
package qdranttest

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

// Fake is a Qdrant in memory behind its own gRPC definitions: what a request may say, and which fields it has, is theirs. Behind them it keeps named vectors of
// a fixed size, payloads, and the conditions that qdrantsink uses, and answers mistakes with the codes and words of the server. A point whose attributes have poison is never taken.
type Fake struct {
	qdrant.UnimplementedCollectionsServer
	Addr   string   // host:port
	APIKey string   // that requests must have; "" for none. It changes under Held's lock
	Old    bool     // a server before metadata of collections
	Held   struct { // what it has, under its lock
		sync.Mutex
		Away        int                    // so many requests fail
		Collections map[string]*Collection // by name
		Aliases     map[string]string      // names of collections
		Indexed     map[string]qdrant.FieldType
	}
}

// Collection is a collection with its points by their ids.
type Collection struct {
	Config *qdrant.CollectionConfig
	Points map[string]*qdrant.PointStruct
}

// Start starts a fake on the loopback, which ends with the test.
func Start(t testing.TB) *Fake { return StartLimited(t, math.MaxInt32) } // the server sets no limit

// StartLimited is Start of a fake that takes messages of limit bytes, as a proxy may.
func StartLimited(t testing.TB, limit int) *Fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &Fake{Addr: l.Addr().String()}
	f.Held.Collections, f.Held.Aliases, f.Held.Indexed = map[string]*Collection{}, map[string]string{}, map[string]qdrant.FieldType{}
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
func (f *Fake) admit(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	f.Held.Lock()
	defer f.Held.Unlock()
	if f.APIKey != "" && !slices.Equal(md.Get("api-key"), []string{f.APIKey}) {
		return nil, status.Error(codes.Unauthenticated, "Invalid API key or JWT")
	}
	if f.Held.Away > 0 {
		f.Held.Away--
		return nil, status.Error(codes.Unavailable, "connection error")
	}
	return handle(ctx, req)
}

func (f *Fake) find(name string) (*Collection, error) {
	if c := f.Held.Collections[name]; c != nil {
		return c, nil
	}
	return nil, status.Errorf(codes.NotFound, "Not found: Collection `%s` doesn't exist!", name)
}

// CollectionExists says whether there is one.
func (f *Fake) CollectionExists(_ context.Context, r *qdrant.CollectionExistsRequest) (*qdrant.CollectionExistsResponse, error) {
	return &qdrant.CollectionExistsResponse{Result: &qdrant.CollectionExists{Exists: f.Held.Collections[r.GetCollectionName()] != nil}}, nil
}

// Create makes an empty one.
func (f *Fake) Create(_ context.Context, r *qdrant.CreateCollection) (*qdrant.CollectionOperationResponse, error) {
	if f.Held.Collections[r.GetCollectionName()] != nil {
		return nil, status.Errorf(codes.AlreadyExists, "Collection `%s` already exists!", r.GetCollectionName())
	}
	c := &qdrant.CollectionConfig{Params: &qdrant.CollectionParams{VectorsConfig: r.GetVectorsConfig()}, Metadata: r.GetMetadata()}
	if f.Old {
		c.Metadata = nil
	}
	f.Held.Collections[r.GetCollectionName()] = &Collection{c, map[string]*qdrant.PointStruct{}}
	return &qdrant.CollectionOperationResponse{Result: true}, nil
}

// Get tells its configuration.
func (f *Fake) Get(_ context.Context, r *qdrant.GetCollectionInfoRequest) (*qdrant.GetCollectionInfoResponse, error) {
	c, err := f.find(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	return &qdrant.GetCollectionInfoResponse{Result: &qdrant.CollectionInfo{Config: c.Config}}, nil
}

// List tells the collections' names.
func (f *Fake) List(context.Context, *qdrant.ListCollectionsRequest) (*qdrant.ListCollectionsResponse, error) {
	out := &qdrant.ListCollectionsResponse{}
	for _, name := range slices.Sorted(maps.Keys(f.Held.Collections)) {
		out.Collections = append(out.Collections, &qdrant.CollectionDescription{Name: name})
	}
	return out, nil
}

// UpdateAliases carries out one action after the other. One that fails leaves what those before it did, as the server does.
func (f *Fake) UpdateAliases(_ context.Context, r *qdrant.ChangeAliases) (*qdrant.CollectionOperationResponse, error) {
	for _, a := range r.GetActions() {
		switch a := a.GetAction().(type) {
		case *qdrant.AliasOperations_DeleteAlias:
			delete(f.Held.Aliases, a.DeleteAlias.GetAliasName())
		case *qdrant.AliasOperations_CreateAlias:
			alias, name := a.CreateAlias.GetAliasName(), a.CreateAlias.GetCollectionName()
			if _, err := f.find(name); err != nil {
				return nil, err
			}
			if f.Held.Collections[alias] != nil {
				return nil, status.Errorf(codes.InvalidArgument, "Wrong input: Collection `%s` already exists!", alias)
			}
			f.Held.Aliases[alias] = name
		default:
			panic(fmt.Sprintf("an action that the fake does not know: %v", a))
		}
	}
	return &qdrant.CollectionOperationResponse{Result: true}, nil
}

// points are the fake's second service: both have a method named Get.
type points struct {
	qdrant.UnimplementedPointsServer
	f *Fake
}

func (p points) CreateFieldIndex(_ context.Context, r *qdrant.CreateFieldIndexCollection) (*qdrant.PointsOperationResponse, error) {
	if _, err := p.f.find(r.GetCollectionName()); err != nil {
		return nil, err
	}
	p.f.Held.Indexed[r.GetFieldName()] = r.GetFieldType()
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
	sizes := c.Config.GetParams().GetVectorsConfig().GetParamsMap().GetMap()
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
		c.Points[x.GetId().GetUuid()] = x
	}
	return done(), nil
}

func (p points) Delete(_ context.Context, r *qdrant.DeletePoints) (*qdrant.PointsOperationResponse, error) {
	c, err := p.f.find(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	filter := r.GetPoints().GetFilter()
	maps.DeleteFunc(c.Points, func(_ string, x *qdrant.PointStruct) bool { return holds(filter, x) })
	return done(), nil
}

func (p points) Scroll(_ context.Context, r *qdrant.ScrollPoints) (*qdrant.ScrollResponse, error) {
	c, err := p.f.find(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	out := &qdrant.ScrollResponse{}
	for _, id := range slices.Sorted(maps.Keys(c.Points)) {
		if x := c.Points[id]; holds(r.GetFilter(), x) && len(out.Result) < int(r.GetLimit()) {
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
