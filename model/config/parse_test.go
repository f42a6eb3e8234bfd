package config

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestParseAppliesTheClassDefaults(t *testing.T) {
	a, err := Parse([]byte(`{"model_type":"data2vec-audio","architectures":["Data2VecAudioForCTC"],"output_hidden_size":null}`))
	if err != nil {
		t.Fatal(err)
	}
	if a.Class != "Data2VecAudioForCTC" || a.Audio == nil || a.Text != nil || a.Vision != nil {
		t.Fatalf("parsed %+v", a)
	}
	if c := a.Audio; c.HiddenSize != 768 || c.OutputHiddenSize != 768 || c.NumConvPosEmbeddings != 5 || len(c.ConvDim) != 7 || c.LayerNormEps != 1e-5 {
		t.Errorf("audio defaults are %+v", c)
	}
	x, err := Parse([]byte(`{"model_type":"data2vec-text","architectures":["Data2VecTextModel"]}`))
	if err != nil {
		t.Fatal(err)
	}
	if c := x.Text; c.VocabSize != 30522 || c.PadTokenID != 1 || c.MaxTokens() != 510 || c.LayerNormEps != 1e-12 || !c.TieWordEmbeddings {
		t.Errorf("text defaults are %+v", c)
	}
	v, err := Parse([]byte(`{"model_type":"data2vec-vision","architectures":["Data2VecVisionModel"],"image_size":[24,40],"patch_size":8}`))
	if err != nil {
		t.Fatal(err)
	}
	if c := v.Vision; c.Grid(c.ImageSize) != (HW{3, 5}) || !c.UseMeanPooling || c.LayerScaleInitValue != 0.1 {
		t.Errorf("vision config is %+v", c)
	}
}

func TestLabelsAreOrderedByID(t *testing.T) {
	for name, tc := range map[string]struct {
		field string
		want  []string
	}{
		"ten labels sort by number, not by spelling": {
			`"id2label":{"10":"k","2":"c","0":"a","1":"b","3":"d","4":"e","5":"f","6":"g","7":"h","8":"i","9":"j"}`,
			[]string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"},
		},
		"a silent file has the reference's two": {`"x":0`, []string{"LABEL_0", "LABEL_1"}},
		"num_labels alone names them":           {`"num_labels":3`, []string{"LABEL_0", "LABEL_1", "LABEL_2"}},
		"numbers are names, too":                {`"id2label":{"0":7,"1":1.50,"2":"x","3":null}`, []string{"7", "1.50", "x", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Parse([]byte(`{"model_type":"data2vec-text","architectures":["XForTokenClassification"],` + tc.field + `}`))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(c.Labels, tc.want) {
				t.Errorf("labels %v, want %v", c.Labels, tc.want)
			}
		})
	}
}

// TestTheEndIsATokenOrSeveral: one stays a number in what digests are made of, however the file writes it.
func TestTheEndIsATokenOrSeveral(t *testing.T) {
	for field, want := range map[string]string{`"x":0`: "2", `"eos_token_id":null`: "2", `"eos_token_id":5`: "5", `"eos_token_id":[5]`: "5", `"eos_token_id":[2,5]`: "[2,5]", `"eos_token_id":[]`: "[]"} {
		c, err := Parse([]byte(`{"model_type":"data2vec-text","architectures":["C"],` + field + `}`))
		if err != nil {
			t.Errorf("%s: %v", field, err)
			continue
		}
		if got, err := json.Marshal(c.Text.EOSTokenID); err != nil || string(got) != want {
			t.Errorf("%s is %s, %v, want %s", field, got, err, want)
		}
	}
}

// TestLabelsOfAClassWithoutThemAreNotRead: the reference's configurations carry id2label whatever the class, and nothing looks at it.
func TestLabelsOfAClassWithoutThemAreNotRead(t *testing.T) {
	for _, class := range []string{"Data2VecTextModel", "Data2VecTextForMaskedLM"} {
		c, err := Parse([]byte(`{"model_type":"data2vec-text","architectures":["` + class + `"],"id2label":{"0":"a","7":[]},"num_labels":"x"}`))
		if err != nil || c.Labels != nil {
			t.Errorf("%s: %+v, %v", class, c, err)
		}
	}
}

func TestParseRefusesByName(t *testing.T) {
	const audio = `{"model_type":"data2vec-audio","architectures":["C"],`
	const text = `{"model_type":"data2vec-text","architectures":["C"],`
	const labelled = `{"model_type":"data2vec-text","architectures":["CForSequenceClassification"],`
	const vision = `{"model_type":"data2vec-vision","architectures":["C"],`
	for name, tc := range map[string]struct{ json, want string }{
		"no JSON":                          {`hello`, "not a JSON object"},
		"no class":                         {`{"model_type":"data2vec-audio"}`, "architectures"},
		"no family":                        {`{"architectures":["C"]}`, "model_type is missing"},
		"another family":                   {`{"model_type":"wav2vec2","architectures":["C"]}`, `"wav2vec2"`},
		"a string for a number":            {audio + `"hidden_size":"big"}`, "hidden_size"},
		"a negative size":                  {audio + `"hidden_size":-4}`, "hidden_size is -4"},
		"a size beyond reason":             {text + `"vocab_size":99999999999}`, "vocab_size"},
		"heads that do not divide":         {text + `"num_attention_heads":7}`, "divisible"},
		"convolution lists of two lengths": {audio + `"conv_stride":[5]}`, "same length"},
		"a stride of zero":                 {audio + `"conv_dim":[4],"conv_kernel":[3],"conv_stride":[0]}`, "conv_stride[0]"},
		"groups that do not divide":        {audio + `"num_conv_pos_embedding_groups":7}`, "groups"},
		"an unknown kind of positions":     {text + `"position_embedding_type":"rotary"}`, "rotary"},
		"an end in words":                  {text + `"eos_token_id":"two"}`, "eos_token_id"},
		"ends in words":                    {text + `"eos_token_id":["two"]}`, "eos_token_id"},
		"no room for positions":            {text + `"max_position_embeddings":2}`, "max_position_embeddings"},
		"a picture smaller than a patch":   {vision + `"image_size":8}`, "patch_size"},
		"a picture size of three":          {vision + `"image_size":[1,2,3]}`, "a size is"},
		"labels with a gap":                {labelled + `"id2label":{"0":"a","2":"b"}}`, "id2label"},
		"labels with a double id":          {labelled + `"id2label":{"0":"a","00":"b"}}`, "id2label"},
		"a label that is no number":        {labelled + `"id2label":{"zero":"a"}}`, "id2label"},
		"a label that is a list":           {labelled + `"id2label":{"0":["a"]}}`, `the label of 0: ["a"] is neither`},
		"labels that are a list":           {labelled + `"id2label":["a"]}`, "field id2label"},
		"a number of labels in words":      {labelled + `"num_labels":"two"}`, "field num_labels"},
		"a negative number of labels":      {labelled + `"num_labels":-1}`, "num_labels"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(tc.json))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one that says %q", err, tc.want)
			}
		})
	}
}

func TestFramesFollowTheConvolutions(t *testing.T) {
	c := defaultAudio()
	for n, want := range map[int]int{0: 0, 399: 0, 400: 1, 719: 1, 720: 2, 16000: 49} {
		if got := c.Frames(n); got != want {
			t.Errorf("Frames(%d) = %d, want %d", n, got, want)
		}
	}
	if c.HopSamples() != 320 || c.OutputHopSamples() != 320 || c.OutputFrames(16000) != 49 {
		t.Errorf("hop %d, output hop %d", c.HopSamples(), c.OutputHopSamples())
	}
	c.AddAdapter = true
	if c.OutputFrames(16000) != 7 || c.OutputHopSamples() != 2560 { // 49 -> 25 -> 13 -> 7
		t.Errorf("with an adapter: %d frames, hop %d", c.OutputFrames(16000), c.OutputHopSamples())
	}
	c.AdapterKernelSize = 2
	if got := c.XVectorFrames(400 + 320*60); got != 0 { // 61 frames, 8 behind the adapter
		t.Errorf("an x-vector is made of %d frames, want none", got)
	}
	c.UseWeightedLayerSum = true // of the states before the adapter
	if got := c.XVectorFrames(400 + 320*60); got != 47 {
		t.Errorf("an x-vector of a layer sum is made of %d frames, want 47", got)
	}
	if got := c.OutputFrames(399); got != 0 {
		t.Errorf("no frame through an adapter of width 2 gives %d", got)
	}
	c.AdapterKernelSize = 9
	if got := c.OutputFrames(400); got != 0 {
		t.Errorf("one frame through an adapter of width 9 gives %d", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"model_type":"data2vec-audio","architectures":["Data2VecAudioForCTC"],"conv_dim":[4],"conv_kernel":[3],"conv_stride":[2]}`))
	f.Add([]byte(`{"model_type":"data2vec-text","architectures":["C"],"id2label":{"0":"a"}}`))
	f.Add([]byte(`{"model_type":"data2vec-vision","architectures":["C"],"image_size":[24,40],"patch_size":8}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse(b)
		if err != nil {
			return
		}
		n := 0
		for _, set := range []bool{c.Audio != nil, c.Text != nil, c.Vision != nil} {
			if set {
				n++
			}
		}
		if n != 1 || c.Class == "" {
			t.Fatalf("accepted %+v", c)
		}
		if c.Audio != nil && c.Audio.HiddenSize%c.Audio.NumAttentionHeads != 0 {
			t.Fatal("accepted heads that do not divide")
		}
	})
}
