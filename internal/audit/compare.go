package audit

import "vecmill/schemas"

// Log is what Kafka says of a partition.
type Log struct {
	Begin     int64 `json:"begin"`     // retention has removed what was before
	End       int64 `json:"end"`       // the next offset that a producer gets
	Committed int64 `json:"committed"` // by the pipeline's group, -1 for never
	Lag       int64 `json:"lag"`       // records behind the output's end
}

// CompareLog adds what Kafka says. The commit is to be looked up before the output is read and the end after it, so that a worker at work makes no offences. fromLast
// says that the pipeline begins at the end of a log that it has not seen, and bestEffort that nothing waits for the output: what it does not cover is noted, for it covers that only when something comes behind it.
func (r *Report) CompareLog(l Log, fromLast, bestEffort bool) {
	lacks := r.offend
	if bestEffort {
		lacks = r.note
	}
	l.Lag = max(l.End-max(r.Next, l.Begin), 0)
	r.Log = &l
	switch {
	case r.Next > l.End:
		r.offend("the output ends at offset %d, beyond the log's end %d: the topic was deleted and made again", r.Next, l.End)
		return // the rest would compare two different logs
	case l.Committed > r.Next && r.Files == 0 && fromLast:
		r.note("nothing is written yet; the pipeline begins where the log ended when it first saw it")
		l.Lag = max(l.End-l.Committed, 0)
	case l.Committed > r.Next:
		lacks("offsets %d to %d are committed, and the output does not cover them", r.Next, l.Committed-1)
	}
	if l.Begin > r.Next && r.Files > 0 {
		lacks("offsets %d to %d are gone from the log by its retention, and the output does not cover them", r.Next, l.Begin-1)
	}
}

// Letters is what the dead-letter store holds of a source.
type Letters struct {
	Found   int64 `json:"found"`   // letters of offsets that the output lists as dead
	Missing int64 `json:"missing"` // offsets that the output lists as dead, without a letter
	Stray   int64 `json:"stray"`   // letters of offsets that the output covers otherwise: of a try that a crash cut off
	Pending int64 `json:"pending"` // letters behind the output's end
}

// CompareLetters checks that every dead offset has its letter. complete says that the store forgets nothing; a topic whose retention has removed letters is not.
func (r *Report) CompareLetters(offsets map[int64]bool, complete bool) {
	l := &Letters{}
	r.Letters = l
	seen := make(map[int64]bool, len(offsets))
	var missing []schemas.Span
	for _, s := range r.dead {
		for o := s.First; o < s.Next; o++ {
			if offsets[o] {
				l.Found++
				seen[o] = true
				continue
			}
			l.Missing++
			missing = schemas.AppendOffset(missing, o)
		}
	}
	for o := range offsets {
		switch {
		case seen[o]:
		case o >= r.Next:
			l.Pending++
		default:
			l.Stray++
		}
	}
	if len(missing) == 0 {
		return
	}
	if !complete {
		r.Notes = append(r.Notes, "the dead-letter topic's retention has removed messages: letters that are missing may have been there")
		return
	}
	for _, s := range missing {
		r.offend("offsets %d to %d are dead, and there is no letter of them", s.First, s.Next-1)
	}
}
