package wire

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"vecmill/embed"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/stream/streamtest"
)

// silent is an endpoint and a server of gRPC with a certificate of a, which nobody may ask anything.
func silent(t *testing.T, a *authority) (endpoint, server string) {
	t.Helper()
	pair, _, _ := a.issue("server.test")
	secure := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	hook := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the doctor asks: %s %s", r.Method, r.URL) }))
	hook.TLS, hook.Config.ErrorLog = secure.Clone(), log.New(io.Discard, "", 0)
	hook.StartTLS()
	t.Cleanup(hook.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.Creds(credentials.NewTLS(secure)), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(stream)
		t.Errorf("the doctor asks: %s", method)
		return nil
	}))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Stop()
		<-ended
	})
	return hook.URL, "https://" + l.Addr().String()
}

// TestTheDoctorReachesOutputsThatItMayNotAsk: what is posted to an endpoint somebody acts on.
func TestTheDoctorReachesOutputsThatItMayNotAsk(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	endpoint, server := silent(t, ours)
	for _, c := range []struct {
		name, output string
		ca           *authority
		grade        Grade
		class        schemas.PlaceFault
		words        []string
	}{
		{"an endpoint", "webhook: {url: %q, secret: s, ca_file: %q}", ours, Sound, "", []string{strings.TrimPrefix(endpoint, "https://"), "reached; not written to"}},
		{"a server of Flight", "flight: {url: %q, ca_file: %q}", ours, Sound, "", []string{strings.TrimPrefix(server, "https://"), "reached; not written to"}},
		{"an endpoint of another authority", "webhook: {url: %q, secret: s, ca_file: %q}", theirs, Trouble, schemas.PlaceUnreachable, []string{"certificate"}},
		{"a server of Flight of another authority", "flight: {url: %q, ca_file: %q}", theirs, Trouble, schemas.PlaceUnreachable, []string{"certificate"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			url := endpoint
			if strings.HasPrefix(c.output, "flight") {
				url = server
			}
			p := &config.Pipeline{Name: "p", Outputs: []config.Output{outputOf(t, fmt.Sprintf(c.output, url, c.ca.file))}}
			var all []Finding
			d := newDoctor(&config.Config{}, func(f Finding) { all = append(all, f) })
			d.outputs(t.Context(), p, &loadedModel{heads: []embed.Head{streamtest.LengthHead{}}}, nil, nil)
			if len(all) != 1 || all[0].Grade != c.grade || all[0].Class != c.class {
				t.Fatalf("%+v", all)
			}
			for _, w := range c.words {
				if !strings.Contains(all[0].Text, w) {
					t.Errorf("%q does not say %q", all[0].Text, w)
				}
			}
		})
	}
}
