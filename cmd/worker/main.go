// Command worker turns references to audio, text and images into embeddings, transcripts and labels.
package main

import (
	"os"

	"vecmill/internal/cli"
)

// version is stamped by the linker.
var version = "dev"

func main() { os.Exit(cli.Worker(version, os.Args[1:], os.Stdout, os.Stderr)) }
