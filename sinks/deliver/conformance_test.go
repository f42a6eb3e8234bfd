package deliver

import (
	"testing"
	"time"

	"vecmill/sinks/sinktest"
)

func TestSinkConforms(t *testing.T) {
	for _, c := range []struct {
		name     string
		progress bool
		prepare  func(*memory)
		change   func(*Config)
	}{
		{"with the defaults", false, func(*memory) {}, func(*Config) {}},
		{"with tiny batches and buffers", false, func(*memory) {}, func(c *Config) { c.BatchRows, c.MaxBuffered, c.InFlight = 3, 4096, 2 }},
		{"with every second answer lost", false, func(m *memory) { m.lostEvery = 2 }, func(c *Config) { c.BatchRows = 2 }},
		{"with a slow store", false, func(m *memory) { m.takes = time.Second }, func(c *Config) { c.BatchBytes = 2000 }},
		{"with progress", true, func(*memory) {}, func(*Config) {}},
		{"with progress and tiny batches", true, func(*memory) {}, func(c *Config) { c.BatchRows, c.MaxBuffered, c.InFlight = 3, 4096, 1 }},
		{"with progress and batches of one source", true, func(*memory) {}, func(c *Config) { c.OneSource, c.BatchRows = true, 5 }},
		{"with progress and every second answer lost", true, func(m *memory) { m.lostEvery = 2 }, func(c *Config) { c.BatchRows = 2 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			sinktest.Run(t, sinktest.Options{Bubble: true}, func(t testing.TB) sinktest.Fixture {
				m := newMemory()
				c.prepare(m)
				return fixture(t, m, c.progress, c.change)
			})
		})
	}
}
