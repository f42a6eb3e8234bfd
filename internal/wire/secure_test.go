package wire

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/twmb/franz-go/pkg/kfake"

	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks"
)

// authority is a certificate authority of the test's own.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // PEM
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.file = writePEM(t, "CERTIFICATE", der)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// issue makes a certificate for 127.0.0.1 and the given name.
func (a *authority) issue(name string) (pair tls.Certificate, certFile, keyFile string) {
	a.t.Helper()
	key := newKey(a.t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
	}, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, writePEM(a.t, "CERTIFICATE", der), writePEM(a.t, "PRIVATE KEY", raw)
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// TestKafkaOverTLSWithPasswords speaks to a broker that wants TLS, a client's certificate and a password, all with certificates made here.
func TestKafkaOverTLSWithPasswords(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	server, _, _ := ours.issue("broker.test")
	_, certFile, keyFile := ours.issue("client")
	_, foreignCert, foreignKey := theirs.issue("client")
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "dead"), kfake.EnableSASL(),
		kfake.Superuser("PLAIN", "ann", "plain-pass"), kfake.Superuser("SCRAM-SHA-256", "bob", "scram-pass"), kfake.Superuser("SCRAM-SHA-512", "cid", "long-pass"),
		kfake.TLS(&tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ours.pool(), MinVersion: tls.VersionTLS12}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	withTLS := config.TLS{Enabled: true, CAFile: ours.file, CertFile: certFile, KeyFile: keyFile}
	plain := config.SASL{Mechanism: "plain", Username: "ann", Password: "plain-pass"}
	offset := int64(0)
	for _, c := range []struct {
		name string
		tls  config.TLS
		sasl config.SASL
		want string // "" for success
	}{
		{"plain", withTLS, plain, ""},
		{"scram-sha-256", withTLS, config.SASL{Mechanism: "scram-sha-256", Username: "bob", Password: "scram-pass"}, ""},
		{"scram-sha-512", withTLS, config.SASL{Mechanism: "scram-sha-512", Username: "cid", Password: "long-pass"}, ""},
		{"another name of the certificate's", config.TLS{Enabled: true, CAFile: ours.file, CertFile: certFile, KeyFile: keyFile, ServerName: "broker.test"}, plain, ""},
		{"a name that is not the certificate's", config.TLS{Enabled: true, CAFile: ours.file, CertFile: certFile, KeyFile: keyFile, ServerName: "evil.test"}, plain, "certificate"},
		{"a wrong password", withTLS, config.SASL{Mechanism: "scram-sha-256", Username: "bob", Password: "wrong-pass"}, "check kafka.brokers, kafka.tls and kafka.sasl"},
		{"no password", withTLS, config.SASL{}, ""},
		{"no client certificate", config.TLS{Enabled: true, CAFile: ours.file}, plain, "certificate"},
		{"a client certificate of another authority", config.TLS{Enabled: true, CAFile: ours.file, CertFile: foreignCert, KeyFile: foreignKey}, plain, "certificate"},
		{"a broker of another authority", config.TLS{Enabled: true, CAFile: theirs.file, CertFile: certFile, KeyFile: keyFile}, plain, "certificate"},
		{"the system's authorities", config.TLS{Enabled: true, CertFile: certFile, KeyFile: keyFile}, plain, "certificate"},
		{"no TLS", config.TLS{}, plain, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			good := c.want == "" && c.sasl.Mechanism != "" && c.tls.Enabled
			patience := 700 * time.Millisecond // some refusals look like a broker that restarts, and are tried again
			if good {
				patience = 20 * time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			conf := config.NewDefaultConfig()
			conf.Kafka.Brokers, conf.Kafka.TLS, conf.Kafka.SASL = cluster.ListenAddrs(), c.tls, c.sasl
			at := config.DeadLetters{Topic: "dead"}
			store, err := newDeadLetters(ctx, conf, &config.Pipeline{DeadLetters: at}, &stores{cfg: conf}, nil)
			if !good {
				if err == nil || !strings.Contains(err.Error(), c.want) || c.sasl.Password != "" && strings.Contains(err.Error(), c.sasl.Password.Reveal()) {
					t.Fatalf("%v, want %q and no password", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := store.Put(ctx, sinks.Letter{Source: schemas.SourceID{Pipeline: "p", Topic: "refs"}, Offset: offset, Reason: schemas.ReasonDecode}); err != nil {
				t.Fatal(err)
			}
			if err := store.Close(ctx); err != nil {
				t.Fatal(err)
			}
			offset++
			letters, err := OpenLettersAt(ctx, conf, []config.DeadLetters{at}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer letters.Close()
			n := int64(0)
			if err := letters.Stores[0].Letters(ctx, func(sinks.StoredLetter) error { n++; return nil }); err != nil || n != offset {
				t.Errorf("%d letters of %d, %v", n, offset, err)
			}
		})
	}
}

// TestS3OverTLS speaks to a store with a certificate made here.
func TestS3OverTLS(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	server, _, _ := ours.issue("store.test")
	backend := s3mem.New()
	if err := backend.CreateBucket("box"); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(gofakes3.New(backend).Server())
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{server}, MinVersion: tls.VersionTLS12}
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	for name, c := range map[string]struct{ file, endpoint, want string }{
		"its authority is trusted":       {ours.file, srv.URL, ""},
		"another authority is trusted":   {theirs.file, srv.URL, "certificate"},
		"only the system's are trusted":  {"", srv.URL, "certificate"},
		"plain http to a store with TLS": {ours.file, strings.Replace(srv.URL, "https", "http", 1), "check s3.endpoint"},
		"a file that holds no authority": {writePEM(t, "NOTHING", nil), srv.URL, "s3.ca_file"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			conf := config.NewDefaultConfig()
			conf.S3 = config.S3{Endpoint: c.endpoint, Region: "us-east-1", AccessKey: "key", SecretKey: "very-secret", CAFile: c.file, PathStyle: true}
			_, _, err := (&stores{cfg: conf}).open(ctx, "s3://box/out")
			if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "very-secret")) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// The store may send us elsewhere; our signature, and what follows from it, does not go there.
func TestCredentialsDoNotFollowARedirectOfTheStore(t *testing.T) {
	reached := ""
	foreign := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		reached = r.Header.Get("Authorization") + " " + r.URL.Path
	}))
	t.Cleanup(foreign.Close)
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, foreign.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	t.Cleanup(store.Close)
	conf := config.NewDefaultConfig()
	conf.S3 = config.S3{Endpoint: store.URL, Region: "us-east-1", AccessKey: "key", SecretKey: "secret", PathStyle: true}
	if _, _, err := (&stores{cfg: conf}).open(t.Context(), "s3://box/out"); err == nil {
		t.Error("a redirect is taken for an answer")
	}
	if reached != "" {
		t.Errorf("the foreign host got %q", reached)
	}
}
