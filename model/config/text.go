package config

import (
	"encoding/json"
	"fmt"
)

// Text is config.json of model_type data2vec-text.
type Text struct {
	VocabSize             int      `json:"vocab_size"`
	HiddenSize            int      `json:"hidden_size"`
	NumHiddenLayers       int      `json:"num_hidden_layers"`
	NumAttentionHeads     int      `json:"num_attention_heads"`
	IntermediateSize      int      `json:"intermediate_size"`
	HiddenAct             string   `json:"hidden_act"`
	MaxPositionEmbeddings int      `json:"max_position_embeddings"`
	TypeVocabSize         int      `json:"type_vocab_size"`
	LayerNormEps          float64  `json:"layer_norm_eps"`
	PadTokenID            int      `json:"pad_token_id"`
	BOSTokenID            int      `json:"bos_token_id"`
	EOSTokenID            TokenIDs `json:"eos_token_id"`
	PositionEmbeddingType string   `json:"position_embedding_type"` // absolute, relative_key or relative_key_query
	IsDecoder             bool     `json:"is_decoder"`
	UseCache              bool     `json:"use_cache"` // in decoders; shows in the numbers with relative positions only
	AddCrossAttention     bool     `json:"add_cross_attention"`
	TieWordEmbeddings     bool     `json:"tie_word_embeddings"`
	ProblemType           string   `json:"problem_type"`
}

// TokenIDs are one token id or several.
type TokenIDs []int

// UnmarshalJSON reads a number or a list of them; null changes nothing.
func (t *TokenIDs) UnmarshalJSON(b []byte) error {
	switch {
	case string(b) == "null":
		return nil
	case b[0] == '[':
		return json.Unmarshal(b, (*[]int)(t))
	}
	*t = TokenIDs{0}
	return json.Unmarshal(b, &(*t)[0])
}

// MarshalJSON writes one id as a number: digests of checkpoints cover it.
func (t TokenIDs) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]int(t))
}

func defaultText() *Text {
	return &Text{
		VocabSize: 30522, HiddenSize: 768, NumHiddenLayers: 12, NumAttentionHeads: 12, IntermediateSize: 3072, HiddenAct: "gelu",
		MaxPositionEmbeddings: 512, TypeVocabSize: 2, LayerNormEps: 1e-12, PadTokenID: 1, BOSTokenID: 0, EOSTokenID: TokenIDs{2},
		PositionEmbeddingType: "absolute", TieWordEmbeddings: true, UseCache: true,
	}
}

// MaxTokens is the longest usable sequence, special tokens included: positions begin behind the padding index.
func (c *Text) MaxTokens() int { return c.MaxPositionEmbeddings - c.PadTokenID - 1 }

func (c *Text) finish() error {
	if err := positive(
		field{"vocab_size", c.VocabSize},
		field{"hidden_size", c.HiddenSize},
		field{"num_attention_heads", c.NumAttentionHeads},
		field{"intermediate_size", c.IntermediateSize},
		field{"max_position_embeddings", c.MaxPositionEmbeddings},
		field{"type_vocab_size", c.TypeVocabSize},
	); err != nil {
		return err
	}
	if err := counts(field{"num_hidden_layers", c.NumHiddenLayers}, field{"pad_token_id", c.PadTokenID}); err != nil {
		return err
	}
	switch c.PositionEmbeddingType {
	case "absolute", "relative_key", "relative_key_query":
	default:
		return fmt.Errorf("position_embedding_type is %q, want absolute, relative_key or relative_key_query", c.PositionEmbeddingType)
	}
	if c.MaxTokens() < 1 {
		return fmt.Errorf("max_position_embeddings %d leaves no position behind pad_token_id %d", c.MaxPositionEmbeddings, c.PadTokenID)
	}
	return divides(c.HiddenSize, c.NumAttentionHeads)
}
