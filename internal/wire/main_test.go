package wire

import (
	"os"
	"testing"

	"vecmill/internal/hugepages"
)

func TestMain(m *testing.M) {
	hugepages.Ask() // as the worker's program does
	os.Exit(m.Run())
}
