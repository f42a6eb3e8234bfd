"""Random configurations of the three families: every switch that changes the graph, each alone and together with others."""

ACTIVATIONS = ["gelu", "relu", "gelu_new", "gelu_fast", "quick_gelu", "silu", "swish", "mish", "tanh", "sigmoid", "linear", "relu6",
               "relu2", "leaky_relu", "gelu_10", "laplace", "gelu_python", "gelu_pytorch_tanh", "gelu_accurate", "prelu"]


def common(r):
    heads = r.choice([1, 2, 3, 4])
    # A LayerNorm over two or three values is all rounding error, in any implementation.
    return dict(num_attention_heads=heads, hidden_size=heads * r.choice([4, 6, 8]), num_hidden_layers=r.choice([0, 1, 2, 3]),
                intermediate_size=r.randint(1, 30), hidden_act=r.choice(ACTIVATIONS))


def audio(r):
    s = common(r)
    cls = "Data2VecAudio" + r.choice(["Model", "ForCTC", "ForSequenceClassification", "ForAudioFrameClassification", "ForXVector"])
    layers = r.choice([1, 2, 3, 4])
    s.update(conv_dim=[r.randint(5, 14) for _ in range(layers)], conv_kernel=[r.randint(1, 8) for _ in range(layers)],
             conv_stride=[r.randint(3, 6)] + [r.randint(1, 4) for _ in range(layers - 1)], conv_bias=r.random() < .5,
             conv_pos_kernel_size=r.randint(1, 9), num_conv_pos_embeddings=r.randint(0, 4),
             num_conv_pos_embedding_groups=r.choice([g for g in range(1, s["hidden_size"] + 1) if s["hidden_size"] % g == 0]),
             vocab_size=r.randint(2, 40), classifier_proj_size=r.randint(1, 20), feat_extract_activation=r.choice(ACTIVATIONS),
             layer_norm_eps=r.choice([1e-5, 1e-12, 1e-3]), use_weighted_layer_sum=r.random() < .5, num_labels=r.randint(1, 7),
             mask_time_prob=r.choice([0, .05]), mask_feature_prob=r.choice([0, .01]), layerdrop=r.choice([0, .9]))
    tdnn = r.choice([1, 2, 3])
    s.update(tdnn_dim=[r.randint(4, 9) for _ in range(tdnn)], tdnn_kernel=[r.randint(1, 3) for _ in range(tdnn)],
             tdnn_dilation=[r.randint(1, 2) for _ in range(tdnn)], xvector_output_dim=r.randint(3, 9))
    if "Classification" not in cls and r.random() < .5:
        s.update(add_adapter=True, output_hidden_size=r.choice([s["hidden_size"], r.randint(4, 20)]), num_adapter_layers=r.choice([0, 1, 2]),
                 adapter_kernel_size=r.randint(2, 4), adapter_stride=r.randint(1, 3))
        if "XVector" in cls:  # another width fails in the reference
            s.update(output_hidden_size=s["hidden_size"])
    return cls, s


def text(r):
    s = common(r)
    decoder = r.random() < .3
    s.update(vocab_size=r.randint(20, 60), max_position_embeddings=r.randint(30, 50), type_vocab_size=r.randint(1, 3),
             layer_norm_eps=r.choice([1e-5, 1e-12]), pad_token_id=r.randint(0, 9), is_decoder=decoder,
             add_cross_attention=decoder and r.random() < .5, num_labels=r.randint(1, 6),
             position_embedding_type=r.choice(["absolute", "absolute", "relative_key", "relative_key_query"]))
    s.update(tie_word_embeddings=r.random() < .5, use_cache=r.random() < .5, chunk_size_feed_forward=r.choice([0, 0, 1]))
    cls = "Data2VecText" + r.choice(["Model", "ForSequenceClassification", "ForCausalLM", "ForMaskedLM", "ForMultipleChoice",
                                     "ForTokenClassification", "ForQuestionAnswering"])
    if "MultipleChoice" in cls:
        s.update(type_vocab_size=2)
    if "Question" in cls:
        s.update(num_labels=2)
    return cls, s


def vision(r):
    s = common(r)
    patch, square = r.choice([2, 3, 4, 5]), r.random() < .5
    rows, rest = r.randint(1, 5), r.randint(0, patch - 1)
    size = rows * patch + rest
    s.update(patch_size=patch, image_size=size if square else [size, r.randint(1, 5) * patch + rest], num_channels=r.randint(1, 4),
             use_relative_position_bias=r.random() < .5, use_shared_relative_position_bias=r.random() < .4,
             use_absolute_position_embeddings=r.random() < .4, use_mean_pooling=r.random() < .5, use_mask_token=r.random() < .5,
             layer_scale_init_value=r.choice([0, .1, -1]), num_labels=r.choice([0, 1, 5]), layer_norm_eps=1e-6, drop_path_rate=r.choice([0, .5]))
    cls = "Data2VecVision" + r.choice(["Model", "ForImageClassification", "ForSemanticSegmentation"])
    if "Segmentation" not in cls and r.random() < .2 and not s["use_relative_position_bias"] and not s["use_shared_relative_position_bias"]:
        s.update(patch_size=[patch, r.randint(1, patch)])
    if "Segmentation" in cls:
        layers = r.randint(3, 6)
        s.update(auxiliary_num_convs=r.randint(1, 3), auxiliary_concat_input=r.random() < .5, auxiliary_channels=r.randint(1, 5))
        s.update(image_size=max(2, rows) * patch + rest, num_hidden_layers=layers, out_indices=r.sample(range(1, layers + 2), 4),
                 pool_scales=[r.randint(1, 7) for _ in range(r.randint(1, 4))], num_labels=r.randint(1, 4), use_auxiliary_head=r.random() < .5)
        cls = r.choice(["", "TF"]) + cls
    return cls, s
