// Command worker turns references to audio, text and images into embeddings, transcripts and labels.
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
	os.Exit(cli.Worker(version, os.Args[1:], os.Stdout, os.Stderr))
}
