package parquetfile

import "sync"

// Ratio learns how many bytes of a file a sink's estimated bytes of rows become. It is safe for concurrent use; the zero value expects as many.
type Ratio struct {
	mu     sync.Mutex
	learnt bool
	ratio  float64 // encoded bytes per estimated byte of recent files
}

// Of is the size of what estimated bytes become.
func (r *Ratio) Of(estimated int64) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.learnt {
		return float64(estimated)
	}
	return r.ratio * float64(estimated)
}

// Guess is the size of a file that will hold so many estimated bytes, with some room.
func (r *Ratio) Guess(estimated int64) int64 { return 32<<10 + int64(1.1*r.Of(estimated)) }

// Learn takes a file that was made of so many estimated bytes into account.
func (r *Ratio) Learn(estimated, encoded int64) {
	if estimated < 1<<20 { // the footer is most of a small file
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.learnt {
		r.learnt, r.ratio = true, 1
	}
	seen := min(max(float64(encoded)/float64(estimated), 0.05), 1)
	r.ratio = 0.75*r.ratio + 0.25*seen
}
