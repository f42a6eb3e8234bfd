package docs

import (
	"bytes"
	"crypto/sha1"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"vecmill/internal/config"
	"vecmill/internal/telemetry"
)

// What programs of others would do, done to what the test has in their place, by the command's own words.

// export sets what later commands find in the environment.
func export(t *testing.T, s *site, _, command string) {
	t.Helper()
	for _, word := range shellWords(command)[1:] {
		name, value, ok := strings.Cut(word, "=")
		if !ok || value == "" || strings.Contains(value, "...") {
			t.Fatalf("%s: %s has no value", command, name)
		}
		s.env[name] = value
	}
}

// makeTopic is kafka-topics.sh --bootstrap-server ADDRESS --create --topic NAME --partitions N --config NAME=VALUE.
func makeTopic(t *testing.T, s *site, _, command string) {
	t.Helper()
	f := flag.NewFlagSet("kafka-topics.sh", flag.ContinueOnError)
	server, create, topic, partitions := f.String("bootstrap-server", "", ""), f.Bool("create", false, ""), f.String("topic", "", ""), f.Int("partitions", 1, "")
	var settings []kafka.ConfigEntry
	f.Func("config", "", func(text string) error {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return errors.New("it is no NAME=VALUE")
		}
		settings = append(settings, kafka.ConfigEntry{ConfigName: name, ConfigValue: value})
		return nil
	})
	if err := f.Parse(shellWords(command)[1:]); err != nil || *server != "kafka-1:9092" || !*create || f.NArg() > 0 {
		t.Fatalf("%s: %v", command, err)
	}
	s.topic(t, *topic, *partitions, settings...)
}

// topic makes a topic.
func (s *site) topic(t *testing.T, name string, partitions int, settings ...kafka.ConfigEntry) {
	t.Helper()
	client := &kafka.Client{Addr: kafka.TCP(s.broker.ListenAddrs()...), Transport: &kafka.Transport{}}
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()
	resp, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: name, NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: settings}}})
	if err == nil {
		err = resp.Errors[name]
	}
	if err != nil {
		t.Fatalf("making topic %s: %v", name, err)
	}
}

// hub is a Hub that has one model under every name: the bundled one for speech.
func (s *site) hub(t *testing.T) {
	t.Helper()
	const commit = "0123456789abcdef0123456789abcdef01234567"
	dir := filepath.Join(s.models, "audio-ctc")
	api, content := http.NewServeMux(), http.NewServeMux() // one mux would find the patterns ambiguous
	api.HandleFunc("GET /api/models/{owner}/{name}/revision/main", func(w http.ResponseWriter, _ *http.Request) {
		files, err := os.ReadDir(dir)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		var siblings []map[string]string
		for _, f := range files {
			siblings = append(siblings, map[string]string{"rfilename": f.Name()})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"sha": commit, "siblings": siblings})
	})
	content.HandleFunc("GET /{owner}/{name}/resolve/"+commit+"/{file}", func(w http.ResponseWriter, r *http.Request) {
		b, err := os.ReadFile(filepath.Join(dir, r.PathValue("file")))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		w.Header().Set("X-Repo-Commit", commit)
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(b)), b...))))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			api.ServeHTTP(w, r)
			return
		}
		content.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	s.env["HF_ENDPOINT"], s.env["HF_HOME"] = srv.URL, t.TempDir()
}

// TestTheLogsLevelChanges does what operations.md does with curl, by its words. That profiles and the level are at one of both addresses is a test of internal/telemetry.
func TestTheLogsLevelChanges(t *testing.T) {
	told := config.NewDefaultConfig().Telemetry
	seen := map[string]bool{}
	for _, span := range read(t, "operations.md").prose {
		if strings.HasPrefix(span, "curl -") {
			for _, address := range []string{told.Listen, told.DebugListen} {
				if strings.Contains(span, "http://"+address+"/") {
					seen[address] = true
					changesTheLevel(t, span, address)
				}
			}
		}
	}
	if len(seen) != 2 {
		t.Errorf("operations.md asks curl for the level at %v", seen)
	}
}

func changesTheLevel(t *testing.T, command, address string) {
	t.Helper()
	f := flag.NewFlagSet("curl", flag.ContinueOnError)
	method, data := f.String("X", http.MethodGet, ""), f.String("d", "", "")
	if err := f.Parse(shellWords(command)[1:]); err != nil || f.NArg() != 1 {
		t.Fatalf("%s: %v", command, err)
	}
	path := strings.TrimPrefix(f.Arg(0), "http://"+address)
	var level slog.LevelVar
	tel, err := telemetry.Start(t.Context(), telemetry.Config{Listen: "127.0.0.1:0", Level: &level})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tel.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	ask := func(method, data string) string {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+tel.Addr()+path, strings.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", method, resp.Status, err)
		}
		return strings.TrimSpace(string(b))
	}
	ask(*method, *data)
	if got := ask(http.MethodGet, ""); level.Level() != slog.LevelDebug || got != "DEBUG" { // "curl without more"
		t.Errorf("the level is %v, and %q is told", level.Level(), got)
	}
}
