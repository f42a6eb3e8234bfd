//go:build integration

package secure

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/internal/config"
	"vecmill/schemas"
)

// The one user, who has another password for each mechanism.
const user = "alice"

func password(mechanism string) string { return "wonderland of " + mechanism }

// login is one way into the broker.
type login struct {
	name     string
	listener string
	set      func(t *testing.T, k *config.Kafka)
	password string
}

func logins(certs certificates, tokenFile string) []login {
	all := []login{
		{"a client certificate", mutual, func(_ *testing.T, k *config.Kafka) {
			k.TLS.CertFile, k.TLS.KeyFile = certs.client.CertFile, certs.client.KeyFile
		}, ""},
		{"a bearer token", passwords, func(_ *testing.T, k *config.Kafka) {
			k.SASL.Mechanism, k.SASL.OAuth.TokenFile = "oauthbearer", tokenFile
		}, ""},
	}
	for _, m := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
		all = append(all, login{m, passwords, func(_ *testing.T, k *config.Kafka) { k.SASL.Mechanism, k.SASL.Username = m, user }, password(m)})
	}
	return all
}

func TestSecure(t *testing.T) {
	certs := newCertificates(t)
	kafka := startKafka(t, certs)
	site := fixture.On(t, kafka, harness.StartSecureS3(t, certs.authority))
	setPasswords(t, kafka)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, unsecuredToken(t), 0o600); err != nil {
		t.Fatal(err)
	}
	good := logins(certs, token)
	var all []*run
	for i, l := range good { // at once, since each takes its time to start
		all = append(all, begin(t, site, certs, l, fmt.Sprintf("secure-%d", i)))
	}
	for _, r := range all {
		t.Run(r.login.name+" carries records from end to end", r.finish)
	}
	t.Run("what must not get in does not", func(t *testing.T) { testRefused(t, site, certs, good) })
}

// run is a worker on one login.
type run struct {
	site   *fixture.Site
	login  login
	topic  string
	c      *config.Config
	worker *harness.Process
	env    []string
	places []fixture.Place
}

const tooLong = 2 // of the records, which become letters

func begin(t *testing.T, site *fixture.Site, certs certificates, l login, topic string) *run {
	t.Helper()
	r := &run{site: site, login: l, topic: topic}
	site.Kafka.CreateTopic(t, topic, 2)
	site.Kafka.CreateTopic(t, topic+"-letters", 1)
	r.c = configure(t, site, certs, l, topic)
	if l.password != "" {
		r.env = []string{"VECMILL_KAFKA_SASL_PASSWORD=" + l.password}
	}
	var values [][]byte
	for i := range 40 {
		ref := schemas.Ref{ID: fmt.Sprint("text-", i), Inline: []byte("play a song")}
		switch {
		case i < tooLong:
			ref.Inline = []byte(strings.Repeat("far too long ", 100))
		case i%2 == 0:
			uri, _ := site.Put(t, topic+".txt", []byte("play another song"))
			ref.Inline, ref.URI = nil, uri
		}
		values = append(values, fixture.JSON(t, ref))
	}
	r.places = site.Publish(t, topic, values...)
	r.worker = site.StartWorker(t, topic, r.c, r.env...)
	return r
}

func configure(t *testing.T, site *fixture.Site, certs certificates, l login, topic string) *config.Config {
	t.Helper()
	p := site.Pipeline(t, topic, schemas.Text, topic)
	p.DeadLetters = config.DeadLetters{Topic: topic + "-letters"}
	c := site.Config(p)
	c.Kafka.Brokers = []string{site.Kafka.ListenerAddr(l.listener)}
	c.Kafka.TLS = config.TLS{Enabled: true, CAFile: certs.authority.CAFile}
	l.set(t, &c.Kafka)
	return c
}

func (r *run) finish(t *testing.T) {
	r.site.AwaitCommitted(t, r.topic, []string{r.topic}, time.Minute, r.worker)
	fixture.Stop(t, r.worker)
	out := r.site.Audit(t, r.topic, r.topic)
	letters := r.site.TopicLetters(t, r.topic+"-letters")[r.topic]
	if len(out.Rows) != len(r.places)-tooLong || len(out.Dead) != tooLong || len(letters) != tooLong {
		t.Errorf("%d records with rows, %d dead, %d letters; want %d, %d and %d", len(out.Rows), len(out.Dead), len(letters), len(r.places)-tooLong, tooLong, tooLong)
	}
	if _, code := r.site.AuditCommand(t, r.topic+"-audit", r.c, r.env...); code != 0 {
		t.Errorf("backfill audit has exit code %d, want 0", code)
	}
}

// testRefused starts workers that must not get in, at once, and wants each to end with an error that names the cause.
func testRefused(t *testing.T, site *fixture.Site, certs certificates, good []login) {
	stranger := harness.NewAuthority(t, "stranger")
	cert, plain := good[0], good[2]
	var pending []func()
	for _, c := range []struct {
		name   string
		login  login
		change func(c *config.Config)
		env    string
		want   string // in the log
	}{
		{"a wrong password is refused", plain, nil, "VECMILL_KAFKA_SASL_PASSWORD=wrong", "Invalid username or password"},
		{"a wrong password for the records alone is refused", plain, func(c *config.Config) {
			c.Pipelines[0].DeadLetters = config.DeadLetters{URL: "s3://" + fixture.Bucket + "/dead"}
		}, "VECMILL_KAFKA_SASL_PASSWORD=wrong", "refused the user or the password"},
		{"a broker whose authority is not trusted is not spoken to", plain, func(c *config.Config) { c.Kafka.TLS.CAFile = stranger.CAFile }, "", "unknown authority"},
		{"a broker that has another name is not spoken to", plain, func(c *config.Config) { c.Kafka.TLS.ServerName = "kafka.example" }, "", "kafka.example"},
		{"a client without a certificate is refused", cert, func(c *config.Config) { c.Kafka.TLS.CertFile, c.Kafka.TLS.KeyFile = "", "" }, "", "certificate"},
		{"a store whose authority is not trusted is not spoken to", plain, func(c *config.Config) { c.S3.CAFile = stranger.CAFile }, "", "unknown authority"},
	} {
		topic := fmt.Sprint("refused-", len(pending))
		site.Kafka.CreateTopic(t, topic, 1)
		site.Kafka.CreateTopic(t, topic+"-letters", 1)
		conf := configure(t, site, certs, c.login, topic)
		if c.change != nil {
			c.change(conf)
		}
		env := c.env
		if env == "" {
			env = "VECMILL_KAFKA_SASL_PASSWORD=" + c.login.password
		}
		worker := site.StartWorker(t, topic, conf, env)
		pending = append(pending, func() {
			t.Run(c.name, func(t *testing.T) {
				state := worker.Wait(t, 2*time.Minute)
				if state.ExitCode() < 1 || !strings.Contains(worker.Log(), c.want) {
					t.Errorf("the worker ended with %v, and says (want %q):\n%s", state, c.want, worker.LogTail(10))
				}
				if strings.Contains(worker.Log(), c.login.password) && c.login.password != "" {
					t.Error("the password is in the log")
				}
			})
		})
	}
	for _, check := range pending {
		check()
	}
}

// certificates are what all sides show.
type certificates struct {
	authority      *harness.Authority
	broker, client harness.Certificate
}

func newCertificates(t *testing.T) certificates {
	t.Helper()
	a := harness.NewAuthority(t, "vecmill-test")
	return certificates{a, a.Issue(t, "broker"), a.Issue(t, "client")}
}

// The names of the broker's two listeners: one asks for a client's certificate, the other for a password or a token.
const mutual, passwords = "mutual", "passwords"

func startKafka(t *testing.T, certs certificates) *harness.Kafka {
	t.Helper()
	const modules = "org.apache.kafka.common.security."
	ssl := func(clientAuth string) map[string]string {
		return map[string]string{
			"ssl.keystore.type": "PEM", "ssl.keystore.location": certs.broker.BundleFile,
			"ssl.truststore.type": "PEM", "ssl.truststore.location": certs.authority.CAFile, "ssl.client.auth": clientAuth,
		}
	}
	sasl := ssl("none")
	sasl["sasl.enabled.mechanisms"] = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER"
	sasl["plain.sasl.jaas.config"] = fmt.Sprintf(`%splain.PlainLoginModule required user_%s="%s";`, modules, user, password("plain"))
	for _, m := range []string{"scram-sha-256", "scram-sha-512"} {
		sasl[m+".sasl.jaas.config"] = modules + "scram.ScramLoginModule required;"
	}
	sasl["oauthbearer.sasl.jaas.config"] = modules + `oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`
	return harness.KafkaConfig{Listeners: map[string]harness.Listener{
		mutual:    {Protocol: "SSL", Properties: ssl("required")},
		passwords: {Protocol: "SASL_SSL", Properties: sasl},
	}}.Start(t)
}

// setPasswords gives the user the passwords for SCRAM, which the broker keeps in its own metadata.
func setPasswords(t *testing.T, k *harness.Kafka) {
	t.Helper()
	const iterations = 4096
	salt := []byte("some salt of the test")
	short, err := pbkdf2.Key(sha256.New, password("scram-sha-256"), salt, iterations, sha256.Size)
	if err != nil {
		t.Fatal(err)
	}
	long, err := pbkdf2.Key(sha512.New, password("scram-sha-512"), salt, iterations, sha512.Size)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []kafka.UserScramCredentialsUpsertion{ // a request may set one of a user's passwords
		{Name: user, Mechanism: kafka.ScramMechanismSha256, Iterations: iterations, Salt: salt, SaltedPassword: short},
		{Name: user, Mechanism: kafka.ScramMechanismSha512, Iterations: iterations, Salt: salt, SaltedPassword: long},
	} {
		res, err := k.Client().AlterUserScramCredentials(t.Context(), &kafka.AlterUserScramCredentialsRequest{Upsertions: []kafka.UserScramCredentialsUpsertion{u}})
		if err == nil && len(res.Results) == 1 {
			err = res.Results[0].Error
		}
		if err != nil {
			t.Fatalf("setting a password: %v", err)
		}
	}
}

// unsecuredToken is a JSON web token without a signature, which the broker's default validator takes.
func unsecuredToken(t *testing.T) []byte {
	t.Helper()
	now := time.Now()
	claims := fmt.Sprintf(`{"sub":"%s","iat":%d,"exp":%d}`, user, now.Add(-time.Minute).Unix(), now.Add(time.Hour).Unix())
	b64 := base64.RawURLEncoding.EncodeToString
	return []byte(b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(claims)) + ".")
}
