package audio

import (
	"fmt"
	"strings"
	"sync"
)

// Libraries says whether libraries of the system take part: libsndfile decodes Opus, and what is not built in, and libsoxr changes rates.
type Libraries string

// The choices.
const (
	LibrariesOff     Libraries = "off"     // none: the same result on every machine
	LibrariesAuto    Libraries = "auto"    // those that can be loaded
	LibrariesRequire Libraries = "require" // both, or New fails
)

// Library is a library of the system that this package can use.
type Library struct {
	Name    string // libsndfile, libsoxr
	Use     string // what it is for
	Version string // as it gives it itself
	Path    string // the file it was loaded from
	Err     error  // why it is not loaded; nil if it is
}

// SystemLibraries loads what there is on this machine, once, and tells of each.
func SystemLibraries() []Library {
	f, err := loadSndfile()
	decoding := Library{Name: "libsndfile", Use: "decoding of Opus, AIFF, AU, CAF and Wave64", Err: err}
	if err == nil {
		decoding.Version, decoding.Path = f.version, f.path
	}
	s, err := loadSoxr()
	rates := Library{Name: "libsoxr", Use: "resampling", Err: err}
	if err == nil {
		rates.Version, rates.Path = s.version, s.path
	}
	return []Library{decoding, rates}
}

var (
	loadSndfile = sync.OnceValues(openSndfile)
	loadSoxr    = sync.OnceValues(openSoxr)
)

// chosen are the libraries that a preprocessor uses, nil for those that it does not.
type chosen struct {
	sndfile *sndfile
	soxr    *soxr
}

// choose loads what an option asks for.
func choose(l Libraries) (c chosen, err error) {
	if l == LibrariesOff {
		return c, nil
	}
	var missing []string
	if c.sndfile, err = loadSndfile(); err != nil {
		missing = append(missing, err.Error())
	}
	if c.soxr, err = loadSoxr(); err != nil {
		missing = append(missing, err.Error())
	}
	if l == LibrariesRequire && len(missing) > 0 {
		return c, fmt.Errorf("libraries are required and missing: %s", strings.Join(missing, "; "))
	}
	return c, nil
}

// String is the part of the digest: empty if none takes part.
func (c chosen) String() string {
	var parts []string
	if c.sndfile != nil {
		parts = append(parts, "decode/"+c.sndfile.version)
	}
	if c.soxr != nil {
		parts = append(parts, "resample/"+c.soxr.version)
	}
	return strings.Join(parts, " ")
}

// Decoders says in one line what decodes and resamples.
func (p *Preprocessor) Decoders() string {
	opus, rates := "pion/opus", "built in"
	if p.libraries.sndfile != nil {
		opus = p.libraries.sndfile.version
	}
	if p.libraries.soxr != nil {
		rates = p.libraries.soxr.version
	}
	line := fmt.Sprintf("wav, flac, mp3, vorbis: built in; opus: %s; resampling: %s", opus, rates)
	if p.foreign != "" {
		line += "; others: " + p.foreign
	}
	return line
}
