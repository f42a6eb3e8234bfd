package backfill

import "time"

// Bounds on how often a plan that is made is saved: what a kill costs is the time since.
const (
	saveLeast = time.Second
	saveCost  = 20 // of the time at most one such part goes by while it is saved, for the source waits
	saveGrow  = 50 // of the time so far one such part at least is between: each saving is a part, and all of them are listed in the next
)

// saving says when a plan that is made is to be saved, besides when a part is full.
type saving struct {
	began time.Time
	last  time.Time     // the end of the last one
	took  time.Duration // that one
}

func newSaving() *saving {
	now := time.Now()
	return &saving{began: now, last: now}
}

func (s *saving) due() bool {
	now := time.Now()
	return now.Sub(s.last) >= max(saveLeast, saveCost*s.took, now.Sub(s.began)/saveGrow)
}

func (s *saving) do(save func() error) error {
	began := time.Now()
	err := save()
	s.last = time.Now()
	s.took = s.last.Sub(began)
	return err
}
