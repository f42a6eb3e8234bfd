package flightsink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/flight"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"vecmill/schemas"
	"vecmill/sinks/arrowrow"
	"vecmill/sinks/deliver"
	"vecmill/sinks/rpc"
)

// port is taken where the URL has none.
const port = "8815"

// Config is what a sink is made of. Start from NewDefaultConfig.
type Config struct {
	URL     string         // http://host:port or https://host:port
	Token   string         // bearer; "" for none
	TLS     *tls.Config    // of https; nil for the default
	Name    string         // first part of the descriptor's path
	Tasks   []schemas.Task // whose rows are sent: they decide the columns
	Deliver deliver.Config
}

// NewDefaultConfig is a configuration that lacks only URL and Tasks.
func NewDefaultConfig() Config { return Config{Name: "rows", Deliver: deliver.NewDefaultConfig()} }

// Open makes a sink. Nothing is asked before the first batch: a server of Flight need not know more than DoPut.
func Open(c Config) (*deliver.Sink, error) {
	if c.Name == "" || len(c.Tasks) == 0 {
		return nil, errors.New("flight: a name and tasks are needed")
	}
	conn, address, err := c.dial()
	if err != nil {
		return nil, err
	}
	c.Deliver.Name = c.called(address)
	sink, err := deliver.New(c.Deliver, &store{c, conn, flight.NewFlightServiceClient(conn)})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return sink, nil
}

// Reach looks whether a server of gRPC is there, and puts nothing. It gives the server's address.
func Reach(ctx context.Context, c Config) (address string, err error) {
	conn, address, err := c.dial()
	if err != nil {
		return "", err
	}
	err = deliver.Ask(ctx, c.called(address), deliver.Transient, func(ctx context.Context) error { return rpc.Reach(ctx, conn) })
	return address, errors.Join(err, conn.Close())
}

func (c *Config) dial() (conn *grpc.ClientConn, address string, err error) {
	conn, address, err = rpc.Dial(c.URL, port, c.TLS)
	if err != nil {
		return nil, "", fmt.Errorf("flight: %w", err)
	}
	return conn, address, nil
}

// called is what the place at an address is called.
func (c *Config) called(address string) string {
	return fmt.Sprintf("flight %s, path %s", address, c.Name)
}

// store puts batches to a server.
type store struct {
	cfg    Config
	conn   *grpc.ClientConn
	client flight.FlightServiceClient
}

// Check refuses rows that the columns have no place for.
func (s *store) Check(r *schemas.Row) error {
	if !slices.Contains(s.cfg.Tasks, r.Task) {
		return fmt.Errorf("a row of task %q, and the stream has columns for %v", r.Task, s.cfg.Tasks)
	}
	return nil
}

// Put sends the rows and then the deletions.
func (s *store) Put(ctx context.Context, b deliver.Batch) error {
	if rows := b.Rows(); len(rows) > 0 {
		rec, err := s.record(rows)
		if err != nil {
			return deliver.Refused(err)
		}
		defer rec.Release()
		if err := s.send(ctx, rec, s.cfg.Name); err != nil {
			return err
		}
	}
	if gone := b.Deletions(); len(gone) > 0 {
		rec := deletions(gone)
		defer rec.Release()
		return s.send(ctx, rec, s.cfg.Name, "deletions")
	}
	return nil
}

func (s *store) record(rows []*schemas.Row) (arrow.Record, error) {
	b, err := arrowrow.NewBuilder(memory.DefaultAllocator, s.cfg.Tasks...)
	if err != nil {
		return nil, err
	}
	defer b.Release()
	for _, r := range rows {
		if err := b.Append(r); err != nil {
			return nil, err
		}
	}
	return b.NewRecord(), nil
}

func deletions(gone []deliver.Deletion) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "ref_id", Type: arrow.BinaryTypes.String},
		{Name: "topic", Type: arrow.BinaryTypes.String},
		{Name: "partition", Type: arrow.PrimitiveTypes.Int32},
		{Name: "offset", Type: arrow.PrimitiveTypes.Int64},
	}, nil))
	defer b.Release()
	for _, d := range gone {
		b.Field(0).(*array.StringBuilder).Append(d.RefID)
		b.Field(1).(*array.StringBuilder).Append(d.Source.Topic)
		b.Field(2).(*array.Int32Builder).Append(int32(d.Source.Partition))
		b.Field(3).(*array.Int64Builder).Append(d.Offset)
	}
	return b.NewRecord()
}

// send is one DoPut, up to the end of the server's answer.
func (s *store) send(ctx context.Context, rec arrow.Record, path ...string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // which ends a stream that was left
	if s.cfg.Token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+s.cfg.Token)
	}
	stream, err := s.client.DoPut(ctx)
	if err != nil {
		return classify(err)
	}
	w := flight.NewRecordWriter(stream, ipc.WithSchema(rec.Schema()))
	w.SetFlightDescriptor(&flight.FlightDescriptor{Type: flight.DescriptorPATH, Path: path})
	err = errors.Join(w.Write(rec), w.Close(), stream.CloseSend())
	if err != nil && !errors.Is(err, io.EOF) { // io.EOF: the server has ended, and the answer says why
		return classify(err)
	}
	sent := err == nil
	for {
		_, err := stream.Recv()
		switch {
		case err == nil:
		case !errors.Is(err, io.EOF):
			return classify(err)
		case !sent:
			return errors.New("the server has ended the stream before it had all of it")
		default:
			return nil
		}
	}
}

// classify is a request's error as deliver has it.
func classify(err error) error {
	switch {
	case rpc.Refused(err):
		return deliver.Refused(err)
	case rpc.Lasting(err):
		return deliver.Final(err)
	}
	return err
}

// Close lets the connection go.
func (s *store) Close() error { return s.conn.Close() }
