package embed

// Extent is how long a recording or how large a picture is; a number that is not known, or makes no sense, is 0.
type Extent struct {
	Seconds float64 // of a recording
	Pixels  int64   // of a picture: width times height
}

// Measurer is a Preprocessor that reads off an object's header how much there is, for who plans work. Safe for concurrent use.
type Measurer interface {
	// Measure looks at the first bytes of an object of size bytes (-1 if unknown). Objects that Footprint would refuse are refused likewise.
	Measure(head []byte, size int64) (Extent, error)
}
