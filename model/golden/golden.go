// Package golden is the reference: cases that tools/golden wrote with transformers, a directory <class>/<case> each, with a checkpoint of random weights, inputs,
// what came out, and how far that may be missed. [vecmill/embed/golden] reads and runs them; tests do so from the disk.
package golden

import (
	"embed"
	"io/fs"
)

//go:embed Data2VecAudioForCTC/base Data2VecTextForSequenceClassification/base Data2VecVisionForImageClassification/mean
var bundled embed.FS

// Bundled are the cases that go with the binary: one of each family, 190 kB together.
func Bundled() fs.FS { return bundled }
