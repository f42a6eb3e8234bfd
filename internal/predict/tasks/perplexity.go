package tasks

// Perplexity is the result of perplexity: exp of the mean negative log likelihood, in nats, of so many tokens.
type Perplexity struct {
	Perplexity float64 `json:"perplexity"`
	MeanNLL    float64 `json:"mean_nll"`
	Tokens     int     `json:"tokens"`
}
