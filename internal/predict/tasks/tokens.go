package tasks

import "vecmill/embed/heads"

// TokenEntity is one entry of token-classification without aggregation.
type TokenEntity = heads.TokenEntity

// Entity is one entry of token-classification with aggregation.
type Entity = heads.TaggedEntity

// ScoredToken is a token of the text with its logits.
type ScoredToken = heads.ScoredToken

// Tagger makes entities of tokens; the head for pipelines has it, too.
type Tagger = heads.Tagger

// Tagged is one window of labelled tokens or words.
type Tagged = heads.Tagged

// Strategy is how tokens become entities.
type Strategy = heads.Strategy

// The aggregation strategies of the pipeline.
const (
	StrategyNone    = heads.StrategyNone
	StrategySimple  = heads.StrategySimple
	StrategyFirst   = heads.StrategyFirst
	StrategyAverage = heads.StrategyAverage
	StrategyMax     = heads.StrategyMax
)
