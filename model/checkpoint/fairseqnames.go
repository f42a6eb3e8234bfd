package checkpoint

import (
	"regexp"
	"strings"
)

// fairseqNames are the training code's names and Hugging Face's, of all families: their names do not collide. The first that matches counts;
// # is a layer's number and * any rest, which ours has as $1 and $2. Names that none matches stay, and are named as surplus.
var fairseqNames = []struct{ theirs, ours string }{
	// sound; fine-tuned models lie in w2v_encoder.w2v_model, which is cut before
	{"mask_emb", "data2vec_audio.masked_spec_embed"},
	{"w2v_encoder.proj.*", "lm_head.$1"},
	{"layer_norm.*", "data2vec_audio.feature_projection.layer_norm.$1"},
	{"post_extract_proj.*", "data2vec_audio.feature_projection.projection.$1"},
	{"feature_extractor.conv_layers.#.0.*", "data2vec_audio.feature_extractor.conv_layers.$1.conv.$2"},
	{"feature_extractor.conv_layers.#.2.1.*", "data2vec_audio.feature_extractor.conv_layers.$1.layer_norm.$2"},
	{"encoder.pos_conv.#.0.*", "data2vec_audio.encoder.pos_conv_embed.layers.$1.conv.$2"},
	{"encoder.layer_norm.*", "data2vec_audio.encoder.layer_norm.$1"},
	{"encoder.layers.#.self_attn.*", "data2vec_audio.encoder.layers.$1.attention.$2"},
	{"encoder.layers.#.self_attn_layer_norm.*", "data2vec_audio.encoder.layers.$1.layer_norm.$2"},
	{"encoder.layers.#.fc1.*", "data2vec_audio.encoder.layers.$1.feed_forward.intermediate_dense.$2"},
	{"encoder.layers.#.fc2.*", "data2vec_audio.encoder.layers.$1.feed_forward.output_dense.$2"},
	{"encoder.layers.#.final_layer_norm.*", "data2vec_audio.encoder.layers.$1.final_layer_norm.$2"},
	// text
	{"encoder.sentence_encoder.embed_tokens.*", "data2vec_text.embeddings.word_embeddings.$1"},
	{"encoder.sentence_encoder.embed_positions.*", "data2vec_text.embeddings.position_embeddings.$1"},
	{"encoder.sentence_encoder.layernorm_embedding.*", "data2vec_text.embeddings.LayerNorm.$1"},
	{"encoder.sentence_encoder.layers.#.self_attn.q_proj.*", "data2vec_text.encoder.layer.$1.attention.self.query.$2"},
	{"encoder.sentence_encoder.layers.#.self_attn.k_proj.*", "data2vec_text.encoder.layer.$1.attention.self.key.$2"},
	{"encoder.sentence_encoder.layers.#.self_attn.v_proj.*", "data2vec_text.encoder.layer.$1.attention.self.value.$2"},
	{"encoder.sentence_encoder.layers.#.self_attn.out_proj.*", "data2vec_text.encoder.layer.$1.attention.output.dense.$2"},
	{"encoder.sentence_encoder.layers.#.self_attn_layer_norm.*", "data2vec_text.encoder.layer.$1.attention.output.LayerNorm.$2"},
	{"encoder.sentence_encoder.layers.#.fc1.*", "data2vec_text.encoder.layer.$1.intermediate.dense.$2"},
	{"encoder.sentence_encoder.layers.#.fc2.*", "data2vec_text.encoder.layer.$1.output.dense.$2"},
	{"encoder.sentence_encoder.layers.#.final_layer_norm.*", "data2vec_text.encoder.layer.$1.output.LayerNorm.$2"},
	{"encoder.lm_head.weight", "lm_head.decoder.weight"},
	{"encoder.lm_head.*", "lm_head.$1"},
	// images
	{"cls_token", "data2vec_vision.embeddings.cls_token"},
	{"mask_token", "data2vec_vision.embeddings.mask_token"},
	{"pos_embed", "data2vec_vision.embeddings.position_embeddings"},
	{"patch_embed.proj.*", "data2vec_vision.embeddings.patch_embeddings.projection.$1"},
	{"rel_pos_bias.*", "data2vec_vision.encoder.relative_position_bias.$1"},
	{"blocks.#.gamma_*", "data2vec_vision.encoder.layer.$1.lambda_$2"},
	{"blocks.#.attn.q_bias", "data2vec_vision.encoder.layer.$1.attention.attention.query.bias"},
	{"blocks.#.attn.v_bias", "data2vec_vision.encoder.layer.$1.attention.attention.value.bias"},
	{"blocks.#.attn.qkv.*", "data2vec_vision.encoder.layer.$1.attention.attention.qkv.$2"}, // then split
	{"blocks.#.attn.proj.*", "data2vec_vision.encoder.layer.$1.attention.output.dense.$2"},
	{"blocks.#.attn.relative_position_*", "data2vec_vision.encoder.layer.$1.attention.attention.relative_position_bias.relative_position_$2"},
	{"blocks.#.norm1.*", "data2vec_vision.encoder.layer.$1.layernorm_before.$2"},
	{"blocks.#.norm2.*", "data2vec_vision.encoder.layer.$1.layernorm_after.$2"},
	{"blocks.#.mlp.fc1.*", "data2vec_vision.encoder.layer.$1.intermediate.dense.$2"},
	{"blocks.#.mlp.fc2.*", "data2vec_vision.encoder.layer.$1.output.dense.$2"},
	{"fc_norm.*", "data2vec_vision.pooler.layernorm.$1"},
	{"norm.*", "data2vec_vision.layernorm.$1"},
	{"head.*", "classifier.$1"},
}

// trainingOnly says whether a weight serves training alone: the teacher, its targets, counters.
func trainingOnly(name string) bool {
	for _, part := range strings.Split(name, ".") {
		switch part {
		case "_ema", "final_proj", "regression_head", "version":
			return true
		}
	}
	return false
}

// rules are fairseqNames ready to match.
type rules []struct {
	theirs *regexp.Regexp
	ours   string
}

func compileRules() rules {
	r := make(rules, len(fairseqNames))
	for i, n := range fairseqNames {
		pattern := strings.NewReplacer("#", `(\d+)`, `\*`, "(.*)").Replace(regexp.QuoteMeta(n.theirs))
		r[i].theirs, r[i].ours = regexp.MustCompile("^"+pattern+"$"), strings.NewReplacer("$1", "${1}", "$2", "${2}").Replace(n.ours)
	}
	return r
}

func (r rules) rename(name string) string {
	name = strings.TrimPrefix(name, "w2v_encoder.w2v_model.")
	for _, x := range r {
		if x.theirs.MatchString(name) {
			return x.theirs.ReplaceAllString(name, x.ours)
		}
	}
	return name
}
