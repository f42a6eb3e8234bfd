package predict

// refusal is why an argument that the reference's pipeline takes is not supported. A value that is the same as nothing is accepted.
type refusal struct{ neutral, why string }

// refusals are those arguments, by task and name. docs/predict.md has the table of all arguments.
func refusals() map[string]map[string]refusal {
	const raw = "the result has no place for it; --tensors-out and --outputs write raw outputs"
	const python = "it is an object of Python"
	const mode = "of the ways to search there are greedy, sampling and num_beams"
	const encoder = "it is for models with an encoder"
	return map[string]map[string]refusal{
		"automatic-speech-recognition": {
			"return_language": {"", "only Whisper returns languages"},
		},
		"token-classification": {
			"offset_mapping": {"", "offsets are the tokenizer's"},
		},
		"feature-extraction": {
			"return_tensors":         {"", "the result is lists; --tensors-out writes tensors"},
			"image_processor_kwargs": {"{}", "pictures are prepared as preprocessor_config.json says"},
		},
		"text-generation": {
			"return_type":                  {"", "say return_full_text, or return_tensors"},
			"continue_final_message":       {"", "inputs are texts, not chats"},
			"generation_config":            {"", "give its fields as options, or generation_config.json beside the model"},
			"logits_processor":             {"", python},
			"stopping_criteria":            {"", python},
			"prefix_allowed_tokens_fn":     {"", python},
			"streamer":                     {"", python},
			"assistant_model":              {"", mode},
			"assistant_tokenizer":          {"", mode},
			"prompt_lookup_num_tokens":     {"", mode},
			"penalty_alpha":                {"0.0", mode},
			"dola_layers":                  {"", mode},
			"num_beam_groups":              {"1", mode},
			"diversity_penalty":            {"0.0", mode},
			"constraints":                  {"", mode},
			"force_words_ids":              {"", mode},
			"low_memory":                   {"false", "the reference refuses it, too"},
			"guidance_scale":               {"1.0", "it needs a second run without the prompt"},
			"negative_prompt_ids":          {"", "it goes with guidance_scale"},
			"watermarking_config":          {"", "texts are not watermarked"},
			"token_healing":                {"false", "the prompt's last token stays as it is"},
			"encoder_repetition_penalty":   {"1.0", encoder},
			"encoder_no_repeat_ngram_size": {"0", encoder},
			"decoder_start_token_id":       {"", encoder},
			"cache_implementation":         {"", "there is one cache; use_cache turns it off"},
			"prefill_chunk_size":           {"", "the prompt is one run"},
			"output_scores":                {"false", raw},
			"output_logits":                {"false", raw},
			"output_attentions":            {"false", raw},
			"output_hidden_states":         {"false", raw},
			"return_dict_in_generate":      {"false", raw},
		},
	}
}

// idle says whether an argument is one that the reference's pipeline takes too, and that changes no result for these models there either.
func idle(task, name string) bool {
	switch name {
	case "batch_size", "num_workers":
		return true // every pipeline's; where batches would change the result there is a place for it
	case "timeout": // of downloads; inputs are files
		return task == "image-classification" || task == "image-segmentation" || task == "feature-extraction"
	case "threshold", "mask_threshold", "overlap_mask_area_threshold": // of instances
		return task == "image-segmentation"
	case "ignore_warning", "generate_kwargs": // of models that generate
		return task == "automatic-speech-recognition"
	case "max_question_len": // of tokenizers in Python
		return task == "question-answering"
	}
	return false
}
