// Command backfill runs the worker's own pipelines over bounded lists of references, and proves what is in the output.
package main

import (
	"os"

	"vecmill/internal/cli"
	"vecmill/internal/hugepages"
)

// version is stamped by the linker.
var version = "dev"

func main() {
	hugepages.Ask()
	os.Exit(cli.Backfill(version, os.Args[1:], os.Stdout, os.Stderr))
}
