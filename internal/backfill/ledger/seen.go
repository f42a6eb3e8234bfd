package ledger

// Seen is texts that came by, as 91 bits of a hash of each: 12 to 13 bytes a text. With 100 million of them, the chance that a new one is taken for one of them is that of Set. The zero value is empty; it is for one goroutine.
type Seen struct {
	keys table[struct{}]
}

// Add says whether a text is new, and notes it.
func (s *Seen) Add(text string) (fresh bool) {
	_, fresh = s.keys.note(hashOf(text))
	return fresh
}
