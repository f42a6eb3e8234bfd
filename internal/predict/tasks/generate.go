package tasks

// Generated is one entry of text-generation.
type Generated struct {
	Text string `json:"generated_text"`
}

// GeneratedIDs is one entry of text-generation with return_tensors: the tokens of the prompt and those behind it.
type GeneratedIDs struct {
	IDs []int32 `json:"generated_token_ids"`
}

// Continuation is what generated text adds to a prompt: all behind the prompt's own decoded length, in code points.
func Continuation(prompt, all string) string {
	runes := []rune(all)
	return string(runes[min(len([]rune(prompt)), len(runes)):])
}
