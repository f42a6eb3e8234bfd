package wire

import (
	"os"

	"vecmill/internal/config"
	"vecmill/sinks"
	"vecmill/sinks/deliver"
	"vecmill/sinks/jsonlsink"
)

func delivery(d *config.Delivery) deliver.Config {
	c := deliver.NewDefaultConfig()
	c.BatchRows, c.BatchBytes, c.BatchAge, c.InFlight = d.Rows, int64(d.Bytes), d.Age.D(), d.InFlight
	c.MaxBuffered, c.Timeout = int64(d.MaxBuffered), d.Timeout.D()
	return c
}

func newJSONL(c *config.JSONL) (sinks.Sink, error) {
	cfg := jsonlsink.NewDefaultConfig()
	cfg.Deliver = delivery(&c.Batch)
	if c.Path == "-" {
		cfg.Output = os.Stdout
	} else {
		cfg.Path = c.Path
	}
	return jsonlsink.Open(cfg)
}
