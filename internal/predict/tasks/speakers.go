package tasks

import "math"

// XVector is the result of audio-xvector. Similarity, if asked for, is the cosine of the angle to each input before this one, in their order.
type XVector struct {
	Embedding  []float64 `json:"embedding"`
	Similarity []float64 `json:"similarity,omitempty"`
}

// Verification is the result of speaker-verification: the cosine of the angle between two speakers' vectors, and whether that is at least the threshold.
type Verification struct {
	Score     float64 `json:"score"`
	Same      bool    `json:"same"`
	Threshold float64 `json:"threshold"`
}

// Cosine is the cosine of the angle between two vectors of one length; 0 if one of them has no direction.
func Cosine(a, b []float64) float64 {
	dot, aa, bb := 0.0, 0.0, 0.0
	for i := range a {
		dot, aa, bb = dot+a[i]*b[i], aa+a[i]*a[i], bb+b[i]*b[i]
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return dot / (math.Sqrt(aa) * math.Sqrt(bb))
}
