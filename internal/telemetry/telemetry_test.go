package telemetry

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"vecmill/embed"
	"vecmill/schemas"
	"vecmill/stream"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestTotalsAreServedAsMetrics(t *testing.T) {
	tel, err := Start(t.Context(), Config{Listen: "127.0.0.1:0", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer tel.Shutdown(context.Background())
	err = Observe(tel.Meter(), "speech", func() Reading {
		return Reading{
			Stream: stream.Stats{Records: 7, Dead: map[schemas.Reason]int64{schemas.ReasonDecode: 2}, Fetch: 3 * time.Second, ReserveWait: time.Second},
			Embed:  embed.Stats{Waiting: 4},
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	_, body := get(t, "http://"+tel.Addr()+"/metrics")
	for _, want := range []string{
		`vecmill_records_total{pipeline="speech"} 7`,
		`vecmill_dead_letters_total{pipeline="speech",reason="decode"} 2`,
		`vecmill_dead_letters_total{pipeline="speech",reason="panic"} 0`,
		`vecmill_fetch_busy_seconds_total{pipeline="speech"} 2`,
		`vecmill_samples_waiting{pipeline="speech"} 4`,
		"\ngo_goroutines ",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
}

func TestReadinessFollowsTheWorker(t *testing.T) {
	tel, err := Start(t.Context(), Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer tel.Shutdown(context.Background())
	url := "http://" + tel.Addr()
	if code, _ := get(t, url+"/livez"); code != 200 {
		t.Fatalf("livez %d", code)
	}
	if code, _ := get(t, url+"/readyz"); code != 503 {
		t.Fatalf("readyz %d before it is ready", code)
	}
	tel.Ready(true)
	if code, _ := get(t, url+"/readyz"); code != 200 {
		t.Fatalf("readyz %d", code)
	}
}

func TestATakenAddressIsNamed(t *testing.T) {
	tel, err := Start(t.Context(), Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer tel.Shutdown(context.Background())
	if _, err := Start(t.Context(), Config{Listen: tel.Addr()}); err == nil || !strings.Contains(err.Error(), "telemetry.listen") {
		t.Fatal(err)
	}
}
